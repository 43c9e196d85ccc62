#include "lib/pub_token.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/text.h"
#include "common/xmalloc.h"
#include "lib/sluice.h"

/* Visible ASCII only: nothing else may stand in the header. */
static bool
is_token(const char *text)
{
	size_t n = strspn(text, "!\"#$%&'()*+,-./0123456789:;<=>?@"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~");

	return n > 0 && n <= SLUICE_TOKEN_MAX && text[n] == '\0';
}

static void
wipe(char *text)
{
	if (text != NULL)
		explicit_bzero(text, strlen(text));
	free(text);
}

/* The file's text without white space at its end. */
static char *
read_token(const char *file, struct stat *st, struct err *err)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char *text;
	ssize_t n;

	if (fd == -1 || fstat(fd, st) == -1) {
		(void)err_errno(err, errno, "token file %s", file);
		if (fd != -1)
			(void)close(fd);
		return NULL;
	}
	text = xcalloc(1, SLUICE_TOKEN_MAX + 3);
	n = read(fd, text, SLUICE_TOKEN_MAX + 2);
	(void)close(fd);
	while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r' ||
	    text[n - 1] == ' '))
		text[--n] = '\0';
	if (n > 0 && is_token(text))
		return text;
	(void)err_set(err, "token file %s holds no token: one line of visible "
	    "characters, at most %u", file, SLUICE_TOKEN_MAX);
	wipe(text);
	return NULL;
}

static void
remember(struct pub_token *t, const struct stat *st)
{
	t->changed = st->st_mtim;
	t->inode = st->st_ino;
	t->size = st->st_size;
}

int
pub_token_init(struct pub_token *t, const char *text, const char *file,
    struct err *err)
{
	struct stat st;

	*t = (struct pub_token){ .file = NULL };
	if (text != NULL && file != NULL)
		return err_set(err, "token or token_file, not both");
	if (text != NULL && !is_token(text))
		return err_set(err, "the token is not one line of visible "
		    "characters, at most %u", SLUICE_TOKEN_MAX);
	if (text != NULL)
		t->text = xstrdup(text);
	if (file == NULL)
		return 0;
	t->text = read_token(file, &st, err);
	if (t->text == NULL)
		return -1;
	t->file = xstrdup(file);
	remember(t, &st);
	return 0;
}

void
pub_token_clear(struct pub_token *t)
{
	wipe(t->text);
	free(t->file);
	*t = (struct pub_token){ .file = NULL };
}

bool
pub_token_refresh(struct pub_token *t)
{
	struct stat st;
	bool changed;
	char *text;

	if (t->file == NULL || stat(t->file, &st) == -1 ||
	    (st.st_mtim.tv_sec == t->changed.tv_sec &&
	    st.st_mtim.tv_nsec == t->changed.tv_nsec &&
	    st.st_ino == t->inode && st.st_size == t->size))
		return false;
	text = read_token(t->file, &st, NULL);
	if (text == NULL)
		return false;
	remember(t, &st);
	changed = !text_same(text, t->text);
	wipe(t->text);
	t->text = text;
	return changed;
}

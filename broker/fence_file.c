#include "broker/fence_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/journal_file.h"
#include "common/xmalloc.h"

/* A number of 20 digits, a space, a name, a newline; and the last line. */
#define LINE_MAX_BYTES (20u + 1 + PUBLISHER_NAME_MAX + 1)
#define FILE_MAX_BYTES ((DEDUP_PUBLISHERS_MAX + 1) * LINE_MAX_BYTES)
#define END_LINE_BYTES 13u

void
fence_file_encode(const struct dedup *d, struct buf *b)
{
	size_t start = b->len;
	uint64_t incarnation;
	const char *name;

	for (size_t i = 0; (name = dedup_publisher(d, i,
	    &incarnation)) != NULL; i++)
		buf_addf(b, "%" PRIu64 " %s\n", incarnation, name);
	buf_addf(b, "end %08" PRIx32 "\n", crc32c(0, b->data + start,
	    b->len - start));
}

/* One line without its end; d NULL: only checks. */
static int
take_line(char *line, struct dedup *d)
{
	uint64_t incarnation;
	int at = 0;

	if (sscanf(line, "%20" SCNu64 " %n", &incarnation, &at) != 1 ||
	    at == 0 || line[at] == '\0' ||
	    strlen(line + at) > PUBLISHER_NAME_MAX)
		return -1;
	if (d != NULL)
		(void)dedup_register(d, slice_str(line + at), incarnation);
	return 0;
}

/* The text without its last line. */
static int
take_lines(const char *text, size_t n, struct dedup *d)
{
	char line[LINE_MAX_BYTES];

	while (n > 0) {
		const char *end = memchr(text, '\n', n);
		size_t length = end == NULL ? n : (size_t)(end - text);

		if (end == NULL || length >= sizeof(line))
			return -1;
		memcpy(line, text, length);
		line[length] = '\0';
		if (take_line(line, d) < 0)
			return -1;
		text += length + 1;
		n -= length + 1;
	}
	return 0;
}

static int
take_text(const char *text, size_t n, struct dedup *d, struct err *err)
{
	char last[END_LINE_BYTES + 1];

	if (n < END_LINE_BYTES)
		return err_set(err, "%s: is cut", JOURNAL_FILE_PUBLISHERS);
	n -= END_LINE_BYTES;
	(void)snprintf(last, sizeof(last), "end %08" PRIx32 "\n",
	    crc32c(0, text, n));
	if (memcmp(text + n, last, END_LINE_BYTES) != 0 ||
	    take_lines(text, n, NULL) < 0)
		return err_set(err, "%s: is damaged",
		    JOURNAL_FILE_PUBLISHERS);
	return take_lines(text, n, d);
}

int
fence_file_load(int directory, struct dedup *d, struct err *err)
{
	char *text;
	ssize_t n;
	int fd, rc;

	fd = openat(directory, JOURNAL_FILE_PUBLISHERS,
	    O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return err_errno(err, errno, JOURNAL_FILE_PUBLISHERS);
	text = xmalloc(FILE_MAX_BYTES);
	n = journal_file_read(fd, text, FILE_MAX_BYTES, 0);
	rc = n < 0 ? err_errno(err, errno, JOURNAL_FILE_PUBLISHERS) :
	    take_text(text, (size_t)n, d, err);
	free(text);
	(void)close(fd);
	return rc;
}

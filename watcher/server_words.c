#include "watcher/server_words.h"

#include <string.h>
#include <strings.h>

#include "watcher/inv_object.h"

/* The value of that header, without the space around it; false: another. */
static bool
value_of(struct slice line, const char *name, struct slice *ret)
{
	size_t n = strlen(name);

	if (line.n <= n || strncasecmp(line.p, name, n) != 0 ||
	    line.p[n] != ':')
		return false;
	*ret = (struct slice){ line.p + n + 1, line.n - n - 1 };
	while (ret->n > 0 && (*ret->p == ' ' || *ret->p == '\t'))
		*ret = (struct slice){ ret->p + 1, ret->n - 1 };
	while (ret->n > 0 && (unsigned char)ret->p[ret->n - 1] <= ' ')
		ret->n--;
	return true;
}

bool
server_words_audit(struct slice line, struct slice *ret)
{
	size_t i;

	if (!value_of(line, "Audit-Id", ret) || ret->n == 0 ||
	    ret->n > SERVER_WORDS_AUDIT_MAX)
		return false;
	for (i = 0; i < ret->n; i++)
		if (ret->p[i] <= ' ' || ret->p[i] > '~')
			return false;
	return true;
}

/* The text between the quotes of `299 agent "text"`; longer ones are cut. */
static bool
warning_text(struct slice value, char *out, size_t size)
{
	const char *end = value.p + value.n, *p;
	size_t n = 0;

	if (value.n < 4 || memcmp(value.p, "299 ", 4) != 0)
		return false;
	p = memchr(value.p, '"', value.n);
	if (p == NULL)
		return false;
	for (p++; p < end && *p != '"' && n + 1 < size; p++) {
		if (*p == '\\' && p + 1 < end)
			p++;
		out[n++] = *p < ' ' || *p > '~' ? '?' : *p;
	}
	out[n] = '\0';
	return n > 0;
}

void
server_words_warning(struct server_words *w, struct slice line,
    server_words_cb cb, void *arg)
{
	char text[SERVER_WORDS_TEXT_MAX];
	struct slice value;
	uint64_t hash;
	size_t i;

	if (!value_of(line, "Warning", &value) ||
	    !warning_text(value, text, sizeof(text)))
		return;
	hash = inv_object_hash(slice_str(text));
	for (i = 0; i < w->n; i++)
		if (w->heard[i] == hash)
			return;
	if (w->n == SERVER_WORDS_WARNINGS_MAX)
		return;
	w->heard[w->n++] = hash;
	cb(text, arg);
}

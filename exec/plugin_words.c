#include "exec/plugin_words.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define REMOVED "[removed]"

static bool
is_blank(char c)
{
	return (unsigned char)c <= ' ' || c == 0x7f;
}

static struct slice
last_line(struct slice text)
{
	const char *begin;

	while (text.n > 0 && is_blank(text.p[text.n - 1]))
		text.n--;
	if (text.n == 0)
		return text;
	begin = memrchr(text.p, '\n', text.n);
	if (begin != NULL)
		text = (struct slice){ begin + 1,
			text.n - (size_t)(begin + 1 - text.p) };
	return text;
}

/* What a token, in any of its usual spellings, is made of. */
static bool
is_token_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') ||
	    (c != '\0' && strchr("-_.+=~%/", c) != NULL);
}

/* Base64 has slashes, and so have paths and the names of servers, which an
 * operator needs: those seldom mix capitals, small letters and digits. */
static bool
is_path(struct slice run)
{
	bool upper = false, lower = false, digit = false;

	for (size_t i = 0; i < run.n; i++) {
		upper |= run.p[i] >= 'A' && run.p[i] <= 'Z';
		lower |= run.p[i] >= 'a' && run.p[i] <= 'z';
		digit |= run.p[i] >= '0' && run.p[i] <= '9';
		if (run.p[i] == '+' || run.p[i] == '=')
			return false;
	}
	if (upper && lower && (digit || strchr("/.~", run.p[0]) == NULL))
		return false;
	return memchr(run.p, '/', run.n) != NULL;
}

static bool
is_secret(struct slice word, struct slice output)
{
	if (word.n >= PLUGIN_WORDS_TOKEN && !is_path(word))
		return true;
	return word.n >= PLUGIN_WORDS_SHARED && output.n >= word.n &&
	    memmem(output.p, output.n, word.p, word.n) != NULL;
}

static void
append(char *ret, size_t *n, const char *p, size_t len)
{
	for (size_t i = 0; i < len && *n + 1 < PLUGIN_WORDS_MAX; i++)
		ret[(*n)++] = is_blank(p[i]) ? ' ' :
		    (unsigned char)p[i] >= 0x7f ? '?' : p[i];
}

/* A path is looked at part by part as well. */
static void
append_run(char *ret, size_t *n, struct slice run, struct slice output)
{
	struct slice part;
	const char *slash;

	if (is_secret(run, output)) {
		append(ret, n, REMOVED, sizeof(REMOVED) - 1);
		return;
	}
	while (run.n > 0) {
		slash = memchr(run.p, '/', run.n);
		part = (struct slice){ run.p, slash != NULL ?
			(size_t)(slash - run.p) : run.n };
		if (is_secret(part, output))
			append(ret, n, REMOVED, sizeof(REMOVED) - 1);
		else
			append(ret, n, part.p, part.n);
		part.n += slash != NULL;
		if (slash != NULL)
			append(ret, n, "/", 1);
		run = (struct slice){ run.p + part.n, run.n - part.n };
	}
}

void
plugin_words(struct slice errors, struct slice output,
    char ret[PLUGIN_WORDS_MAX])
{
	struct slice line = last_line(errors), word;
	size_t n = 0, i = 0;

	while (i < line.n) {
		word = (struct slice){ line.p + i, 0 };
		while (i + word.n < line.n && is_token_char(word.p[word.n]))
			word.n++;
		if (word.n == 0) {
			append(ret, &n, line.p + i, 1);
			i++;
			continue;
		}
		append_run(ret, &n, word, output);
		i += word.n;
	}
	ret[n] = '\0';
}

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
	    (c != '\0' && strchr("-_.+=~%", c) != NULL);
}

static bool
is_secret(struct slice word, struct slice output)
{
	if (word.n >= PLUGIN_WORDS_TOKEN)
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
		if (is_secret(word, output))
			append(ret, &n, REMOVED, sizeof(REMOVED) - 1);
		else
			append(ret, &n, word.p, word.n);
		i += word.n;
	}
	ret[n] = '\0';
}

#include "gateway/reply_details.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "common/utf8.h"

#define TEXT_MAX 256u
/* In place of a text that may be long. */
#define NOT_IN_FULL "too much is wrong in this request to say it in full"

static void
add_row(struct reply_details *d, const char *path, size_t path_size,
    const char *code, const char *text)
{
	char cut[TEXT_MAX];

	(void)snprintf(cut, sizeof(cut), "%s", text);
	/* A cut in the middle of a character would not be UTF-8. */
	while (!utf8_valid(cut, strlen(cut)))
		cut[strlen(cut) - 1] = '\0';
	buf_adds(&d->json, d->json.len > 0 ? ",{\"path\":\"" :
	    "{\"path\":\"");
	buf_json_text(&d->json, path, path_size);
	buf_adds(&d->json, "\",\"problem\":\"");
	buf_json_text(&d->json, cut, strlen(cut));
	if (code != NULL)
		buf_addf(&d->json, "\",\"code\":\"%s", code);
	buf_adds(&d->json, "\"}");
}

void
reply_detail(struct reply_details *d, const char *path, const char *fmt, ...)
{
	char text[TEXT_MAX];
	va_list ap;

	if (d->n++ >= REPLY_DETAILS_MAX)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	add_row(d, path, strlen(path), NULL, text);
}

/* The place of "[place]..." and 1; 0: it is not of several. */
static size_t
event_of(const char *path)
{
	size_t at = 0;

	if (*path++ != '[')
		return 0;
	for (; *path >= '0' && *path <= '9'; path++)
		at = at * 10 + (size_t)(*path - '0');
	return at + 1;
}

void
reply_detail_code(struct reply_details *d, const char *path, const char *code,
    const char *text)
{
	size_t event = event_of(path);
	bool first = event != d->event;

	d->event = event;
	if (d->n++ < REPLY_DETAILS_MAX)
		add_row(d, path, strlen(path), code, text);
	else if (first)
		add_row(d, path, strcspn(path, "]") + 1, code, NOT_IN_FULL);
}

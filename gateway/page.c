#include "gateway/page.h"

#include <assert.h>

#include "gateway/connection.h"
#include "gateway/http_request.h"
#include "gateway/page_data.h"
#include "gateway/reply.h"

/* Nothing but our own files, no inline code, in nobody's frame. */
#define PAGE_HEADERS							\
	"Content-Security-Policy: default-src 'none'; script-src 'self'; " \
	"style-src 'self'; connect-src 'self'; img-src 'self' data:; "	\
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'\r\n" \
	"Referrer-Policy: no-referrer\r\n"				\
	"X-Frame-Options: DENY\r\n"

static void
send_file(struct conn *c, const struct page_data *file)
{
	reply_send(c, 200, file->type, file->from,
	    (size_t)(file->end - file->from), PAGE_HEADERS);
}

void
page_index(struct conn *c, const struct http_request *r UNUSED)
{
	send_file(c, &page_data[0]);
}

/* The route has such a name only. */
void
page_file(struct conn *c, const struct http_request *r)
{
	size_t i = 1;

	while (!slice_is(r->segments[0], page_data[i].name)) {
		i++;
		assert(i < page_data_n);
	}
	send_file(c, &page_data[i]);
}

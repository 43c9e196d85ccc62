#include "gateway/page.h"

#include "gateway/connection.h"
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
send_page(struct conn *c, const char *type, const char *from, const char *end)
{
	reply_send(c, 200, type, from, (size_t)(end - from), PAGE_HEADERS);
}

void
page_index(struct conn *c, const struct http_request *r UNUSED)
{
	send_page(c, "text/html; charset=utf-8", page_data_index,
	    page_data_index_end);
}

void
page_script(struct conn *c, const struct http_request *r UNUSED)
{
	send_page(c, "text/javascript; charset=utf-8", page_data_script,
	    page_data_script_end);
}

void
page_style(struct conn *c, const struct http_request *r UNUSED)
{
	send_page(c, "text/css; charset=utf-8", page_data_style,
	    page_data_style_end);
}

#include "gateway/api_docs.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "gateway/api_data.h"
#include "gateway/connection.h"
#include "gateway/reply.h"

#define TAG_BYTES 16u                       /* of the hash */
#define TAG_SIZE  (2u * TAG_BYTES + 3)      /* in quotes, and NUL */

/* Of the bytes: two gateways of one version have the same. */
static void
make_tag(char ret[TAG_SIZE], const char *p, size_t n)
{
	unsigned char sum[EVP_MAX_MD_SIZE];
	size_t at = 0;

	if (EVP_Digest(p, n, sum, NULL, EVP_sha256(), NULL) != 1)
		abort();
	ret[at++] = '"';
	for (size_t i = 0; i < TAG_BYTES; i++, at += 2)
		(void)snprintf(ret + at, TAG_SIZE - at, "%02x", sum[i]);
	ret[at++] = '"';
	ret[at] = '\0';
}

/* Whether the client has it already. Weak or not: the bytes are the same. */
static bool
has_tag(const struct http_request *r, const char *tag)
{
	struct slice known = http_header(r, "if-none-match");
	char weak[TAG_SIZE + 2];

	(void)snprintf(weak, sizeof(weak), "W/%s", tag);
	return known.p != NULL && (slice_is(known, "*") ||
	    http_list_has(known, tag) || http_list_has(known, weak));
}

static void
send_document(struct conn *c, const struct http_request *r, const char *from,
    const char *end, char tag[TAG_SIZE])
{
	size_t n = (size_t)(end - from);
	char lines[128];

	if (tag[0] == '\0')
		make_tag(tag, from, n);
	(void)snprintf(lines, sizeof(lines),
	    "Cache-Control: no-cache\r\nETag: %s\r\n", tag);
	if (has_tag(r, tag))
		reply_send(c, 304, "", "", 0, lines);
	else
		reply_send(c, 200, "application/json", from, n, lines);
}

void
api_docs_openapi(struct conn *c, const struct http_request *r)
{
	static char tag[TAG_SIZE];

	send_document(c, r, api_data_openapi, api_data_openapi_end, tag);
}

void
api_docs_asyncapi(struct conn *c, const struct http_request *r)
{
	static char tag[TAG_SIZE];

	send_document(c, r, api_data_asyncapi, api_data_asyncapi_end, tag);
}

#include "lib/pub_http.h"

#include <arpa/inet.h>
#include <assert.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "common/xmalloc.h"
#include "lib/pub_answer.h"
#include "lib/sluice.h"

#define HTTP_MAGIC 0x50554854u   /* "PUHT" */

struct pub_http {
	uint32_t		 magic;
	CURLM			*multi;
	CURL			*easy;
	struct curl_slist	*headers;
	bool			 busy;
	int			 status;
	int64_t			 retry_after_ms;
	struct buf		 body;
	char			 problem[CURL_ERROR_SIZE];
};

static size_t
body_cb(char *p, size_t size, size_t n, void *arg)
{
	struct pub_http *h = arg;

	assert(h->magic == HTTP_MAGIC);
	/* Fewer than were given ends the request: nobody's answer to this is
	 * so long. */
	if (size * n > PUB_ANSWER_MAX - h->body.len)
		return 0;
	buf_add(&h->body, p, size * n);
	return size * n;
}

/* "https://host/prefix" and perhaps "/" -> the path of the contract. */
static char *
target(const char *url)
{
	size_t n = strlen(url);

	while (n > 0 && url[n - 1] == '/')
		n--;
	return xasprintf("%.*s/api/v1/events?atomic=0", (int)n, url);
}

/* The URL is of this machine: a proxy that the environment names is for what is
 * outside, and would ask itself. */
static bool
is_here(const char *url)
{
	CURLU *parts = curl_url();
	char *host = NULL;
	struct in_addr v4;
	bool here = false;

	if (parts != NULL &&
	    curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK &&
	    curl_url_get(parts, CURLUPART_HOST, &host, 0) == CURLUE_OK)
		here = strcasecmp(host, "localhost") == 0 ||
		    strcmp(host, "[::1]") == 0 ||
		    (inet_pton(AF_INET, host, &v4) == 1 &&
		    ntohl(v4.s_addr) >> 24 == IN_LOOPBACKNET);
	curl_free(host);
	curl_url_cleanup(parts);
	return here;
}

static bool
set_options(struct pub_http *h, const char *url, const char *ca_file)
{
	CURL *e = h->easy;
	char *text = target(url);
	bool ok = curl_easy_setopt(e, CURLOPT_URL, text) == CURLE_OK &&
	    curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https") ==
	    CURLE_OK &&
	    (ca_file == NULL ||
	    curl_easy_setopt(e, CURLOPT_CAINFO, ca_file) == CURLE_OK) &&
	    (!is_here(url) ||
	    curl_easy_setopt(e, CURLOPT_PROXY, "") == CURLE_OK);

	free(text);
	(void)curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(e, CURLOPT_POST, 1L);
	(void)curl_easy_setopt(e, CURLOPT_USERAGENT,
	    "libsluice/" SLUICE_VERSION);
	(void)curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS,
	    (long)SLUICE_CONNECT_MS);
	(void)curl_easy_setopt(e, CURLOPT_TIMEOUT_MS,
	    (long)SLUICE_REQUEST_MS);
	(void)curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, body_cb);
	(void)curl_easy_setopt(e, CURLOPT_WRITEDATA, h);
	(void)curl_easy_setopt(e, CURLOPT_ERRORBUFFER, h->problem);
	(void)curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
	/* A name that is being looked up does not hold up the end. */
	(void)curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L);
	return ok;
}

struct pub_http *
pub_http_new(const char *url, const char *ca_file, struct err *err)
{
	struct pub_http *h = xcalloc(1, sizeof(*h));

	h->magic = HTTP_MAGIC;
	h->easy = curl_easy_init();
	h->multi = curl_multi_init();
	if (h->easy == NULL || h->multi == NULL ||
	    !set_options(h, url, ca_file)) {
		pub_http_free(h);
		(void)err_set(err, "libcurl cannot be set up for %s", url);
		return NULL;
	}
	return h;
}

void
pub_http_free(struct pub_http *h)
{
	if (h == NULL)
		return;
	assert(h->magic == HTTP_MAGIC);
	if (h->busy)
		(void)curl_multi_remove_handle(h->multi, h->easy);
	curl_easy_cleanup(h->easy);
	(void)curl_multi_cleanup(h->multi);
	curl_slist_free_all(h->headers);
	buf_free(&h->body);
	h->magic = 0;
	free(h);
}

static struct curl_slist *
headers_of(bool ndjson, const char *token)
{
	/* No "100 Continue": a batch is small, and a round trip is not. */
	struct curl_slist *list = curl_slist_append(NULL, "Expect:"), *more;
	char *text;

	more = list == NULL ? NULL : curl_slist_append(list, ndjson ?
	    "Content-Type: application/x-ndjson" :
	    "Content-Type: application/json");
	if (more != NULL && token != NULL) {
		text = xasprintf("Authorization: Bearer %s", token);
		more = curl_slist_append(list, text);
		explicit_bzero(text, strlen(text));
		free(text);
	}
	if (more == NULL) {
		curl_slist_free_all(list);
		return NULL;
	}
	return list;
}

int
pub_http_post(struct pub_http *h, struct slice body, bool ndjson,
    const char *token, struct err *err)
{
	struct curl_slist *list = headers_of(ndjson, token);

	assert(h->magic == HTTP_MAGIC && !h->busy);
	if (list == NULL)
		return err_set(err, "libcurl has no memory");
	(void)curl_easy_setopt(h->easy, CURLOPT_HTTPHEADER, list);
	curl_slist_free_all(h->headers);
	h->headers = list;
	(void)curl_easy_setopt(h->easy, CURLOPT_POSTFIELDS, body.p);
	(void)curl_easy_setopt(h->easy, CURLOPT_POSTFIELDSIZE_LARGE,
	    (curl_off_t)body.n);
	buf_reset(&h->body);
	h->status = 0;
	h->retry_after_ms = 0;
	h->problem[0] = '\0';
	if (curl_multi_add_handle(h->multi, h->easy) != CURLM_OK)
		return err_set(err, "libcurl does not take the request");
	h->busy = true;
	return 0;
}

bool
pub_http_is_busy(const struct pub_http *h)
{
	return h->busy;
}

static void
finish(struct pub_http *h, CURLcode code)
{
	long status = 0;
	curl_off_t after = 0;

	(void)curl_multi_remove_handle(h->multi, h->easy);
	h->busy = false;
	if (code != CURLE_OK) {
		buf_reset(&h->body);
		buf_adds(&h->body, h->problem[0] != '\0' ? h->problem :
		    curl_easy_strerror(code));
		return;
	}
	(void)curl_easy_getinfo(h->easy, CURLINFO_RESPONSE_CODE, &status);
	(void)curl_easy_getinfo(h->easy, CURLINFO_RETRY_AFTER, &after);
	h->status = (int)status;
	if (after > 0)
		h->retry_after_ms = MIN(after, SLUICE_RETRY_AFTER_MAX_MS /
		    1000) * 1000;
}

bool
pub_http_work(struct pub_http *h, int timeout_ms)
{
	CURLMsg *message;
	int running, left;

	assert(h->magic == HTTP_MAGIC);
	(void)curl_multi_perform(h->multi, &running);
	if (!h->busy || running > 0) {
		(void)curl_multi_poll(h->multi, NULL, 0, timeout_ms, NULL);
		(void)curl_multi_perform(h->multi, &running);
	}
	while ((message = curl_multi_info_read(h->multi, &left)) != NULL) {
		if (message->msg != CURLMSG_DONE)
			continue;
		finish(h, message->data.result);
		return true;
	}
	return false;
}

int
pub_http_status(const struct pub_http *h)
{
	return h->status;
}

struct slice
pub_http_body(const struct pub_http *h)
{
	return (struct slice){ (const char *)h->body.data, h->body.len };
}

int64_t
pub_http_retry_after_ms(const struct pub_http *h)
{
	return h->retry_after_ms;
}

void
pub_http_wake(struct pub_http *h)
{
	(void)curl_multi_wakeup(h->multi);
}

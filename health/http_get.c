#include "health/http_get.h"

#include <stdlib.h>
#include <string.h>

#include "common/kube_http.h"
#include "common/xmalloc.h"

struct http_get {
	const struct kube_credentials	*cred;
	const atomic_bool		*cancelled;
	CURL				*easy;
	struct buf			 body;
	http_get_sink			 sink;
	void				*arg;
};

struct http_get *
http_get_new(const struct kube_credentials *cred,
    const atomic_bool *cancelled, struct err *err)
{
	struct http_get *h = xcalloc(1, sizeof(*h));

	h->cred = cred;
	h->cancelled = cancelled;
	h->easy = curl_easy_init();
	if (h->easy == NULL) {
		(void)err_set(err, "curl_easy_init failed");
		free(h);
		return NULL;
	}
	return h;
}

void
http_get_free(struct http_get *h)
{
	if (h == NULL)
		return;
	curl_easy_cleanup(h->easy);
	buf_free(&h->body);
	free(h);
}

static size_t
http_get_write_cb(char *p, size_t size, size_t n, void *arg)
{
	struct http_get *h = arg;
	long status = 0;
	size_t keep;

	n *= size;
	(void)curl_easy_getinfo(h->easy, CURLINFO_RESPONSE_CODE, &status);
	if (h->sink != NULL && status == 200)
		return h->sink(p, n, h->arg) ? n : 0;
	keep = MIN(n, HTTP_GET_BODY_MAX - h->body.len);
	buf_add(&h->body, p, keep);
	/* An endless body is cut off: what was kept is enough to judge. */
	return keep == n ? n : 0;
}

static int
http_get_progress_cb(void *arg, curl_off_t dltotal UNUSED,
    curl_off_t dlnow UNUSED, curl_off_t ultotal UNUSED,
    curl_off_t ulnow UNUSED)
{
	struct http_get *h = arg;

	return atomic_load(h->cancelled) ? 1 : 0;
}

static int
set_options(struct http_get *h, long ms, struct err *err)
{
	CURL *e = h->easy;
	long connect_ms = MIN(ms, (long)HTTP_GET_CONNECT_MS);
	bool bad;

	bad = curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, ms) != CURLE_OK;
	bad |= curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, connect_ms) !=
	    CURLE_OK;
	bad |= curl_easy_setopt(e, CURLOPT_WRITEFUNCTION,
	    http_get_write_cb) != CURLE_OK;
	bad |= curl_easy_setopt(e, CURLOPT_WRITEDATA, h) != CURLE_OK;
	bad |= curl_easy_setopt(e, CURLOPT_XFERINFOFUNCTION,
	    http_get_progress_cb) != CURLE_OK;
	bad |= curl_easy_setopt(e, CURLOPT_XFERINFODATA, h) != CURLE_OK;
	bad |= curl_easy_setopt(e, CURLOPT_NOPROGRESS, 0L) != CURLE_OK;
	/* A name server that is silent must not hold the worker past its
	 * budget: the resolver's thread is left behind, not waited for. */
	bad |= curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L) != CURLE_OK;
	if (bad)
		return err_set(err, "libcurl refused an option; is it older "
		    "than 7.87?");
	return 0;
}

static void
perform(struct http_get *h, struct http_get_answer *ret)
{
	struct mono before = mono_now();

	ret->curl = curl_easy_perform(h->easy);
	ret->ms = mono_diff_ms(mono_now(), before);
	(void)curl_easy_getinfo(h->easy, CURLINFO_RESPONSE_CODE, &ret->status);
	if (ret->curl == CURLE_WRITE_ERROR && h->sink == NULL)
		ret->curl = CURLE_OK;
	ret->body = (struct slice){ (const char *)h->body.data, h->body.len };
}

int
http_get(struct http_get *h, const char *path_and_query, const char *accept,
    struct mono deadline, http_get_sink sink, void *arg,
    struct http_get_answer *ret, struct err *err)
{
	int64_t left = mono_diff_ms(deadline, mono_now());
	struct curl_slist *headers = NULL;
	int rc;

	memset(ret, 0, sizeof(*ret));
	buf_reset(&h->body);
	h->sink = sink;
	h->arg = arg;
	if (left <= 0) {
		ret->curl = CURLE_OPERATION_TIMEDOUT;
		return 0;
	}
	curl_easy_reset(h->easy);   /* the connection is kept */
	rc = kube_http_setup(h->easy, h->cred, path_and_query, accept,
	    &headers, ret->error, err);
	if (rc == 0)
		rc = set_options(h, (long)left, err);
	if (rc == 0)
		perform(h, ret);
	/* The handle must not point at what goes out of scope here. */
	curl_easy_reset(h->easy);
	curl_slist_free_all(headers);
	return rc;
}

#include "watcher/kube_transfer.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/macros.h"
#include "common/xmalloc.h"

#define TRANSFER_MAGIC 0x4b584652u   /* "KXFR" */
#define RETRY_MAX_S    3600          /* more is not waited for */

struct kube_transfer {
	uint32_t			 magic;
	CURL				*easy;
	struct curl_slist		*headers;
	struct curl_slist		*connect_to;
	char				*path;
	char				*post;
	const char			*accept;
	bool				 watch;
	bool				 sealed;
	kube_api_answered_cb		 answered;
	kube_api_data_cb		 data;
	void				*owner;   /* of these two */
	const struct kube_transfer_ops	*ops;
	void				*arg;     /* of those */
	struct buf			 body;    /* of what is not 200 */
	char				 error[CURL_ERROR_SIZE];
	char				 audit[KUBE_API_AUDIT_MAX + 1];
};

/* --- the answer ----------------------------------------------------------- */

static long
status_of(const struct kube_transfer *t)
{
	long status = 0;

	(void)curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
	return status;
}

/* It explains the failure; the rest of a long one is not kept. */
static void
keep(struct kube_transfer *t, char *p, size_t n)
{
	size_t kept = t->body.len + n > KUBE_API_BODY_MAX ? 0 : n;

	if (t->sealed) {
		buf_add_sealed(&t->body, p, kept);
		explicit_bzero(p, n);
	} else {
		buf_add(&t->body, p, kept);
	}
}

static size_t
kube_transfer_write_cb(char *p, size_t size, size_t n, void *arg)
{
	struct kube_transfer *t = arg;
	size_t len = size * n;
	bool go_on;

	assert(t->magic == TRANSFER_MAGIC);
	t->ops->heard(t->arg);
	if (status_of(t) != 200) {
		keep(t, p, len);
		return len;
	}
	go_on = t->data(p, len, t->owner);
	/* It may be what was never to come here. */
	if (!go_on || t->sealed)
		explicit_bzero(p, len);
	return go_on ? len : 0;
}

/* A watch may bring its first byte of body minutes after its head. The
 * Audit-Id is what operators need to find a request in the server's audit log
 * (k8s-watch.md A 39). */
static size_t
kube_transfer_header_cb(char *p, size_t size, size_t n, void *arg)
{
	struct kube_transfer *t = arg;
	struct slice line = { p, size * n }, id;

	assert(t->magic == TRANSFER_MAGIC);
	if (line.n > 2) {
		if (server_words_audit(line, &id))
			(void)snprintf(t->audit, sizeof(t->audit), "%.*s",
			    (int)id.n, id.p);
		else
			t->ops->said(line, t->arg);
	} else if (t->answered != NULL && status_of(t) == 200) {
		t->answered(t->owner);
	}
	return line.n;
}

void
kube_transfer_result(struct kube_transfer *t, CURLcode code,
    struct kube_result *ret)
{
	curl_off_t retry = 0;

	(void)curl_easy_getinfo(t->easy, CURLINFO_RETRY_AFTER, &retry);
	if (t->error[0] == '\0' && code != CURLE_OK)
		(void)snprintf(t->error, sizeof(t->error), "%s",
		    curl_easy_strerror(code));
	*ret = (struct kube_result){
		.curl = code,
		.status = status_of(t),
		.retry_after_ms = retry > 0 ?
		    (int64_t)MIN(retry, RETRY_MAX_S) * 1000 : 0,
		.error = t->error,
		.audit = t->audit,
		.body = { (const char *)t->body.data, t->body.len },
	};
}

/* --- the question --------------------------------------------------------- */

/* A connection of HTTP/2 outlives its requests, and with it the bytes that
 * libcurl read of them: what is sealed has one of HTTP/1.1 each, which goes
 * with an answer that is refused. */
static void
set_connection(struct kube_transfer *t,
    const struct kube_credentials *credentials, bool http2)
{
	http2 = http2 && !t->sealed;
	(void)curl_easy_setopt(t->easy, CURLOPT_HTTP_VERSION, http2 ?
	    (long)CURL_HTTP_VERSION_2TLS : (long)CURL_HTTP_VERSION_1_1);
	(void)curl_easy_setopt(t->easy, CURLOPT_PIPEWAIT, http2 ? 1L : 0L);
	/* libcurl copies everything but this, and credentials may change. */
	if (credentials->connect_to != NULL) {
		t->connect_to = curl_slist_append(NULL,
		    credentials->connect_to->data);
		(void)curl_easy_setopt(t->easy, CURLOPT_CONNECT_TO,
		    t->connect_to);
	}
	if (!t->watch && !credentials->disable_compression)
		(void)curl_easy_setopt(t->easy, CURLOPT_ACCEPT_ENCODING,
		    "gzip");
}

static void
set_callbacks(struct kube_transfer *t)
{
	(void)curl_easy_setopt(t->easy, CURLOPT_PRIVATE, t->arg);
	(void)curl_easy_setopt(t->easy, CURLOPT_WRITEFUNCTION,
	    kube_transfer_write_cb);
	(void)curl_easy_setopt(t->easy, CURLOPT_WRITEDATA, (void *)t);
	(void)curl_easy_setopt(t->easy, CURLOPT_HEADERFUNCTION,
	    kube_transfer_header_cb);
	(void)curl_easy_setopt(t->easy, CURLOPT_HEADERDATA, (void *)t);
	(void)curl_easy_setopt(t->easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
}

int
kube_transfer_prepare(struct kube_transfer *t,
    const struct kube_credentials *credentials, bool http2, struct err *err)
{
	if (t->post != NULL)
		t->headers = curl_slist_append(NULL,
		    "Content-Type: application/json");
	if (kube_http_setup(t->easy, credentials, t->path, t->accept,
	    &t->headers, t->error, err) < 0)
		return -1;
	if (t->post != NULL)   /* not copied */
		(void)curl_easy_setopt(t->easy, CURLOPT_POSTFIELDS, t->post);
	set_callbacks(t);
	set_connection(t, credentials, http2);
	return 0;
}

/* --- life ----------------------------------------------------------------- */

CURL *
kube_transfer_easy(const struct kube_transfer *t)
{
	return t->easy;
}

struct kube_transfer *
kube_transfer_new(const struct kube_get *get,
    const struct kube_transfer_ops *ops, void *arg)
{
	struct kube_transfer *t = xcalloc(1, sizeof(*t));

	t->magic = TRANSFER_MAGIC;
	t->path = xstrdup(get->path);
	t->post = get->post == NULL ? NULL : xstrdup(get->post);
	t->accept = get->accept;
	t->watch = get->watch;
	t->sealed = get->sealed;
	t->answered = get->answered;
	t->data = get->data;
	t->owner = get->arg;
	t->ops = ops;
	t->arg = arg;
	t->easy = curl_easy_init();
	if (t->easy == NULL)
		abort();
	return t;
}

void
kube_transfer_free(struct kube_transfer *t)
{
	if (t == NULL)
		return;
	free(t->path);
	free(t->post);
	curl_easy_cleanup(t->easy);
	curl_slist_free_all(t->headers);
	curl_slist_free_all(t->connect_to);
	if (t->sealed)
		buf_wipe(&t->body);
	else
		buf_free(&t->body);
	t->magic = 0;
	free(t);
}

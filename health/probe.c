#include "health/probe.h"

#include <string.h>

#include "common/mono.h"
#include "health/classify.h"
#include "health/http_get.h"

static void
take_version(const struct http_get_answer *a, struct probe_result *ret)
{
	if (a->curl != CURLE_OK || a->status != 200)
		return;
	(void)classify_member(a->body, "gitVersion", ret->version,
	    sizeof(ret->version));
	(void)classify_member(a->body, "platform", ret->platform,
	    sizeof(ret->platform));
}

/* Which endpoint decided, or -1 with *err. */
static int
find_out(struct http_get *h, struct mono deadline, struct probe_result *ret,
    struct err *err)
{
	struct http_get_answer a;
	int i = PROBE_READYZ;

	for (;; i++) {
		if (http_get(h, probe_endpoint_path((enum probe_endpoint)i),
		    "application/json, text/plain", deadline, NULL, NULL, &a,
		    err) < 0)
			return -1;
		ret->latency_ms = a.ms;
		if (classify_answer((enum probe_endpoint)i, a.curl, a.error,
		    a.status, a.body, &ret->finding))
			break;
	}
	if (i == PROBE_VERSION)
		take_version(&a, ret);
	return i;
}

void
probe_run(const struct kube_credentials *cred, struct mono deadline,
    const atomic_bool *cancelled, struct probe_result *ret)
{
	struct http_get_answer a;
	struct http_get *h;
	struct err err = { 0 };
	int decided = -1;

	memset(ret, 0, sizeof(*ret));
	h = http_get_new(cred, cancelled, &err);
	if (h != NULL)
		decided = find_out(h, deadline, ret, &err);
	if (decided < 0) {
		classify_own(PROBE_AUTH, err.text, &ret->finding);
	} else if (ret->finding.reachable && decided != PROBE_VERSION) {
		/* The version is worth having, but its absence is no news. */
		if (http_get(h, "/version", "application/json", deadline,
		    NULL, NULL, &a, &err) == 0)
			take_version(&a, ret);
	}
	http_get_free(h);
}

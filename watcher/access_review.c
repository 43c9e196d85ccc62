#include "watcher/access_review.h"

#include <string.h>

#include "common/macros.h"
#include "watcher/json_scan.h"

static void
add_member(struct buf *b, const char *name, const char *value)
{
	buf_addf(b, ",\"%s\":\"", name);
	buf_json_text(b, value, strlen(value));
	buf_addc(b, '"');
}

void
access_review_ask(struct buf *b, const struct request_place *place,
    const char *verb)
{
	buf_addf(b, "{\"apiVersion\":\"authorization.k8s.io/v1\","
	    "\"kind\":\"SelfSubjectAccessReview\",\"spec\":{"
	    "\"resourceAttributes\":{\"verb\":\"%s\"", verb);
	if (place->kind->group[0] != '\0')
		add_member(b, "group", place->kind->group);
	add_member(b, "version", place->kind->version);
	add_member(b, "resource", place->kind->resource);
	if (place->namespace != NULL)
		add_member(b, "namespace", place->namespace);
	buf_adds(b, "}}}");
}

bool
access_review_allows(struct slice body)
{
	static const struct json_want want_status[] = {
		{ "allowed", 1, NULL, 0 },
	};
	static const struct json_want want[] = {
		{ "kind", 0, NULL, 0 },
		{ "status", -1, want_status, NELEM(want_status) },
	};
	struct slice slots[2];

	return json_scan(body, want, NELEM(want), slots, NELEM(slots)) &&
	    json_scan_is(slots[0], "SelfSubjectAccessReview") &&
	    json_scan_true(slots[1]);
}

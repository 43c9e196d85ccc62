#include "tests/kubesim/sim_check.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "common/macros.h"
#include "tests/kubesim/sim_status.h"

#define WHY_MAX   256
#define MATCH     "resourceVersionMatch"
#define INITIAL   "sendInitialEvents"

struct causes {
	json_t		*list;
	struct buf	 text;
};

static void PRINTF(3, 4)
add(struct causes *c, const char *field, const char *fmt, ...)
{
	char why[WHY_MAX];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	(void)json_array_append_new(c->list, json_pack("{s:s, s:s, s:s}",
	    "reason", strncmp(why, "Forbidden", 9) == 0 ?
	    "FieldValueForbidden" : "FieldValueNotSupported", "message", why,
	    "field", field));
	buf_addf(&c->text, "%s%s: %s", c->text.len != 0 ? ", " : "", field,
	    why);
}

/* The Status with all of them; NULL where there is none. */
static json_t *
refusal(struct causes *c)
{
	bool several = json_array_size(c->list) > 1;
	struct buf message = BUF_EMPTY;
	json_t *status = NULL;

	if (json_array_size(c->list) == 0) {
		json_decref(c->list);
	} else {
		buf_addf(&message, "ListOptions.meta.k8s.io \"\" is invalid: "
		    "%s%.*s%s", several ? "[" : "", (int)c->text.len,
		    (const char *)c->text.data, several ? "]" : "");
		status = sim_status_make(422, "Invalid",
		    buf_cstr(&message), json_pack("{s:s, s:s, s:o}", "group",
		    "meta.k8s.io", "kind", "ListOptions", "causes", c->list));
	}
	buf_free(&message);
	buf_free(&c->text);
	return status;
}

json_t *
sim_check_list(const struct sim_check *p)
{
	struct causes c = { .list = json_array(), .text = BUF_EMPTY };
	bool exact = strcmp(p->match, "Exact") == 0;

	if (p->match[0] != '\0' && p->version[0] == '\0')
		add(&c, MATCH, "Forbidden: resourceVersionMatch is forbidden "
		    "unless resourceVersion is provided");
	if (p->match[0] != '\0' && p->more[0] != '\0')
		add(&c, MATCH, "Forbidden: resourceVersionMatch is forbidden "
		    "when continue is provided");
	if (p->match[0] != '\0' && !exact &&
	    strcmp(p->match, "NotOlderThan") != 0)
		add(&c, MATCH, "Unsupported value: \"%.64s\": supported "
		    "values: \"Exact\", \"NotOlderThan\", \"\"", p->match);
	if (exact && strcmp(p->version, "0") == 0)
		add(&c, MATCH, "Forbidden: resourceVersionMatch \"exact\" is "
		    "forbidden for resourceVersion \"0\"");
	if (p->initial)
		add(&c, INITIAL, "Forbidden: sendInitialEvents is forbidden "
		    "for list");
	return refusal(&c);
}

json_t *
sim_check_watch(const struct sim_check *p)
{
	struct causes c = { .list = json_array(), .text = BUF_EMPTY };
	bool newer = strcmp(p->match, "NotOlderThan") == 0;

	if (p->initial && !newer)
		add(&c, MATCH, "Forbidden: sendInitialEvents requires setting "
		    "resourceVersionMatch to NotOlderThan");
	if (p->initial && p->watchlist_off)
		add(&c, INITIAL, "Forbidden: sendInitialEvents is forbidden "
		    "for watch unless the WatchList feature gate is enabled");
	if (!p->initial && p->match[0] != '\0')
		add(&c, MATCH, "Forbidden: resourceVersionMatch is forbidden "
		    "for watch unless sendInitialEvents is provided");
	if (p->match[0] != '\0' && !newer)
		add(&c, MATCH, "Unsupported value: \"%.64s\": supported "
		    "values: \"NotOlderThan\"", p->match);
	if (p->more[0] != '\0')
		add(&c, MATCH, "Forbidden: resourceVersionMatch is forbidden "
		    "when continue is provided");
	return refusal(&c);
}

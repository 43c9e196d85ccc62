#include "broker/stream_search.h"

#include "common/macros.h"

/* One that is not known may have been forgotten. */
static void
look_up(struct stream_search *v, struct sequencer *s, struct slice tenant,
    struct slice key)
{
	struct sequencer_stream found;

	if (sequencer_find(s, tenant, key, &found))
		v->answer.last = MAX(v->answer.last, found.last);
	else
		v->forgotten = true;
}

/* The slices point into `names` only when all is in it. */
static void
keep(struct stream_search *v, struct slice tenant)
{
	const char *p;

	buf_add(&v->names, tenant.p, tenant.n);
	for (size_t i = 0; i < v->n_prefixes; i++)
		buf_add(&v->names, v->prefixes[i].p, v->prefixes[i].n);
	p = (const char *)v->names.data;
	v->tenant = (struct slice){ p, tenant.n };
	p += tenant.n;
	for (size_t i = 0; i < v->n_prefixes; i++) {
		v->prefixes[i].p = p;
		p += v->prefixes[i].n;
	}
}

int
stream_search_begin(struct stream_search *v, struct sequencer *s,
    struct rd *question)
{
	struct slice tenant, selectors[QUERY_LAST_SELECTORS_MAX];
	size_t n, prefix;

	if (query_wire_last_decode(question, &tenant, selectors, &n) == -1 ||
	    tenant.n == 0 || tenant.n > EVENT_TENANT_MAX)
		return -1;
	*v = (struct stream_search){ .answer = {
	    .as_of = sequencer_tip(s) } };
	for (size_t i = 0; i < n; i++) {
		prefix = 0;
		if (stream_selector_check(selectors[i], &prefix, NULL) == -1)
			return -1;
		if (prefix == 0)
			look_up(v, s, tenant, selectors[i]);
		else
			v->prefixes[v->n_prefixes++] = (struct slice){
			    selectors[i].p, prefix };
	}
	keep(v, tenant);
	return 0;
}

bool
stream_search_step(struct stream_search *v, const struct sequencer *s,
    size_t steps)
{
	if (v->n_prefixes > 0 && sequencer_scan(s, &v->cursor,
	    MAX(steps / v->n_prefixes, (size_t)1), v->tenant, v->prefixes,
	    v->n_prefixes, &v->answer.last))
		return false;
	/* Looked at last: it covers what was forgotten meanwhile. */
	if (v->n_prefixes > 0 || v->forgotten)
		v->answer.last = MAX(v->answer.last,
		    sequencer_forgotten_through(s));
	return true;
}

void
stream_search_end(struct stream_search *v)
{
	buf_free(&v->names);
}

#include "broker/stream_search.h"

#include "common/macros.h"

/* One that is not known may have been forgotten. */
static void
look_up(struct stream_search *v, const struct sequencer *s, struct slice key,
    struct query_stream *ret)
{
	struct sequencer_stream found;

	if (sequencer_find(s, v->tenant, key, &found)) {
		ret->how = !found.ended ? QUERY_GOES_ON :
		    found.log_open ? QUERY_LOG_OPEN : QUERY_ENDED;
		ret->state = found.ended ? found.state : 0;
		ret->last = found.last;
		ret->until_ms = found.until_ms;
		v->answer.last = MAX(v->answer.last, found.last.number);
		v->answer.gone = MAX(v->answer.gone, found.gone);
		v->open |= !found.ended || found.log_open;
		if (found.ended && found.lifecycle.number > v->answer.ended) {
			v->answer.ended = found.lifecycle.number;
			v->answer.state = found.state;
		}
	} else {
		v->forgotten = v->open = true;
	}
}

static void
point_into(const char **p, struct slice *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		list[i].p = *p;
		*p += list[i].n;
	}
}

/* The slices point into `names` only when all is in it. */
static void
keep(struct stream_search *v, struct slice tenant)
{
	const char *p;

	buf_add(&v->names, tenant.p, tenant.n);
	for (size_t i = 0; i < v->n_keys; i++)
		buf_add(&v->names, v->keys[i].p, v->keys[i].n);
	for (size_t i = 0; i < v->n_prefixes; i++)
		buf_add(&v->names, v->prefixes[i].p, v->prefixes[i].n);
	p = (const char *)v->names.data;
	v->tenant = (struct slice){ p, tenant.n };
	p += tenant.n;
	point_into(&p, v->keys, v->n_keys);
	point_into(&p, v->prefixes, v->n_prefixes);
}

int
stream_search_begin(struct stream_search *v, const struct sequencer *s,
    struct rd *question)
{
	struct slice tenant, selectors[QUERY_LAST_SELECTORS_MAX];
	size_t n, prefix;

	if (query_wire_last_decode(question, &tenant, selectors, &n) == -1 ||
	    tenant.n == 0 || tenant.n > EVENT_TENANT_MAX)
		return -1;
	*v = (struct stream_search){ .answer = {
	    .as_of = sequencer_tip(s), .n = n } };
	for (size_t i = 0; i < n; i++) {
		prefix = 0;
		if (stream_selector_check(selectors[i], &prefix, NULL) == -1)
			return -1;
		if (prefix == 0) {
			v->places[v->n_keys] = (uint8_t)i;
			v->keys[v->n_keys++] = selectors[i];
		} else {
			v->prefixes[v->n_prefixes++] = (struct slice){
			    selectors[i].p, prefix };
		}
	}
	keep(v, tenant);
	return 0;
}

/* False while it is not known of all that is gone whose it was. */
static bool
settle(struct stream_search *v, struct sequencer *s, size_t steps)
{
	if (v->settled)
		return true;
	if (sequencer_settle(s, steps))
		return false;
	v->settled = true;
	v->answer.oldest = sequencer_oldest(s);
	for (size_t i = 0; i < v->n_keys; i++)
		look_up(v, s, v->keys[i], &v->answer.streams[v->places[i]]);
	if (v->open || v->n_prefixes > 0) {
		v->answer.ended = 0;
		v->answer.state = 0;
	}
	return true;
}

bool
stream_search_step(struct stream_search *v, struct sequencer *s,
    size_t steps)
{
	uint64_t forgotten;

	if (!settle(v, s, steps))
		return false;
	if (v->n_prefixes > 0 && sequencer_scan(s, &v->cursor,
	    MAX(steps / v->n_prefixes, (size_t)1), v->tenant, v->prefixes,
	    v->n_prefixes, &v->answer.last, &v->answer.gone))
		return false;
	if (v->n_prefixes == 0 && !v->forgotten)
		return true;
	/* Looked at last: it covers what was forgotten meanwhile. */
	forgotten = sequencer_forgotten_through(s);
	v->answer.last = MAX(v->answer.last, forgotten);
	v->answer.gone = MAX(v->answer.gone, forgotten);
	return true;
}

void
stream_search_end(struct stream_search *v)
{
	buf_free(&v->names);
}

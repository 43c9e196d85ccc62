#include "gateway/open_logs.h"

#include <stdlib.h>
#include <string.h>

#include "common/xmalloc.h"
#include "gateway/strmap.h"

struct open_logs {
	struct open_log	*logs;       /* in no order */
	uint32_t	 n;
	uint32_t	 size;
	struct strmap	*by_name;    /* tenant NUL key -> place */
};

struct open_logs *
open_logs_new(void)
{
	struct open_logs *l = xcalloc(1, sizeof(*l));

	l->by_name = strmap_new();
	return l;
}

void
open_logs_free(struct open_logs *l)
{
	if (l == NULL)
		return;
	for (uint32_t i = 0; i < l->n; i++) {
		free(l->logs[i].tenant);
		free(l->logs[i].key);
	}
	free(l->logs);
	strmap_free(l->by_name);
	free(l);
}

static struct slice
name_of(struct buf *b, struct slice tenant, struct slice key)
{
	buf_add(b, tenant.p, tenant.n);
	buf_addc(b, '\0');
	buf_add(b, key.p, key.n);
	return (struct slice){ (const char *)b->data, b->len };
}

static bool
find(const struct open_logs *l, struct slice tenant, struct slice key,
    uint32_t *ret)
{
	struct buf b = BUF_EMPTY;
	bool found = strmap_get(l->by_name, name_of(&b, tenant, key), ret);

	buf_free(&b);
	return found;
}

static void
place(struct open_logs *l, uint32_t at)
{
	struct buf b = BUF_EMPTY;

	strmap_put(l->by_name, name_of(&b, slice_str(l->logs[at].tenant),
	    slice_str(l->logs[at].key)), at);
	buf_free(&b);
}

/* The last one moves to its place; its texts are the caller's. */
static struct open_log
take_at(struct open_logs *l, uint32_t at)
{
	struct open_log gone = l->logs[at];
	struct buf b = BUF_EMPTY;

	strmap_remove(l->by_name, name_of(&b, slice_str(gone.tenant),
	    slice_str(gone.key)));
	buf_free(&b);
	l->logs[at] = l->logs[--l->n];
	if (at < l->n)
		place(l, at);
	return gone;
}

void
open_logs_add(struct open_logs *l, struct slice tenant, struct slice key,
    uint8_t state, struct position position, int64_t until_ms)
{
	struct open_log *log;
	uint32_t at;

	if (find(l, tenant, key, &at)) {
		log = &l->logs[at];
	} else {
		if (l->n == l->size) {
			l->size = l->size == 0 ? 16 : l->size * 2;
			l->logs = xreallocarray(l->logs, l->size,
			    sizeof(*l->logs));
		}
		log = &l->logs[l->n];
		*log = (struct open_log){ .tenant = slice_dup(tenant),
		    .key = slice_dup(key) };
		place(l, l->n++);
	}
	log->state = state;
	log->position = position;
	log->until_ms = until_ms;
}

bool
open_logs_has(const struct open_logs *l, struct slice tenant,
    struct slice key)
{
	uint32_t at;

	return find(l, tenant, key, &at);
}

void
open_logs_remove(struct open_logs *l, struct slice tenant, struct slice key)
{
	struct open_log gone;
	uint32_t at;

	if (!find(l, tenant, key, &at))
		return;
	gone = take_at(l, at);
	free(gone.tenant);
	free(gone.key);
}

bool
open_logs_take(struct open_logs *l, int64_t now_ms, struct open_log *ret)
{
	uint32_t i, first = 0;

	for (i = 1; i < l->n; i++)
		if (l->logs[i].until_ms < l->logs[first].until_ms)
			first = i;
	if (l->n == 0 || (l->logs[first].until_ms > now_ms &&
	    l->n <= OPEN_LOGS_MAX))
		return false;
	*ret = take_at(l, first);
	return true;
}

#include "watcher/inv_object.h"

#include <stdlib.h>
#include <string.h>

#include "common/macros.h"
#include "common/text.h"
#include "common/xmalloc.h"
#include "watcher/json_scan.h"
#include "watcher/kinds.h"

#define NODE_MISSING "{\"state\":\"pending\",\"health\":\"unknown\"," \
	"\"reason\":\"NotFound\"," \
	"\"message\":\"the cluster has no such object\"}"

/* --- which object --------------------------------------------------------- */

uint64_t
inv_object_hash(struct slice text)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);
	size_t i;

	for (i = 0; i < text.n; i++) {
		h ^= (uint8_t)text.p[i];
		h *= UINT64_C(0x100000001b3);
	}
	h ^= h >> 32;
	return h == 0 ? 1 : h;
}

struct slice
inv_object_namespace(const struct inv_object *o)
{
	return (struct slice){ o->path, o->namespace_len };
}

struct slice
inv_object_name(const struct inv_object *o)
{
	return slice_str(o->path + o->namespace_len + 1);
}

/* Only in lower case are the same 16 bytes the same text. */
static int
lower_hex(char c)
{
	return c >= 'A' && c <= 'F' ? -1 : text_hex(c);
}

/* "8-4-4-4-12" in lower case becomes 16 bytes; anything else is hashed. */
bool
inv_object_uid(struct slice uid, uint8_t out[16])
{
	uint64_t h;
	size_t i, n = 0;
	int high, low;

	for (i = 0; uid.n == 36 && i + 1 < uid.n && n < 16; i += 2) {
		if (i == 8 || i == 13 || i == 18 || i == 23) {
			if (uid.p[i] != '-')
				break;
			i++;
		}
		high = lower_hex(uid.p[i]);
		low = lower_hex(uid.p[i + 1]);
		if (high < 0 || low < 0)
			break;
		out[n++] = (uint8_t)(high << 4 | low);
	}
	if (n == 16)
		return true;
	h = inv_object_hash(uid);
	memcpy(out, &h, sizeof(h));
	h = h * UINT64_C(0x9e3779b97f4a7c15) + uid.n;
	memcpy(out + 8, &h, sizeof(h));
	return false;
}

uint64_t
inv_object_version(struct slice version)
{
	uint64_t v = 0;
	size_t i;

	for (i = 0; i < version.n; i++) {
		if (version.p[i] < '0' || version.p[i] > '9' ||
		    CKD_MUL(&v, v, UINT64_C(10)) ||
		    CKD_ADD(&v, v, (uint64_t)(version.p[i] - '0')))
			return 0;
	}
	return v;
}

/* --- what it shows -------------------------------------------------------- */

static struct slice
text_of(const char *s)
{
	return s == NULL ? SLICE_NONE : slice_str(s);
}

struct slice
inv_object_node_status(const struct inv_object *o)
{
	return o->present ? slice_str(o->status) : slice_str(NODE_MISSING);
}

uint64_t
inv_object_node_hash(struct slice status, const uint8_t *uid)
{
	uint64_t h = inv_object_hash(status);

	if (uid != NULL)
		h ^= inv_object_hash((struct slice){ (const char *)uid, 16 });
	return h != 0 ? h : 1;
}

bool
inv_object_differs(const struct inv_object *o)
{
	return o->present && (o->sync || o->gone ||
	    inv_object_hash(text_of(o->status)) != o->published);
}

const uint8_t *
inv_object_shown_uid(const struct inv_object *o)
{
	return o->present && o->uid_real ? o->uid : NULL;
}

bool
inv_object_node_differs(const struct inv_object *o,
    const struct inv_binding *b)
{
	return o->sync || inv_object_node_hash(inv_object_node_status(o),
	    inv_object_shown_uid(o)) != b->published;
}

bool
inv_object_nodes_differ(const struct inv_object *o)
{
	const struct inv_binding *b;

	for (b = o->bindings; b != NULL; b = b->next)
		if (inv_object_node_differs(o, b))
			return true;
	return false;
}

const char *
inv_object_state(const char *status)
{
	static const struct json_want want[] = { { "state", 0, NULL, 0 } };
	static const char *const words[] = { "healthy", "partial", "error",
		"pending", "created", "Bound", "Pending", "Lost", "running",
		"completed", "failed", "active", "suspended", "stable",
		"scaling", "limited" };
	struct slice value;
	size_t i;

	if (status == NULL || !json_scan(slice_str(status), want, 1, &value,
	    1))
		return NULL;
	for (i = 0; i < NELEM(words); i++)
		if (json_scan_is(value, words[i]))
			return words[i];
	return NULL;
}

static char *
judge(unsigned kind, const struct kube_object *object, int64_t now,
    int64_t *ret_again)
{
	struct kube_status s = { 0 };
	struct buf b = BUF_EMPTY;
	char *text;

	kinds[kind].rule(object, now, &s);
	kube_status_json(&b, &s);
	text = xstrndup((const char *)b.data, b.len);
	buf_free(&b);
	*ret_again = s.again_unix_ms > now ? s.again_unix_ms : 0;
	return text;
}

/* The present status, and those that time alone will bring. */
void
inv_object_judge(struct inv_object *o, const struct kube_object *object,
    int64_t now)
{
	struct inv_future **link = &o->futures, *f;
	unsigned n;
	int64_t at;

	inv_object_futures_clear(o);
	free(o->status);
	o->status = judge(o->kind, object, now, &at);
	for (n = 0; at != 0 && n < INV_OBJECT_FUTURES_MAX; n++) {
		f = xcalloc(1, sizeof(*f));
		f->at_unix_ms = at;
		f->status = judge(o->kind, object, at, &at);
		*link = f;
		link = &f->next;
	}
}

void
inv_object_advance(struct inv_object *o)
{
	struct inv_future *f = o->futures;

	free(o->status);
	o->status = f->status;
	o->futures = f->next;
	free(f);
}

/* --- what belongs to it --------------------------------------------------- */

void
inv_object_futures_clear(struct inv_object *o)
{
	struct inv_future *f;

	while ((f = o->futures) != NULL) {
		o->futures = f->next;
		free(f->status);
		free(f);
	}
}

void
inv_object_unbind(struct inv_binding *b)
{
	free(b->tenant);
	free(b->workflow);
	free(b->node);
	free(b);
}

struct inv_binding *
inv_object_binding(const struct inv_object *o, struct slice tenant,
    struct slice workflow, struct slice node)
{
	struct inv_binding *b = o->bindings;

	while (b != NULL && !(slice_is(node, b->node) &&
	    slice_is(workflow, b->workflow) && slice_is(tenant, b->tenant)))
		b = b->next;
	return b;
}

bool
inv_object_bind(struct inv_object *o, struct slice tenant,
    struct slice workflow, struct slice node)
{
	struct inv_binding *b;
	unsigned n = 0;

	for (b = o->bindings; b != NULL; b = b->next)
		n++;
	if (n >= INV_OBJECT_BINDINGS_MAX)
		return false;
	b = xcalloc(1, sizeof(*b));
	b->tenant = slice_dup(tenant);
	b->workflow = slice_dup(workflow);
	b->node = slice_dup(node);
	b->keep = true;
	b->next = o->bindings;
	o->bindings = b;
	return true;
}

unsigned
inv_object_free(struct inv_object *o)
{
	struct inv_binding *b;
	unsigned n = 0;

	while ((b = o->bindings) != NULL) {
		o->bindings = b->next;
		inv_object_unbind(b);
		n++;
	}
	inv_object_futures_clear(o);
	free(o->status);
	free(o->gone_status);
	free(o);
	return n;
}

#include "watcher/inventory.h"

#include <stdlib.h>
#include <string.h>

#include "common/macros.h"
#include "common/xmalloc.h"
#include "watcher/json_scan.h"

#define BUCKETS_MIN  256u
#define NODE_MISSING "{\"state\":\"pending\",\"health\":\"unknown\"," \
	"\"reason\":\"NotFound\"," \
	"\"message\":\"the cluster has no such object\"}"

struct inventory {
	struct inv_object	**buckets;
	size_t			  n_buckets;    /* a power of two */
	struct inv_object	 *first;        /* dirty, oldest first */
	struct inv_object	**last;
	uint32_t		  mark[KINDS_MAX];
	bool			  listed[KINDS_MAX];
	bool			  listing[KINDS_MAX];
	size_t			  futures;      /* objects that have some */
	int64_t			  due;          /* of the first of them */
	struct inventory_counts	  counts;
};

/* --- the table ------------------------------------------------------------ */

uint64_t
inventory_hash(struct slice text)
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

struct inventory *
inventory_new(void)
{
	struct inventory *inv = xcalloc(1, sizeof(*inv));

	inv->n_buckets = BUCKETS_MIN;
	inv->buckets = xcalloc(inv->n_buckets, sizeof(*inv->buckets));
	inv->last = &inv->first;
	return inv;
}

static void
futures_clear(struct inventory *inv, struct inv_object *o)
{
	struct inv_future *f;

	if (o->futures != NULL)
		inv->futures--;
	while ((f = o->futures) != NULL) {
		o->futures = f->next;
		free(f->status);
		free(f);
	}
}

static void
binding_free(struct inventory *inv, struct inv_binding *b)
{
	inv->counts.bindings--;
	free(b->tenant);
	free(b->workflow);
	free(b->node);
	free(b);
}

static void
object_free(struct inventory *inv, struct inv_object *o)
{
	struct inv_binding *b;

	while ((b = o->bindings) != NULL) {
		o->bindings = b->next;
		binding_free(inv, b);
	}
	futures_clear(inv, o);
	free(o->status);
	free(o->gone_status);
	free(o);
	inv->counts.entries--;
}

void
inventory_free(struct inventory *inv)
{
	struct inv_object *o;
	size_t i;

	if (inv == NULL)
		return;
	for (i = 0; i < inv->n_buckets; i++)
		while ((o = inv->buckets[i]) != NULL) {
			inv->buckets[i] = o->next;
			object_free(inv, o);
		}
	free(inv->buckets);
	free(inv);
}

static void
grow(struct inventory *inv)
{
	size_t n = inv->n_buckets * 2, i;
	struct inv_object **buckets = xcalloc(n, sizeof(*buckets)), *o;

	for (i = 0; i < inv->n_buckets; i++)
		while ((o = inv->buckets[i]) != NULL) {
			inv->buckets[i] = o->next;
			o->next = buckets[o->hash & (n - 1)];
			buckets[o->hash & (n - 1)] = o;
		}
	free(inv->buckets);
	inv->buckets = buckets;
	inv->n_buckets = n;
}

static uint32_t
key_hash(unsigned kind, struct slice namespace, struct slice name)
{
	uint64_t h = inventory_hash(namespace) * 31 + inventory_hash(name) +
	    kind;

	return (uint32_t)(h ^ h >> 32);
}

static bool
is_key(const struct inv_object *o, unsigned kind, struct slice namespace,
    struct slice name)
{
	return o->kind == kind &&
	    slice_eq(inventory_namespace(o), namespace) &&
	    slice_eq(inventory_name(o), name);
}

static struct inv_object *
find(const struct inventory *inv, uint32_t hash, unsigned kind,
    struct slice namespace, struct slice name)
{
	struct inv_object *o = inv->buckets[hash & (inv->n_buckets - 1)];

	while (o != NULL && (o->hash != hash ||
	    !is_key(o, kind, namespace, name)))
		o = o->next;
	return o;
}

/* Finds the entry, or makes it. The lengths are bounded by kube_object. */
static struct inv_object *
entry(struct inventory *inv, unsigned kind, struct slice namespace,
    struct slice name)
{
	uint32_t hash = key_hash(kind, namespace, name);
	struct inv_object *o = find(inv, hash, kind, namespace, name), **bucket;

	if (o != NULL)
		return o;
	if (inv->counts.entries >= inv->n_buckets)
		grow(inv);
	bucket = &inv->buckets[hash & (inv->n_buckets - 1)];
	o = xcalloc(1, sizeof(*o) + namespace.n + name.n + 2);
	o->hash = hash;
	o->kind = (uint8_t)kind;
	o->namespace_len = (uint16_t)namespace.n;
	if (namespace.n > 0)
		memcpy(o->path, namespace.p, namespace.n);
	o->path[namespace.n] = '/';
	memcpy(o->path + namespace.n + 1, name.p, name.n);
	o->next = *bucket;
	*bucket = o;
	inv->counts.entries++;
	return o;
}

struct slice
inventory_namespace(const struct inv_object *o)
{
	return (struct slice){ o->path, o->namespace_len };
}

struct slice
inventory_name(const struct inv_object *o)
{
	return slice_str(o->path + o->namespace_len + 1);
}

/* Removes an entry nobody needs any more. */
static void
release(struct inventory *inv, struct inv_object *o)
{
	struct inv_object **link;

	if (o->present || o->stored || o->gone || o->dirty || o->in_flight ||
	    o->bindings != NULL)
		return;
	link = &inv->buckets[o->hash & (inv->n_buckets - 1)];
	while (*link != o)
		link = &(*link)->next;
	*link = o->next;
	object_free(inv, o);
}

/* --- what is to be published ---------------------------------------------- */

static struct slice
text_of(const char *s)
{
	return s == NULL ? SLICE_NONE : slice_str(s);
}

struct slice
inventory_node_status(const struct inv_object *o)
{
	return o->present ? slice_str(o->status) : slice_str(NODE_MISSING);
}

bool
inventory_differs(const struct inv_object *o)
{
	return o->present && (o->sync || o->gone ||
	    inventory_hash(text_of(o->status)) != o->published);
}

bool
inventory_node_differs(const struct inv_object *o,
    const struct inv_binding *b)
{
	return o->sync ||
	    inventory_hash(inventory_node_status(o)) != b->published;
}

static bool
needs(const struct inventory *inv, const struct inv_object *o)
{
	const struct inv_binding *b;

	if (o->gone || inventory_differs(o))
		return true;
	/* Missing is said only when a whole list did not name it. */
	if (!o->present && !inv->listed[o->kind])
		return false;
	for (b = o->bindings; b != NULL; b = b->next)
		if (inventory_node_differs(o, b))
			return true;
	return false;
}

static void
touch(struct inventory *inv, struct inv_object *o)
{
	if (o->dirty || o->in_flight || !needs(inv, o))
		return;
	o->dirty = true;
	o->next_dirty = NULL;
	*inv->last = o;
	inv->last = &o->next_dirty;
}

static void
unqueue_first(struct inventory *inv)
{
	struct inv_object *o = inv->first;

	inv->first = o->next_dirty;
	if (inv->first == NULL)
		inv->last = &inv->first;
	o->next_dirty = NULL;
	o->dirty = false;
}

struct inv_object *
inventory_first(struct inventory *inv)
{
	struct inv_object *o;

	/* What changed back meanwhile needs nothing. */
	while ((o = inv->first) != NULL && !needs(inv, o)) {
		unqueue_first(inv);
		release(inv, o);
	}
	return o;
}

static const char *
state_word(const char *status)
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

void
inventory_sent(struct inventory *inv, struct inv_object *o)
{
	struct inv_binding *b;

	unqueue_first(inv);
	o->in_flight = true;
	o->gone = false;
	o->sync = false;
	free(o->gone_status);
	o->gone_status = NULL;
	o->published = 0;
	o->published_state = NULL;
	o->stored = o->present;
	if (o->present) {
		o->published = inventory_hash(slice_str(o->status));
		o->published_state = state_word(o->status);
	} else {
		free(o->status);
		o->status = NULL;
	}
	for (b = o->bindings; b != NULL; b = b->next)
		b->published = inventory_hash(inventory_node_status(o));
}

void
inventory_answered(struct inventory *inv, struct inv_object *o,
    bool accepted)
{
	struct inv_binding *b;

	o->in_flight = false;
	if (!accepted) {
		o->published = 0;
		for (b = o->bindings; b != NULL; b = b->next)
			b->published = 0;
	} else {
		touch(inv, o);
	}
	release(inv, o);
}

/* --- what the cluster says ------------------------------------------------ */

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "8-4-4-4-12" in lower case becomes 16 bytes; anything else is hashed. */
static bool
uid_bytes(struct slice uid, uint8_t out[16])
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
		high = hex_value(uid.p[i]);
		low = hex_value(uid.p[i + 1]);
		if (high < 0 || low < 0)
			break;
		out[n++] = (uint8_t)(high << 4 | low);
	}
	if (n == 16)
		return true;
	h = inventory_hash(uid);
	memcpy(out, &h, sizeof(h));
	h = h * UINT64_C(0x9e3779b97f4a7c15) + uid.n;
	memcpy(out + 8, &h, sizeof(h));
	return false;
}

static uint64_t
version_number(struct slice version)
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
static void
judge_all(struct inventory *inv, struct inv_object *o,
    const struct kube_object *object, int64_t now)
{
	struct inv_future **link = &o->futures, *f;
	unsigned n;
	int64_t at;

	futures_clear(inv, o);
	free(o->status);
	o->status = judge(o->kind, object, now, &at);
	for (n = 0; at != 0 && n < INVENTORY_FUTURES_MAX; n++) {
		f = xcalloc(1, sizeof(*f));
		f->at_unix_ms = at;
		f->status = judge(o->kind, object, at, &at);
		*link = f;
		link = &f->next;
	}
	if (o->futures == NULL)
		return;
	inv->futures++;
	if (inv->due == 0 || o->futures->at_unix_ms < inv->due)
		inv->due = o->futures->at_unix_ms;
}

/* The object is gone; what it last looked like goes with the deletion. */
static void
vanish(struct inventory *inv, struct inv_object *o, bool unknown)
{
	if (o->present)
		inv->counts.objects[o->kind]--;
	futures_clear(inv, o);
	/* One that no stream ever showed leaves without a word. */
	if (o->stored && !o->gone) {
		o->gone = true;
		o->gone_unknown = unknown;
		o->gone_status = o->status == NULL ? NULL :
		    xstrdup(o->status);
	}
	o->present = false;
	o->sync = false;
	touch(inv, o);
	release(inv, o);
}

void
inventory_seen(struct inventory *inv, unsigned kind,
    const struct kube_object *object, int64_t now_unix_ms)
{
	struct inv_object *o = entry(inv, kind, object->namespace,
	    object->name);
	uint8_t uid[16] = { 0 };
	bool real = uid_bytes(object->uid, uid);

	if (o->present && memcmp(o->uid, uid, sizeof(uid)) != 0) {
		/* Same name, another object: the old one was deleted. */
		vanish(inv, o, true);
		o = entry(inv, kind, object->namespace, object->name);
	}
	if (!o->present)
		inv->counts.objects[kind]++;
	o->present = true;
	o->uid_real = real;
	memcpy(o->uid, uid, sizeof(uid));
	o->mark = inv->mark[kind];
	o->version = version_number(object->resource_version);
	judge_all(inv, o, object, now_unix_ms);
	touch(inv, o);
}

void
inventory_deleted(struct inventory *inv, unsigned kind,
    const struct kube_object *object, int64_t now_unix_ms)
{
	struct inv_object *o = entry(inv, kind, object->namespace,
	    object->name);
	uint8_t uid[16] = { 0 };

	(void)uid_bytes(object->uid, uid);
	if (o->present && memcmp(o->uid, uid, sizeof(uid)) == 0) {
		o->version = version_number(object->resource_version);
		judge_all(inv, o, object, now_unix_ms);
		vanish(inv, o, false);
		return;
	}
	/* Not the one we know: nothing to say. */
	release(inv, o);
}

void
inventory_list_begin(struct inventory *inv, unsigned kind)
{
	inv->mark[kind]++;
	inv->listing[kind] = true;
}

typedef void (*each_fn)(struct inventory *inv, struct inv_object *o,
    void *arg);

/* `fn` may release the object it is given. */
static void
each(struct inventory *inv, each_fn fn, void *arg)
{
	struct inv_object *o, *next;
	size_t i;

	for (i = 0; i < inv->n_buckets; i++)
		for (o = inv->buckets[i]; o != NULL; o = next) {
			next = o->next;
			fn(inv, o, arg);
		}
}

static void
sweep(struct inventory *inv, struct inv_object *o, void *arg)
{
	const unsigned *kind = arg;

	if (o->kind != *kind)
		return;
	if (o->present ? o->mark != inv->mark[*kind] : o->stored && !o->gone)
		vanish(inv, o, true);
	else
		touch(inv, o);
}

void
inventory_list_end(struct inventory *inv, unsigned kind)
{
	inv->listed[kind] = true;
	inv->listing[kind] = false;
	each(inv, sweep, &kind);
}

struct tick {
	int64_t	now;
	int64_t	next;
};

static void
tick_one(struct inventory *inv, struct inv_object *o, void *arg)
{
	struct tick *t = arg;
	struct inv_future *f;

	while ((f = o->futures) != NULL && f->at_unix_ms <= t->now) {
		free(o->status);
		o->status = f->status;
		o->futures = f->next;
		free(f);
		if (o->futures == NULL)
			inv->futures--;
		touch(inv, o);
	}
	if (f != NULL && (t->next == 0 || f->at_unix_ms < t->next))
		t->next = f->at_unix_ms;
}

void
inventory_tick(struct inventory *inv, int64_t now_unix_ms)
{
	struct tick t = { .now = now_unix_ms };

	if (inv->futures > 0)
		each(inv, tick_one, &t);
	inv->due = t.next;
}

int64_t
inventory_due(const struct inventory *inv)
{
	return inv->due;
}

/* --- what the store says -------------------------------------------------- */

void
inventory_stored(struct inventory *inv, unsigned kind,
    struct slice namespace, struct slice name, struct slice status)
{
	struct inv_object *o = entry(inv, kind, namespace, name);
	char *text;

	if (o->stored || o->in_flight || o->gone ||
	    status.n > INVENTORY_STATUS_MAX) {
		release(inv, o);
		return;
	}
	text = slice_dup(status);
	o->stored = true;
	o->published = inventory_hash(status);
	o->published_state = state_word(text);
	if (o->present) {
		free(text);
		return;
	}
	free(o->status);
	o->status = text;
	if (inv->listed[kind] && !inv->listing[kind])
		vanish(inv, o, true);
}

bool
inventory_stored_node(struct inventory *inv, unsigned kind,
    struct slice namespace, struct slice name,
    const struct inv_node *node, struct slice status)
{
	struct inv_object *o = find(inv, key_hash(kind, namespace, name), kind,
	    namespace, name);
	struct inv_binding *b = o == NULL ? NULL : o->bindings;

	while (b != NULL && !(slice_is(node->node, b->node) &&
	    slice_is(node->workflow, b->workflow) &&
	    slice_is(node->tenant, b->tenant)))
		b = b->next;
	if (b == NULL)
		return false;
	if (b->published == 0)
		b->published = inventory_hash(status);
	return true;
}

static void
sync_one(struct inventory *inv, struct inv_object *o, void *arg)
{
	(void)arg;
	/* A node whose object is gone has a status too. */
	o->sync = o->present || o->bindings != NULL;
	touch(inv, o);
}

void
inventory_sync_all(struct inventory *inv)
{
	each(inv, sync_one, NULL);
}

static void
compare_one(struct inventory *inv, struct inv_object *o, void *arg)
{
	(void)arg;
	touch(inv, o);
}

void
inventory_compare_all(struct inventory *inv)
{
	each(inv, compare_one, NULL);
}

/* --- bindings ------------------------------------------------------------- */

static void
unkeep(struct inventory *inv, struct inv_object *o, void *arg)
{
	struct inv_binding *b;

	(void)inv;
	(void)arg;
	for (b = o->bindings; b != NULL; b = b->next)
		b->keep = false;
}

void
inventory_bind_begin(struct inventory *inv)
{
	each(inv, unkeep, NULL);
}

bool
inventory_bind(struct inventory *inv, unsigned kind, struct slice namespace,
    struct slice name, struct slice tenant, struct slice workflow,
    struct slice node)
{
	struct inv_object *o = entry(inv, kind, namespace, name);
	struct inv_binding *b;
	unsigned n = 0;

	for (b = o->bindings; b != NULL; b = b->next, n++)
		if (slice_is(node, b->node) &&
		    slice_is(workflow, b->workflow) &&
		    slice_is(tenant, b->tenant)) {
			b->keep = true;
			return true;
		}
	if (n >= INVENTORY_BINDINGS_MAX)
		return false;
	b = xcalloc(1, sizeof(*b));
	b->tenant = slice_dup(tenant);
	b->workflow = slice_dup(workflow);
	b->node = slice_dup(node);
	b->keep = true;
	b->next = o->bindings;
	o->bindings = b;
	inv->counts.bindings++;
	return true;
}

static void
sweep_bindings(struct inventory *inv, struct inv_object *o, void *arg)
{
	struct inv_binding **link = &o->bindings, *b;

	(void)arg;
	while ((b = *link) != NULL) {
		if (b->keep) {
			link = &b->next;
			continue;
		}
		*link = b->next;
		binding_free(inv, b);
	}
	touch(inv, o);
	release(inv, o);
}

void
inventory_bind_end(struct inventory *inv)
{
	each(inv, sweep_bindings, NULL);
}

struct walk {
	inventory_workflow_cb	 cb;
	void			*arg;
};

static void
walk_bindings(struct inventory *inv, struct inv_object *o, void *arg)
{
	const struct walk *w = arg;
	const struct inv_binding *b;

	(void)inv;
	for (b = o->bindings; b != NULL; b = b->next)
		w->cb(b, w->arg);
}

void
inventory_workflows(struct inventory *inv, inventory_workflow_cb cb,
    void *arg)
{
	struct walk w = { cb, arg };

	each(inv, walk_bindings, &w);
}

const struct inventory_counts *
inventory_counts(const struct inventory *inv)
{
	return &inv->counts;
}

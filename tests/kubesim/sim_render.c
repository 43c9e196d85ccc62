#include "tests/kubesim/sim_render.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/mono.h"
#include "common/xmalloc.h"
#include "tests/kubesim/sim_kinds.h"
#include "tests/kubesim/sim_patch.h"
#include "tests/kubesim/sim_template.h"

/* ---- metadata ---- */

static void
add_owner(struct buf *b, const struct sim_object *o)
{
	const struct sim_object *w = o->owner;

	if (w == NULL)
		return;
	buf_addf(b, ",\"ownerReferences\":[{\"apiVersion\":\"%s\","
	    "\"kind\":\"%s\",\"name\":\"%s\",\"uid\":\"%s\","
	    "\"controller\":true,\"blockOwnerDeletion\":true}]",
	    sim_kinds_api_version(w->kind), sim_kinds_row(w->kind)->kind,
	    w->name, w->uid);
}

/* As Go writes it: three more characters than JSON asks for. */
static void
add_escaped(struct buf *b, const char *text)
{
	size_t n = strcspn(text, "<>&");

	buf_json_text(b, text, n);
	for (text += n; *text != '\0'; text += n) {
		buf_addf(b, "\\u%04x", (unsigned)(unsigned char)*text++);
		n = strcspn(text, "<>&");
		buf_json_text(b, text, n);
	}
}

static void
add_metadata(struct buf *b, const struct sim_object *o,
    const struct sim_state *st)
{
	char created[MONO_RFC3339_SIZE], deleted[MONO_RFC3339_SIZE];

	sim_template_time(o->created_ms, created);
	buf_adds(b, "\"name\":\"");
	add_escaped(b, o->name);
	buf_addc(b, '"');
	if (o->kind == SIM_POD && o->owner != NULL)
		buf_addf(b, ",\"generateName\":\"%s-\"", o->owner->name);
	if (sim_kinds_row(o->kind)->namespaced)
		buf_addf(b, ",\"namespace\":\"%s\"", o->ns);
	buf_addf(b, ",\"uid\":\"%s\",\"resourceVersion\":\"%llu\"", o->uid,
	    (unsigned long long)st->rv);
	if (sim_kinds_row(o->kind)->generation)
		buf_addf(b, ",\"generation\":%u", st->generation);
	buf_addf(b, ",\"creationTimestamp\":\"%s\"", created);
	if (st->deleting_ms != 0) {
		sim_template_time(st->deleting_ms, deleted);
		buf_addf(b, ",\"deletionTimestamp\":\"%s\","
		    "\"deletionGracePeriodSeconds\":%d", deleted,
		    o->kind == SIM_POD && st->step != SIM_POD_PENDING ? 30 :
		    0);
	}
	sim_kinds_row(o->kind)->labels(b, o, st);
	add_owner(b, o);
	if (sim_kinds_row(o->kind)->finalizer != NULL)
		buf_addf(b, ",\"finalizers\":[\"%s\"]",
		    sim_kinds_row(o->kind)->finalizer);
}

/* ---- the whole object ---- */

static struct sim_blob *
blob_make(const struct buf *b, const struct sim_blob *marks)
{
	struct sim_blob *blob = xmalloc(sizeof(*blob) + b->len + 1);

	*blob = *marks;
	blob->refs = 1;
	blob->len = b->len;
	memcpy(blob->text, b->data, b->len);
	blob->text[b->len] = '\0';
	return blob;
}

static void
begin(struct buf *b, const struct sim_object *o, struct sim_blob *marks)
{
	buf_addf(b, "{\"kind\":\"%s\",\"apiVersion\":\"%s\",",
	    sim_kinds_row(o->kind)->kind, sim_kinds_api_version(o->kind));
	marks->body = b->len;
	buf_adds(b, "\"metadata\":{");
}

static void
render_template(struct buf *b, const struct sim_object *o,
    const struct sim_state *st, struct sim_blob *marks)
{
	begin(b, o, marks);
	add_metadata(b, o, st);
	marks->managed = b->len;
	sim_template_managed(b, o, st);
	marks->managed_len = b->len - marks->managed;
	buf_addc(b, '}');
	marks->meta_end = b->len;
	sim_kinds_row(o->kind)->tail(b, o, st);
	if (st->filler != 0)
		sim_template_filler(b, st->filler);
	buf_addc(b, '}');
}

static void
add_dump(struct buf *b, const json_t *value)
{
	char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);

	if (text == NULL)
		abort();
	buf_adds(b, text);
	free(text);
}

/* Members of an object, each with a comma before it unless it is the first. */
static void
add_members(struct buf *b, json_t *object, bool comma)
{
	const char *key;
	json_t *value;

	json_object_foreach(object, key, value) {
		buf_adds(b, comma ? ",\"" : "\"");
		buf_json_text(b, key, strlen(key));
		buf_adds(b, "\":");
		add_dump(b, value);
		comma = true;
	}
}

/* The same layout from a document, so that the marks stay true. */
static void
render_patched(struct buf *b, const struct sim_object *o, json_t *doc,
    struct sim_blob *marks)
{
	json_t *metadata = json_object_get(doc, "metadata");
	json_t *managed = json_incref(
	    json_object_get(metadata, "managedFields"));

	(void)json_object_del(metadata, "managedFields");
	begin(b, o, marks);
	add_members(b, metadata, false);
	marks->managed = b->len;
	if (managed != NULL) {
		buf_adds(b, ",\"managedFields\":");
		add_dump(b, managed);
	}
	marks->managed_len = b->len - marks->managed;
	buf_addc(b, '}');
	marks->meta_end = b->len;
	(void)json_object_del(doc, "metadata");
	(void)json_object_del(doc, "kind");
	(void)json_object_del(doc, "apiVersion");
	add_members(b, doc, true);
	buf_addc(b, '}');
	json_decref(managed);
}

json_t *
sim_render_document(const struct sim_object *o, const struct sim_state *st,
    bool bare)
{
	struct sim_blob marks = { 0 };
	struct buf b = BUF_EMPTY;
	json_t *doc;

	render_template(&b, o, st, &marks);
	doc = json_loadb((const char *)b.data, b.len, JSON_ALLOW_NUL, NULL);
	buf_free(&b);
	assert(doc != NULL);
	if (!bare && st->overlay != NULL)
		sim_patch_merge(doc, st->overlay);
	return doc;
}

struct sim_blob *
sim_render_blob(const struct sim_object *o, const struct sim_state *st)
{
	struct sim_blob marks = { 0 }, *blob;
	struct buf b = BUF_EMPTY;
	json_t *doc;

	if (st->overlay == NULL) {
		render_template(&b, o, st, &marks);
	} else {
		doc = sim_render_document(o, st, false);
		render_patched(&b, o, doc, &marks);
		json_decref(doc);
	}
	blob = blob_make(&b, &marks);
	buf_free(&b);
	return blob;
}

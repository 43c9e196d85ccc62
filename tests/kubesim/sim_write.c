#include "tests/kubesim/sim_write.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/macros.h"
#include "common/mono.h"
#include "tests/kubesim/sim_defaults.h"
#include "tests/kubesim/sim_kinds.h"
#include "tests/kubesim/sim_life.h"
#include "tests/kubesim/sim_patch.h"
#include "tests/kubesim/sim_render.h"
#include "tests/kubesim/sim_status.h"

/* What only the server writes. */
static const char *const server_fields[] = { "uid", "resourceVersion",
    "generation", "creationTimestamp", "deletionTimestamp",
    "deletionGracePeriodSeconds", "name", "namespace", "managedFields",
    "selfLink" };

void
sim_write_not_found(struct sim_conn *c, const struct sim_path *p)
{
	sim_api_refuse(c, p, 404, "NotFound", "%s \"%.253s\" not found",
	    sim_status_resource(sim_kinds_row(p->kind)), p->name);
}

void
sim_write_scale(struct sim_conn *c, struct sim_object *o)
{
	json_t *scale = json_pack("{s:s, s:s, s:{s:s, s:s, s:s, s:o}, s:{s:i},"
	    " s:{s:i}}", "kind", "Scale", "apiVersion", "autoscaling/v1",
	    "metadata", "name", o->name, "namespace", o->ns, "uid", o->uid,
	    "resourceVersion", json_sprintf("%llu",
	    (unsigned long long)o->st.rv), "spec", "replicas",
	    (int)o->st.replicas, "status", "replicas", (int)o->st.have);

	sim_conn_reply_json(c, 200, scale);
}

/* ---- a document becomes a state ---- */

static void
drop_server_fields(json_t *doc)
{
	json_t *metadata = json_object_get(doc, "metadata");

	for (size_t i = 0; i < NELEM(server_fields); i++)
		(void)json_object_del(metadata, server_fields[i]);
	(void)json_object_del(doc, "kind");
	(void)json_object_del(doc, "apiVersion");
}

/* Makes the object's state such that its text says `desired`. */
static void
take_document(struct sim_object *o, json_t *desired)
{
	const struct sim_kind_row *row = sim_kinds_row(o->kind);
	json_t *bare;

	if (row->absorb != NULL)
		row->absorb(&o->st, desired);
	bare = sim_render_document(o, &o->st, true);
	drop_server_fields(bare);
	drop_server_fields(desired);
	json_decref(o->st.overlay);
	o->st.overlay = sim_patch_diff(bare, desired);
	json_decref(bare);
}

static bool
same_member(json_t *a, json_t *b, const char *name)
{
	json_t *x = json_object_get(a, name), *y = json_object_get(b, name);

	return x == y || (x != NULL && y != NULL && json_equal(x, y));
}

/* Keeps of `desired` what this request may write, the rest as it was. */
static void
limit_to(json_t *desired, json_t *before, bool status_only)
{
	json_t *copy;

	if (!status_only) {
		copy = json_object_get(before, "status");
		if (copy != NULL)
			(void)json_object_set(desired, "status", copy);
		else
			(void)json_object_del(desired, "status");
		return;
	}
	copy = json_incref(json_object_get(desired, "status"));
	(void)json_object_clear(desired);
	(void)json_object_update(desired, before);
	if (copy != NULL)
		(void)json_object_set_new(desired, "status", copy);
}

/* What a test put there; the claims' own finalizer is the life's matter. */
static bool
held_back(const struct sim_object *o)
{
	static const char *const path[] = { "metadata", "finalizers", NULL };
	json_t *list = sim_patch_get(o->st.overlay, path);

	return json_array_size(list) != 0;
}

static bool
valid_name(const char *name)
{
	size_t n = strlen(name);

	return n > 0 && n <= SIM_NAME_MAX && name[0] != '-' &&
	    strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789.-") == n;
}

/* A path segment name, where the test wants one; its template must not spell
 * it outside of metadata.name. */
static bool
fits_kind(const struct sim_modes *m, enum sim_kind kind, const char *name)
{
	if ((m->path_names & SIM_BIT(kind)) == 0)
		return valid_name(name);
	return name[0] != '\0' && strpbrk(name, "/%") == NULL &&
	    strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

void
sim_write_document(struct sim *sim, struct sim_object *o, json_t *desired,
    bool status_only)
{
	json_t *before = sim_render_document(o, &o->st, false);
	bool spec, template;

	drop_server_fields(desired);
	drop_server_fields(before);
	limit_to(desired, before, status_only);
	sim_defaults_fill(desired, o);
	if (!json_equal(before, desired)) {
		spec = !same_member(before, desired, "spec");
		template = !same_member(json_object_get(before, "spec"),
		    json_object_get(desired, "spec"), "template");
		if (spec)
			o->st.generation++;
		if (template && o->kind == SIM_DEPLOYMENT)
			o->st.image++;
		take_document(o, desired);
		sim_store_update(sim->store, o);
		if (o->st.deleting_ms != 0 && !held_back(o))
			sim_write_delete(sim, o);
		else
			sim_life_wake(sim->life, o);
	}
	json_decref(before);
}

struct sim_object *
sim_write_create(struct sim *sim, enum sim_kind kind, const char *ns,
    const char *name, json_t *doc)
{
	static const char *const app_path[] = { "metadata", "labels", "app",
	    NULL };
	const char *app = json_string_value(sim_patch_get(doc, app_path));
	struct sim_object *o;
	json_t *whole;

	o = sim_store_object(sim->store, kind, ns, name,
	    app != NULL && valid_name(app) ? app :
	    valid_name(name) ? name : "unusual", NULL);
	/* Nothing wished for: it is what the template says, without the half
	 * millisecond that comparing the two takes. */
	if (json_object_size(doc) != 0) {
		whole = sim_render_document(o, &o->st, true);
		drop_server_fields(whole);
		drop_server_fields(doc);
		limit_to(doc, whole, false);
		sim_defaults_drop_examples(whole, kind, doc);
		sim_patch_merge(whole, doc);
		sim_defaults_fill(whole, o);
		take_document(o, whole);
		json_decref(whole);
	}
	sim_store_add(sim->store, o);
	sim_life_wake(sim->life, o);
	return o;
}

/* ---- requests ---- */

static json_t *
parse_body(struct sim_conn *c)
{
	struct sim_request *r = sim_conn_request(c);
	json_error_t why;
	json_t *doc = json_loadb(r->body, r->body_len, JSON_ALLOW_NUL, &why);

	if (json_is_object(doc))
		return doc;
	sim_conn_status(c, 400, "BadRequest", -1, "the body is not a JSON "
	    "object: %s", doc == NULL ? why.text : "another type");
	json_decref(doc);
	return NULL;
}

static void
refuse_namespace(struct sim_conn *c, const char *ns)
{
	struct sim_path p = { .kind = SIM_NAMESPACE };

	(void)snprintf(p.name, sizeof(p.name), "%s", ns);
	sim_write_not_found(c, &p);
}

/* What a real server refuses of a new object, before its name is taken; true:
 * answered. */
static bool
misplaced(struct sim_conn *c, const struct sim_path *p, json_t *doc)
{
	static const char *const ns_path[] = { "metadata", "namespace", NULL };
	const char *kind = json_string_value(json_object_get(doc, "kind"));
	const char *ns = json_string_value(sim_patch_get(doc, ns_path));
	const struct sim_kind_row *row = sim_kinds_row(p->kind);

	if (row->namespaced && p->ns[0] == '\0')
		sim_conn_status(c, 405, "MethodNotAllowed", -1, "the server "
		    "does not allow this method on the requested resource");
	else if (kind != NULL && strcmp(kind, row->kind) != 0)
		sim_conn_status(c, 400, "BadRequest", -1, "%.64s in version "
		    "\"%s\" cannot be handled as a %s", kind,
		    sim_kinds_api_version(p->kind), row->kind);
	else if (ns != NULL && ns[0] != '\0' && strcmp(ns, p->ns) != 0)
		sim_conn_status(c, 400, "BadRequest", -1, "the namespace of "
		    "the provided object does not match the namespace sent on "
		    "the request");
	else if (p->ns[0] != '\0' && sim_store_find(sim_conn_sim(c)->store,
	    SIM_NAMESPACE, "", p->ns) == NULL)
		refuse_namespace(c, p->ns);
	else
		return false;
	return true;
}

/* 422 of a name, with its cause. */
static void
refuse_name(struct sim_conn *c, const struct sim_path *p, const char *name)
{
	const char *kind = sim_kinds_row(p->kind)->kind;
	bool none = name[0] == '\0';
	char why[512], message[640];
	json_t *details;

	if (none)
		(void)snprintf(why, sizeof(why), "Required value: name or "
		    "generateName is required");
	else
		(void)snprintf(why, sizeof(why), "Invalid value: \"%.64s\": "
		    "a lowercase RFC 1123 subdomain must consist of lower "
		    "case alphanumeric characters, '-' or '.', and must start "
		    "and end with an alphanumeric character (e.g. "
		    "'example.com', regex used for validation is '[a-z0-9]"
		    "([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
		    "')", name);
	(void)snprintf(message, sizeof(message), "%s \"%.64s\" is invalid: "
	    "metadata.name: %s", kind, name, why);
	details = json_pack("{s:s, s:[{s:s, s:s, s:s}]}", "kind", kind,
	    "causes", "reason", none ? "FieldValueRequired" :
	    "FieldValueInvalid", "message", why, "field", "metadata.name");
	if (!none)
		(void)json_object_set_new(details, "name",
		    json_sprintf("%.64s", name));
	sim_conn_reply_json(c, 422, sim_status_make(422, "Invalid", message,
	    details));
}

static void
refuse_taken(struct sim_conn *c, const struct sim_path *p, const char *name)
{
	struct sim_path named = *p;

	(void)snprintf(named.name, sizeof(named.name), "%s", name);
	sim_api_refuse(c, &named, 409, "AlreadyExists", "%s \"%s\" already "
	    "exists", sim_status_resource(sim_kinds_row(p->kind)), name);
}

static void
create(struct sim_conn *c, const struct sim_path *p)
{
	static const char *const name_path[] = { "metadata", "name", NULL };
	static const char *const prefix_path[] = { "metadata", "generateName",
	    NULL };
	struct sim_store *store = sim_conn_sim(c)->store;
	json_t *doc = parse_body(c);
	const char *name, *prefix;
	char made[SIM_NAME_MAX + 1] = "";

	if (doc == NULL)
		return;
	name = json_string_value(sim_patch_get(doc, name_path));
	prefix = json_string_value(sim_patch_get(doc, prefix_path));
	if (name == NULL && prefix != NULL)
		(void)snprintf(made, sizeof(made), "%.240s%05llx", prefix,
		    (unsigned long long)sim_store_below(store, 0xfffff));
	else if (name != NULL)
		(void)snprintf(made, sizeof(made), "%s", name);
	if (misplaced(c, p, doc))
		;            /* answered */
	else if (!fits_kind(&sim_conn_sim(c)->modes, p->kind, made))
		refuse_name(c, p, made);
	else if (sim_store_find(store, p->kind, p->ns, made) != NULL)
		refuse_taken(c, p, made);
	else
		sim_api_reply_object(c, 201, sim_write_create(
		    sim_conn_sim(c), p->kind, p->ns, made, doc));
	json_decref(doc);
}

static void
write_scale(struct sim_conn *c, struct sim_object *o, json_t *body)
{
	static const char *const path[] = { "spec", "replicas", NULL };
	json_t *n = sim_patch_get(body, path);
	struct sim *sim = sim_conn_sim(c);

	if (!json_is_integer(n) || json_integer_value(n) < 0 ||
	    json_integer_value(n) > 100000) {
		sim_conn_status(c, 422, "Invalid", -1,
		    "spec.replicas: Invalid value");
		return;
	}
	if (o->st.replicas != (uint32_t)json_integer_value(n)) {
		o->st.replicas = (uint32_t)json_integer_value(n);
		o->st.generation++;
		sim_store_update(sim->store, o);
		sim_life_wake(sim->life, o);
	}
	sim_write_scale(c, o);
}

static bool
version_conflicts(struct sim_object *o, json_t *doc)
{
	static const char *const path[] = { "metadata", "resourceVersion",
	    NULL };
	const char *text = json_string_value(sim_patch_get(doc, path));
	uint64_t rv;

	return text != NULL && text[0] != '\0' &&
	    (!sim_http_number(text, &rv) || rv != o->st.rv);
}

static void
change(struct sim_conn *c, const struct sim_path *p, struct sim_object *o,
    bool put)
{
	bool status = strcmp(p->sub, "status") == 0;
	json_t *body = parse_body(c), *whole;

	if (body == NULL)
		return;
	(void)sim_object_ref(o);     /* a finalizer's end may delete it */
	if (version_conflicts(o, body)) {
		sim_api_refuse(c, p, 409, "Conflict", "Operation cannot be "
		    "fulfilled on %s \"%s\": the object has been modified; "
		    "please apply your changes to the latest version and try "
		    "again", sim_status_resource(sim_kinds_row(p->kind)),
		    p->name);
	} else if (strcmp(p->sub, "scale") == 0) {
		write_scale(c, o, body);
	} else if (put) {
		sim_write_document(sim_conn_sim(c), o, body, status);
		sim_api_reply_object(c, 200, o);
	} else {
		whole = sim_render_document(o, &o->st, false);
		sim_patch_merge(whole, body);
		sim_write_document(sim_conn_sim(c), o, whole, status);
		sim_api_reply_object(c, 200, o);
		json_decref(whole);
	}
	json_decref(body);
	sim_object_unref(o);
}

/* A pod, or what has a finalizer, is first marked, then gone; the life lets
 * time pass between, a test's finalizer until it is patched away. */
void
sim_write_delete(struct sim *sim, struct sim_object *o)
{
	bool held = held_back(o);

	if ((o->kind == SIM_POD || held ||
	    sim_kinds_row(o->kind)->finalizer != NULL) &&
	    o->st.deleting_ms == 0) {
		o->st.deleting_ms = sim_store_now(sim->store);
		o->st.generation++;
		sim_store_update(sim->store, o);
	}
	if (!held && !sim_life_delete(sim->life, o))
		sim_store_delete(sim->store, o);
}

/* A real server answers with the object where it stays for a while, and for
 * these kinds always; else with a Status that names it. */
static void
reply_deleted(struct sim_conn *c, struct sim_object *o)
{
	json_t *details;

	if (o->kind == SIM_POD || o->kind == SIM_SERVICE ||
	    o->kind == SIM_PVC || o->st.deleting_ms != 0) {
		sim_api_reply_object(c, 200, o);
		return;
	}
	details = sim_status_details(sim_kinds_row(o->kind), o->name);
	(void)json_object_set_new(details, "uid", json_string(o->uid));
	sim_conn_reply_json(c, 200, json_pack("{s:s, s:s, s:{}, s:s, s:o}",
	    "kind", "Status", "apiVersion", "v1", "metadata", "status",
	    "Success", "details", details));
}

/* DeleteOptions' preconditions; true: another object is meant, answered. */
static bool
another_meant(struct sim_conn *c, const struct sim_object *o)
{
	static const char *const path[] = { "preconditions", "uid", NULL };
	struct sim_request *r = sim_conn_request(c);
	const struct sim_kind_row *row = sim_kinds_row(o->kind);
	json_t *options = json_loadb(r->body, r->body_len, 0, NULL);
	const char *uid = json_string_value(sim_patch_get(options, path));
	bool other = uid != NULL && strcmp(uid, o->uid) != 0;

	if (other)
		sim_conn_reply_json(c, 409, sim_status_make_other(row, o->name,
		    uid, o->uid));
	json_decref(options);
	return other;
}

static void
delete_object(struct sim_conn *c, struct sim_object *o)
{
	if (another_meant(c, o))
		return;
	(void)sim_object_ref(o);
	sim_write_delete(sim_conn_sim(c), o);
	reply_deleted(c, o);
	sim_object_unref(o);
}

/* JSON patch, which a real server takes, is not understood here either. */
static bool
takes_patch(const struct sim_request *r)
{
	static const char *const types[] = { "application/merge-patch+json",
	    "application/strategic-merge-patch+json" };

	for (size_t i = 0; i < NELEM(types); i++)
		if (strncmp(r->content_type, types[i], strlen(types[i])) == 0)
			return true;
	return false;
}

void
sim_write_handle(struct sim_conn *c, const struct sim_path *p)
{
	struct sim_request *r = sim_conn_request(c);
	struct sim_object *o = NULL;

	if (p->name[0] != '\0')
		o = sim_store_find(sim_conn_sim(c)->store, p->kind, p->ns,
		    p->name);
	if (strcmp(r->method, "POST") == 0 && p->name[0] == '\0')
		create(c, p);
	else if (p->name[0] == '\0')
		sim_conn_status(c, 405, "MethodNotAllowed", -1,
		    "the server does not allow this method on the requested "
		    "resource");
	else if (o == NULL)
		sim_write_not_found(c, p);
	else if (strcmp(r->method, "DELETE") == 0)
		delete_object(c, o);
	else if (strcmp(r->method, "PATCH") == 0 && !takes_patch(r))
		sim_conn_status(c, 415, "UnsupportedMediaType", -1,
		    "415: Unsupported Media Type");
	else if (strcmp(r->method, "PATCH") == 0)
		change(c, p, o, false);
	else if (strcmp(r->method, "PUT") == 0)
		change(c, p, o, true);
	else
		sim_conn_status(c, 405, "MethodNotAllowed", -1,
		    "the server does not allow this method on the requested "
		    "resource");
}

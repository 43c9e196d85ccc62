#include "store/json_ops.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "common/event.h"
#include "common/query.h"

#define EXIST_KEYS_MAX 64u

/* 0 and *ret (a new reference), or -1 and an error answer was appended. */
typedef int (*op_fn)(const struct json_ops *ops, const json_t *request,
    json_t **ret, struct buf *answer);

static void
error_json(struct buf *answer, int status, json_t *body)
{
	char *text = json_dumps(body, JSON_COMPACT);

	buf_u8(answer, 1);
	buf_u16(answer, (uint16_t)status);
	buf_str32(answer, text, strlen(text));
	free(text);
	json_decref(body);
}

void
json_ops_error(struct buf *answer, int status, const char *code,
    const char *text)
{
	json_t *body = json_pack("{s:s, s:s}", "error", text, "code", code);

	/* A text that quotes what was no UTF-8. */
	if (body == NULL)
		body = json_pack("{s:s, s:s}", "error", "the request holds"
		    " text that is not UTF-8", "code", code);
	error_json(answer, status, body);
}

static int
op_failed(struct buf *answer, const struct err *err)
{
	json_ops_error(answer, 503, "store_unavailable", err->text);
	return -1;
}

static const char *
tenant_of(const json_t *request)
{
	const char *tenant = json_string_value(json_object_get(request,
	    "tenant"));

	return tenant != NULL ? tenant : EVENT_TENANT_DEFAULT;
}

/* A text member that must be there; NULL after an error answer. */
static const char *
required(const json_t *request, const char *name, struct buf *answer)
{
	const char *text = json_string_value(json_object_get(request, name));
	char message[64];

	if (text == NULL) {
		(void)snprintf(message, sizeof(message), "%s is missing",
		    name);
		json_ops_error(answer, 400, "bad_request", message);
	}
	return text;
}

static int
op_workflow_put(const struct json_ops *ops, const json_t *request,
    json_t **ret, struct buf *answer)
{
	json_t *problems = json_array();
	struct workflow w;
	struct err err;
	int rc;

	if (workflow_parse(request, &w, problems) == -1) {
		error_json(answer, 422, json_pack("{s:s, s:s, s:o}", "error",
		    "the workflow is not as it must be", "code",
		    "schema_violation", "details", problems));
		return -1;
	}
	json_decref(problems);
	rc = registry_put(ops->registry, &w, ret, &err);
	workflow_clear(&w);
	return rc == -1 ? op_failed(answer, &err) : 0;
}

static int
unknown_workflow(struct buf *answer, const char *id)
{
	char text[128];

	(void)snprintf(text, sizeof(text), "there is no workflow %.80s", id);
	json_ops_error(answer, 404, "not_found", text);
	return -1;
}

static int
op_workflow_get(const struct json_ops *ops, const json_t *request,
    json_t **ret, struct buf *answer)
{
	const char *id = required(request, "id", answer);
	struct err err;

	if (id == NULL)
		return -1;
	if (registry_get(ops->registry, tenant_of(request), id, ret,
	    &err) == -1)
		return op_failed(answer, &err);
	return *ret != NULL ? 0 : unknown_workflow(answer, id);
}

static int
op_workflow_delete(const struct json_ops *ops, const json_t *request,
    json_t **ret, struct buf *answer)
{
	const char *id = required(request, "id", answer);
	struct err err;
	int rc;

	if (id == NULL)
		return -1;
	rc = registry_delete(ops->registry, tenant_of(request), id, &err);
	if (rc == -1)
		return op_failed(answer, &err);
	if (rc == 0)
		return unknown_workflow(answer, id);
	*ret = json_pack("{s:s, s:b}", "id", id, "deleted", 1);
	return 0;
}

static int
op_workflow_list(const struct json_ops *ops, const json_t *request,
    json_t **ret, struct buf *answer)
{
	json_t *list;
	struct err err;

	if (registry_list(ops->registry, tenant_of(request), &list,
	    &err) == -1)
		return op_failed(answer, &err);
	*ret = json_pack("{s:o}", "workflows", list);
	return 0;
}

static int
op_bindings(const struct json_ops *ops, const json_t *request, json_t **ret,
    struct buf *answer)
{
	const char *cluster = required(request, "cluster", answer);
	struct err err;

	if (cluster == NULL)
		return -1;
	if (registry_bindings(ops->registry, cluster, ret, &err) == -1)
		return op_failed(answer, &err);
	return 0;
}

static int
op_clusters(const struct json_ops *ops, const json_t *request UNUSED,
    json_t **ret, struct buf *answer)
{
	struct err err;
	json_t *list = snapshot_clusters(ops->snapshots, &err);

	if (list == NULL)
		return op_failed(answer, &err);
	*ret = json_pack("{s:o}", "clusters", list);
	return 0;
}

static int
op_streams_exist(const struct json_ops *ops, const json_t *request,
    json_t **ret, struct buf *answer)
{
	const json_t *list = json_object_get(request, "keys"), *key;
	struct slice keys[EXIST_KEYS_MAX];
	struct snapshot_existence e;
	size_t i, n = json_array_size(list);
	struct err err;

	if (n == 0 || n > EXIST_KEYS_MAX) {
		json_ops_error(answer, 400, "bad_request",
		    "keys must be an array of 1 to 64 texts");
		return -1;
	}
	for (i = 0; i < n; i++) {
		key = json_array_get(list, i);
		keys[i] = !json_is_string(key) ? slice_str("") :
		    (struct slice){ json_string_value(key),
		    json_string_length(key) };
		if (stream_key_check(keys[i], NULL, &err) == -1) {
			json_ops_error(answer, 400, "invalid_key", err.text);
			return -1;
		}
	}
	if (snapshot_exists(ops->snapshots, slice_str(tenant_of(request)),
	    keys, n, &e, &err) == -1)
		return op_failed(answer, &err);
	*ret = json_pack("{s:b, s:b, s:I}", "exists", e.exists, "complete",
	    e.complete, "applied", (json_int_t)e.as_of.number);
	return 0;
}

static int
op_status(const struct json_ops *ops, const json_t *request UNUSED,
    json_t **ret, struct buf *answer)
{
	json_t *status = json_loads(ops->facts, 0, NULL);
	unsigned int incomplete;
	int64_t workflows;
	struct err err;

	if (registry_count(ops->registry, &workflows, &err) == -1 ||
	    snapshot_incomplete(ops->snapshots, &incomplete, &err) == -1) {
		json_decref(status);
		return op_failed(answer, &err);
	}
	if (status == NULL)
		status = json_object();
	(void)json_object_set_new(status, "workflows",
	    json_integer(workflows));
	(void)json_object_set_new(status, "clusters_incomplete",
	    json_integer(incomplete));
	*ret = status;
	return 0;
}

static const struct {
	const char	*name;
	op_fn		 fn;
} op_table[] = {
	{ "workflow.put", op_workflow_put },
	{ "workflow.get", op_workflow_get },
	{ "workflow.delete", op_workflow_delete },
	{ "workflow.list", op_workflow_list },
	{ "bindings", op_bindings },
	{ "clusters", op_clusters },
	{ "status", op_status },
	{ "streams.exist", op_streams_exist },
};

static op_fn
op_find(const char *name)
{
	size_t i;

	for (i = 0; name != NULL && i < NELEM(op_table); i++) {
		if (strcmp(op_table[i].name, name) == 0)
			return op_table[i].fn;
	}
	return NULL;
}

static void
answer_ok(struct buf *answer, json_t *body)
{
	char *text = json_dumps(body, JSON_COMPACT);

	json_decref(body);
	if (strlen(text) > QUERY_ANSWER_MAX) {
		json_ops_error(answer, 413, "answer_too_large",
		    "the answer would be larger than 64 MiB");
	} else {
		buf_u8(answer, 0);
		buf_str32(answer, text, strlen(text));
	}
	free(text);
}

void
json_ops_answer(const struct json_ops *ops, struct slice request,
    struct buf *answer)
{
	json_t *root, *body = NULL;
	op_fn fn;

	root = json_loadb(request.p, request.n, JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_object(root)) {
		json_ops_error(answer, 400, "invalid_json",
		    "the question is not a JSON object");
	} else if ((fn = op_find(json_string_value(json_object_get(root,
	    "op")))) == NULL) {
		json_ops_error(answer, 400, "bad_request",
		    "the store does not know this operation");
	} else if (fn(ops, root, &body, answer) == 0) {
		answer_ok(answer, body);
	}
	json_decref(root);
}

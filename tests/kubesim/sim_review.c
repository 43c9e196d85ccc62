#include "tests/kubesim/sim_review.h"

#include <string.h>

#include "tests/kubesim/sim_faults.h"
#include "tests/kubesim/sim_kinds.h"

#define ACCESS_PATH "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
#define SELF_PATH   "/apis/authentication.k8s.io/v1/selfsubjectreviews"

static const char *
text_of(json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text != NULL ? text : "";
}

static bool
allowed(struct sim *sim, json_t *spec)
{
	json_t *resource = json_object_get(spec, "resourceAttributes");
	json_t *path = json_object_get(spec, "nonResourceAttributes");
	const char *plural = text_of(resource, "resource");
	const char *ns = text_of(resource, "namespace");
	int kind = sim_kinds_by_name(plural);

	if (path != NULL)
		return sim_access_allows(&sim->access, text_of(path, "verb"),
		    text_of(path, "path"), "");
	if (kind >= 0 && sim_faults_forbidden(sim->faults,
	    (enum sim_kind)kind, ns))
		return false;
	return sim_access_allows(&sim->access, text_of(resource, "verb"),
	    plural, ns);
}

static void
reply_access(struct sim_conn *c, json_t *spec)
{
	bool may = allowed(sim_conn_sim(c), spec);
	json_t *status = json_pack("{s:b}", "allowed", may);

	if (may)
		(void)json_object_set_new(status, "reason", json_string(
		    "RBAC: allowed by ClusterRoleBinding \"kubesim\""));
	sim_conn_reply_json(c, 201, json_pack("{s:s, s:s, s:{s:n}, s:O, s:o}",
	    "kind", "SelfSubjectAccessReview", "apiVersion",
	    "authorization.k8s.io/v1", "metadata", "creationTimestamp",
	    "spec", spec, "status", status));
}

static void
reply_self(struct sim_conn *c)
{
	sim_conn_reply_json(c, 201, json_pack("{s:s, s:s, s:{s:n}, s:{s:{s:s,"
	    " s:[s, s]}}}", "kind", "SelfSubjectReview", "apiVersion",
	    "authentication.k8s.io/v1", "metadata", "creationTimestamp",
	    "status", "userInfo", "username", SIM_USER, "groups",
	    "system:masters", "system:authenticated"));
}

bool
sim_review_handle(struct sim_conn *c)
{
	struct sim_request *r = sim_conn_request(c);
	bool access = strcmp(r->path, ACCESS_PATH) == 0;
	json_t *body, *spec;

	if (!access && strcmp(r->path, SELF_PATH) != 0)
		return false;
	if (strcmp(r->method, "POST") != 0) {
		sim_conn_status(c, 405, "MethodNotAllowed", -1,
		    "the server does not allow this method on the requested "
		    "resource");
		return true;
	}
	body = json_loadb(r->body, r->body_len, 0, NULL);
	spec = json_object_get(body, "spec");
	if (!access)
		reply_self(c);
	else if (!json_is_object(spec))
		sim_conn_status(c, 422, "Invalid", -1, "spec: Invalid value: "
		    "exactly one of nonResourceAttributes or "
		    "resourceAttributes must be specified");
	else
		reply_access(c, spec);
	json_decref(body);
	return true;
}

#include "tests/kubesim/sim_status.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define RESOURCE_MAX 128

json_t *
sim_status_make(int code, const char *reason, const char *message,
    json_t *details)
{
	json_t *status = json_pack("{s:s, s:s, s:{}, s:s, s:s}",
	    "kind", "Status", "apiVersion", "v1", "metadata", "status",
	    "Failure", "message", message);

	if (status == NULL)
		abort();
	if (reason[0] != '\0')
		(void)json_object_set_new(status, "reason",
		    json_string(reason));
	if (details != NULL)
		(void)json_object_set_new(status, "details", details);
	(void)json_object_set_new(status, "code", json_integer(code));
	return status;
}

json_t *
sim_status_details(const struct sim_kind_row *row, const char *name)
{
	json_t *details = json_object();

	if (name[0] != '\0')
		(void)json_object_set_new(details, "name", json_string(name));
	if (row->group[0] != '\0')
		(void)json_object_set_new(details, "group",
		    json_string(row->group));
	(void)json_object_set_new(details, "kind", json_string(row->plural));
	return details;
}

json_t *
sim_status_too_large(uint64_t rv, uint64_t seen)
{
	json_t *details = json_pack("{s:[{s:s, s:s}], s:i}", "causes",
	    "reason", "ResourceVersionTooLarge", "message",
	    "Too large resource version", "retryAfterSeconds", 1);
	char message[128];

	(void)snprintf(message, sizeof(message), "Timeout: Too large resource "
	    "version: %" PRIu64 ", current: %" PRIu64, rv, seen);
	return sim_status_make(504, "Timeout", message, details);
}

json_t *
sim_status_make_other(const struct sim_kind_row *row, const char *name,
    const char *asked, const char *real)
{
	char message[512];

	(void)snprintf(message, sizeof(message), "Operation cannot be "
	    "fulfilled on %s \"%s\": the UID in the precondition (%.64s) does "
	    "not match the UID in record (%.64s). The object might have been "
	    "deleted and then recreated", row->kind, name, asked, real);
	return sim_status_make(409, "Conflict", message, json_pack(
	    "{s:s, s:s}", "name", name, "kind", row->kind));
}

const char *
sim_status_resource(const struct sim_kind_row *row)
{
	static char text[RESOURCE_MAX];

	(void)snprintf(text, sizeof(text), "%s%s%s", row->plural,
	    row->group[0] != '\0' ? "." : "", row->group);
	return text;
}

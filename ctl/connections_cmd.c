#include "ctl/connections_cmd.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bus.h"
#include "common/conf.h"
#include "common/xmalloc.h"
#include "ctl/ask_line.h"

#define PAGE 500   /* rows that a desk gives at a time, at most */

/* What the gateways said. */
struct answers {
	json_t	*rows;
	json_t	*silent;     /* names of those that did not answer */
	size_t	 answered;
};

int
connections_cmd_parse(int argc, char **argv, struct connections_ask *ret)
{
	bool list = strcmp(argv[0], "connections") == 0;
	int i;

	for (i = 1; i + 1 < argc && !list; i += 2) {
		if (strcmp(argv[i], "--subject") == 0)
			ret->subject = argv[i + 1];
		else if (strcmp(argv[i], "--tenant") == 0)
			ret->tenant = argv[i + 1];
		else
			return -1;
	}
	if (i < argc && !list)
		ret->id = argv[i++];
	if (i != argc)
		return -1;
	if (list)
		return 0;
	return (ret->id != NULL) != (ret->subject != NULL) &&
	    (ret->tenant == NULL || ret->subject != NULL) ? 0 : -1;
}

static const char *
text_of(const json_t *row, const char *name)
{
	const char *text = json_string_value(json_object_get(row, name));

	return text != NULL ? text : "";
}

/* --- asking --------------------------------------------------------------- */

/* Takes the question. NULL: nobody is there (and *ret_code ENOENT or
 * ECONNREFUSED), or no answer. */
static json_t *
ask_desk(const char *bus, unsigned int index, json_t *question, int *ret_code)
{
	char *text = json_dumps(question, JSON_COMPACT);
	char *line = xasprintf("%s\n", text != NULL ? text : "");
	char *path = xasprintf("%s/" BUS_DESK, bus, index);
	json_t *answer = ask_line(path, line, ret_code);

	json_decref(question);
	free(text);
	free(line);
	free(path);
	return answer;
}

static bool
is_absent(int code)
{
	return code == ENOENT || code == ECONNREFUSED;
}

/* All rows of one gateway, page after page. */
static void
collect(struct answers *a, const char *bus, unsigned int index)
{
	char *after = xstrdup("0");
	bool more = true;
	int code = 0;

	while (more) {
		json_t *page = ask_desk(bus, index, json_pack(
		    "{s:s, s:s, s:i}", "op", "connections", "after", after,
		    "limit", PAGE), &code);
		json_t *rows = json_object_get(page, "connections");
		size_t n = json_array_size(rows);

		if (page == NULL && !is_absent(code))
			(void)json_array_append_new(a->silent,
			    json_sprintf("%u", index));
		(void)json_array_extend(a->rows, rows);
		more = n > 0 && json_is_true(json_object_get(page, "more"));
		if (more) {
			free(after);
			after = xstrdup(text_of(json_array_get(rows, n - 1),
			    "id"));
		}
		a->answered += page != NULL;
		json_decref(page);
	}
	free(after);
}

/* --- printing ------------------------------------------------------------- */

static void
say_silent(const struct answers *a)
{
	for (size_t i = 0; i < json_array_size(a->silent); i++)
		(void)fprintf(stderr, "sluicectl: gateway/%s does not answer: "
		    "what it has is missing here; see sluicectl status\n",
		    json_string_value(json_array_get(a->silent, i)));
}

static void
print_row(const json_t *row)
{
	const json_t *keys = json_object_get(row, "streams");
	const char *subject = text_of(row, "subject");

	(void)printf("%-16s %-7s %-20s %-16s %-8s %-24s %10" PRId64 " %12"
	    PRId64 " %6" PRId64 " %-8s", text_of(row, "id"),
	    text_of(row, "gateway"), text_of(row, "client"),
	    *subject != '\0' ? subject : "-", text_of(row, "tenant"),
	    text_of(row, "since"),
	    (int64_t)json_integer_value(json_object_get(row, "events")),
	    (int64_t)json_integer_value(json_object_get(row, "bytes")),
	    (int64_t)json_integer_value(json_object_get(row, "lag")),
	    text_of(row, "state"));
	for (size_t i = 0; i < json_array_size(keys); i++)
		(void)printf(" %s", json_string_value(
		    json_array_get(keys, i)));
	(void)putchar('\n');
}

static void
print_list(const struct answers *a)
{
	(void)printf("%-16s %-7s %-20s %-16s %-8s %-24s %10s %12s %6s %-8s "
	    "%s\n", "ID", "GATEWAY", "CLIENT", "SUBJECT", "TENANT", "SINCE",
	    "EVENTS", "BYTES", "LAG", "STATE", "STREAMS");
	for (size_t i = 0; i < json_array_size(a->rows); i++)
		print_row(json_array_get(a->rows, i));
}

/* One line of JSON; takes it. */
static void
print_json(json_t *json)
{
	(void)json_dumpf(json, stdout, JSON_COMPACT);
	(void)putchar('\n');
	json_decref(json);
}

static int
nobody(const char *bus, const struct answers *a)
{
	say_silent(a);
	if (json_array_size(a->silent) == 0)
		(void)fprintf(stderr, "sluicectl: no gateway runs here (%s): "
		    "see sluicectl status; or name another installation with "
		    "-c FILE or --runtime DIR\n", bus);
	return 1;
}

/* --- commands ------------------------------------------------------------- */

static int
list(const char *bus, const struct connections_ask *ask, struct answers *a)
{
	for (unsigned int i = 0; i < CONF_GATEWAYS_MAX; i++)
		collect(a, bus, i);
	if (a->answered == 0)
		return nobody(bus, a);
	if (ask->json)
		print_json(json_pack("{s:O, s:O}", "connections", a->rows,
		    "unanswered", a->silent));
	else
		print_list(a);
	say_silent(a);
	return json_array_size(a->silent) == 0 ? 0 : 1;
}

/* What a desk says instead of doing it. */
static bool
is_refusal(const json_t *answer)
{
	const char *text = text_of(answer, "error");

	if (*text == '\0')
		return false;
	(void)fprintf(stderr, "sluicectl: %s\n", text);
	return true;
}

static int
disconnect(const char *bus, const struct connections_ask *ask,
    struct answers *a)
{
	bool closed = false, refused = false;
	int code = 0;

	for (unsigned int i = 0; i < CONF_GATEWAYS_MAX && !closed && !refused;
	    i++) {
		json_t *answer = ask_desk(bus, i, json_pack("{s:s, s:s}",
		    "op", "disconnect", "id", ask->id), &code);

		if (answer == NULL && !is_absent(code))
			(void)json_array_append_new(a->silent,
			    json_sprintf("%u", i));
		a->answered += answer != NULL;
		closed = json_is_true(json_object_get(answer, "closed"));
		refused = is_refusal(answer);
		json_decref(answer);
	}
	if (a->answered == 0)
		return nobody(bus, a);
	if (closed && ask->json)
		print_json(json_pack("{s:s}", "connection_id", ask->id));
	if (closed || refused)
		return closed ? 0 : 1;
	say_silent(a);
	(void)fprintf(stderr, "sluicectl: no stream has the id %s (any more); "
	    "sluicectl connections lists them\n", ask->id);
	return 1;
}

/* Asked for nothing, only whether it answers. */
static bool
is_silent(const char *bus, unsigned int index)
{
	int code = 0;
	json_t *answer = ask_desk(bus, index, json_pack("{s:s, s:s, s:i}",
	    "op", "connections", "after", "ffffffffffffffff", "limit", 1),
	    &code);
	bool silent = answer == NULL && !is_absent(code);

	json_decref(answer);
	return silent;
}

static void
say_still_open(const struct answers *a)
{
	for (size_t i = 0; i < json_array_size(a->silent); i++)
		(void)fprintf(stderr, "sluicectl: gateway/%s does not answer: "
		    "it is revoked there too, but streams that are open there "
		    "end only when it runs again; to end them now: sluicectl "
		    "restart gateway/%s\n", json_string_value(
		    json_array_get(a->silent, i)), json_string_value(
		    json_array_get(a->silent, i)));
}

/* Whichever gateway answers first does it for all. */
static int
revoke_subject(const char *bus, const struct connections_ask *ask,
    struct answers *a)
{
	json_t *answer = NULL;
	int code = 0, rc;

	for (unsigned int i = 0; i < CONF_GATEWAYS_MAX; i++) {
		bool silent;

		if (answer == NULL) {
			answer = ask_desk(bus, i, json_pack("{s:s, s:s, s:s*}",
			    "op", "revoke", "subject", ask->subject, "tenant",
			    ask->tenant), &code);
			silent = answer == NULL && !is_absent(code);
		} else {
			silent = is_silent(bus, i);
		}
		if (silent)
			(void)json_array_append_new(a->silent,
			    json_sprintf("%u", i));
	}
	if (answer == NULL)
		return nobody(bus, a);
	rc = is_refusal(answer) ? 1 : 0;
	if (rc == 0 && ask->json)
		print_json(json_incref(answer));
	json_decref(answer);
	if (rc == 0)
		say_still_open(a);
	return rc != 0 || json_array_size(a->silent) > 0 ? 1 : 0;
}

int
connections_cmd(const char *bus_directory, const struct connections_ask *ask)
{
	struct answers a = { json_array(), json_array(), 0 };
	int rc;

	if (ask->subject != NULL)
		rc = revoke_subject(bus_directory, ask, &a);
	else if (ask->id != NULL)
		rc = disconnect(bus_directory, ask, &a);
	else
		rc = list(bus_directory, ask, &a);
	json_decref(a.rows);
	json_decref(a.silent);
	return rc;
}

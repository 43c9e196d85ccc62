#include "lib/pub_answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/macros.h"

static size_t
count_of(const json_t *root, const char *name)
{
	json_int_t value = json_integer_value(json_object_get(root, name));

	return value > 0 ? (size_t)value : 0;
}

static bool
is_count(const json_t *root, const char *name)
{
	return json_is_integer(json_object_get(root, name));
}

/* The contract's 202: it tells the fate of each of n events. */
static bool
is_taken(const json_t *root, size_t n)
{
	return is_count(root, "accepted") && is_count(root, "duplicates") &&
	    count_of(root, "accepted") + count_of(root, "duplicates") +
	    count_of(root, "refused") == n;
}

static void
copy_text(char *to, size_t size, const json_t *root, const char *name)
{
	const char *text = json_string_value(json_object_get(root, name));

	(void)snprintf(to, size, "%s", text != NULL ? text : "");
}

/* That of the events which were sent; a 403 may also be of the place they were
 * sent to, which says nothing of them. */
static bool
is_refusal(const struct pub_answer *a)
{
	return a->code[0] != '\0' && (a->status == 400 || a->status == 409 ||
	    a->status == 413 || a->status == 422 || (a->status == 403 &&
	    strcmp(a->code, "forbidden_host") != 0 &&
	    strcmp(a->code, "forbidden_origin") != 0));
}

/* An answer that says nothing of the events, in words for a person. */
static void
away(struct pub_answer *a, const char *body)
{
	a->verdict = PUB_AWAY;
	if (a->status == 0)
		(void)snprintf(a->text, sizeof(a->text), "%s", body);
	else if (a->code[0] == '\0')
		(void)snprintf(a->text, sizeof(a->text), "HTTP %d, not in "
		    "Sluice's form: is the URL that of a Sluice?", a->status);
}

void
pub_answer_read(struct pub_answer *a, size_t n, int status, const char *body,
    size_t size)
{
	json_t *root = status != 0 ? json_loadb(body, size, 0, NULL) : NULL;
	json_t *details = json_object_get(root, "details");

	*a = (struct pub_answer){ .status = status };
	copy_text(a->code, sizeof(a->code), root, "code");
	copy_text(a->text, sizeof(a->text), root, "error");
	if (json_is_array(details))
		a->details = json_incref(details);
	if (status == 202 && is_taken(root, n)) {
		a->verdict = PUB_TAKEN;
		a->duplicates = count_of(root, "duplicates");
		a->refused = count_of(root, "refused");
	} else if (status == 401 && a->code[0] != '\0') {
		a->verdict = PUB_UNAUTHORIZED;
	} else if (is_refusal(a)) {
		a->verdict = PUB_REFUSED;
	} else {
		away(a, body);
	}
	json_decref(root);
}

void
pub_answer_clear(struct pub_answer *a)
{
	json_decref(a->details);
	a->details = NULL;
}

/* The number in "[2]..." where it is below n. */
static bool
place_of(const char *path, size_t n, size_t *ret)
{
	const char *p = path + 1;
	size_t at = 0;

	if (path[0] != '[')
		return false;
	for (; *p >= '0' && *p <= '9' && at < n; p++)
		at = at * 10 + (size_t)(*p - '0');
	*ret = at;
	return p > path + 1 && *p == ']' && at < n;
}

/* The contract's codes of one event among several. */
static const struct {
	const char	*code;
	int		 status;   /* had it been sent alone; 503: later */
	const char	*text;
} codes[] = {
	{ "schema_violation", 422, "the event is not as the contract says" },
	{ "forbidden", 403, "the token may not publish to its stream" },
	{ "idempotency_conflict", 409, "its idempotency_key was used for "
	    "another event" },
	{ "illegal_transition", 409, "the state machine does not lead there "
	    "from its current state" },
	{ "stream_ended", 409, "the stream has ended" },
	{ "too_many_steps", 409, "the stream has all the steps it may have" },
	{ "broker_unavailable", 503, "" },
	{ "too_many_streams", 503, "" },
	{ "no_room_for_steps", 503, "" },
	{ "machine_busy", 503, "" },
};

/* NELEM(codes): none of them. */
static size_t
code_of(const json_t *row)
{
	const char *code = json_string_value(json_object_get(row, "code"));
	size_t i = 0;

	while (i < NELEM(codes) && (code == NULL ||
	    strcmp(code, codes[i].code) != 0))
		i++;
	return i;
}

static enum pub_fate
fate_of(const json_t *row)
{
	size_t i = code_of(row);

	if (i == NELEM(codes))
		return PUB_NOT_CLEAR;
	return codes[i].status == 503 ? PUB_LATER : PUB_REFUSED_ITSELF;
}

static const char *
path_of(const json_t *row)
{
	const char *path = json_string_value(json_object_get(row, "path"));

	return path != NULL ? path : "";
}

size_t
pub_answer_fates(const struct pub_answer *a, enum pub_fate *ret, size_t n)
{
	const json_t *row;
	size_t i, at, count = 0;

	for (i = 0; i < n; i++)
		ret[i] = PUB_NOT_NAMED;
	json_array_foreach(a->details, i, row) {
		if (!place_of(path_of(row), n, &at) ||
		    ret[at] != PUB_NOT_NAMED)
			continue;
		ret[at] = fate_of(row);
		count++;
	}
	return count;
}

/* The row as of an event alone. */
static json_t *
own_row(json_t *row)
{
	const char *path = strchr(path_of(row), ']') + 1;
	json_t *own = json_copy(row);

	if (own != NULL)
		(void)json_object_set_new(own, "path", json_string(path +
		    (*path == '.')));
	return own;
}

void
pub_answer_of(const struct pub_answer *a, size_t i, struct pub_answer *ret)
{
	json_t *row;
	size_t index, at;

	*ret = (struct pub_answer){ .verdict = PUB_REFUSED,
	    .details = json_array() };
	json_array_foreach(a->details, index, row) {
		size_t code = code_of(row);

		if (!place_of(path_of(row), i + 1, &at) || at != i)
			continue;
		(void)json_array_append_new(ret->details, own_row(row));
		if (ret->status != 0 || code == NELEM(codes))
			continue;
		ret->status = codes[code].status;
		(void)snprintf(ret->code, sizeof(ret->code), "%s",
		    codes[code].code);
		(void)snprintf(ret->text, sizeof(ret->text), "%s",
		    codes[code].text);
	}
}

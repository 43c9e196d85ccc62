#include "lib/pub_answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static bool
is_refusal(int status)
{
	return status == 400 || status == 403 || status == 409 ||
	    status == 413 || status == 422;
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
	} else if (is_refusal(status) && a->code[0] != '\0') {
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

size_t
pub_answer_named(const struct pub_answer *a, bool *named, size_t n)
{
	const json_t *row;
	size_t i, count = 0;

	memset(named, 0, n * sizeof(*named));
	json_array_foreach(a->details, i, row) {
		const char *path = json_string_value(json_object_get(row,
		    "path"));
		size_t at;

		if (path == NULL || !place_of(path, n, &at) || named[at])
			continue;
		named[at] = true;
		count++;
	}
	return count;
}

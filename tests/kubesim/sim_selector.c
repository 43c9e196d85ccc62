#include "tests/kubesim/sim_selector.h"

#include <stdlib.h>
#include <string.h>

#include "common/xmalloc.h"
#include "tests/kubesim/sim_patch.h"
#include "tests/kubesim/sim_render.h"

#define VALUES_MAX 16
#define PATH_MAX_PARTS 4

enum op { OP_IN, OP_NOT_IN, OP_EXISTS, OP_MISSING };

struct term {
	bool		 field;
	enum op		 op;
	char		*key;
	char		*value[VALUES_MAX];
	size_t		 n_values;
};

struct sim_selector {
	struct term	term[SIM_SELECTOR_TERMS_MAX];
	size_t		n;
};

/* Beside metadata.name and metadata.namespace, which all kinds have. */
static const struct { enum sim_kind kind; const char *label; } allowed[] = {
	{ SIM_POD, "spec.nodeName" }, { SIM_POD, "spec.restartPolicy" },
	{ SIM_POD, "spec.schedulerName" },
	{ SIM_POD, "spec.serviceAccountName" }, { SIM_POD, "status.phase" },
	{ SIM_POD, "status.podIP" }, { SIM_POD, "status.nominatedNodeName" },
	{ SIM_SECRET, "type" }, { SIM_SERVICE, "spec.type" },
	{ SIM_SERVICE, "spec.clusterIP" }, { SIM_JOB, "status.successful" },
	{ SIM_NODE, "spec.unschedulable" },
	{ SIM_REPLICASET, "status.replicas" },
	{ SIM_NAMESPACE, "status.phase" },
};

static bool
field_allowed(enum sim_kind kind, const char *label)
{
	if (strcmp(label, "metadata.name") == 0 ||
	    strcmp(label, "metadata.namespace") == 0)
		return true;
	for (size_t i = 0; i < NELEM(allowed); i++)
		if (allowed[i].kind == kind &&
		    strcmp(allowed[i].label, label) == 0)
			return true;
	return false;
}

/* False: it is refused by what all kinds share, in other words. */
static bool
has_labels(enum sim_kind kind)
{
	for (size_t i = 0; i < NELEM(allowed); i++)
		if (allowed[i].kind == kind)
			return true;
	return false;
}

void
sim_selector_free(struct sim_selector *s)
{
	if (s == NULL)
		return;
	for (size_t i = 0; i < s->n; i++) {
		free(s->term[i].key);
		for (size_t j = 0; j < s->term[i].n_values; j++)
			free(s->term[i].value[j]);
	}
	free(s);
}

/* ---- parsing ---- */

static char *
trimmed(const char *p, size_t n)
{
	while (n != 0 && *p == ' ') {
		p++;
		n--;
	}
	while (n != 0 && p[n - 1] == ' ')
		n--;
	return xstrndup(p, n);
}

static void
add_value(struct term *t, const char *p, size_t n)
{
	if (t->n_values < VALUES_MAX)
		t->value[t->n_values++] = trimmed(p, n);
}

/* "(a,b)" */
static void
add_values(struct term *t, const char *p, size_t n)
{
	const char *end = p + n, *comma;

	while (p < end) {
		comma = memchr(p, ',', (size_t)(end - p));
		if (comma == NULL)
			comma = end;
		add_value(t, p, (size_t)(comma - p));
		p = comma + 1;
	}
}

/* "key in (a,b)" and "key notin (a,b)"; false: it is none of them. */
static bool
parse_set(struct term *t, const char *p, size_t n)
{
	const char *open = memchr(p, '(', n);
	size_t before;

	if (open == NULL || p[n - 1] != ')')
		return false;
	before = (size_t)(open - p);
	while (before != 0 && p[before - 1] == ' ')
		before--;
	if (before > 6 && strncmp(p + before - 6, " notin", 6) == 0) {
		t->op = OP_NOT_IN;
		t->key = trimmed(p, before - 6);
	} else if (before > 3 && strncmp(p + before - 3, " in", 3) == 0) {
		t->op = OP_IN;
		t->key = trimmed(p, before - 3);
	} else {
		return false;
	}
	add_values(t, open + 1, (size_t)(p + n - 1 - (open + 1)));
	return true;
}

static void
parse_term(struct term *t, const char *p, size_t n)
{
	const char *equal = memchr(p, '=', n);
	size_t key;

	if (!t->field && parse_set(t, p, n))
		return;
	if (equal == NULL) {
		t->op = *p == '!' ? OP_MISSING : OP_EXISTS;
		t->key = trimmed(p + (*p == '!'), n - (*p == '!'));
		return;
	}
	key = (size_t)(equal - p);
	t->op = OP_IN;
	if (key != 0 && p[key - 1] == '!') {
		t->op = OP_NOT_IN;
		key--;
	}
	t->key = trimmed(p, key);
	equal++;
	if (equal < p + n && *equal == '=')
		equal++;
	add_value(t, equal, (size_t)(p + n - equal));
}

static int
parse_text(struct sim_selector *s, enum sim_kind kind, const char *text,
    bool field, struct err *err)
{
	struct term *t;
	size_t n;
	int depth;

	while (text != NULL && *text != '\0') {
		if (s->n == SIM_SELECTOR_TERMS_MAX)
			return err_set(err, "a selector of more than %d terms",
			    SIM_SELECTOR_TERMS_MAX);
		depth = 0;
		for (n = 0; text[n] != '\0' && (text[n] != ',' || depth > 0);
		    n++)
			depth += text[n] == '(' ? 1 : text[n] == ')' ? -1 : 0;
		t = &s->term[s->n++];
		t->field = field;
		parse_term(t, text, n);
		if (t->key[0] == '\0')
			return err_set(err, "found '%.*s', expected: !, "
			    "identifier, or 'end of string'", (int)n, text);
		if (field && !field_allowed(kind, t->key))
			return err_set(err, has_labels(kind) ? "field label "
			    "not supported: %.64s" : "\"%.64s\" is not a known "
			    "field selector: only \"metadata.name\", "
			    "\"metadata.namespace\"", t->key);
		text += n + (text[n] == ',');
	}
	return 0;
}

int
sim_selector_parse(enum sim_kind kind, const char *labels, const char *fields,
    struct sim_selector **ret, struct err *err)
{
	struct sim_selector *s = xcalloc(1, sizeof(*s));

	*ret = NULL;
	if (parse_text(s, kind, labels, false, err) != 0 ||
	    parse_text(s, kind, fields, true, err) != 0) {
		sim_selector_free(s);
		return -1;
	}
	if (s->n != 0)
		*ret = s;
	else
		sim_selector_free(s);
	return 0;
}

/* ---- matching ---- */

/* The value of a field label: "" where there is none. */
static const char *
field_value(json_t *doc, const char *key)
{
	char copy[64], *parts = copy, *part;
	const char *path[PATH_MAX_PARTS + 1] = { NULL };
	const char *text;
	size_t n = 0;

	if (strlen(key) >= sizeof(copy))
		return "";
	memcpy(copy, key, strlen(key) + 1);
	while (n < PATH_MAX_PARTS && (part = strsep(&parts, ".")) != NULL)
		path[n++] = part;
	text = json_string_value(sim_patch_get(doc, path));
	return text != NULL ? text : "";
}

static bool
term_matches(const struct term *t, json_t *doc)
{
	static const char *const path[] = { "metadata", "labels", NULL };
	const char *text;

	if (t->field)
		text = field_value(doc, t->key);
	else
		text = json_string_value(json_object_get(
		    sim_patch_get(doc, path), t->key));
	if (t->op == OP_EXISTS || t->op == OP_MISSING)
		return (text != NULL) == (t->op == OP_EXISTS);
	for (size_t i = 0; text != NULL && i < t->n_values; i++)
		if (strcmp(text, t->value[i]) == 0)
			return t->op == OP_IN;
	return t->op == OP_NOT_IN;
}

bool
sim_selector_matches(const struct sim_selector *s, const struct sim_object *o,
    const struct sim_state *st)
{
	bool all = true;
	json_t *doc;

	if (s == NULL)
		return true;
	doc = sim_render_document(o, st, false);
	for (size_t i = 0; i < s->n && all; i++)
		all = term_matches(&s->term[i], doc);
	json_decref(doc);
	return all;
}

#include "common/conf_value.h"

#include <inttypes.h>
#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "common/xmalloc.h"

/* --- helpers ------------------------------------------------------------- */

int
conf_value_wrong(const struct conf_value *v, const char *fmt, ...)
{
	char text[ERR_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	conf_problem(v->report, v->node->line, v->path, "%s", text);
	return -1;
}

void *
conf_value_at(const struct conf_value *v, size_t off)
{
	return v->base + off;
}

/* Takes the text. */
void
conf_value_set_string(const struct conf_value *v, size_t off, char *text)
{
	char **place = conf_value_at(v, off);

	free(*place);
	*place = text;
}

/* Index of a word in "a|b|c", or -1. */
int
conf_word_index(const char *words, const char *text)
{
	size_t n = strlen(text), len;

	for (int i = 0; words != NULL; i++) {
		len = strcspn(words, "|");
		if (len == n && memcmp(words, text, n) == 0)
			return i;
		words = words[len] == '|' ? words + len + 1 : NULL;
	}
	return -1;
}

const char *
conf_word_at(const char *words, int index, size_t *ret_len)
{
	for (; index > 0; index--)
		words += strcspn(words, "|") + 1;
	*ret_len = strcspn(words, "|");
	return words;
}

/* The text of a scalar, or NULL after it was reported. */
const char *
conf_value_scalar(const struct conf_value *v, const char *want)
{
	if (v->node->kind != YAML_KIND_SCALAR) {
		(void)conf_value_wrong(v, "is a %s; write one value: %s",
		    v->node->kind == YAML_KIND_MAP ? "map" : "list", want);
		return NULL;
	}
	if (yaml_tree_is_null(v->node)) {
		(void)conf_value_wrong(v,
		    "has no value; write %s, or remove the line",
		    want);
		return NULL;
	}
	if (strlen(v->node->text) != v->node->n) {
		(void)conf_value_wrong(v, "holds a NUL byte; write %s", want);
		return NULL;
	}
	return v->node->text;
}

/* --- numbers and words --------------------------------------------------- */

static uint32_t
cores_at_most_4(void)
{
	cpu_set_t set;
	int n = 1;

	if (sched_getaffinity(0, sizeof(set), &set) == 0)
		n = CPU_COUNT(&set);
	return (uint32_t)MAX(1, MIN(n, 4));
}

static int
read_count(const struct conf_value *v)
{
	const struct conf_key *k = v->key;
	const char *text, *p;
	char want[96];
	uint64_t n;
	uint32_t out;

	(void)snprintf(want, sizeof(want),
	    "%sa whole number from %" PRId64 " to %" PRId64,
	    k->words != NULL ? "auto, or " : "", k->min, k->max);
	p = text = conf_value_scalar(v, want);
	if (text == NULL)
		return -1;
	if (conf_word_index(k->words, text) >= 0) {
		out = k->off == offsetof(struct conf, gateway.processes)
		    ? cores_at_most_4() : 0;
	} else if (!conf_digits(&p, &n) || *p != '\0' || n < (uint64_t)k->min ||
	    n > (uint64_t)k->max) {
		return conf_value_wrong(v, "\"%s\" must be %s", text, want);
	} else {
		out = (uint32_t)n;
	}
	memcpy(conf_value_at(v, k->off), &out, sizeof(out));
	return 0;
}

static int
read_size(const struct conf_value *v)
{
	const struct conf_key *k = v->key;
	const char *text = conf_value_scalar(v, "a size such as 64MiB");
	char low[32], high[32];
	uint64_t n;

	if (text == NULL)
		return -1;
	conf_unit_format((uint64_t)k->min,
	    conf_sizes, CONF_SIZES, low, sizeof(low));
	conf_unit_format((uint64_t)k->max, conf_sizes, CONF_SIZES, high,
	    sizeof(high));
	if (conf_size_parse(text, &n) != 0)
		return conf_value_wrong(v,
		    "\"%s\" is not a size; write a whole number "
		    "with KiB, MiB or GiB, from %s to %s", text, low, high);
	if (n < (uint64_t)k->min || n > (uint64_t)k->max)
		return conf_value_wrong(v,
		    "%s is out of range; write %s to %s", text,
		    low, high);
	memcpy(conf_value_at(v, k->off), &n, sizeof(n));
	return 0;
}

static int
read_duration(const struct conf_value *v, const char *text, size_t off)
{
	const struct conf_key *k = v->key;
	char low[32], high[32];
	int64_t ms;

	conf_unit_format((uint64_t)k->min, conf_durations, CONF_DURATIONS, low,
	    sizeof(low));
	conf_unit_format((uint64_t)k->max, conf_durations, CONF_DURATIONS, high,
	    sizeof(high));
	if (conf_duration_parse(text, &ms) != 0)
		return conf_value_wrong(v,
		    "\"%s\" is not a duration; write %s%sa whole "
		    "number with ms, s, m or h, from %s to %s", text,
		    k->words != NULL ? k->words : "",
		    k->words != NULL ? ", or " : "", low, high);
	if (ms < k->min || ms > k->max)
		return conf_value_wrong(v,
		    "%s is out of range; write %s%s%s to %s", text,
		    k->words != NULL ? k->words : "",
		    k->words != NULL ? ", or " : "", low, high);
	memcpy(conf_value_at(v, off), &ms, sizeof(ms));
	return 0;
}

static int
read_duration_or_off(const struct conf_value *v)
{
	const char *text = conf_value_scalar(v, "a duration such as 5s");
	int64_t off = 0;

	if (text == NULL)
		return -1;
	if (conf_word_index(v->key->words, text) < 0)
		return read_duration(v, text, v->key->off);
	memcpy(conf_value_at(v, v->key->off), &off, sizeof(off));
	return 0;
}

static int
read_sync(const struct conf_value *v)
{
	const char *text = conf_value_scalar(v, "always, never, or a duration");
	enum conf_sync sync = CONF_SYNC_INTERVAL;

	if (text == NULL)
		return -1;
	if (strcmp(text, "always") == 0)
		sync = CONF_SYNC_ALWAYS;
	else if (strcmp(text, "never") == 0)
		sync = CONF_SYNC_NEVER;
	else if (read_duration(v, text, v->key->off2) != 0)
		return -1;
	memcpy(conf_value_at(v, v->key->off), &sync, sizeof(sync));
	return 0;
}

static int
read_word(const struct conf_value *v)
{
	const char *text;
	char want[96];
	int i;

	(void)snprintf(want, sizeof(want), "one of %s", v->key->words);
	text = conf_value_scalar(v, want);
	if (text == NULL)
		return -1;
	i = conf_word_index(v->key->words, text);
	if (i < 0)
		return conf_value_wrong(v, "\"%s\" must be %s", text, want);
	memcpy(conf_value_at(v, v->key->off), &i, sizeof(i));
	return 0;
}

static int
read_bool(const struct conf_value *v)
{
	const char *text = conf_value_scalar(v, "true or false");
	bool yes;

	if (text == NULL)
		return -1;
	yes = strcmp(text, "true") == 0;
	if (!yes && strcmp(text, "false") != 0)
		return conf_value_wrong(v,
		    "\"%s\" must be true or false", text);
	memcpy(conf_value_at(v, v->key->off), &yes, sizeof(yes));
	return 0;
}

static int
read_fixed(const struct conf_value *v)
{
	const char *def = v->key->def;

	if (strcmp(def, "[]") == 0
	    ? v->node->kind == YAML_KIND_LIST && v->node->count == 0
	    : v->node->kind == YAML_KIND_SCALAR &&
	    strcmp(v->node->text, def) == 0)
		return 0;
	return conf_value_wrong(v,
	    "this version admits only \"%s\"; write that, or "
	    "remove the line", def);
}

int
conf_value_read(struct conf_report *r, const struct conf_key *key,
    const char *path, const struct yaml_node *node, void *base)
{
	struct conf_value v = { r, key, path, node, base };

	switch (key->type) {
	case CONF_TYPE_FIXED:
		return read_fixed(&v);
	case CONF_TYPE_LISTEN:
		return conf_read_listen(&v);
	case CONF_TYPE_PATH:
		return conf_read_path(&v);
	case CONF_TYPE_PATHS:
		return conf_read_paths(&v);
	case CONF_TYPE_MONGODB:
		return conf_read_mongodb(&v);
	case CONF_TYPE_CONTEXTS:
		return conf_read_contexts(&v);
	case CONF_TYPE_CLUSTERS:
		return conf_read_clusters(&v);
	case CONF_TYPE_ORIGINS:
		return conf_read_origins(&v);
	case CONF_TYPE_NETWORKS:
		return conf_read_networks(&v);
	case CONF_TYPE_KINDS:
		return conf_read_kinds(&v);
	case CONF_TYPE_NAMESPACES:
		return conf_read_namespaces(&v);
	case CONF_TYPE_CUSTOM:
		return conf_read_custom(&v);
	case CONF_TYPE_COUNT:
		return read_count(&v);
	case CONF_TYPE_SIZE:
		return read_size(&v);
	case CONF_TYPE_DURATION:
		return read_duration_or_off(&v);
	case CONF_TYPE_WORD:
		return read_word(&v);
	case CONF_TYPE_BOOL:
		return read_bool(&v);
	case CONF_TYPE_TEXT:
		return conf_read_text(&v);
	case CONF_TYPE_TOKEN:
		return conf_read_token(&v);
	case CONF_TYPE_SYNC:
		return read_sync(&v);
	case CONF_TYPE_MAX:
		break;
	}
	abort();
}

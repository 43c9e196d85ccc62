#include "tests/kubesim/sim_modes.h"

#include <stddef.h>
#include <string.h>

#include "tests/kubesim/sim_kinds.h"

#define WORDS_MAX 7

/* A mode is a word of a few, a number of a range, or a list of kinds. */
enum mode_type { MODE_WORD, MODE_NUMBER, MODE_KINDS };

static const struct mode {
	const char	*name;
	enum mode_type	 type;
	size_t		 at;
	const char	*words[WORDS_MAX];
	int64_t		 initial;
	int64_t		 low;
	int64_t		 high;
} modes[] = {
	{ "transform", MODE_WORD, offsetof(struct sim_modes, transform),
	    { "on", "refused", "ignored" }, 0, 0, 0 },
	{ "watchlist", MODE_WORD, offsetof(struct sim_modes, watchlist),
	    { "on", "off", "ignored", "endless", "error", "gzip" }, 0, 0, 0 },
	{ "discovery", MODE_WORD, offsetof(struct sim_modes, discovery),
	    { "v2", "legacy" }, 0, 0, 0 },
	{ "gzip", MODE_WORD, offsetof(struct sim_modes, gzip),
	    { "off", "on" }, 1, 0, 0 },
	{ "drop", MODE_WORD, offsetof(struct sim_modes, drop),
	    { "off", "on" }, 1, 0, 0 },
	{ "ping", MODE_WORD, offsetof(struct sim_modes, ping),
	    { "answered", "ignored" }, 0, 0, 0 },
	{ "goaway_percent", MODE_NUMBER,
	    offsetof(struct sim_modes, goaway_percent), { NULL }, 0, 0, 100 },
	{ "streams", MODE_NUMBER, offsetof(struct sim_modes, streams),
	    { NULL }, 100, 1, 100000 },
	{ "minor", MODE_NUMBER, offsetof(struct sim_modes, minor),
	    { NULL }, 36, 16, 99 },
	{ "too_large_ms", MODE_NUMBER,
	    offsetof(struct sim_modes, too_large_ms),
	    { NULL }, 3000, 0, 3600000 },
	{ "watch_min_s", MODE_NUMBER, offsetof(struct sim_modes, watch_min_s),
	    { NULL }, 1800, 1, 86400 },
	{ "bookmark_ms", MODE_NUMBER, offsetof(struct sim_modes, bookmark_ms),
	    { NULL }, 60000, 0, 3600000 },
	{ "before_end_ms", MODE_NUMBER,
	    offsetof(struct sim_modes, before_end_ms),
	    { NULL }, 2000, 0, 3600000 },
	{ "page_max", MODE_NUMBER, offsetof(struct sim_modes, page_max),
	    { NULL }, 0, 0, 1000000 },
	{ "unserved", MODE_KINDS, offsetof(struct sim_modes, unserved),
	    { NULL }, 0, 0, 0 },
	{ "silent", MODE_KINDS, offsetof(struct sim_modes, silent),
	    { NULL }, 0, 0, 0 },
	{ "uncached", MODE_KINDS, offsetof(struct sim_modes, uncached),
	    { NULL }, 0, 0, 0 },
	{ "path_names", MODE_KINDS, offsetof(struct sim_modes, path_names),
	    { NULL }, 0, 0, 0 },
};

static void *
place(struct sim_modes *m, const struct mode *mode)
{
	return (char *)m + mode->at;
}

static void
put(struct sim_modes *m, const struct mode *mode, int64_t value)
{
	int word = (int)value;
	uint32_t set = (uint32_t)value;

	switch (mode->type) {
	case MODE_WORD:
		memcpy(place(m, mode), &word, sizeof(word));
		break;
	case MODE_NUMBER:
		memcpy(place(m, mode), &value, sizeof(value));
		break;
	case MODE_KINDS:
		memcpy(place(m, mode), &set, sizeof(set));
		break;
	}
}

void
sim_modes_init(struct sim_modes *m)
{
	for (size_t i = 0; i < NELEM(modes); i++)
		put(m, &modes[i], modes[i].initial);
}

/* ---- setting ---- */

static int
set_word(struct sim_modes *m, const struct mode *mode, json_t *value,
    struct err *err)
{
	const char *text = json_string_value(value);

	for (int i = 0; text != NULL && i < WORDS_MAX &&
	    mode->words[i] != NULL; i++) {
		if (strcmp(mode->words[i], text) == 0) {
			put(m, mode, i);
			return 0;
		}
	}
	return err_set(err, "%s: no such word; the first of them is \"%s\"",
	    mode->name, mode->words[0]);
}

static int
set_kinds(struct sim_modes *m, const struct mode *mode, json_t *value,
    struct err *err)
{
	uint32_t set = 0, one;
	json_t *item;
	size_t i;

	if (!json_is_array(value))
		return err_set(err, "%s: a list of kinds", mode->name);
	json_array_foreach(value, i, item) {
		one = json_is_string(item) ?
		    sim_kinds_set(json_string_value(item)) : 0;
		if (one == 0)
			return err_set(err, "%s: no such kind", mode->name);
		set |= one;
	}
	put(m, mode, set);
	return 0;
}

static int
set_mode(struct sim_modes *m, const struct mode *mode, json_t *value,
    struct err *err)
{
	json_int_t n = json_integer_value(value);

	if (mode->type == MODE_WORD)
		return set_word(m, mode, value, err);
	if (mode->type == MODE_KINDS)
		return set_kinds(m, mode, value, err);
	if (!json_is_integer(value) || n < mode->low || n > mode->high)
		return err_set(err, "%s: a number from %lld to %lld",
		    mode->name, (long long)mode->low, (long long)mode->high);
	put(m, mode, n);
	return 0;
}

int
sim_modes_set(struct sim_modes *m, json_t *doc, struct err *err)
{
	const char *key;
	json_t *value;
	size_t i;

	if (!json_is_object(doc))
		return err_set(err, "modes: an object was expected");
	json_object_foreach(doc, key, value) {
		for (i = 0; i < NELEM(modes); i++)
			if (strcmp(modes[i].name, key) == 0)
				break;
		if (i == NELEM(modes))
			return err_set(err, "%s: no such mode", key);
		if (set_mode(m, &modes[i], value, err) != 0)
			return -1;
	}
	return 0;
}

/* ---- showing ---- */

static json_t *
kinds_list(uint32_t set)
{
	json_t *list = json_array();

	for (int k = 0; k < SIM_KIND_MAX; k++)
		if (set & SIM_BIT(k))
			(void)json_array_append_new(list, json_string(
			    sim_kinds_row((enum sim_kind)k)->plural));
	return list;
}

json_t *
sim_modes_show(const struct sim_modes *m)
{
	json_t *all = json_object(), *value = NULL;
	int64_t number;
	uint32_t set;
	int word;

	for (size_t i = 0; i < NELEM(modes); i++) {
		const char *at = (const char *)m + modes[i].at;

		switch (modes[i].type) {
		case MODE_WORD:
			memcpy(&word, at, sizeof(word));
			value = json_string(modes[i].words[word]);
			break;
		case MODE_NUMBER:
			memcpy(&number, at, sizeof(number));
			value = json_integer(number);
			break;
		case MODE_KINDS:
			memcpy(&set, at, sizeof(set));
			value = kinds_list(set);
			break;
		}
		(void)json_object_set_new(all, modes[i].name, value);
	}
	return all;
}

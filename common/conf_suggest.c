#include "common/conf_table.h"

#include <stdlib.h>
#include <string.h>

#include "common/xmalloc.h"

#define NAME_MAX_COMPARED 48u

/* Levenshtein's distance, with a swap of neighbours counted as one edit;
 * longer names than any key compare as far apart. */
static size_t
distance(const char *a, const char *b)
{
	size_t rows[3][NAME_MAX_COMPARED + 1], na = strlen(a), nb = strlen(b);
	size_t *before = rows[0], *above = rows[1], *row = rows[2], *spare;

	if (na > NAME_MAX_COMPARED || nb > NAME_MAX_COMPARED)
		return SIZE_MAX;
	for (size_t j = 0; j <= nb; j++) {
		above[j] = j;
		before[j] = 0;
	}
	for (size_t i = 1; i <= na; i++) {
		row[0] = i;
		for (size_t j = 1; j <= nb; j++) {
			size_t d = above[j - 1] + (a[i - 1] != b[j - 1]);

			d = MIN(d, above[j] + 1);
			d = MIN(d, row[j - 1] + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1])
				d = MIN(d, before[j - 2] + 1);
			row[j] = d;
		}
		spare = before;
		before = above;
		above = row;
		row = spare;
	}
	return above[nb];
}

/* The best so far. */
struct nearest {
	const char	*wanted;
	char		*name;     /* whole path */
	size_t		 distance;
};

static void
consider(struct nearest *best, const char *prefix, const char *name,
    size_t len)
{
	char *one = xstrndup(name, len);
	size_t d = distance(best->wanted, one);

	if (d < best->distance) {
		free(best->name);
		best->name = xasprintf("%s%s", prefix, one);
		best->distance = d;
	}
	free(one);
}

/* The keys and groups directly below `prefix`. */
static void
consider_siblings(struct nearest *best, const char *prefix)
{
	size_t n = strlen(prefix);

	for (size_t i = 0; i < conf_keys_count; i++)
		if (strncmp(conf_keys[i].path, prefix, n) == 0)
			consider(best, prefix, conf_keys[i].path + n,
			    strcspn(conf_keys[i].path + n, "."));
	if (n == 0) {
		consider(best, "", "streams", 7);
	} else if (strcmp(prefix, "streams.") == 0) {
		consider(best, prefix, "default", 7);
		for (int i = 0; i < STREAM_TYPE_MAX; i++) {
			const char *name =
			    stream_type_name((enum stream_type)i);

			consider(best, prefix, name, strlen(name));
		}
	} else if (strncmp(prefix, "streams.", 8) == 0) {
		for (size_t i = 0; i < conf_stream_keys_count; i++)
			consider(best, prefix, conf_stream_keys[i].path,
			    strlen(conf_stream_keys[i].path));
	}
}

/* The same name somewhere else: a key set one level too high or too deep. */
static void
consider_everywhere(struct nearest *best)
{
	for (size_t i = 0; i < conf_keys_count; i++) {
		const char *path = conf_keys[i].path;
		const char *dot = strrchr(path, '.');
		char *prefix;

		if (dot == NULL) {
			consider(best, "", path, strlen(path));
			continue;
		}
		prefix = xstrndup(path, (size_t)(dot - path) + 1);
		consider(best, prefix, dot + 1, strlen(dot + 1));
		free(prefix);
	}
	for (size_t i = 0; i < conf_stream_keys_count; i++)
		consider(best, "streams.default.", conf_stream_keys[i].path,
		    strlen(conf_stream_keys[i].path));
}

static char *
list_siblings(const char *prefix)
{
	struct buf b = BUF_EMPTY;
	size_t n = strlen(prefix);
	const char *last = "";
	char *text;

	buf_adds(&b, "valid here:");
	if (strncmp(prefix, "streams.", 8) == 0) {
		for (size_t i = 0; i < conf_stream_keys_count; i++)
			buf_addf(&b, " %s", conf_stream_keys[i].path);
	} else {
		for (size_t i = 0; i < conf_keys_count; i++) {
			const char *name = conf_keys[i].path + n;
			size_t len = strcspn(name, ".");

			if (strncmp(conf_keys[i].path, prefix, n) != 0 ||
			    (strncmp(name, last, len) == 0 &&
			    last[len] == '.'))
				continue;
			buf_addf(&b, " %.*s", (int)len, name);
			last = name;
		}
		if (n == 0)
			buf_adds(&b, " streams");
	}
	text = xstrdup(buf_cstr(&b));
	buf_free(&b);
	return text;
}

char *
conf_suggest(const char *prefix, const char *name)
{
	struct nearest best = { .wanted = name, .distance = SIZE_MAX };
	size_t limit = MAX(2, strlen(name) / 3);
	char *text;

	consider_siblings(&best, prefix);
	if (best.distance > limit) {
		best.distance = MAX(1, strlen(name) / 6) + 1;
		free(best.name);
		best.name = NULL;
		consider_everywhere(&best);
	}
	if (best.name == NULL)
		return list_siblings(prefix);
	text = xasprintf("did you mean %s?", best.name);
	free(best.name);
	return text;
}

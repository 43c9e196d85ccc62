/* What every process needs of a configuration it was handed: paths, ids and
 * rows by name, and its release. Apart from the reading of a file, so that only
 * who reads one links YAML. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/conf_table.h"
#include "common/xmalloc.h"

#define SLUG_MAX 63u

void
conf_free(struct conf *conf)
{
	struct conf_member m[2];

	for (size_t i = 0; i < conf_keys_count; i++) {
		size_t n = conf_members(&conf_keys[i], m);

		for (size_t j = 0; j < n; j++)
			conf_member_free(&m[j], conf);
	}
	free(conf->file);
	memset(conf, 0, sizeof(*conf));
}

char *
conf_journal_directory(const struct conf *conf)
{
	return conf_state_path(conf, "journal");
}

char *
conf_bus_directory(const struct conf *conf)
{
	return xasprintf("%s/bus", conf->runtime_directory);
}

char *
conf_state_path(const struct conf *conf, const char *leaf)
{
	return xasprintf("%s/%s", conf->state_directory, leaf);
}

const struct conf_stream *
conf_stream(const struct conf *conf, enum stream_type type)
{
	assert((unsigned)type <= STREAM_TYPE_MAX);
	return &conf->streams[type];
}

char *
conf_slug(const char *context, struct err *err)
{
	char *slug = xstrdup(context);

	for (char *p = slug; *p != '\0'; p++) {
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p - 'A' + 'a');
		else if (!(*p >= 'a' && *p <= 'z') &&
		    !(*p >= '0' && *p <= '9') && *p != '.')
			*p = '-';
	}
	if (slug_valid(slice_str(slug)))
		return slug;
	(void)err_set(err, "context \"%s\" gives no cluster id (1 to %u of a-z "
	    "0-9 . - that begin with a letter or digit); name one: clusters: "
	    "[{id: NAME, context: \"%s\"}]", context, SLUG_MAX, context);
	free(slug);
	return NULL;
}

#include "common/conf_table.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "common/xmalloc.h"

#define WIRE_VERSION     3u
#define WIRE_STRINGS_MAX 1000u
#define EVERY_KEY        UINT_MAX     /* for readers: also those of none */
#define WIRE_NONE        UINT32_MAX   /* length of a string that is NULL */

size_t
conf_members(const struct conf_key *k, struct conf_member ret[2])
{
	ret[0] = (struct conf_member){ CONF_STORE_STRING, k->off, k->off2 };
	switch (k->type) {
	case CONF_TYPE_FIXED:
		return 0;
	case CONF_TYPE_LISTEN:
		ret[1] = (struct conf_member){ CONF_STORE_U16, k->off2, 0 };
		return 2;
	case CONF_TYPE_CONTEXTS:
		ret[0].storage = CONF_STORE_ENUM;
		ret[1] = (struct conf_member){ CONF_STORE_STRINGS, k->off2,
			k->off3 };
		return 2;
	case CONF_TYPE_SYNC:
		ret[0].storage = CONF_STORE_ENUM;
		ret[1] = (struct conf_member){ CONF_STORE_U64, k->off2, 0 };
		return 2;
	case CONF_TYPE_CLUSTERS:
		ret[0].storage = CONF_STORE_CLUSTERS;
		break;
	case CONF_TYPE_CUSTOM:
		ret[0].storage = CONF_STORE_CUSTOM;
		break;
	case CONF_TYPE_ORIGINS:
	case CONF_TYPE_NETWORKS:
	case CONF_TYPE_KINDS:
	case CONF_TYPE_NAMESPACES:
		ret[0].storage = CONF_STORE_STRINGS;
		break;
	case CONF_TYPE_COUNT:
		ret[0].storage = CONF_STORE_U32;
		break;
	case CONF_TYPE_SIZE:
	case CONF_TYPE_DURATION:
		ret[0].storage = CONF_STORE_U64;
		break;
	case CONF_TYPE_WORD:
		ret[0].storage = CONF_STORE_ENUM;
		break;
	case CONF_TYPE_BOOL:
		ret[0].storage = CONF_STORE_BOOL;
		break;
	case CONF_TYPE_PATH:
	case CONF_TYPE_PATHS:
	case CONF_TYPE_MONGODB:
	case CONF_TYPE_TEXT:
	case CONF_TYPE_TOKEN:
	case CONF_TYPE_MAX:
		break;
	}
	return 1;
}

void
conf_strings_free(char **strings, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(strings[i]);
	free(strings);
}

void
conf_clusters_free(struct conf_cluster *clusters, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(clusters[i].id);
		free(clusters[i].context);
		free(clusters[i].kubeconfig);
	}
	free(clusters);
}

void
conf_custom_free(struct conf_kind *kinds, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(kinds[i].name);
		free(kinds[i].group);
		free(kinds[i].version);
		free(kinds[i].resource);
		free(kinds[i].kind);
	}
	free(kinds);
}

void
conf_member_free(const struct conf_member *m, void *base)
{
	char *p = (char *)base + m->off;
	size_t n = 0;

	if (m->storage == CONF_STORE_STRINGS ||
	    m->storage == CONF_STORE_CLUSTERS ||
	    m->storage == CONF_STORE_CUSTOM)
		memcpy(&n, (char *)base + m->off2, sizeof(n));
	if (m->storage == CONF_STORE_STRING)
		free(*(char **)p);
	else if (m->storage == CONF_STORE_STRINGS)
		conf_strings_free(*(char ***)p, n);
	else if (m->storage == CONF_STORE_CLUSTERS)
		conf_clusters_free(*(struct conf_cluster **)p, n);
	else if (m->storage == CONF_STORE_CUSTOM)
		conf_custom_free(*(struct conf_kind **)p, n);
}

/* --- encoding ------------------------------------------------------------ */

static void
put_string(struct buf *b, const char *text)
{
	if (text == NULL)
		buf_u32(b, WIRE_NONE);
	else
		buf_str32(b, text, strlen(text));
}

static void
put_custom(struct buf *b, const struct conf_kind *list, size_t n)
{
	buf_u32(b, (uint32_t)n);
	for (size_t i = 0; i < n; i++) {
		put_string(b, list[i].name);
		put_string(b, list[i].group);
		put_string(b, list[i].version);
		put_string(b, list[i].resource);
		put_string(b, list[i].kind);
	}
}

static void
put_member(struct buf *b, const struct conf_member *m, const void *base)
{
	const char *p = (const char *)base + m->off;
	const struct conf_cluster *clusters;
	char *const *strings;
	size_t n;

	switch (m->storage) {
	case CONF_STORE_STRING:
		put_string(b, *(char *const *)p);
		break;
	case CONF_STORE_STRINGS:
		memcpy(&n, (const char *)base + m->off2, sizeof(n));
		strings = *(char **const *)p;
		buf_u32(b, (uint32_t)n);
		for (size_t i = 0; i < n; i++)
			put_string(b, strings[i]);
		break;
	case CONF_STORE_CLUSTERS:
		memcpy(&n, (const char *)base + m->off2, sizeof(n));
		clusters = *(struct conf_cluster *const *)p;
		buf_u32(b, (uint32_t)n);
		for (size_t i = 0; i < n; i++) {
			put_string(b, clusters[i].id);
			put_string(b, clusters[i].context);
			put_string(b, clusters[i].kubeconfig);
		}
		break;
	case CONF_STORE_CUSTOM:
		memcpy(&n, (const char *)base + m->off2, sizeof(n));
		put_custom(b, *(struct conf_kind *const *)p, n);
		break;
	case CONF_STORE_U16:
		buf_u16(b, *(const uint16_t *)p);
		break;
	case CONF_STORE_U32:
		buf_u32(b, *(const uint32_t *)p);
		break;
	case CONF_STORE_U64:
		buf_u64(b, *(const uint64_t *)p);
		break;
	case CONF_STORE_ENUM:
		buf_u32(b, (uint32_t)*(const int *)p);
		break;
	case CONF_STORE_BOOL:
		buf_u8(b, *(const bool *)p);
		break;
	}
}

/* What none of the readers is told is empty, or zero. */
static void
put_keys(struct buf *b, const struct conf_key *keys, size_t count,
    const void *base, unsigned readers)
{
	static const struct conf nothing;
	struct conf_member m[2];

	for (size_t i = 0; i < count; i++) {
		bool told = readers == EVERY_KEY ||
		    (keys[i].readers & readers) != 0;
		size_t n = conf_members(&keys[i], m);

		for (size_t j = 0; j < n; j++)
			put_member(b, &m[j], told ? base : &nothing);
	}
}

static void
encode(struct buf *b, const struct conf *conf, unsigned readers)
{
	buf_u32(b, WIRE_VERSION);
	put_keys(b, conf_keys, conf_keys_count, conf, readers);
	for (size_t i = 0; i <= STREAM_TYPE_MAX; i++)
		put_keys(b, conf_stream_keys, conf_stream_keys_count,
		    &conf->streams[i], readers);
}

static unsigned
reader_of(const char *role)
{
	static const struct {
		const char	*role;
		unsigned	 reader;
	} readers[] = {
		{ "broker", CONF_READER_BROKER },
		{ "store", CONF_READER_STORE },
		{ "health", CONF_READER_HEALTH },
		{ "gateway", CONF_READER_GATEWAY },
		{ "watcher", CONF_READER_WATCHER },
	};

	for (size_t i = 0; i < NELEM(readers); i++)
		if (strcmp(readers[i].role, role) == 0)
			return readers[i].reader;
	return 0;
}

void
conf_encode(struct buf *b, const struct conf *conf, const char *role,
    const char *instance)
{
	unsigned reader = reader_of(role);
	struct conf told = *conf;   /* owns nothing */

	assert(reader != 0);
	if (reader == CONF_READER_WATCHER) {
		told.n_clusters = 0;
		for (size_t i = 0; i < conf->n_clusters; i++)
			if (strcmp(conf->clusters[i].id, instance) == 0) {
				told.clusters = &conf->clusters[i];
				told.n_clusters = 1;
			}
	}
	encode(b, &told, reader);
}

/* --- comparing ------------------------------------------------------------ */

/* By their encoding. */
static bool
keys_differ(const struct conf_key *keys, size_t count, const void *a,
    const void *b)
{
	struct buf one = BUF_EMPTY, other = BUF_EMPTY;
	bool differ;

	put_keys(&one, keys, count, a, EVERY_KEY);
	put_keys(&other, keys, count, b, EVERY_KEY);
	differ = one.len != other.len ||
	    (one.len != 0 && memcmp(one.data, other.data, one.len) != 0);
	buf_free(&one);
	buf_free(&other);
	return differ;
}

void
conf_differences(const struct conf *a, const struct conf *b,
    conf_differs_cb cb, void *arg)
{
	bool streams = false;

	for (size_t i = 0; i < conf_keys_count; i++)
		if (keys_differ(&conf_keys[i], 1, a, b))
			cb(conf_keys[i].path, arg);
	for (size_t i = 0; i <= STREAM_TYPE_MAX && !streams; i++)
		streams = keys_differ(conf_stream_keys,
		    conf_stream_keys_count, &a->streams[i], &b->streams[i]);
	if (streams)
		cb("streams", arg);
}

/* --- decoding ------------------------------------------------------------ */

/* NULL for a string that is none; a bad one sets r->failed. */
static char *
get_string(struct rd *r)
{
	uint32_t n = rd_u32(r);
	const char *p;

	if (r->failed || n == WIRE_NONE)
		return NULL;
	p = rd_bytes(r, n);
	if (p == NULL || memchr(p, '\0', n) != NULL) {
		r->failed = true;
		return NULL;
	}
	return slice_dup((struct slice){ p, n });
}

/* A string that must be there. */
static char *
need_string(struct rd *r)
{
	char *text = get_string(r);

	if (text == NULL)
		r->failed = true;
	return text;
}

static void
get_strings(struct rd *r, char ***ret, size_t *ret_n)
{
	uint32_t n = rd_u32(r);

	if (r->failed || n > WIRE_STRINGS_MAX) {
		r->failed = true;
		return;
	}
	*ret = xcalloc(n, sizeof(char *));
	*ret_n = n;
	for (uint32_t i = 0; i < n; i++)
		(*ret)[i] = need_string(r);
}

static void
get_clusters(struct rd *r, struct conf_cluster **ret, size_t *ret_n)
{
	uint32_t n = rd_u32(r);

	if (r->failed || n > CONF_CLUSTERS_MAX) {
		r->failed = true;
		return;
	}
	*ret = xcalloc(n, sizeof(struct conf_cluster));
	*ret_n = n;
	for (uint32_t i = 0; i < n; i++) {
		(*ret)[i].id = need_string(r);
		(*ret)[i].context = need_string(r);
		(*ret)[i].kubeconfig = get_string(r);
	}
}

static void
get_custom(struct rd *r, struct conf_kind **ret, size_t *ret_n)
{
	uint32_t n = rd_u32(r);

	if (r->failed || n > CONF_CUSTOM_MAX) {
		r->failed = true;
		return;
	}
	*ret = xcalloc(n, sizeof(struct conf_kind));
	*ret_n = n;
	for (uint32_t i = 0; i < n; i++) {
		(*ret)[i].name = need_string(r);
		(*ret)[i].group = need_string(r);
		(*ret)[i].version = need_string(r);
		(*ret)[i].resource = need_string(r);
		(*ret)[i].kind = need_string(r);
	}
}

/* Number of words an enum has, for its bound. */
static uint32_t
enum_max(const struct conf_key *k)
{
	uint32_t n = 1;

	for (const char *p = k->words; *p != '\0'; p++)
		n += *p == '|';
	/* A list, an interval: one value more than there are words. */
	if (k->type == CONF_TYPE_CONTEXTS || k->type == CONF_TYPE_SYNC)
		n++;
	return n;
}

static void
get_enum(struct rd *r, const struct conf_key *k, void *place)
{
	uint32_t v = rd_u32(r);

	if (v >= enum_max(k))
		r->failed = true;
	else
		memcpy(place, &v, sizeof(v));
}

static void
get_member(struct rd *r, const struct conf_key *k,
    const struct conf_member *m, void *base)
{
	char *p = (char *)base + m->off, *p2 = (char *)base + m->off2;

	switch (m->storage) {
	case CONF_STORE_STRING:
		*(char **)p = get_string(r);
		break;
	case CONF_STORE_STRINGS:
		get_strings(r, (char ***)p, (size_t *)p2);
		break;
	case CONF_STORE_CLUSTERS:
		get_clusters(r, (struct conf_cluster **)p, (size_t *)p2);
		break;
	case CONF_STORE_CUSTOM:
		get_custom(r, (struct conf_kind **)p, (size_t *)p2);
		break;
	case CONF_STORE_U16:
		*(uint16_t *)p = rd_u16(r);
		break;
	case CONF_STORE_U32:
		*(uint32_t *)p = rd_u32(r);
		break;
	case CONF_STORE_U64:
		*(uint64_t *)p = rd_u64(r);
		break;
	case CONF_STORE_ENUM:
		get_enum(r, k, p);
		break;
	case CONF_STORE_BOOL:
		*(bool *)p = rd_u8(r) != 0;
		break;
	}
}

static void
get_keys(struct rd *r, const struct conf_key *keys, size_t count, void *base)
{
	struct conf_member m[2];

	for (size_t i = 0; i < count && !r->failed; i++) {
		size_t n = conf_members(&keys[i], m);

		for (size_t j = 0; j < n; j++)
			get_member(r, &keys[i], &m[j], base);
	}
}

int
conf_decode(struct conf *ret, const void *p, size_t n, struct err *err)
{
	struct rd r = rd_init(p, n);
	struct conf conf;

	memset(&conf, 0, sizeof(conf));
	if (rd_u32(&r) != WIRE_VERSION)
		return err_set(err, "configuration of another version: "
		    "install one version of all binaries");
	get_keys(&r, conf_keys, conf_keys_count, &conf);
	for (size_t i = 0; i <= STREAM_TYPE_MAX && !r.failed; i++)
		get_keys(&r, conf_stream_keys, conf_stream_keys_count,
		    &conf.streams[i]);
	if (!rd_done(&r) || conf.state_directory == NULL ||
	    conf.runtime_directory == NULL) {
		conf_free(&conf);
		return err_set(err, "configuration cannot be decoded");
	}
	*ret = conf;
	return 0;
}

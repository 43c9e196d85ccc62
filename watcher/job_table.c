#include "watcher/job_table.h"

#include <stdlib.h>
#include <string.h>

#include "common/macros.h"
#include "common/xmalloc.h"

#define BUCKETS_MIN 64u

void
job_table_init(struct job_table *t)
{
	t->n = 0;
	t->n_buckets = BUCKETS_MIN;
	t->buckets = xcalloc(t->n_buckets, sizeof(struct job_stream *));
	sip_key_random(&t->key);
}

static void
stream_free(struct job_stream *s)
{
	free(s->reason);
	free(s->message);
	free(s);
}

void
job_table_clear(struct job_table *t)
{
	struct job_stream *s;

	for (size_t i = 0; i < t->n_buckets; i++)
		while ((s = t->buckets[i]) != NULL) {
			t->buckets[i] = s->next;
			stream_free(s);
		}
	free(t->buckets);
	t->buckets = NULL;
	t->n = t->n_buckets = 0;
}

static struct job_stream **
bucket_of(const struct job_table *t, const char *path)
{
	return &t->buckets[sip_hash(&t->key, slice_str(path)) &
	    (t->n_buckets - 1)];
}

static void
grow(struct job_table *t)
{
	struct job_stream **old = t->buckets, *s, **to;
	size_t n = t->n_buckets;

	t->n_buckets *= 2;
	t->buckets = xcalloc(t->n_buckets, sizeof(struct job_stream *));
	for (size_t i = 0; i < n; i++)
		while ((s = old[i]) != NULL) {
			old[i] = s->next;
			to = bucket_of(t, s->path);
			s->next = *to;
			*to = s;
		}
	free(old);
}

static struct job_stream *
add(struct job_table *t, const char *path, size_t namespace_len,
    const uint8_t uid[JOB_UID_SIZE])
{
	size_t n = strlen(path);
	struct job_stream *s = xcalloc(1, sizeof(*s) + n + 1), **bucket;

	if (t->n >= t->n_buckets)
		grow(t);
	bucket = bucket_of(t, path);
	memcpy(s->path, path, n + 1);
	memcpy(s->uid, uid, sizeof(s->uid));
	s->namespace_len = (uint16_t)namespace_len;
	s->suffixed = job_table_named(t, path) != NULL;
	s->next = *bucket;
	*bucket = s;
	t->n++;
	return s;
}

struct job_stream *
job_table_find(const struct job_table *t, const char *path,
    const uint8_t uid[JOB_UID_SIZE])
{
	struct job_stream *s = job_table_named(t, path);

	while (s != NULL && memcmp(s->uid, uid, sizeof(s->uid)) != 0)
		s = job_table_named_next(s);
	return s;
}

struct job_stream *
job_table_entry(struct job_table *t, const char *path, size_t namespace_len,
    const uint8_t uid[JOB_UID_SIZE])
{
	struct job_stream *s = job_table_find(t, path, uid);

	return s != NULL ? s : add(t, path, namespace_len, uid);
}

void
job_table_remove(struct job_table *t, struct job_stream *s)
{
	struct job_stream **link = bucket_of(t, s->path);

	while (*link != s)
		link = &(*link)->next;
	*link = s->next;
	t->n--;
	stream_free(s);
}

/* From this one on. */
static struct job_stream *
with_path(struct job_stream *s, const char *path)
{
	while (s != NULL && strcmp(s->path, path) != 0)
		s = s->next;
	return s;
}

struct job_stream *
job_table_named(const struct job_table *t, const char *path)
{
	return with_path(*bucket_of(t, path), path);
}

struct job_stream *
job_table_named_next(const struct job_stream *s)
{
	return with_path(s->next, s->path);
}

struct job_stream *
job_table_next(const struct job_table *t, struct job_table_cursor *c)
{
	struct job_stream *s;

	while (c->next == NULL) {
		if (c->bucket == t->n_buckets)
			return NULL;
		c->next = t->buckets[c->bucket++];
	}
	s = c->next;
	c->next = s->next;
	return s;
}

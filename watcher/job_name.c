#include "watcher/job_name.h"

#include <string.h>

#include "common/macros.h"

#define SUFFIX_LEN 8u    /* digits of the uid */
#define TAG_LEN    8u

/* No hash begins with it but by an attempt of 2^64. */
static const uint8_t tag[TAG_LEN] = { 'k', '8', 's', '-', 'j', 'o', 'b', 0 };

void
job_name_uid(const uint8_t uid[JOB_UID_SIZE], char ret[JOB_UID_TEXT])
{
	static const char digits[] = "0123456789abcdef";
	size_t n = 0;

	for (size_t i = 0; i < JOB_UID_SIZE; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			ret[n++] = '-';
		ret[n++] = digits[uid[i] >> 4];
		ret[n++] = digits[uid[i] & 15];
	}
	ret[n] = '\0';
}

/* --- names ---------------------------------------------------------------- */

bool
job_name_fits(const char *cluster, struct slice namespace, struct slice name)
{
	return strlen(cluster) + namespace.n + name.n + strlen("//:") +
	    SUFFIX_LEN <= EVENT_NAME_MAX;
}

void
job_name_add(struct buf *b, const char *cluster, const char *path,
    const uint8_t *uid)
{
	char text[JOB_UID_TEXT];

	buf_addf(b, "%s/%s", cluster, path);
	if (uid == NULL)
		return;
	job_name_uid(uid, text);
	buf_addf(b, ":%.*s", (int)SUFFIX_LEN, text);
}

/* Cuts the suffix off; false: it is not that uid's. */
static bool
cut_suffix(struct slice *path, const uint8_t uid[JOB_UID_SIZE],
    bool *ret_suffixed)
{
	const char *colon = memchr(path->p, ':', path->n);
	char text[JOB_UID_TEXT];
	size_t n;

	*ret_suffixed = colon != NULL;
	if (colon == NULL)
		return true;
	n = (size_t)(colon - path->p);
	job_name_uid(uid, text);
	if (path->n - n != SUFFIX_LEN + 1 ||
	    memcmp(colon + 1, text, SUFFIX_LEN) != 0)
		return false;
	path->n = n;
	return true;
}

char *
job_name_path(struct slice key, const char *cluster,
    const uint8_t uid[JOB_UID_SIZE], size_t *ret_namespace_len,
    bool *ret_suffixed)
{
	size_t type = strlen("job:"), skip = type + strlen(cluster) + 1;
	struct slice path;
	const char *slash;
	bool suffixed;

	if (key.n <= skip || memcmp(key.p, "job:", type) != 0 ||
	    memcmp(key.p + type, cluster, skip - type - 1) != 0 ||
	    key.p[skip - 1] != '/')
		return NULL;
	path = (struct slice){ key.p + skip, key.n - skip };
	slash = memchr(path.p, '/', path.n);
	if (slash == NULL || !cut_suffix(&path, uid, &suffixed))
		return NULL;
	*ret_namespace_len = (size_t)(slash - path.p);
	*ret_suffixed = suffixed;
	return slice_dup(path);
}

/* --- marks ---------------------------------------------------------------- */

void
job_name_mark(const uint8_t uid[JOB_UID_SIZE], uint8_t ret[EVENT_HASH_SIZE])
{
	_Static_assert(TAG_LEN + JOB_UID_SIZE / 2 == EVENT_HASH_SIZE,
	    "a tag, and one byte for two of the uid");
	memcpy(ret, tag, TAG_LEN);
	for (size_t i = 0; i < JOB_UID_SIZE / 2; i++)
		ret[TAG_LEN + i] = uid[i] ^ uid[i + JOB_UID_SIZE / 2];
}

enum job_whose
job_name_whose(const uint8_t uid[JOB_UID_SIZE],
    const uint8_t body[EVENT_HASH_SIZE])
{
	uint8_t own[EVENT_HASH_SIZE];

	if (memcmp(body, tag, TAG_LEN) != 0)
		return JOB_WHOSE_OTHERS;
	job_name_mark(uid, own);
	return memcmp(body, own, sizeof(own)) == 0 ? JOB_WHOSE_OWN :
	    JOB_WHOSE_EARLIER;
}

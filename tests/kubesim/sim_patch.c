#include "tests/kubesim/sim_patch.h"

#include <stddef.h>

void
sim_patch_merge(json_t *target, json_t *patch)
{
	const char *key;
	json_t *value, *mine;

	json_object_foreach(patch, key, value) {
		if (json_is_null(value)) {
			(void)json_object_del(target, key);
			continue;
		}
		if (!json_is_object(value)) {
			(void)json_object_set(target, key, value);
			continue;
		}
		/* An object inside is merged into a copy or a new one, so
		 * that its own nulls do not end up in the document. */
		mine = json_object_get(target, key);
		if (!json_is_object(mine)) {
			mine = json_object();
			(void)json_object_set_new(target, key, mine);
		}
		sim_patch_merge(mine, value);
	}
}

static void
diff_changed(json_t *patch, json_t *from, json_t *to)
{
	const char *key;
	json_t *value, *old, *inner;

	json_object_foreach(to, key, value) {
		old = json_object_get(from, key);
		if (json_is_null(value))
			continue;
		if (old == NULL || !json_is_object(old) ||
		    !json_is_object(value)) {
			if (old == NULL || !json_equal(old, value))
				(void)json_object_set(patch, key, value);
			continue;
		}
		inner = sim_patch_diff(old, value);
		if (inner != NULL)
			(void)json_object_set_new(patch, key, inner);
	}
}

json_t *
sim_patch_diff(json_t *from, json_t *to)
{
	json_t *patch = json_object(), *value, *now;
	const char *key;

	diff_changed(patch, from, to);
	json_object_foreach(from, key, value) {
		now = json_object_get(to, key);
		if (now == NULL || json_is_null(now))
			(void)json_object_set_new(patch, key, json_null());
	}
	if (json_object_size(patch) != 0)
		return patch;
	json_decref(patch);
	return NULL;
}

json_t *
sim_patch_get(json_t *doc, const char *const *path)
{
	for (; *path != NULL && doc != NULL; path++)
		doc = json_object_get(doc, *path);
	return doc;
}

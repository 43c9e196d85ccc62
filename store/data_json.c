#include "store/data_json.h"

json_t *
data_json(const struct item *item)
{
	struct slice data = item_data(item);
	json_t *root = json_loadb(data.p, data.n, JSON_ALLOW_NUL, NULL);

	if (root == NULL)
		root = json_loadb(data.p, data.n, JSON_ALLOW_NUL |
		    JSON_DECODE_INT_AS_REAL, NULL);
	if (json_is_object(root))
		return root;
	json_decref(root);
	return NULL;
}

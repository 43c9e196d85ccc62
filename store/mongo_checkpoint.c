#include "store/mongo_checkpoint.h"

#include <stdio.h>

#include "store/mongo_doc.h"

static void
append_id(bson_t *b)
{
	BSON_APPEND_UTF8(b, "_id", "store");
}

void
mongo_checkpoint_query(bson_t *filter)
{
	bson_init(filter);
	append_id(filter);
}

static void
read_text(const bson_t *document, const char *name, char *buf, size_t size)
{
	bson_iter_t iter;

	buf[0] = '\0';
	if (bson_iter_init_find(&iter, document, name) &&
	    BSON_ITER_HOLDS_UTF8(&iter))
		(void)snprintf(buf, size, "%s", bson_iter_utf8(&iter, NULL));
}

void
mongo_checkpoint_read(const bson_t *document, struct mongo_checkpoint *ret)
{
	*ret = (struct mongo_checkpoint){ 0 };
	read_text(document, "projection", ret->projection,
	    sizeof(ret->projection));
	read_text(document, "registry", ret->registry,
	    sizeof(ret->registry));
	ret->change = mongo_number(document, "change");
	ret->workflow_change = mongo_number(document, "workflow_change");
}

void
mongo_checkpoint_write(struct mongo_write *ret,
    const struct mongo_checkpoint *c, int64_t now_unix_ms)
{
	char position[EVENT_ID_MAX];
	bson_t set;

	mongo_write_init(ret);
	append_id(&ret->selector);
	BSON_APPEND_DOCUMENT_BEGIN(&ret->update, "$set", &set);
	BSON_APPEND_UTF8(&set, "projection", c->projection);
	BSON_APPEND_INT64(&set, "change", (int64_t)c->change);
	BSON_APPEND_UTF8(&set, "registry", c->registry);
	BSON_APPEND_INT64(&set, "workflow_change",
	    (int64_t)c->workflow_change);
	BSON_APPEND_UTF8(&set, "position",
	    position_format(c->position, position));
	BSON_APPEND_DATE_TIME(&set, "updated_at", now_unix_ms);
	(void)bson_append_document_end(&ret->update, &set);
	BSON_APPEND_BOOL(&ret->opts, "upsert", true);
}

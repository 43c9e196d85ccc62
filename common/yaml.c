#include "common/yaml.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "common/xmalloc.h"

struct anchor {
	char			*name;
	const struct yaml_node	*node;
};

struct reading {
	yaml_parser_t	 parser;
	yaml_event_t	 event;        /* the one being looked at */
	bool		 have_event;
	struct anchor	 anchors[YAML_ANCHORS_MAX];
	size_t		 n_anchors;
	size_t		 nodes;
	size_t		 bytes;        /* of all scalars */
	unsigned	 line;
	struct err	*err;
};

static struct yaml_node *parse_node(struct reading *r, unsigned depth);

/* --- events -------------------------------------------------------------- */

/* What is read may be a key or a password: no copy stays in freed memory. */
static void
drop_event(struct reading *r)
{
	if (!r->have_event)
		return;
	r->have_event = false;
	if (r->event.type == YAML_SCALAR_EVENT)
		explicit_bzero(r->event.data.scalar.value,
		    r->event.data.scalar.length);
	yaml_event_delete(&r->event);
}

static void
drop_parser(yaml_parser_t *p)
{
	explicit_bzero(p->raw_buffer.start,
	    (size_t)(p->raw_buffer.end - p->raw_buffer.start));
	explicit_bzero(p->buffer.start,
	    (size_t)(p->buffer.end - p->buffer.start));
	yaml_parser_delete(p);
}

static int
next(struct reading *r)
{
	drop_event(r);
	if (!yaml_parser_parse(&r->parser, &r->event)) {
		r->line = (unsigned)r->parser.problem_mark.line + 1;
		return err_set(r->err, "not YAML: %s%s%s",
		    r->parser.problem != NULL ? r->parser.problem
					      : "cannot be read",
		    r->parser.context != NULL ? " " : "",
		    r->parser.context != NULL ? r->parser.context : "");
	}
	r->have_event = true;
	r->line = (unsigned)r->event.start_mark.line + 1;
	return 0;
}

/* --- nodes --------------------------------------------------------------- */

void
yaml_tree_free(struct yaml_node *node)
{
	if (node == NULL)
		return;
	for (size_t i = 0; i < node->count; i++) {
		if (node->keys != NULL)
			yaml_tree_free(node->keys[i]);
		yaml_tree_free(node->values[i]);
	}
	free(node->keys);
	free(node->values);
	if (node->text != NULL)
		explicit_bzero(node->text, node->n);
	free(node->text);
	free(node);
}

static struct yaml_node *
new_node(struct reading *r, enum yaml_kind kind)
{
	struct yaml_node *node;

	if (r->nodes >= YAML_NODES_MAX) {
		(void)err_set(r->err, "more than %u values (aliases "
		    "expanded): refused", YAML_NODES_MAX);
		return NULL;
	}
	r->nodes++;
	node = xcalloc(1, sizeof(*node));
	node->kind = kind;
	node->line = r->line;
	return node;
}

/* An alias of a few bytes may stand for a long text: what counts is the sum. */
static int
set_text(struct reading *r, struct yaml_node *node, const char *text, size_t n)
{
	if (n > YAML_TEXT_MAX - r->bytes)
		return err_set(r->err, "more than %u bytes of text (aliases "
		    "expanded): refused", YAML_TEXT_MAX);
	r->bytes += n;
	node->text = xmalloc(n + 1);
	memcpy(node->text, text, n);
	node->text[n] = '\0';
	node->n = n;
	return 0;
}

/* Takes key (NULL in a list) and value. */
static void
append(struct yaml_node *to, struct yaml_node *key, struct yaml_node *value)
{
	size_t n = to->count;

	if ((n & (n - 1)) == 0) {
		size_t size = n != 0 ? n * 2 : 1;

		to->values = xreallocarray(to->values, size,
		    sizeof(struct yaml_node *));
		if (to->kind == YAML_KIND_MAP)
			to->keys = xreallocarray(to->keys, size,
			    sizeof(struct yaml_node *));
	}
	to->values[n] = value;
	if (to->kind == YAML_KIND_MAP)
		to->keys[n] = key;
	to->count++;
}

static struct yaml_node *
copy(struct reading *r, const struct yaml_node *from)
{
	struct yaml_node *node = new_node(r, from->kind), *key, *value;

	if (node == NULL)
		return NULL;
	node->plain = from->plain;
	if (from->text != NULL && set_text(r, node, from->text,
	    from->n) != 0) {
		yaml_tree_free(node);
		return NULL;
	}
	for (size_t i = 0; i < from->count; i++) {
		key = from->keys != NULL ? copy(r, from->keys[i]) : NULL;
		value = copy(r, from->values[i]);
		if (value == NULL || (from->keys != NULL && key == NULL)) {
			yaml_tree_free(key);
			yaml_tree_free(value);
			yaml_tree_free(node);
			return NULL;
		}
		append(node, key, value);
	}
	return node;
}

/* --- anchors ------------------------------------------------------------- */

static int
remember(struct reading *r, const char *name, const struct yaml_node *node)
{
	if (r->n_anchors == YAML_ANCHORS_MAX)
		return err_set(r->err, "more than %u anchors",
		    YAML_ANCHORS_MAX);
	r->anchors[r->n_anchors++] = (struct anchor){ xstrdup(name), node };
	return 0;
}

static struct yaml_node *
parse_alias(struct reading *r)
{
	const char *name = (const char *)r->event.data.alias.anchor;

	for (size_t i = r->n_anchors; i-- > 0;)
		if (strcmp(r->anchors[i].name, name) == 0)
			return copy(r, r->anchors[i].node);
	(void)err_set(r->err, "alias *%s: no such anchor before it", name);
	return NULL;
}

/* --- values -------------------------------------------------------------- */

static struct yaml_node *
parse_scalar(struct reading *r)
{
	struct yaml_node *node = new_node(r, YAML_KIND_SCALAR);

	if (node == NULL)
		return NULL;
	if (set_text(r, node, (const char *)r->event.data.scalar.value,
	    r->event.data.scalar.length) != 0) {
		yaml_tree_free(node);
		return NULL;
	}
	node->plain = r->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	return node;
}

static int
check_key(struct reading *r, const struct yaml_node *map,
    const struct yaml_node *key)
{
	if (key->kind != YAML_KIND_SCALAR)
		return err_set(r->err, "a key must be a plain word");
	if (map->count == YAML_KEYS_MAX)
		return err_set(r->err, "more than %u keys in one place",
		    YAML_KEYS_MAX);
	for (size_t i = 0; i < map->count; i++)
		if (map->keys[i]->n == key->n &&
		    memcmp(map->keys[i]->text, key->text, key->n) == 0)
			return err_set(r->err, "key \"%s\" stands here twice "
			    "(first on line %u): remove one", key->text,
			    map->keys[i]->line);
	return 0;
}

static int
parse_members(struct reading *r, struct yaml_node *node, yaml_event_type_t end,
    unsigned depth)
{
	struct yaml_node *key = NULL, *value;

	for (;;) {
		if (next(r) != 0)
			return -1;
		if (r->event.type == end)
			return 0;
		if (node->kind == YAML_KIND_MAP) {
			key = parse_node(r, depth + 1);
			if (key == NULL || check_key(r, node, key) != 0 ||
			    next(r) != 0) {
				yaml_tree_free(key);
				return -1;
			}
		}
		value = parse_node(r, depth + 1);
		if (value == NULL) {
			yaml_tree_free(key);
			return -1;
		}
		append(node, key, value);
		key = NULL;
	}
}

static struct yaml_node *
parse_collection(struct reading *r, unsigned depth)
{
	bool map = r->event.type == YAML_MAPPING_START_EVENT;
	struct yaml_node *node;

	if (depth >= YAML_DEPTH_MAX) {
		(void)err_set(r->err, "nested deeper than %u levels",
		    YAML_DEPTH_MAX);
		return NULL;
	}
	node = new_node(r, map ? YAML_KIND_MAP : YAML_KIND_LIST);
	if (node != NULL && parse_members(r, node, map ? YAML_MAPPING_END_EVENT
	    : YAML_SEQUENCE_END_EVENT, depth) != 0) {
		yaml_tree_free(node);
		return NULL;
	}
	return node;
}

static char *
anchor_of(const yaml_event_t *e)
{
	const yaml_char_t *name = NULL;

	if (e->type == YAML_SCALAR_EVENT)
		name = e->data.scalar.anchor;
	else if (e->type == YAML_MAPPING_START_EVENT)
		name = e->data.mapping_start.anchor;
	else if (e->type == YAML_SEQUENCE_START_EVENT)
		name = e->data.sequence_start.anchor;
	return name != NULL ? xstrdup((const char *)name) : NULL;
}

/* The value that begins with the event at hand. An anchor is known only after
 * its value is whole, so that no value can contain itself. */
static struct yaml_node *
parse_node(struct reading *r, unsigned depth)
{
	struct yaml_node *node;
	char *anchor;

	if (r->event.type == YAML_ALIAS_EVENT)
		return parse_alias(r);
	anchor = anchor_of(&r->event);
	if (r->event.type == YAML_SCALAR_EVENT)
		node = parse_scalar(r);
	else
		node = parse_collection(r, depth);
	if (node != NULL && anchor != NULL &&
	    remember(r, anchor, node) != 0) {
		yaml_tree_free(node);
		node = NULL;
	}
	free(anchor);
	return node;
}

/* --- document ------------------------------------------------------------ */

static struct yaml_node *
parse_document(struct reading *r)
{
	struct yaml_node *root;

	if (next(r) != 0 || next(r) != 0)
		return NULL;
	if (r->event.type == YAML_STREAM_END_EVENT)
		return new_node(r, YAML_KIND_MAP);
	if (next(r) != 0)
		return NULL;
	root = parse_node(r, 0);
	if (root == NULL)
		return NULL;
	if (next(r) != 0 || next(r) != 0)
		goto fail;
	if (r->event.type != YAML_STREAM_END_EVENT) {
		(void)err_set(r->err, "a second document (---): only one is "
		    "read");
		goto fail;
	}
	return root;
fail:
	yaml_tree_free(root);
	return NULL;
}

struct yaml_node *
yaml_tree_read(const char *text, size_t n, unsigned *ret_line,
    struct err *err)
{
	struct reading *r = xcalloc(1, sizeof(*r));
	struct yaml_node *root;

	r->err = err;
	if (!yaml_parser_initialize(&r->parser))
		abort();
	yaml_parser_set_input_string(&r->parser, (const unsigned char *)text,
	    n);
	root = parse_document(r);
	if (root == NULL && ret_line != NULL)
		*ret_line = r->line;
	drop_event(r);
	drop_parser(&r->parser);
	for (size_t i = 0; i < r->n_anchors; i++)
		free(r->anchors[i].name);
	free(r);
	return root;
}

const struct yaml_node *
yaml_tree_get(const struct yaml_node *map, const char *key)
{
	if (map == NULL || map->kind != YAML_KIND_MAP)
		return NULL;
	for (size_t i = 0; i < map->count; i++)
		if (strcmp(map->keys[i]->text, key) == 0)
			return map->values[i];
	return NULL;
}

bool
yaml_tree_is_null(const struct yaml_node *node)
{
	return node->kind == YAML_KIND_SCALAR && node->plain &&
	    (node->n == 0 || strcmp(node->text, "~") == 0 ||
	    strcmp(node->text, "null") == 0);
}

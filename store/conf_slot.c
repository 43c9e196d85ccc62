#include "store/conf_slot.h"

#include <stdlib.h>

static void
let_go(struct conf *conf)
{
	if (conf == NULL)
		return;
	conf_free(conf);
	free(conf);
}

void
conf_slot_init(struct conf_slot *s, const struct conf *first)
{
	*s = (struct conf_slot){ .now = first };
}

void
conf_slot_offer(struct conf_slot *s, struct conf *conf)
{
	let_go(s->next);
	s->next = conf;
}

bool
conf_slot_take(struct conf_slot *s)
{
	if (s->next == NULL)
		return false;
	let_go(s->own);
	s->now = s->own = s->next;
	s->next = NULL;
	return true;
}

void
conf_slot_clear(struct conf_slot *s)
{
	let_go(s->own);
	let_go(s->next);
	*s = (struct conf_slot){ .now = NULL };
}

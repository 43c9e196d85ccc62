#include "store/catch_up.h"

void
catch_up_init(struct catch_up *c, struct position start)
{
	*c = (struct catch_up){ .start = start };
}

/* Nothing came yet, and there is nothing it could follow. */
static bool
is_blank(const struct catch_up *c)
{
	return !c->begun && c->start.number == 0;
}

static struct position
before(struct position next)
{
	return (struct position){ next.epoch,
		next.number > 0 ? next.number - 1 : 0 };
}

enum catch_up_step
catch_up_record(struct catch_up *c, struct position first,
    struct position *ret_through)
{
	bool blank = is_blank(c);

	c->begun = true;
	/* A journal that no longer begins at 1. */
	if (!blank || first.number <= 1)
		return CATCH_UP_NOTHING;
	*ret_through = before(first);
	return CATCH_UP_LOST;
}

struct position
catch_up_gap(struct catch_up *c, struct position next)
{
	c->begun = true;
	return before(next);
}

enum catch_up_step
catch_up_tip(struct catch_up *c, struct position tip,
    struct position *ret_through)
{
	bool blank = is_blank(c);

	if (!c->heard)
		c->ready_tip = tip.number;
	c->heard = true;
	if (!blank)
		return CATCH_UP_NOTHING;
	c->begun = true;
	*ret_through = tip;
	return tip.number > 0 ? CATCH_UP_LOST : CATCH_UP_AT;
}

bool
catch_up_done(const struct catch_up *c, struct position applied)
{
	return c->heard && applied.number >= c->ready_tip;
}

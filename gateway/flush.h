/*
 * flush: when the clients of subscriptions that have news are written to: after
 * input, at the end of this turn of the loop; and while that alone fills the
 * time, in the next one, so that one write carries what came meanwhile.
 * Process: gateway.
 *
 * Behind is who gets news sooner after writing than writing had taken, if that
 * was FLUSH_LONG_MS or more. Then news wait for what else there is in a turn of
 * the loop: a turn of replay (2 ms, and what one client takes beyond it), a
 * turn of conn_poll (1 ms). To wait for longer on purpose (2 ms) saved a third
 * of the time that a saturated gateway takes for a frame, which is a thirtieth
 * of what others take, and cost every reader's latency a half.
 */
#ifndef SLUICE_FLUSH_H
#define SLUICE_FLUSH_H

#define FLUSH_LONG_MS 1

struct flush;
struct gateway;

struct flush	*flush_new(struct gateway *g);
void		 flush_free(struct flush *f);
/* News came. */
void		 flush_after_input(struct flush *f);
/* Clients have something to get that is no input: they are written to in the
 * next turn. */
void		 flush_go_on(struct flush *f);

#endif

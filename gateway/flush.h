/*
 * flush: when the clients of subscriptions that have news are written to: after
 * input, at the end of this turn of the loop; and while that alone fills the
 * time, a little later, so that one write carries more frames.
 * Process: gateway.
 *
 * Behind is who gets news sooner after writing than writing had taken, if that
 * was FLUSH_LONG_MS or more. Then news wait as long as that took,
 * FLUSH_DELAY_MS at most, and what else there is in that turn of the loop: the
 * timer's own lateness (1 ms), a turn of replay (2 ms, and what one client
 * takes beyond it), a turn of conn_poll (1 ms). Who is not behind waits for
 * nothing: 50 events a second for a thousand clients, which take 8 ms of each
 * 20, go at once.
 */
#ifndef SLUICE_FLUSH_H
#define SLUICE_FLUSH_H

#define FLUSH_DELAY_MS 2
#define FLUSH_LONG_MS  1

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

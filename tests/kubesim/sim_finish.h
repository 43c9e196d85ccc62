/*
 * sim_finish: the last thing done to a whole body before it leaves: printed
 * for people, or compressed. Pure but for the buffers it works on.
 */
#ifndef SIM_FINISH_H
#define SIM_FINISH_H

#include <event2/buffer.h>
#include <stdbool.h>

/* JSON with lines and indentation, as Go's encoder does it; a body that is
 * not JSON stays as it is. */
void	sim_finish_pretty(struct evbuffer *body);
/* The body as one gzip member. */
void	sim_finish_gzip(struct evbuffer *body);
/* The same bit by bit: what is in `body` is replaced by what comes out. */
struct sim_gzip *sim_finish_gzip_new(void);
void	sim_finish_gzip_free(struct sim_gzip *g);
void	sim_finish_gzip_add(struct sim_gzip *g, struct evbuffer *body,
	    bool last);
/* The same bytes as a gzip member of their own, of a stream in which every
 * flush closes one; to be freed. */
void	*sim_finish_member(const void *data, size_t len, size_t *ret_len);

#endif

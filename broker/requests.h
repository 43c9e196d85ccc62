/*
 * requests: the broker's door: reads requests from the REP socket, judges each
 * once (dedup, publish), answers at once what needs no writing, and puts the
 * rest into the collecting one of two intakes. It stops reading while that one
 * is full: publishers wait (back-pressure). What a gateway asks comes by the
 * same socket and is given to questions.
 */
#ifndef SLUICE_REQUESTS_H
#define SLUICE_REQUESTS_H

#include <event2/event.h>

#include "broker/intake.h"

struct requests;

/* After every turn of reading: something may have been collected. */
typedef void (*requests_ready_cb)(void *arg);

/* Opens the socket. Sequencer, dedup and core stay the caller's. */
struct requests *requests_new(struct sequencer *s, struct dedup *d,
	    struct publish_core *core, requests_ready_cb ready, void *arg,
	    struct err *err) MUST_CHECK;
void	requests_free(struct requests *r);
/* Binds <bus_directory>/broker.rep (the directory is made if missing) and
 * reads from then on. */
int	requests_listen(struct requests *r, struct event_base *base,
	    const char *bus_directory, struct err *err);
/* No request is read any more. */
void	requests_stop(struct requests *r);
/* Reads on, if it waited for room and there is some. */
void	requests_resume(struct requests *r);

/* What collects now. */
struct intake *requests_collecting(struct requests *r);
/* It goes to the journal thread: the other one, which is empty, collects. */
void	requests_turn(struct requests *r);
/* Answers everything in it, in order. */
void	requests_answer(struct requests *r, struct intake *in);

#endif

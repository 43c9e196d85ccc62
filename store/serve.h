/*
 * serve: the store's REP socket (query.h): takes questions, holds one for a
 * snapshot or a history until what it waits for was applied, hands them to the
 * reader thread, and sends the answers. libevent's loop only.
 *
 * A resent question (common/bus_request) is recognised by its asker
 * and ticket: only its return path is renewed. A question whose deadline has
 * passed is dropped; nobody waits for its answer.
 */
#ifndef SLUICE_SERVE_H
#define SLUICE_SERVE_H

#include "common/event.h"
#include "store/db_reader.h"

#define SERVE_PENDING_MAX 4096u   /* further questions are answered 503 */

struct event_base;
struct serve;

struct serve	*serve_new(struct event_base *base, const char *bus_directory,
		    struct db_reader *reader, struct err *err) MUST_CHECK;
void		 serve_free(struct serve *s);
/* The projection stands at `applied` now. */
void		 serve_applied(struct serve *s, struct position applied);
/* The reader's answer to a question; takes nothing. */
void		 serve_answer(struct serve *s, uint64_t ticket,
		    const struct buf *answer);
/* Questions held or with the reader. */
unsigned int	 serve_pending(const struct serve *s);

#endif

/*
 * intake: requests that wait for their answers, together with the journal job
 * whose write decides them. Two of them take turns: one collects while the
 * other is with the journal thread.
 */
#ifndef SLUICE_INTAKE_H
#define SLUICE_INTAKE_H

#include "broker/journal_thread.h"
#include "broker/publish.h"
#include "common/bus.h"

/* Bytes of records that may collect; then the broker stops reading, and
 * publishers wait (back-pressure). */
#define INTAKE_BYTES_MAX (16u * 1024 * 1024)

struct intake_request {
	struct bus_message	 message;
	struct slice		 publisher;   /* inside message */
	uint64_t		 incarnation;
	uint64_t		 batch;
	enum publish_op		 op;
	bool			 reads;       /* answered by its record */
	struct position		 first;
	uint64_t		 count;
	uint32_t		 exceptions;
	struct record_exception	*list;
};

struct intake {
	struct journal_job	 job;
	struct intake_request	*requests;
	size_t			 n;
	size_t			 size;
};

/* Takes the message; copies the outcome (and its record into the job). */
void	intake_add(struct intake *in, struct bus_message *message,
	    const struct publish_request *q,
	    const struct publish_outcome *outcome);
/* What is waiting here was sent again (every second, as long as the disk does
 * not move): its answer goes to the new request, the old one is freed, nothing
 * is judged twice. False: it is not here. */
bool	intake_replace(struct intake *in, struct bus_message *message,
	    const struct publish_request *q);
bool	intake_is_full(const struct intake *in);
/* Answers all; empty after. Answers that cannot be sent are asked for again
 * by their publishers. */
void	intake_answer(struct intake *in, int rep);
/* Moves all of `from` behind what `to` has, with positions shifted: after the
 * disk failed. -1 with *err when a record cannot be read back (a bug). */
int	intake_restamp(struct intake *to, struct intake *from,
	    struct publish_core *core, const struct publish_shift *shift,
	    struct err *err);
void	intake_clear(struct intake *in);

#endif

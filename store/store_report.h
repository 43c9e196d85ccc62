/*
 * store_report: what the store says of itself: the state and the line of its
 * status, and the facts of the question "status". Pure: values in, text out.
 */
#ifndef SLUICE_STORE_REPORT_H
#define SLUICE_STORE_REPORT_H

#include "store/db_writer.h"
#include "store/mongo.h"

#define STORE_REPORT_LINE_MAX 320

struct store_report {
	struct db_writer_status	writer;
	bool			with_mongo;    /* it is configured */
	struct mongo_status	mongo;
	bool			mongo_down;
	bool			heard;         /* the broker, ever */
	uint64_t		tip;           /* its latest heartbeat's */
	uint64_t		ready_tip;     /* its first heartbeat's */
	uint64_t		incomplete;    /* clusters, since a gap */
	unsigned int		questions;     /* not yet answered */
};

/* One word for the supervisor's table. */
const char	*store_report_state(const struct store_report *r);
/* One line for people; the same as long as nothing changed. */
void	store_report_line(const struct store_report *r,
	    char buf[STORE_REPORT_LINE_MAX]);

/* What was told last; all zero: nothing yet. */
struct store_said {
	const char	*state;     /* static */
	char		 line[STORE_REPORT_LINE_MAX];
};

/* True when the state or the line is another than told; *said is then what is
 * to be told now. */
bool	store_report_news(const struct store_report *r,
	    struct store_said *said);
/* Appends the facts as a JSON object. */
void	store_report_facts(const struct store_report *r, struct buf *b);

#endif

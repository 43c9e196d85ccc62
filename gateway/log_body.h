/*
 * log_body: the body of POST /api/v1/streams/{key}/logs, text/plain or ndjson,
 * made into events of the stream's log (contract 3, *.log). Pure.
 *
 * Of text/plain the request says (log_ask) what holds for every line. Of ndjson
 * each object has `line` and may have the log's other members, which go before
 * the request's and are passed on as they are; `ts` is the event's timestamp
 * too. The server counts: line_no, attempt and partial are not an object's.
 *
 * A line over max_line bytes, or one that would make an event over max_event,
 * becomes several events with one line_no, all but the last with `partial`.
 * Bytes that are no UTF-8 become U+FFFD each, with `lossy`, or base64 where
 * that is asked for.
 */
#ifndef SLUICE_LOG_BODY_H
#define SLUICE_LOG_BODY_H

#include "gateway/publish_body.h"

#define LOG_MADE_MAX (4u * 1024 * 1024)   /* bytes of one request's events */

/* What the request says of all its lines. Texts were checked: no control
 * characters, valid UTF-8; n 0: not said. */
struct log_ask {
	struct slice	 key;
	const char	*event_type;
	struct slice	 stream;
	struct slice	 level;
	struct slice	 step_id;
	int64_t		 step_index;   /* -1: not said */
	uint32_t	 attempt;
	bool		 last;         /* the body's last line is the log's */
	bool		 base64;       /* of lines that are no text */
	uint64_t	 first;        /* line_no of the first line */
	uint64_t	 max_line;     /* bytes */
	uint64_t	 max_event;
};

/* What was made of it. */
struct log_body {
	const struct log_ask	*ask;
	struct publish_body	*events;
	uint64_t		 lines;    /* line_no's used */
	/* Of each event, and of the one that was not made: its line in the
	 * body, from 0. */
	uint32_t		 line_of[EVENT_BATCH_MAX + 1];
	publish_problem_cb	 cb;
	void			*arg;
	unsigned int		 problems;
};

/* One of them is called, on an empty publish_body, then log_body_check. `cb` is
 * told paths from the body's begin ("[3].line"). `ask` stays the caller's, as
 * long as b is used. */
void	log_body_text(struct log_body *b, const struct log_ask *ask,
	    struct publish_body *events, struct slice body,
	    publish_problem_cb cb, void *arg);
void	log_body_ndjson(struct log_body *b, const struct log_ask *ask,
	    struct publish_body *events, struct slice body,
	    publish_problem_cb cb, void *arg);
/* publish_body_check of what was made: of every line that could be read, also
 * before one that ended the reading. Problems are told in the body's own
 * words. */
void	log_body_check(struct log_body *b, struct slice tenant,
	    struct slice publisher, int64_t now_unix_ms,
	    const struct conf *conf);

#endif

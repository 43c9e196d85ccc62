/*
 * publish_body: the body of a publishing request, read into items: one event,
 * a JSON array, or a line each (ndjson). Pure: bytes and a time in; items, or
 * everything that is wrong with its place, out.
 *
 * What makes the whole request unreadable (JSON, count) ends the reading, and
 * an event that is too large refuses it too: `status`, `code` and `text` say
 * what was first, and no item may be used. That, and each event that is not as
 * the contract says, is told to the callback, and the others are checked on:
 * `good` of `n` have become items, in their order.
 */
#ifndef SLUICE_PUBLISH_BODY_H
#define SLUICE_PUBLISH_BODY_H

#include "common/conf.h"
#include "common/event.h"
#include "gateway/envelope.h"
#include "gateway/http_request.h"

/* Told each problem: its path from the request's begin ("[2].data.state", ""
 * the whole), and by which of the contract's codes it refuses the event. */
typedef void (*publish_problem_cb)(const char *path, const char *code,
    const char *text, void *arg);

#define PUBLISH_BODY_WHOLE SIZE_MAX   /* in place of an event */

/* Of the arrays only the first n and good are anything. Slices of items point
 * into the body, which must stay, into the tree and into frames. */
struct publish_body {
	struct json_value *events[EVENT_BATCH_MAX];  /* of the tree */
	struct item	 items[EVENT_BATCH_MAX];
	struct event_state states[EVENT_BATCH_MAX];   /* of items */
	uint32_t	 places[EVENT_BATCH_MAX];  /* of items in the request */
	bool		 by_id[EVENT_BATCH_MAX];   /* of items: CloudEvents
						    * that are keyed so */
	struct buf	 frames[EVENT_BATCH_MAX];
	size_t		 made_end[EVENT_BATCH_MAX];
	struct json_tree tree;
	size_t		 n_made;
	struct buf	 made;          /* events made here, end to end */
	size_t		 n;
	size_t		 good;           /* items */
	bool		 cloud;         /* CloudEvents: read when checked */
	bool		 list;          /* an array or ndjson: paths have [i] */
	int		 status;         /* of the first hard problem; 0 */
	const char	*code;
	char		 text[256];
	size_t		 stopped_at;     /* its event, or PUBLISH_BODY_WHOLE */
	size_t		 at;             /* event being checked */
	publish_problem_cb cb;
	void		*arg;
};

/* An empty one, to be freed by publish_body_free. */
struct publish_body *publish_body_new(void);
/* Either is called once, then publish_body_check. */
void	publish_body_json(struct publish_body *b, struct slice body);
void	publish_body_ndjson(struct publish_body *b, struct slice body);
/* CloudEvents: one, or an array of them with `batch`; or one in binary mode,
 * with the request's headers. */
void	publish_body_cloud(struct publish_body *b, struct slice body,
	    bool batch);
void	publish_body_cloud_binary(struct publish_body *b,
	    const struct http_pair *headers, size_t n, struct slice body);
/* Or, of what is no event yet (lines of a log): its maker says that they are a
 * list, appends the JSON of each event to b->made, and ends it with
 * publish_body_made; false: too many. publish_body_read reads them then, also
 * those before one that stopped it. */
bool	publish_body_made(struct publish_body *b);
void	publish_body_read(struct publish_body *b);
/* Tells of what makes the request unreadable, at the event of this place; the
 * first one counts. */
void	publish_body_stop(struct publish_body *b, size_t place, int status,
	    const char *code, const char *fmt, ...) PRINTF(5, 6);
/* Makes items of the events, each by the contract (envelope) and at most as
 * large as the options of its stream's type say; cb is told each problem, the
 * one that ended the reading last. */
void	publish_body_check(struct publish_body *b, struct slice tenant,
	    struct slice publisher, int64_t now_unix_ms,
	    const struct conf *conf, publish_problem_cb cb, void *arg);
/* Frees b too. */
void	publish_body_free(struct publish_body *b);

#endif

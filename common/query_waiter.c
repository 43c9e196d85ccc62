#include "common/query_waiter.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

void
query_waiters_free(struct query_waiters *list)
{
	struct query_waiter *w;

	while ((w = TAILQ_FIRST(list)) != NULL) {
		TAILQ_REMOVE(list, w, link);
		free(w);
	}
}

bool
query_waiters_remove(struct query_waiters *list, uint64_t ticket)
{
	struct query_waiter *w;

	for (w = TAILQ_FIRST(list); w != NULL; w = TAILQ_NEXT(w, link)) {
		if (w->ticket == ticket) {
			TAILQ_REMOVE(list, w, link);
			free(w);
			return true;
		}
	}
	return false;
}

/* --- being told ---------------------------------------------------------- */

static void
fail(struct query_waiter *w, const struct err *err)
{
	if (w->snapshot_cb != NULL) {
		w->snapshot_cb(NULL, err, w->arg);
		return;
	}
	if (w->history_cb != NULL) {
		w->history_cb(NULL, err, w->arg);
		return;
	}
	if (w->open_logs_cb != NULL) {
		w->open_logs_cb(NULL, err, w->arg);
		return;
	}
	assert(w->last_cb != NULL);
	w->last_cb(NULL, err, w->arg);
}

static bool
asks_broker(const struct query_waiter *w)
{
	return w->last_cb != NULL || w->open_logs_cb != NULL;
}

void
query_waiter_fail(struct query_waiter *w, int status, const char *code,
    const char *text)
{
	struct err err;
	struct buf b = BUF_EMPTY;

	if (w->json_cb == NULL) {
		(void)err_set(&err, "%s", text);
		err.code = status == 503 ? ETIMEDOUT : EIO;
		fail(w, &err);
		return;
	}
	buf_adds(&b, "{\"error\":\"");
	buf_json_text(&b, text, strlen(text));
	buf_addf(&b, "\",\"code\":\"%s\"}", code);
	w->json_cb(status, (struct slice){ (const char *)b.data, b.len },
	    w->arg);
	buf_free(&b);
}

static void
answer_unreadable(struct query_waiter *w)
{
	query_waiter_fail(w, 503, asks_broker(w) ? "broker_unavailable" :
	    "store_unavailable", "the answer could not be read");
}

static void
answer_error(struct query_waiter *w, struct slice answer)
{
	struct slice json;
	struct err err;
	uint16_t status;

	if (query_wire_answer_error(answer, &status, &json) == -1) {
		answer_unreadable(w);
	} else if (w->json_cb != NULL) {
		w->json_cb(status, json, w->arg);
	} else {
		(void)err_set(&err, "the %s refused: %.*s",
		    asks_broker(w) ? "broker" : "store",
		    (int)MIN(json.n, (size_t)400), json.p);
		err.code = status == 413 ? EMSGSIZE : EPROTO;
		fail(w, &err);
	}
}

static void
answer_history(struct query_waiter *w, struct slice answer)
{
	struct query_history history;

	if (query_wire_answer_history_decode(answer, &history) == 0)
		w->history_cb(&history, NULL, w->arg);
	else
		answer_unreadable(w);
}

static void
answer_of_broker(struct query_waiter *w, struct slice answer)
{
	struct query_open_logs page;
	struct query_last last;

	if (w->last_cb != NULL &&
	    query_wire_answer_last_decode(answer, &last) == 0)
		w->last_cb(&last, NULL, w->arg);
	else if (w->open_logs_cb != NULL &&
	    query_wire_answer_open_logs_decode(answer, &page) == 0)
		w->open_logs_cb(&page, NULL, w->arg);
	else
		answer_unreadable(w);
}

static void
answer_ok(struct query_waiter *w, struct slice answer)
{
	struct query_snapshot snapshot;
	struct slice json;

	if (w->json_cb != NULL) {
		if (query_wire_answer_json(answer, &json) == 0)
			w->json_cb(0, json, w->arg);
		else
			answer_unreadable(w);
	} else if (w->history_cb != NULL) {
		answer_history(w, answer);
	} else if (asks_broker(w)) {
		answer_of_broker(w, answer);
	} else if (query_wire_answer_snapshot(answer, &snapshot) == 0) {
		w->snapshot_cb(&snapshot, NULL, w->arg);
	} else {
		answer_unreadable(w);
	}
}

void
query_waiter_tell(struct query_waiter *w, struct slice answer)
{
	if (query_wire_answer_ok(answer))
		answer_ok(w, answer);
	else
		answer_error(w, answer);
}

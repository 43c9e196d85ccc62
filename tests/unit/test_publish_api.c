/* publish_api: what of a batch whose events stand for themselves is handed
 * over, and in which order, when the queue to the broker is full for a while.
 */
#include "gateway/publish_api.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/macros.h"
#include "gateway/access.h"
#include "gateway/connection.h"
#include "gateway/identity.h"
#include "gateway/publish_body.h"
#include "gateway/reply.h"

#define FRAME    "\"data\":{\"previous_state\":null}}"
#define CALLS    8
/* Of an event without room. */
#define ROW(at) "{\"path\":\"" at "\",\"problem\":\"there was no room for " \
	"it, or for one before it, in the queue to the broker: try again\"," \
	"\"code\":\"broker_unavailable\"}"

/* --- a publisher that takes what the test says ---------------------------- */

static struct {
	const char		*rooms;     /* of each call: '+' or '-' */
	size_t			 calls;
	size_t			 counts[CALLS];
	publisher_result_cb	 cb[CALLS]; /* of those that were taken */
	void			*arg[CALLS];
	size_t			 taken;
	size_t			 answered;
	bool			 queued;
	int64_t			 now_ms;
	char			 said[2048];
	char			 details[2048];   /* of an error */
	uint32_t		 blamed;     /* of what is refused */
} it;

int
publisher_submit(struct publisher *p UNUSED, const struct item *items UNUSED,
    size_t count, publisher_result_cb cb, void *arg)
{
	assert_true(it.calls < strlen(it.rooms));
	if (it.rooms[it.calls++] != '+')
		return -1;
	it.counts[it.taken] = count;
	it.cb[it.taken] = cb;
	it.arg[it.taken++] = arg;
	return 0;
}

int64_t
publisher_stalled_ms(const struct publisher *p UNUSED)
{
	return 0;
}

/* Of the next that was not answered, a group of so many. Where a machine is
 * asked for, there is none yet, or what was appended left it queued. */
static void
answer_next(size_t count, enum record_code code)
{
	static const uint8_t body[EVENT_HASH_SIZE];
	struct publish_result r = { .code = code, .body = body,
		.count = (uint32_t)count, .item = it.blamed };
	size_t i = it.answered++;

	it.queued |= code == RECORD_APPENDED;
	if (it.queued) {
		r.position = r.last = (struct position){ 5, 9 };
		r.state = LIFECYCLE_QUEUED;
		r.attempt = 1;
	}
	assert_true(i < it.taken);
	assert_int_equal(it.counts[i], count);
	it.cb[i](&r, it.arg[i]);
}

/* --- a client that keeps its answer --------------------------------------- */

int64_t
gateway_now_ms(void)
{
	return it.now_ms;
}

void
conn_due(struct conn *c UNUSED, int64_t at_ms UNUSED)
{
}

void
conn_set_state(struct conn *c UNUSED, enum conn_state state UNUSED)
{
}

void
access_forbid(struct conn *c UNUSED, const char *text,
    struct reply_details *details UNUSED)
{
	fail_msg("%s", text);
}

void
reply_json(struct conn *c UNUSED, int status, struct slice json)
{
	(void)snprintf(it.said, sizeof(it.said), "%d %.*s", status,
	    (int)json.n, json.p);
}

void
reply_error(struct conn *c UNUSED, int status, const char *code,
    const char *text UNUSED, struct reply_details *details)
{
	(void)snprintf(it.said, sizeof(it.said), "%d %s", status, code);
	if (details == NULL)
		return;
	(void)snprintf(it.details, sizeof(it.details), "%s",
	    buf_cstr(&details->json));
	buf_free(&details->json);
}

void
reply_error_at(struct conn *c, int status, const char *code, const char *path,
    const char *text)
{
	(void)snprintf(it.details, sizeof(it.details), "%s", path);
	reply_error(c, status, code, text, NULL);
}

void
reply_unavailable(struct conn *c UNUSED, const char *code,
    const char *text UNUSED)
{
	(void)snprintf(it.said, sizeof(it.said), "503 %s", code);
}

/* --- a request ------------------------------------------------------------ */

/* An event a letter: '.' of no machine, 'q', 'l' and 'r' of the job's. */
static void
publish_as(struct conn *c, const char *what, const char *rooms, bool atomic)
{
	static unsigned int jobs;
	struct publish_body *b = publish_body_new();
	struct reply_details details = { .n = 0 };
	char key[32];

	(void)snprintf(key, sizeof(key), "job:%u", ++jobs);
	memset(&it, 0, sizeof(it));
	it.now_ms = 1000;
	it.rooms = rooms;
	b->list = true;
	for (b->n = 0; what[b->n] != '\0'; b->n++) {
		struct item *item = &b->items[b->n];

		*item = (struct item){ .tenant = slice_str("-"),
			.key = slice_str(key),
			.event_type = slice_str("job.state_changed"),
			.frame = slice_str(FRAME), .data_off = 7 };
		b->states[b->n] = (struct event_state){ .hole = 0 };
		b->frames[b->n] = BUF_EMPTY;
		b->places[b->n] = (uint32_t)b->n;
		if (what[b->n] == '.')
			continue;
		item->flags = ITEM_LIFECYCLE;
		item->attempt = 1;
		item->state = what[b->n] == 'q' ? LIFECYCLE_QUEUED :
		    what[b->n] == 'l' ? LIFECYCLE_LEASED : LIFECYCLE_RUNNING;
		b->states[b->n].machine = LIFECYCLE_OF_JOB;
	}
	b->good = b->n;
	publish_items(c, b, atomic, &details, "", NULL);
	publish_body_free(b);
}

static void
publish(struct conn *c, const char *what, const char *rooms)
{
	publish_as(c, what, rooms, false);
}

static struct conn *
client(void)
{
	static struct gateway gateway;
	static struct exchange exchange;
	static struct conn c;

	c = (struct conn){ .gateway = &gateway, .exchange = &exchange,
		.identity = identity_anybody() };
	return &c;
}

static void
test_behind_an_event_without_room_none_is_taken(void **state UNUSED)
{
	struct conn *c = client();

	publish(c, "...", "+-+");
	assert_int_equal(it.calls, 2);
	answer_next(1, RECORD_APPENDED);
	assert_int_equal(it.calls, 2);
	assert_string_equal(it.said, "202 {\"accepted\":1,\"duplicates\":0,"
	    "\"first_id\":\"00000005-9\",\"last_id\":\"00000005-9\","
	    "\"refused\":2,\"details\":[" ROW("[1]") "," ROW("[2]") "]}");
	identity_unref(c->identity);
}

static void
test_nor_behind_an_event_of_a_machine_without_room(void **state UNUSED)
{
	struct conn *c = client();

	/* Queued to running is illegal; there is no room to ask whether it is
	 * still so when queued is taken. What follows would find some. */
	publish(c, "qr.", "++-+");
	answer_next(1, RECORD_GUARD_LOST);
	answer_next(1, RECORD_APPENDED);
	assert_int_equal(it.calls, 3);
	assert_non_null(strstr(it.said, "\"accepted\":1,"));
	assert_non_null(strstr(it.said, "\"refused\":2,\"details\":["
	    ROW("[1]") ",{\"path\":\"[2]\","));
	identity_unref(c->identity);
}

static void
test_without_room_for_the_first_nothing_is_taken(void **state UNUSED)
{
	struct conn *c = client();

	publish(c, "q..", "-++");
	assert_int_equal(it.calls, 1);
	assert_string_equal(it.said, "503 broker_unavailable");
	identity_unref(c->identity);
}

static void
test_without_room_to_judge_again_all_of_it_is_refused(void **state UNUSED)
{
	struct conn *c = client();

	publish(c, ".q.l", "+-++");
	answer_next(4, RECORD_GUARD_LOST);
	assert_int_equal(it.calls, 2);
	assert_string_equal(it.said, "503 broker_unavailable");
	identity_unref(c->identity);
}

static void
test_what_is_legal_goes_to_the_broker_at_once(void **state UNUSED)
{
	struct conn *c = client();

	publish(c, "..q.lr", "+");
	answer_next(6, RECORD_APPENDED);
	assert_non_null(strstr(it.said, "202 {\"accepted\":6,"));
	identity_unref(c->identity);
}

static void
test_an_illegal_event_is_refused_alone_and_in_its_order(void **state UNUSED)
{
	struct conn *c = client();

	publish(c, ".qr.l.", "++++++");
	/* Where the job stands: nowhere. So "r" is to blame. */
	answer_next(1, RECORD_GUARD_LOST);
	answer_next(2, RECORD_APPENDED);
	answer_next(1, RECORD_GUARD_LOST);
	assert_string_equal(it.said, "");
	answer_next(3, RECORD_APPENDED);
	assert_int_equal(it.calls, 4);
	assert_non_null(strstr(it.said, "202 {\"accepted\":5,"));
	assert_non_null(strstr(it.said, "\"refused\":1,\"details\":["
	    "{\"path\":\"[2].data.state\","));
	identity_unref(c->identity);
}

static void
test_a_broker_that_answers_now_and_then_is_not_away(void **state UNUSED)
{
	struct conn *c = client();

	publish(c, ".qr.l.", "++++++");
	it.now_ms += 9000;
	answer_next(1, RECORD_GUARD_LOST);
	answer_next(2, RECORD_APPENDED);
	it.now_ms += 9000;
	c->exchange->on_tick(c);
	assert_string_equal(it.said, "");
	it.now_ms += 1000;
	c->exchange->on_tick(c);
	assert_string_equal(it.said, "503 broker_unavailable");
	/* Nobody waits for the rest: no more of it is begun. */
	answer_next(1, RECORD_GUARD_LOST);
	assert_int_equal(it.calls, 3);
	identity_unref(c->identity);
}

static void
test_what_refuses_an_atomic_request_names_its_event(void **state UNUSED)
{
	struct conn *c = client();

	publish_as(c, "....", "+", true);
	it.blamed = 2;
	answer_next(4, RECORD_KEY_CONFLICT);
	assert_string_equal(it.said, "409 idempotency_conflict");
	assert_non_null(strstr(it.details, "{\"path\":"
	    "\"[2].idempotency_key\",\"problem\":\"this idempotency_key"));
	assert_non_null(strstr(it.details, "\"code\":"
	    "\"idempotency_conflict\"}"));
	publish_as(c, "....", "+", true);
	it.blamed = 3;
	answer_next(4, RECORD_LIMIT);
	assert_string_equal(it.said, "503 too_many_streams");
	assert_non_null(strstr(it.details, "{\"path\":\"[3]\","));
	identity_unref(c->identity);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_behind_an_event_without_room_none_is_taken),
		cmocka_unit_test(
		    test_nor_behind_an_event_of_a_machine_without_room),
		cmocka_unit_test(
		    test_without_room_for_the_first_nothing_is_taken),
		cmocka_unit_test(
		    test_without_room_to_judge_again_all_of_it_is_refused),
		cmocka_unit_test(
		    test_what_is_legal_goes_to_the_broker_at_once),
		cmocka_unit_test(
		    test_an_illegal_event_is_refused_alone_and_in_its_order),
		cmocka_unit_test(
		    test_a_broker_that_answers_now_and_then_is_not_away),
		cmocka_unit_test(
		    test_what_refuses_an_atomic_request_names_its_event),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

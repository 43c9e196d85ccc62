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

/* --- a publisher that takes what the test says ---------------------------- */

static struct {
	const char		*rooms;     /* of each call: '+' or '-' */
	size_t			 calls;
	publisher_result_cb	 cb[CALLS]; /* of those that were taken */
	void			*arg[CALLS];
	size_t			 taken;
	size_t			 answered;
	char			 said[1024];
} it;

int
publisher_submit(struct publisher *p UNUSED, const struct item *items UNUSED,
    size_t count, publisher_result_cb cb, void *arg)
{
	assert_int_equal(count, 1);
	assert_true(it.calls < strlen(it.rooms));
	if (it.rooms[it.calls++] != '+')
		return -1;
	it.cb[it.taken] = cb;
	it.arg[it.taken++] = arg;
	return 0;
}

int64_t
publisher_stalled_ms(const struct publisher *p UNUSED)
{
	return 0;
}

static void
answer_next(enum record_code code)
{
	static const uint8_t body[EVENT_HASH_SIZE];
	struct publish_result r = { .code = code, .body = body, .count = 1 };
	size_t i = it.answered++;

	if (code == RECORD_APPENDED)
		r.position = r.last = (struct position){ 5, 9 };
	assert_true(i < it.taken);
	it.cb[i](&r, it.arg[i]);
}

/* --- a client that keeps its answer --------------------------------------- */

int64_t
gateway_now_ms(void)
{
	return 1000;
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
access_forbid(struct conn *c UNUSED, const char *text)
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
	if (details != NULL)
		buf_free(&details->json);
}

void
reply_unavailable(struct conn *c UNUSED, const char *code,
    const char *text UNUSED)
{
	(void)snprintf(it.said, sizeof(it.said), "503 %s", code);
}

void
reply_detail(struct reply_details *d, const char *path,
    const char *fmt UNUSED, ...)
{
	buf_addf(&d->json, "%s\"%s\"", d->n++ > 0 ? "," : "", path);
}

/* --- a request ------------------------------------------------------------ */

/* An event a letter: '.' of no machine, 'q' and 'l' of the job's. */
static void
publish(struct conn *c, const char *what, const char *rooms)
{
	struct publish_body *b = publish_body_new();
	struct reply_details details = { .n = 0 };

	memset(&it, 0, sizeof(it));
	it.rooms = rooms;
	b->list = true;
	for (b->n = 0; what[b->n] != '\0'; b->n++) {
		struct item *item = &b->items[b->n];

		*item = (struct item){ .tenant = slice_str("-"),
			.key = slice_str("job:a"),
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
		    LIFECYCLE_LEASED;
		b->states[b->n].machine = LIFECYCLE_OF_JOB;
	}
	b->good = b->n;
	publish_items(c, b, false, &details, "", NULL);
	publish_body_free(b);
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

	/* The stretch's second finds no room; the job's end, which waits for
	 * the first to be answered, would. */
	publish(c, "..q", "+-+");
	assert_int_equal(it.calls, 2);
	answer_next(RECORD_APPENDED);
	assert_int_equal(it.calls, 2);
	assert_string_equal(it.said, "202 {\"accepted\":1,\"duplicates\":0,"
	    "\"first_id\":\"00000005-9\",\"last_id\":\"00000005-9\","
	    "\"refused\":2,\"details\":[\"[1]\",\"[2]\"]}");
	identity_unref(c->identity);
}

static void
test_nor_behind_an_event_of_a_machine_without_room(void **state UNUSED)
{
	struct conn *c = client();

	/* Where the job stands is asked; then there is no room to say it. */
	publish(c, ".q.l", "++-++");
	answer_next(RECORD_APPENDED);
	answer_next(RECORD_GUARD_LOST);
	assert_int_equal(it.calls, 3);
	assert_non_null(strstr(it.said, "\"refused\":3,\"details\":[\"[1]\","
	    "\"[2]\",\"[3]\"]"));
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
test_with_room_each_is_taken_in_its_order(void **state UNUSED)
{
	struct conn *c = client();

	publish(c, "..q.", "+++++");
	assert_int_equal(it.calls, 2);
	answer_next(RECORD_APPENDED);
	answer_next(RECORD_APPENDED);
	assert_int_equal(it.calls, 3);
	answer_next(RECORD_GUARD_LOST);
	assert_int_equal(it.calls, 4);
	answer_next(RECORD_APPENDED);
	assert_int_equal(it.calls, 5);
	answer_next(RECORD_APPENDED);
	assert_non_null(strstr(it.said, "202 {\"accepted\":4,"));
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
		cmocka_unit_test(test_with_room_each_is_taken_in_its_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

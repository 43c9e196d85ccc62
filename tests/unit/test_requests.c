/* The broker's door: publishers' requests wait for the disk. */
#include "tests/unit/requests_fixture.h"

#include "common/bus_request.h"

#define CLIENTS    5
#define BATCH      150      /* items of one request, some 7 MB */
#define FRAME      47000

/* A request of one publisher, as large as they may be. */
static void
big_request(struct buf *ret, int publisher)
{
	static char frame[FRAME] = "\"data\":{}}";
	struct item item = make(0, "job:big", 0);
	char name[16];

	memset(frame + 10, ' ', sizeof(frame) - 10);
	item.frame = (struct slice){ frame, sizeof(frame) };
	(void)snprintf(name, sizeof(name), "gateway/%d", publisher);
	buf_u8(ret, PUBLISH_OP_EVENTS);
	buf_str16(ret, name, strlen(name));
	buf_u64(ret, 1);
	buf_u64(ret, 1);
	buf_u32(ret, BATCH);
	for (int i = 0; i < BATCH; i++) {
		item.group = (uint32_t)i;
		item_encode(ret, &item, false);
	}
	assert_true(ret->len <= PUBLISH_REQUEST_MAX);
}

static void
connect_clients(struct bus_request clients[CLIENTS])
{
	struct err err;

	for (int i = 0; i < CLIENTS; i++) {
		assert_int_equal(bus_request_open(&clients[i], directory,
		    BUS_BROKER, &err), 0);
		bus_request_begin(&clients[i]);
	}
}

static void
send_all(struct bus_request clients[CLIENTS])
{
	struct mono end = mono_add_ms(mono_now(), WAIT_MS);
	struct buf bytes = BUF_EMPTY;

	for (int i = 0; i < CLIENTS; i++) {
		buf_reset(&bytes);
		big_request(&bytes, i);
		while (bus_request_put(&clients[i], bytes.data, bytes.len,
		    NULL) == -1) {
			assert_true(mono_before(mono_now(), end));
			turn(10);
		}
	}
	buf_free(&bytes);
}

/* Runs until so many wait for the journal in what collects. */
static void
await_collected(size_t n)
{
	struct mono end = mono_add_ms(mono_now(), WAIT_MS);

	while (requests_collecting(requests)->n < n &&
	    mono_before(mono_now(), end))
		turn(20);
	assert_int_equal(requests_collecting(requests)->n, n);
}

/* How many of them have their answer, each a good one. */
static int
answered(struct bus_request clients[CLIENTS])
{
	struct bus_message m;
	int n = 0;

	for (int i = 0; i < CLIENTS; i++) {
		if (bus_request_answer(&clients[i], &m, NULL) != 1)
			continue;
		assert_int_equal(*(const uint8_t *)m.bytes, PUBLISH_OK);
		bus_message_free(&m);
		/* One each: a second answer is to a question sent twice. */
		bus_request_begin(&clients[i]);
		n++;
	}
	return n;
}

static void
await_answers(struct bus_request clients[CLIENTS], int n)
{
	struct mono end = mono_add_ms(mono_now(), WAIT_MS);
	int have = 0;

	while ((have += answered(clients)) < n &&
	    mono_before(mono_now(), end))
		turn(20);
	assert_int_equal(have, n);
}

/* 16 MiB of records wait for a disk that does not move: the rest stays with
 * the publishers, however long it takes, and none is lost or taken twice. */
static void
test_no_request_is_read_while_what_waits_for_the_disk_is_full(
    void **state UNUSED)
{
	struct intake *full, *next;
	struct bus_request clients[CLIENTS];

	connect_clients(clients);
	send_all(clients);
	await_collected(3);
	full = requests_collecting(requests);
	assert_true(full->job.bytes.len >= INTAKE_BYTES_MAX);
	/* Sent again by publishers that lose patience: nothing moves. */
	send_all(clients);
	requests_resume(requests);
	turn(200);
	assert_int_equal(full->n, 3);
	assert_int_equal(sequencer_tip(b.s).number, 3 * BATCH);
	assert_int_equal(answered(clients), 0);

	/* The journal thread takes it: there is room, the rest is read. */
	requests_turn(requests);
	requests_resume(requests);
	await_collected(2);
	next = requests_collecting(requests);
	assert_ptr_not_equal(next, full);
	assert_true(next->job.bytes.len < INTAKE_BYTES_MAX);
	requests_answer(requests, full);
	await_answers(clients, 3);
	requests_answer(requests, next);
	await_answers(clients, 2);
	assert_int_equal(sequencer_tip(b.s).number, CLIENTS * BATCH);
	for (int i = 0; i < CLIENTS; i++)
		bus_request_close(&clients[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    test_no_request_is_read_while_what_waits_for_the_disk_is_full,
		    setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What a publisher keeps for a broker that is away, and that none of it is
 * lost or taken twice when it is back. */
#include "tests/unit/publish_fixture.h"

#include <ftw.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker/requests.h"
#include "common/bus_request.h"
#include "common/mono.h"
#include "gateway/gateway.h"

#define WAIT_MS 20000
#define GROUP   20       /* items of one group, some 900 KB */
#define FRAME   45000

static char directory[32];
static struct event_base *base;
static struct publisher *publisher;
static struct requests *requests;
static struct bench b;
static int appended;
static int records;      /* of the next ones, so many come to the publisher */
static struct buf late;  /* the newest of the others, which may come yet */

static int
remove_one(const char *path, const struct stat *st UNUSED, int flag UNUSED,
    struct FTW *ftw UNUSED)
{
	return remove(path);
}

static void
registered_cb(struct position tip UNUSED, void *arg UNUSED)
{
}

static void
fenced_cb(void *arg UNUSED)
{
	fail_msg("nobody took its place");
}

/* A disk that is at once done with everything. */
static void
written_cb(void *arg UNUSED)
{
	struct intake *in = requests_collecting(requests);
	const struct writer_record *r = in->job.records;

	for (size_t i = 0; i < in->job.n_records; i++) {
		const uint8_t *bytes = in->job.bytes.data + r[i].offset;

		if (records > 0) {
			records--;
			publisher_record(publisher, bytes, r[i].length);
		} else {
			buf_reset(&late);
			buf_add(&late, bytes, r[i].length);
		}
	}
	requests_answer(requests, in);
	journal_job_reset(&in->job);
	requests_resume(requests);
}

static int
setup(void **state UNUSED)
{
	struct err err;

	(void)snprintf(directory, sizeof(directory), "/tmp/sl-XXXXXX");
	if (mkdtemp(directory) == NULL)
		return -1;
	base = event_base_new();
	b = bench_new(100, 100);
	appended = records = 0;
	requests = requests_new(b.s, b.d, b.core, written_cb, NULL, &err);
	publisher = publisher_new(base, directory, "gateway/0", 1,
	    GATEWAY_PUBLISH_QUEUE_MAX, registered_cb, fenced_cb, NULL, &err);
	return requests == NULL || publisher == NULL ? -1 : 0;
}

static int
teardown(void **state UNUSED)
{
	publisher_free(publisher);
	requests_free(requests);
	bench_free(&b);
	event_base_free(base);
	buf_free(&late);
	return nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void
turn(int ms)
{
	struct timeval tv = mono_timeval_ms(ms);

	(void)event_base_loopexit(base, &tv);
	(void)event_base_dispatch(base);
}

static void
result_cb(const struct publish_result *result, void *arg)
{
	uint64_t *position = arg;

	assert_int_equal(result->code, RECORD_APPENDED);
	assert_int_equal(result->position.number, *position);
	*position += result->count;
	appended++;
}

/* One group; -1: there is no room for it. */
static int
submit(size_t n, uint64_t *position)
{
	static char frame[FRAME] = "\"data\":{}}";
	struct item items[GROUP];

	memset(frame + 10, ' ', sizeof(frame) - 10);
	for (size_t i = 0; i < n; i++) {
		items[i] = make(0, "job:big", 0);
		items[i].frame = (struct slice){ frame, sizeof(frame) };
	}
	return publisher_submit(publisher, items, n, result_cb, position);
}

static void
test_a_queue_of_16_mib_is_full_and_comes_whole_when_the_broker_is_back(
    void **state UNUSED)
{
	struct mono end = mono_add_ms(mono_now(), WAIT_MS);
	uint64_t position = 1;
	struct err err;
	size_t pending;
	int groups = 0;

	while (submit(GROUP, &position) == 0) {
		groups++;
		turn(1);
	}
	pending = publisher_pending(publisher);
	assert_true(pending <= GATEWAY_PUBLISH_QUEUE_MAX);
	assert_true(pending > GATEWAY_PUBLISH_QUEUE_MAX -
	    GROUP * (FRAME + 200));
	/* What is refused leaves nothing behind; what is smaller may fit. */
	assert_int_equal(submit(GROUP, &position), -1);
	assert_int_equal(publisher_pending(publisher), pending);
	while (submit(1, &position) == 0)
		groups++;
	assert_true(publisher_pending(publisher) <=
	    GATEWAY_PUBLISH_QUEUE_MAX);
	turn(50);
	assert_int_equal(appended, 0);

	assert_int_equal(requests_listen(requests, base, directory, &err), 0);
	while (publisher_pending(publisher) > 0 &&
	    mono_before(mono_now(), end))
		turn(20);
	assert_int_equal(publisher_pending(publisher), 0);
	assert_int_equal(appended, groups);
	assert_int_equal(sequencer_tip(b.s).number, position - 1);
	assert_int_equal(submit(GROUP, &position), 0);
	while (appended == groups && mono_before(mono_now(), end))
		turn(20);
	assert_int_equal(appended, groups + 1);
}

/* Runs until so many groups were appended; how long that took, in ms. */
static int64_t
await_appended(int n)
{
	struct mono began = mono_now(), end = mono_add_ms(began, WAIT_MS);

	while (appended < n && mono_before(mono_now(), end))
		turn(5);
	assert_int_equal(appended, n);
	return mono_diff_ms(mono_now(), began);
}

static void
test_who_reads_the_records_is_answered_by_its_own_and_asks_again_without(
    void **state UNUSED)
{
	uint64_t position = 1;
	struct err err;

	assert_int_equal(requests_listen(requests, base, directory, &err), 0);
	assert_int_equal(submit(1, &position), 0);
	(void)await_appended(1);
	publisher_reads(publisher);
	records = 1;
	assert_int_equal(submit(1, &position), 0);
	(void)await_appended(2);
	assert_int_equal(records, 0);
	/* Nobody else answers it: this one is sent again, and taken once. */
	assert_int_equal(submit(1, &position), 0);
	assert_true(await_appended(3) >= BUS_REQUEST_RESEND_MS / 2);
	assert_int_equal(sequencer_tip(b.s).number, 3);
	assert_int_equal(publisher_pending(publisher), 0);
}

static void
test_who_does_not_see_its_records_waits_for_one_and_not_for_each(
    void **state UNUSED)
{
	int64_t took = BUS_REQUEST_RESEND_MS;
	uint64_t position = 1;
	struct err err;

	assert_int_equal(requests_listen(requests, base, directory, &err), 0);
	publisher_reads(publisher);
	assert_int_equal(submit(1, &position), 0);
	assert_true(await_appended(1) >= BUS_REQUEST_RESEND_MS / 2);
	/* Several, since this machine may stand still. */
	for (int i = 2; i <= 6; i++) {
		assert_int_equal(submit(1, &position), 0);
		took = MIN(took, await_appended(i));
	}
	assert_true(took < BUS_REQUEST_RESEND_MS / 2);
	/* It sees them again, and relies on them. */
	records = 1;
	assert_int_equal(submit(1, &position), 0);
	(void)await_appended(7);
	assert_int_equal(records, 0);
	assert_int_equal(submit(1, &position), 0);
	assert_true(await_appended(8) >= BUS_REQUEST_RESEND_MS / 2);
	assert_int_equal(sequencer_tip(b.s).number, 8);
}

static void
refused_cb(const struct publish_result *result, void *arg UNUSED)
{
	assert_int_equal(result->code, RECORD_GUARD_LOST);
	appended++;
}

/* A question of the gateway: an item that is never appended. */
static void
ask(int n)
{
	struct item item = make(0, "job:big", ITEM_LIFECYCLE | ITEM_GUARDED);

	item.guard = ITEM_GUARD_NEVER;
	assert_int_equal(publisher_submit(publisher, &item, 1, refused_cb,
	    NULL), 0);
	(void)await_appended(n);
}

static void
test_a_question_between_does_not_let_it_wait_for_records_again(
    void **state UNUSED)
{
	int64_t took = BUS_REQUEST_RESEND_MS;
	uint64_t position = 1;
	struct err err;

	assert_int_equal(requests_listen(requests, base, directory, &err), 0);
	publisher_reads(publisher);
	assert_int_equal(submit(1, &position), 0);
	assert_true(await_appended(1) >= BUS_REQUEST_RESEND_MS / 2);
	for (int i = 2; i <= 10; i += 2) {
		ask(i);
		assert_int_equal(submit(1, &position), 0);
		took = MIN(took, await_appended(i + 1));
	}
	assert_true(took < BUS_REQUEST_RESEND_MS / 2);
}

static void
test_a_record_of_an_older_batch_does_not_let_it_wait_for_records_again(
    void **state UNUSED)
{
	int64_t took = BUS_REQUEST_RESEND_MS;
	struct buf old = BUF_EMPTY;
	uint64_t position = 1;
	struct err err;

	assert_int_equal(requests_listen(requests, base, directory, &err), 0);
	publisher_reads(publisher);
	assert_int_equal(submit(1, &position), 0);
	assert_true(await_appended(1) >= BUS_REQUEST_RESEND_MS / 2);
	buf_add(&old, late.data, late.len);
	assert_int_equal(submit(1, &position), 0);
	(void)await_appended(2);
	for (int i = 3; i <= 7; i++) {
		/* That of the batch before the last. */
		publisher_record(publisher, old.data, old.len);
		buf_reset(&old);
		buf_add(&old, late.data, late.len);
		assert_int_equal(submit(1, &position), 0);
		took = MIN(took, await_appended(i));
	}
	assert_true(took < BUS_REQUEST_RESEND_MS / 2);
	/* That of the last one does. */
	publisher_record(publisher, late.data, late.len);
	buf_free(&old);
	assert_int_equal(submit(1, &position), 0);
	assert_true(await_appended(8) >= BUS_REQUEST_RESEND_MS / 2);
}

/* Where the number of exceptions stands in a record of "gateway/0", and one by
 * which they would reach into its frames. */
#define EXCEPTIONS_AT   59
#define EXCEPTIONS_MANY 100

/* exit() was called; what is still allocated then is the parent's. */
static void
exited_cb(void)
{
	_exit(7);
}

/* Sent again, it would be so for ever, and nobody would be told. */
static void
test_a_record_that_cannot_be_read_ends_the_process(void **state UNUSED)
{
	struct mono end = mono_add_ms(mono_now(), WAIT_MS);
	uint64_t position = 1;
	struct err err;
	int status;
	pid_t pid;

	assert_int_equal(requests_listen(requests, base, directory, &err), 0);
	publisher_reads(publisher);
	buf_reset(&late);
	assert_int_equal(submit(1, &position), 0);
	while (late.len == 0 && mono_before(mono_now(), end))
		turn(1);
	assert_true(late.len > EXCEPTIONS_AT + 4);
	late.data[EXCEPTIONS_AT] = EXCEPTIONS_MANY;
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)atexit(exited_cb);
		publisher_record(publisher, late.data, late.len);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 7);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    test_a_queue_of_16_mib_is_full_and_comes_whole_when_the_broker_is_back,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_who_reads_the_records_is_answered_by_its_own_and_asks_again_without,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_who_does_not_see_its_records_waits_for_one_and_not_for_each,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_a_question_between_does_not_let_it_wait_for_records_again,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_a_record_of_an_older_batch_does_not_let_it_wait_for_records_again,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_a_record_that_cannot_be_read_ends_the_process,
		    setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

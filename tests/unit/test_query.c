#include "tests/unit/store_fixture.h"

#include <sys/eventfd.h>
#include <sys/stat.h>

#include <event2/event.h>

#include "common/mono.h"
#include "common/query.h"
#include "common/record.h"
#include "store/db_reader.h"
#include "store/db_writer.h"
#include "store/serve.h"

#define WAIT_MS 40000   /* for what comes */

/* A store without a process: writer, reader and REP socket on this loop. */
static struct conf conf;
static struct event_base *base;
static struct db_writer *writer;
static struct db_reader *reader;
static struct serve *serve;
static struct query_client *client;
static struct event *notify;
static int notify_fd;

static int	 answers;
static char	 seen[4096];
static uint64_t	 applied;     /* that `serve` was told of */

static void
notify_cb(evutil_socket_t fd, short what UNUSED, void *arg UNUSED)
{
	struct db_writer_status st;
	struct db_reader_result r;
	eventfd_t n;

	(void)eventfd_read(fd, &n);
	db_writer_status(writer, &st);
	if (serve != NULL)
		serve_applied(serve, st.applied);
	applied = st.applied.number;
	while (db_reader_take(reader, &r)) {
		if (r.kind == DB_READER_ANSWER && serve != NULL)
			serve_answer(serve, r.ticket, &r.bytes);
		buf_free(&r.bytes);
	}
}

static int
setup(void **state)
{
	char note[ERR_TEXT_MAX], projection[128];
	struct err err;

	if (fixture_setup(state) == -1)
		return -1;
	conf_init(&conf);
	free(conf.state_directory);
	conf.state_directory = strdup(fixture_directory);
	if (mkdir(fixture_path("journal"), 0700) == -1)
		return -1;
	answers = 0;
	applied = 0;
	seen[0] = '\0';
	base = event_base_new();
	notify_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	notify = event_new(base, notify_fd, EV_READ | EV_PERSIST, notify_cb,
	    NULL);
	(void)event_add(notify, NULL);
	(void)snprintf(projection, sizeof(projection), "%s",
	    fixture_path("projection.db"));
	writer = db_writer_new(projection, &conf, notify_fd, note, &err);
	if (writer == NULL)
		fail_msg("%s", err.text);
	reader = db_reader_new(projection, fixture_path("sluice.db"), &conf,
	    notify_fd, &err);
	if (reader == NULL)
		fail_msg("%s", err.text);
	serve = serve_new(base, fixture_directory, reader, &err);
	if (serve == NULL)
		fail_msg("%s", err.text);
	client = query_client_new(base, fixture_directory, &err);
	if (client == NULL)
		fail_msg("%s", err.text);
	return 0;
}

static int
teardown(void **state)
{
	query_client_free(client);
	serve_free(serve);
	db_writer_stop(writer, 1000);
	db_reader_free(reader);
	db_writer_free(writer);
	event_free(notify);
	(void)close(notify_fd);
	event_base_free(base);
	conf_free(&conf);
	return fixture_teardown(state);
}

/* Runs the loop until `want` answers came. */
static void
run_until(int want)
{
	struct mono end = mono_add_ms(mono_now(), WAIT_MS);
	struct timeval tv = { 0, 20000 };

	while (answers < want && mono_before(mono_now(), end)) {
		(void)event_base_loopexit(base, &tv);
		(void)event_base_dispatch(base);
	}
	assert_int_equal(answers, want);
}

static void say(const char *fmt, ...) PRINTF(1, 2);

static void
say(const char *fmt, ...)
{
	size_t n = strlen(seen);
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(seen + n, sizeof(seen) - n, fmt, ap);
	va_end(ap);
	answers++;
}

static void
json_cb(int status, struct slice json, void *arg UNUSED)
{
	say("%d %.*s;", status, (int)json.n, json.p);
}

static void
snapshot_cb(const struct query_snapshot *s, const struct err *err,
    void *arg UNUSED)
{
	struct item item;
	struct rd items;
	uint32_t i;

	if (s == NULL) {
		say("error %s;", err->text);
		return;
	}
	items = s->items;
	for (i = 0; i < s->count; i++)
		assert_int_equal(item_decode(&items, &item, true), 0);
	assert_true(rd_done(&items));
	say("%u at %llu%s;", s->count, (unsigned long long)s->as_of.number,
	    s->complete ? "" : " incomplete");
}

static void
ask(const char *json)
{
	assert_true(query_json(client, slice_str(json), WAIT_MS, json_cb,
	    NULL) != 0);
}

static uint64_t
ask_snapshot(const char *selector, uint64_t wait, int64_t deadline_ms)
{
	struct slice selectors[1] = { slice_str(selector) };

	return query_snapshot(client, slice_str("-"), selectors, 1,
	    (struct position){ FIXTURE_EPOCH, wait }, deadline_ms,
	    snapshot_cb, NULL);
}

static void
publish(uint64_t position, const char *key)
{
	struct record_header header = { .epoch = FIXTURE_EPOCH,
		.first = position, .count = 1, .publisher = slice_str("t"),
		.incarnation = 1, .batch = position };
	struct item item = fixture_item(position, key, "job.state_changed",
	    "", "{}", ITEM_LIFECYCLE);
	struct buf b = BUF_EMPTY;

	record_begin(&b, &header, NULL);
	record_item(&b, &item);
	record_end(&b);
	db_writer_record(writer, b.data, b.len, item.position);
	buf_free(&b);
	fixture_item_free(&item);
}

static void
test_a_workflow_is_put_and_read_by_questions(void **state UNUSED)
{
	ask("{\"op\":\"workflow.put\",\"id\":\"w\",\"cluster\":\"c\","
	    "\"nodes\":[]}");
	ask("{\"op\":\"workflow.delete\",\"id\":\"w\"}");
	ask("{\"op\":\"workflow.get\",\"id\":\"w\"}");
	run_until(3);
	assert_true(strncmp(seen, "0 {", 3) == 0);
	assert_non_null(strstr(seen, "0 {\"id\":\"w\",\"deleted\":true};404 "
	    "{\"error\":\"there is no workflow w\",\"code\":\"not_found\"};"));
}

static void
test_a_bad_workflow_is_answered_422_with_the_places(void **state UNUSED)
{
	ask("{\"op\":\"workflow.put\",\"id\":\"w\",\"cluster\":\"c\","
	    "\"nodes\":[{}]}");
	ask("{\"op\":\"nonsense\"}");
	ask("[");
	run_until(3);
	assert_non_null(strstr(seen, "422 {"));
	assert_non_null(strstr(seen, "nodes[0].type"));
	assert_non_null(strstr(seen, "400 {"));
	assert_non_null(strstr(seen, "invalid_json"));
}

/* Until the store has the question and holds it. */
static void
run_until_held(void)
{
	struct mono end = mono_add_ms(mono_now(), WAIT_MS);
	struct timeval tv = { 0, 20000 };

	while (serve_pending(serve) == 0 && mono_before(mono_now(), end)) {
		(void)event_base_loopexit(base, &tv);
		(void)event_base_dispatch(base);
	}
	assert_int_equal(serve_pending(serve), 1);
}

/* Until it knows of what was applied up to there. */
static void
run_until_applied(uint64_t position)
{
	struct mono end = mono_add_ms(mono_now(), WAIT_MS);
	struct timeval tv = { 0, 20000 };

	while (applied < position && mono_before(mono_now(), end)) {
		(void)event_base_loopexit(base, &tv);
		(void)event_base_dispatch(base);
	}
	assert_int_equal(applied, position);
}

static void
test_a_snapshot_waits_for_its_position(void **state UNUSED)
{
	(void)ask_snapshot("job:*", 2, WAIT_MS);
	run_until_held();
	publish(1, "job:a");
	run_until_applied(1);
	assert_int_equal(serve_pending(serve), 1);
	assert_string_equal(seen, "");
	publish(2, "job:b");
	run_until(1);
	assert_string_equal(seen, "2 at 2;");
}

static void
test_a_snapshot_that_waits_too_long_fails_alone(void **state UNUSED)
{
	(void)ask_snapshot("job:*", 99, 100);
	(void)ask_snapshot("job:a", 0, WAIT_MS);
	run_until(2);
	assert_string_equal(seen,
	    "error no answer from the store in time;0 at 0;");
}

static void
test_equal_snapshot_questions_share_an_answer(void **state UNUSED)
{
	uint64_t cancelled;

	publish(1, "job:a");
	(void)ask_snapshot("job:b", 1, WAIT_MS);
	(void)ask_snapshot("job:a", 1, WAIT_MS);
	(void)ask_snapshot("job:a", 1, WAIT_MS);
	cancelled = ask_snapshot("job:a", 1, WAIT_MS);
	query_cancel(client, cancelled);
	run_until(3);
	assert_string_equal(seen, "0 at 1;1 at 1;1 at 1;");
}

static void
test_nobody_waits_behind_a_held_snapshot_that_was_cancelled(void **state
    UNUSED)
{
	uint64_t held = ask_snapshot("job:*", 99, WAIT_MS);

	run_until_held();
	query_cancel(client, held);
	ask("{\"op\":\"clusters\"}");
	(void)ask_snapshot("job:a", 0, WAIT_MS);
	run_until(2);
	assert_string_equal(seen, "0 {\"clusters\":[]};0 at 0;");
}

static uint64_t	 other;

static void
cancelling_cb(const struct query_snapshot *s, const struct err *err,
    void *arg)
{
	snapshot_cb(s, err, arg);
	query_cancel(client, other);
	(void)ask_snapshot("job:b", 1, WAIT_MS);
}

static void
test_who_is_told_may_cancel_who_would_be_told_next(void **state UNUSED)
{
	struct slice selectors[1] = { slice_str("job:a") };

	publish(1, "job:a");
	(void)ask_snapshot("job:b", 1, WAIT_MS);
	(void)query_snapshot(client, slice_str("-"), selectors, 1,
	    (struct position){ FIXTURE_EPOCH, 1 }, WAIT_MS, cancelling_cb,
	    NULL);
	other = ask_snapshot("job:a", 1, WAIT_MS);
	run_until(3);
	assert_string_equal(seen, "0 at 1;1 at 1;0 at 1;");
}

static void
test_a_selector_that_is_none_is_refused(void **state UNUSED)
{
	(void)ask_snapshot("what?", 0, WAIT_MS);
	run_until(1);
	assert_non_null(strstr(seen, "invalid_key"));
}

static void
count_cb(const struct query_snapshot *answer, const struct err *err UNUSED,
    void *arg UNUSED)
{
	assert_non_null(answer);
	answers++;
}

static uint64_t
ask_counted(const char *key)
{
	struct slice selector = slice_str(key);

	return query_snapshot(client, slice_str("-"), &selector, 1,
	    (struct position){ 1, 1 }, WAIT_MS, count_cb, NULL);
}

/* Ten thousand clients of one subscription are one question. */
static void
test_those_who_ask_the_same_leave_room_for_other_questions(void **state UNUSED)
{
	uint64_t held;

	held = ask_counted("job:held");
	for (unsigned int i = 0; i < 10000; i++)
		assert_true(ask_counted("job:a") != 0);
	assert_true(ask_counted("job:b") != 0);
	query_cancel(client, held);
	publish(1, "job:a");
	run_until(10001);
}

static void
test_there_are_so_many_questions_and_so_many_who_wait(void **state UNUSED)
{
	char key[32];

	for (unsigned int i = 0; i < QUERY_PENDING_MAX; i++) {
		assert_int_equal(query_is_busy(client),
		    i >= QUERY_PENDING_MAX / 2);
		(void)snprintf(key, sizeof(key), "job:%u", i);
		assert_true(ask_counted(key) != 0);
	}
	assert_true(ask_counted("job:x") == 0);
	for (unsigned int i = QUERY_PENDING_MAX; i < QUERY_WAITERS_MAX; i++)
		assert_true(ask_counted("job:1") != 0);
	assert_true(ask_counted("job:1") == 0);
}

static void
test_a_store_that_is_away_is_told_after_the_deadline(void **state UNUSED)
{
	serve_free(serve);
	serve = NULL;
	assert_true(query_json(client, slice_str("{\"op\":\"clusters\"}"), 100,
	    json_cb, NULL) != 0);
	run_until(1);
	assert_non_null(strstr(seen, "503 "));
	assert_non_null(strstr(seen, "store_unavailable"));
}

static void
test_many_records_are_applied_in_order(void **state UNUSED)
{
	char key[32], want[64];
	uint64_t i, n = 20000;

	for (i = 1; i <= n; i++) {
		(void)snprintf(key, sizeof(key), "job:j%llu",
		    (unsigned long long)(i % 100));
		publish(i, key);
	}
	(void)ask_snapshot("job:*", n, WAIT_MS);
	run_until(1);
	(void)snprintf(want, sizeof(want), "100 at %llu;",
	    (unsigned long long)n);
	assert_string_equal(seen, want);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_workflow_is_put_and_read_by_questions),
		TEST(test_a_bad_workflow_is_answered_422_with_the_places),
		TEST(test_a_snapshot_waits_for_its_position),
		TEST(test_a_snapshot_that_waits_too_long_fails_alone),
		TEST(test_equal_snapshot_questions_share_an_answer),
		TEST(test_nobody_waits_behind_a_held_snapshot_that_was_cancelled),
		TEST(test_who_is_told_may_cancel_who_would_be_told_next),
		TEST(test_a_selector_that_is_none_is_refused),
		TEST(test_those_who_ask_the_same_leave_room_for_other_questions),
		TEST(test_there_are_so_many_questions_and_so_many_who_wait),
		TEST(test_a_store_that_is_away_is_told_after_the_deadline),
		TEST(test_many_records_are_applied_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

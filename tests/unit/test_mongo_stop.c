#include "tests/unit/store_fixture.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include "common/mono.h"
#include "store/mongo.h"
#include "store/projection_db.h"
#include "store/registry.h"

static struct conf conf;
static struct mongo *mongo;
static int listener;

static void
changed(const char *cluster UNUSED, uint64_t version UNUSED, void *arg UNUSED)
{
}

/* A MongoDB that was stopped by a signal: the kernel still takes connections,
 * nobody reads from them. */
static int
setup(void **state)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t n = sizeof(address);
	char projection[128], note[ERR_TEXT_MAX];
	struct projection_db *db;
	struct registry *registry;
	struct err err;

	if (fixture_setup(state) == -1)
		return -1;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener == -1 || bind(listener, (struct sockaddr *)&address,
	    n) == -1 || listen(listener, 8) == -1 || getsockname(listener,
	    (struct sockaddr *)&address, &n) == -1)
		return -1;
	conf_init(&conf);
	if (asprintf(&conf.mongodb, "mongodb://127.0.0.1:%d/kubeorch",
	    ntohs(address.sin_port)) == -1)
		return -1;
	(void)snprintf(projection, sizeof(projection), "%s",
	    fixture_path("projection.db"));
	db = projection_db_open(projection, note, &err);
	registry = registry_open(fixture_path("sluice.db"), changed, NULL,
	    &err);
	if (db == NULL || registry == NULL)
		fail_msg("%s", err.text);
	/* The tables are there; the reader is asked for nothing here. */
	mongo = mongo_new(&conf, projection, fixture_path("sluice.db"), NULL,
	    &err);
	if (mongo == NULL)
		fail_msg("%s", err.text);
	projection_db_close(db);
	registry_close(registry);
	return 0;
}

static int
teardown(void **state)
{
	mongo_free(mongo);
	(void)close(listener);
	conf_free(&conf);
	return fixture_teardown(state);
}

static void
test_a_frozen_mongodb_holds_a_stop_no_longer_than_the_header_says(void **state
    UNUSED)
{
	struct pollfd connected = { .fd = listener, .events = POLLIN };
	struct mono began;
	int64_t took;

	/* The thread is in the driver then. */
	assert_int_equal(poll(&connected, 1, 20000), 1);
	began = mono_now();
	assert_false(mongo_stop(mongo, 200));
	took = mono_diff_ms(mono_now(), began);
	assert_in_range((uintmax_t)took, (uintmax_t)MONGO_STOP_MS(200),
	    (uintmax_t)MONGO_STOP_MS(200) + 1000);
	/* The driver gives up by itself, and then so does the thread. */
	assert_true(mongo_stop(mongo, 20000));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    test_a_frozen_mongodb_holds_a_stop_no_longer_than_the_header_says,
		    setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

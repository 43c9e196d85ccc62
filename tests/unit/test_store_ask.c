/* store_ask: a watcher's questions to a store that this test plays. */
#include <inttypes.h>

#include "common/bus.h"
#include "common/mono.h"
#include "common/query.h"
#include "common/xmalloc.h"
#include "tests/unit/store_fixture.h"
#include "watcher/departed.h"
#include "watcher/inv_object.h"
#include "watcher/store_ask.h"

#define PAGES 20u   /* of one pod each */

static struct role role = { .name = "watcher", .instance = "prod" };
static struct inventory *inv;
static struct store_ask *ask;
static struct event *readable;
static int rep;
static uint64_t tip;            /* of the broker this test plays */
static unsigned bindings_asked, pages_asked;
static uint64_t answered;       /* ticket of the newest question */
/* Called before each page is answered. */
static void (*meanwhile)(void);

static void
moved_cb(void *arg)
{
	(void)arg;
}

/* The store knows pod-00, pod-01 ...: a page each, and an empty last one. */
static void
answer_page(struct buf *b, struct position wait, struct slice after)
{
	char key[64];
	unsigned next = 0;
	struct item item;

	if (after.n > 0)
		next = (unsigned)(after.p[after.n - 2] - '0') * 10 +
		    (unsigned)(after.p[after.n - 1] - '0') + 1;
	buf_u8(b, 0);
	/* As old as it may be. */
	buf_u32(b, wait.epoch);
	buf_u64(b, wait.number);
	buf_u8(b, 1);
	buf_u32(b, next < PAGES ? 1 : 0);
	if (next >= PAGES)
		return;
	(void)snprintf(key, sizeof(key), "resource:prod/pod/ns/pod-%02u",
	    next);
	item = fixture_item(1, key, "status_update", "",
	    "{\"status\":{\"state\":\"healthy\",\"health\":\"healthy\"}}", 0);
	item_encode(b, &item, true);
	fixture_item_free(&item);
}

/* One that is sent again, since a second went by on this machine, is no other:
 * it is known by its ticket, as the store does. */
static void
answer(struct bus_message *m)
{
	struct rd r = rd_init(m->bytes, m->n);
	static const char none[] = "{\"version\":1,\"bindings\":[]}";
	struct slice tenant, *selectors, after;
	struct position wait;
	struct query_head head;
	bool fresh;
	struct buf b = BUF_EMPTY;
	struct err err;
	size_t n;

	assert_int_equal(query_wire_head_decode(&r, &head), 0);
	fresh = head.ticket != answered;
	answered = head.ticket;
	if (head.op == QUERY_JSON) {
		bindings_asked += fresh;
		buf_u8(&b, 0);
		buf_str32(&b, none, strlen(none));
	} else {
		assert_int_equal(query_wire_wait_decode(&r, &wait), 0);
		assert_int_equal(query_wire_snapshot_decode(&r, &tenant,
		    &selectors, &n, &after), 0);
		assert_non_null(after.p);
		pages_asked += fresh;
		answer_page(&b, wait, after);
		free(selectors);
		if (fresh && meanwhile != NULL)
			meanwhile();
	}
	(void)bus_reply(rep, m, b.data, b.len, &err);
	buf_free(&b);
}

static void
store_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg UNUSED)
{
	struct bus_message m;
	struct err err;

	while (bus_receive(rep, &m, &err) > 0) {
		answer(&m);
		bus_message_free(&m);
	}
}

static int
setup(void **state)
{
	char address[BUS_ADDRESS_SIZE], *bus;
	struct err err;

	if (fixture_setup(state) == -1)
		return -1;
	conf_init(&role.conf);
	free(role.conf.runtime_directory);
	role.conf.runtime_directory = xstrdup(fixture_directory);
	role.base = event_base_new();
	inv = inventory_new(0);
	meanwhile = NULL;
	tip = 100;
	bindings_asked = pages_asked = 0;
	answered = 0;
	ask = store_ask_new(&role, inv, NULL, moved_cb, NULL, &err);
	if (ask == NULL)
		fail_msg("%s", err.text);
	rep = bus_open(BUS_REP, &err);
	bus = conf_bus_directory(&role.conf);
	(void)mkdir(bus, 0700);
	if (bus_address(address, sizeof(address), bus, BUS_STORE,
	    &err) == -1 || bus_bind(rep, address, &err) == -1)
		fail_msg("%s", err.text);
	free(bus);
	readable = bus_event(role.base, rep, store_cb, NULL);
	(void)event_add(readable, NULL);
	return 0;
}

static int
teardown(void **state)
{
	store_ask_free(ask);
	event_free(readable);
	bus_close(rep);
	inventory_free(inv);
	event_base_free(role.base);
	conf_free(&role.conf);
	return fixture_teardown(state);
}

/* Runs the loop until `done` says so, at most 20 s. */
static void
run_until(bool (*done)(void))
{
	struct mono end = mono_add_ms(mono_now(), 20000);
	struct timeval tv = { 0, 5000 };

	while (!done() && mono_before(mono_now(), end)) {
		(void)event_base_loopexit(role.base, &tv);
		(void)event_base_dispatch(role.base);
	}
	assert_true(done());
}

static bool
is_open(void)
{
	return store_ask_open(ask);
}

static bool
holds_nothing(void)
{
	return store_ask_open(ask) && !store_ask_holding(ask);
}

static void
start(void)
{
	unsigned kind;

	for (kind = 0; kind < KINDS_MAX; kind++)
		inventory_list_end(inv, kind, SLICE_NONE,
		    inventory_list_begin(inv, kind, SLICE_NONE));
	assert_true(store_ask_start(ask, (struct position){ FIXTURE_EPOCH,
	    tip }));
	run_until(is_open);
}

/* What the watcher deletes is handed over, and the broker appends it. */
static unsigned
publish_all(void)
{
	struct inv_object *o;
	unsigned n = 0;

	while ((o = inventory_first(inv)) != NULL) {
		bool gone = o->gone;

		inventory_sent(inv, o);
		store_ask_appended(ask, (struct position){ FIXTURE_EPOCH,
		    ++tip }, gone ? o : NULL);
		inventory_answered(inv, o, true);
		n += gone;
	}
	return n;
}

static void
pod(struct kube_object *object, char *name, unsigned i)
{
	(void)snprintf(name, 16, "pod-%02u", i);
	*object = (struct kube_object){ .namespace = slice_str("ns"),
		.name = slice_str(name), .uid = slice_str(name),
		.resource_version = slice_str("7") };
}

static void
see(unsigned i)
{
	struct kube_object object;
	char name[16];

	pod(&object, name, i);
	inventory_seen(inv, (unsigned)kinds_find(slice_str("pod")), &object,
	    1000);
}

static void
delete(unsigned i)
{
	struct kube_object object;
	char name[16];

	pod(&object, name, i);
	inventory_deleted(inv, (unsigned)kinds_find(slice_str("pod")),
	    &object, 1000);
}

static void
test_what_only_the_store_shows_is_deleted_once(void **state)
{
	(void)state;
	start();
	assert_int_equal(pages_asked, PAGES + 1);
	assert_int_equal(publish_all(), PAGES);
	assert_int_equal(inventory_counts(inv)->entries, 0);
}

static unsigned deleted;

/* The object the answer under way names, and one more that nobody shows. */
static void
delete_one_more(void)
{
	unsigned i = pages_asked - 1;

	if (i < PAGES) {
		delete(i);
		deleted += publish_all();
	}
	see(90);
	deleted += publish_all();
	delete(90);
	deleted += publish_all();
}

/* Each question meets a deletion that its answer does not know of. */
static void
test_a_resync_ends_under_a_steady_stream_of_deletions(void **state)
{
	unsigned i;

	(void)state;
	for (i = 0; i < PAGES; i++)
		see(i);
	start();
	(void)publish_all();
	bindings_asked = pages_asked = deleted = 0;
	meanwhile = delete_one_more;
	store_ask_compare(ask);
	assert_true(store_ask_holding(ask));
	run_until(holds_nothing);
	assert_int_equal(bindings_asked, 1);
	assert_int_equal(pages_asked, PAGES + 1);
	assert_int_equal(deleted, 2 * PAGES + 1);
	/* Nothing is deleted a second time because an old answer had it. */
	assert_int_equal(publish_all(), 0);
	assert_int_equal(inventory_counts(inv)->entries, 0);
}

/* More than is kept: once. */
static void
delete_many(void)
{
	struct inv_object *o;
	unsigned i;

	meanwhile = NULL;
	see(91);
	o = inventory_first(inv);
	for (i = 0; i <= DEPARTED_MAX; i++)
		store_ask_appended(ask, (struct position){ FIXTURE_EPOCH,
		    ++tip }, o);
}

static void
test_a_page_that_met_too_many_deletions_is_asked_again(void **state)
{
	(void)state;
	start();
	(void)publish_all();
	bindings_asked = pages_asked = 0;
	meanwhile = delete_many;
	store_ask_compare(ask);
	run_until(holds_nothing);
	assert_int_equal(bindings_asked, 1);
	assert_int_equal(pages_asked, PAGES + 2);
}

static void
change_bindings(void)
{
	store_ask_bindings(ask);
}

static void
test_a_resync_ends_while_bindings_change_all_the_time(void **state)
{
	(void)state;
	start();
	(void)publish_all();
	bindings_asked = pages_asked = 0;
	meanwhile = change_bindings;
	store_ask_compare(ask);
	run_until(holds_nothing);
	assert_int_equal(pages_asked, PAGES + 1);
	/* What came meanwhile is asked for, and only that. */
	assert_in_range(bindings_asked, 1, 2);
}

static void
resync_again(void)
{
	meanwhile = NULL;
	store_ask_compare(ask);
}

static void
test_a_resync_that_comes_during_one_has_a_round_of_its_own(void **state)
{
	(void)state;
	start();
	(void)publish_all();
	pages_asked = 0;
	meanwhile = resync_again;
	store_ask_compare(ask);
	run_until(holds_nothing);
	assert_int_equal(pages_asked, 2 * (PAGES + 1));
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_what_only_the_store_shows_is_deleted_once),
		CASE(test_a_resync_ends_under_a_steady_stream_of_deletions),
		CASE(test_a_page_that_met_too_many_deletions_is_asked_again),
		CASE(test_a_resync_ends_while_bindings_change_all_the_time),
		CASE(
		    test_a_resync_that_comes_during_one_has_a_round_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

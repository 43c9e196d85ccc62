/* peers: as many readers as there may be, and one more. */
#include <poll.h>

#include "broker/peers.h"
#include "common/bus.h"
#include "common/mono.h"
#include "tests/unit/store_fixture.h"

static int sub;
static struct peers *peers;
static char address[sizeof(((struct msg_peer *)NULL)->path)];

static int
setup(void **state)
{
	struct err err;

	if (fixture_setup(state) == -1 || bus_address(address,
	    sizeof(address), fixture_directory, "reader", &err) == -1)
		return -1;
	sub = bus_open(BUS_SUB, &err);
	if (sub < 0 || bus_bind(sub, address, &err) == -1)
		return -1;
	peers = peers_new(&err);
	return peers != NULL ? 0 : -1;
}

static int
teardown(void **state)
{
	peers_free(peers);
	bus_close(sub);
	return fixture_teardown(state);
}

/* All readers are one socket: it gets a message once for each. */
static struct msg_peer
reader(unsigned i)
{
	struct msg_peer peer = { .role = "gateway", .incarnation = 1 };

	(void)snprintf(peer.instance, sizeof(peer.instance), "%u", i);
	(void)snprintf(peer.path, sizeof(peer.path), "%s", address);
	return peer;
}

/* PUB drops what is sent before the connection stands: it is repeated, until
 * `want` copies of one message have come. As long as some come, more do. */
static void
expect_copies(unsigned want)
{
	struct mono end = mono_add_ms(mono_now(), 40000), pause;
	unsigned char number = 0;
	struct bus_message m;
	unsigned got = 0;
	struct err err;

	while (got < want && mono_before(mono_now(), end)) {
		number++;
		got = 0;
		peers_send(peers, &number, 1);
		pause = mono_add_ms(mono_now(), 200);
		while (got < want && mono_before(mono_now(), pause)) {
			if (bus_receive(sub, &m, &err) <= 0) {
				(void)poll(NULL, 0, 5);
				continue;
			}
			got += *(const unsigned char *)m.bytes == number;
			bus_message_free(&m);
			pause = mono_add_ms(mono_now(), 200);
		}
	}
	assert_int_equal(got, want);
}

static void
test_one_reader_too_many_is_refused_and_the_others_are_served(void **state)
{
	struct msg_peer peer;
	struct err err;
	unsigned i;

	(void)state;
	for (i = 0; i < PEERS_MAX; i++) {
		peer = reader(i);
		assert_int_equal(peers_up(peers, &peer, &err), 0);
	}
	peer = reader(PEERS_MAX);
	assert_int_equal(peers_up(peers, &peer, &err), -1);
	assert_non_null(strstr(err.text, "256 readers"));
	assert_int_equal(peers_count(peers), PEERS_MAX);
	/* Its going away is no news; a known one that comes again is no
	 * more. */
	peers_down(peers, &peer);
	peer = reader(7);
	assert_int_equal(peers_up(peers, &peer, &err), 0);
	assert_int_equal(peers_count(peers), PEERS_MAX);
	expect_copies(PEERS_MAX);
	/* One leaves: there is room for it. */
	peers_down(peers, &peer);
	peer = reader(PEERS_MAX);
	assert_int_equal(peers_up(peers, &peer, &err), 0);
	assert_int_equal(peers_count(peers), PEERS_MAX);
	expect_copies(PEERS_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    test_one_reader_too_many_is_refused_and_the_others_are_served,
		    setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

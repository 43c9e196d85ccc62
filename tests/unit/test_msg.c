/* Every payload: round trip, cut at every byte, with a byte too many. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/msg.h"

typedef int (*decode_fn)(const void *p, size_t n);

static struct msg_peer peer;
static struct msg_cluster cluster;
static struct msg_bindings bindings;
static struct msg_pong pong;
static struct msg_status status;
static enum msg_slot slot;
static uint64_t first;
static uint32_t listener;

#define DECODER(name, place)					\
	static int							\
	decode_##name(const void *p, size_t n)				\
	{								\
		return msg_##name##_decode(p, n, &place);		\
	}

DECODER(peer, peer)
DECODER(cluster, cluster)
DECODER(bindings, bindings)
DECODER(pong, pong)
DECODER(status, status)
DECODER(slot, slot)
DECODER(segment, first)
DECODER(listener, listener)

static void
check(struct buf *b, decode_fn decode)
{
	for (size_t n = 0; n < b->len; n++)
		assert_int_equal(decode(b->data, n), -1);
	buf_u8(b, 0);
	assert_int_equal(decode(b->data, b->len), -1);
	assert_int_equal(decode(b->data, b->len - 1), 0);
	buf_free(b);
}

static void
test_a_peer_survives_the_way(void **unused UNUSED)
{
	struct msg_peer m = { "gateway", "1", 77, "ipc:///run/x.sub" };
	struct buf b = BUF_EMPTY;

	msg_peer_encode(&b, &m);
	check(&b, decode_peer);
	assert_string_equal(peer.role, "gateway");
	assert_string_equal(peer.instance, "1");
	assert_int_equal(peer.incarnation, 77);
	assert_string_equal(peer.path, "ipc:///run/x.sub");
}

static void
test_what_is_short_survives(void **unused UNUSED)
{
	struct msg_cluster c = { "prod", "ready" };
	struct msg_bindings d = { "dev", UINT64_MAX };
	struct buf b = BUF_EMPTY;

	msg_cluster_encode(&b, &c);
	check(&b, decode_cluster);
	assert_string_equal(cluster.state, "ready");
	msg_bindings_encode(&b, &d);
	check(&b, decode_bindings);
	assert_true(bindings.version == UINT64_MAX);
	msg_slot_encode(&b, MSG_SLOT_RETURN);
	check(&b, decode_slot);
	assert_int_equal(slot, MSG_SLOT_RETURN);
	msg_segment_encode(&b, 4711);
	check(&b, decode_segment);
	assert_int_equal(first, 4711);
	msg_listener_encode(&b, 63);
	check(&b, decode_listener);
	assert_int_equal(listener, 63);
}

static void
test_pong_and_status_survive(void **unused UNUSED)
{
	struct msg_pong p = { 5, "journal" };
	struct msg_status s = { "watching", "14 kinds" };
	struct buf b = BUF_EMPTY;

	msg_pong_encode(&b, &p);
	check(&b, decode_pong);
	assert_string_equal(pong.busy, "journal");
	msg_status_encode(&b, &s);
	check(&b, decode_status);
	assert_string_equal(status.text, "14 kinds");
}

static void
test_a_slot_of_unknown_meaning_is_refused(void **unused UNUSED)
{
	uint8_t byte = MSG_SLOT_RETURN + 1;

	assert_int_equal(decode_slot(&byte, 1), -1);
}

static void
test_text_that_is_too_long_or_holds_a_nul_is_refused(void **unused UNUSED)
{
	char text[64];
	struct buf b = BUF_EMPTY;

	memset(text, 'x', sizeof(text));
	buf_str16(&b, text, 64);   /* one more than fits with its NUL */
	buf_str16(&b, "ready", 5);
	assert_int_equal(decode_cluster(b.data, b.len), -1);
	buf_reset(&b);
	buf_str16(&b, "pr\0d", 4);
	buf_str16(&b, "ready", 5);
	assert_int_equal(decode_cluster(b.data, b.len), -1);
	buf_free(&b);
}

static void
test_the_table_names_every_message(void **unused UNUSED)
{
	for (int t = 0; t < MSG_TYPE_MAX; t++) {
		assert_non_null(msg_name((enum msg_type)t));
		assert_true((msg_sender((enum msg_type)t) &
		    MSG_FROM_BOTH) != 0);
	}
	assert_string_equal(msg_name(MSG_TYPE_MAX), "unknown");
	assert_true(msg_has_fd(MSG_CONFIG));
	assert_false(msg_has_fd(MSG_PING));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_peer_survives_the_way),
		cmocka_unit_test(test_what_is_short_survives),
		cmocka_unit_test(test_pong_and_status_survive),
		cmocka_unit_test(test_a_slot_of_unknown_meaning_is_refused),
		cmocka_unit_test(
		    test_text_that_is_too_long_or_holds_a_nul_is_refused),
		cmocka_unit_test(test_the_table_names_every_message),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

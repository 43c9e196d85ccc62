/* ticket, ticket_uses and install_key: who opens a ticket, and until when. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/xmalloc.h"
#include "gateway/install_key.h"
#include "gateway/ticket.h"
#include "gateway/ticket_uses.h"

#define NOW   INT64_C(1700000000000)
#define UNTIL (NOW + 3600 * 1000)

static struct ticket_key
key_of(const char *secret)
{
	struct ticket_key key;

	ticket_key_derive(&key, secret, strlen(secret));
	return key;
}

static struct identity *
somebody(void)
{
	struct identity *id = identity_anybody();

	(void)snprintf(id->tenant, sizeof(id->tenant), "acme");
	id->expires_unix_ms = UNTIL;
	id->issued_unix_ms = NOW - 1000;
	memset(id->key, 7, sizeof(id->key));
	return id;
}

/* A ticket's text, issued at NOW. */
static char *
seal(const struct ticket_key *key, const struct identity *id)
{
	struct buf b = BUF_EMPTY;
	struct err err;
	char *text;

	if (ticket_seal(&b, key, id, NOW, &err) == -1)
		fail_msg("%s", err.text);
	text = xstrdup(buf_cstr(&b));
	buf_free(&b);
	return text;
}

static void
test_a_ticket_says_who_it_is_of_and_grants_reading_alone(void **state)
{
	struct ticket_key key = key_of("the key of the installation 0123");
	struct identity *id = somebody(), *back;
	struct ticket_use use, other;
	char *text = seal(&key, id), *again = seal(&key, id);

	(void)state;
	back = ticket_open(slice_str(text), &key, NOW + 5, &use, NULL);
	assert_non_null(back);
	assert_string_equal(back->tenant, "acme");
	assert_string_equal(back->subject, "");
	assert_int_equal(back->expires_unix_ms, UNTIL);
	assert_int_equal(back->issued_unix_ms, NOW - 1000);
	assert_memory_equal(back->key, id->key, sizeof(id->key));
	assert_true(grants_cover(&back->subscribe, slice_str("job:a")));
	assert_int_equal(back->publish.n, 0);
	assert_false(back->admin);
	assert_int_equal(use.age_ms, 5);
	identity_unref(back);
	/* No two are the same, nor taken for the same. */
	assert_string_not_equal(text, again);
	identity_unref(ticket_open(slice_str(again), &key, NOW, &other, NULL));
	assert_true(use.tag != other.tag && use.tag != 0);
	assert_null(ticket_open(slice_str(text), &key, UNTIL, &use, NULL));
	free(text);
	free(again);
	identity_unref(id);
}

static void
test_no_byte_of_a_ticket_can_be_another(void **state)
{
	struct ticket_key key = key_of("the key of the installation 0123");
	struct ticket_key wrong = key_of("another key of as many bytes 012");
	struct identity *id = somebody();
	char *text = seal(&key, id);
	struct ticket_use use;
	size_t n = strlen(text);

	(void)state;
	assert_null(ticket_open(slice_str(text), &wrong, NOW, &use, NULL));
	assert_null(ticket_open(slice_str(""), &key, NOW, &use, NULL));
	for (size_t i = 0; i < n; i++) {
		char was = text[i];

		text[i] = was == 'A' ? 'B' : 'A';
		assert_null(ticket_open(slice_str(text), &key, NOW, &use,
		    NULL));
		text[i] = was;
		assert_null(ticket_open((struct slice){ text, i }, &key, NOW,
		    &use, NULL));
	}
	free(text);
	identity_unref(id);
}

static void
test_a_ticket_is_never_longer_than_a_target_may_be(void **state)
{
	struct ticket_key key = key_of("the key of the installation 0123");
	struct identity *id = somebody();
	struct buf b = BUF_EMPTY;
	char pattern[512];
	struct err err;

	(void)state;
	memset(pattern, 'a', sizeof(pattern));
	memcpy(pattern, "job:", 4);
	pattern[sizeof(pattern) - 1] = '\0';
	for (int i = 0; i < 12; i++)
		assert_int_equal(grants_add(&id->subscribe,
		    slice_str(pattern), &err), 0);
	assert_int_equal(ticket_seal(&b, &key, id, NOW, &err), -1);
	assert_non_null(strstr(err.text, "more patterns"));
	assert_int_equal(b.len, 0);
	identity_unref(id);
}

static void
test_a_ticket_ends_with_its_token_and_after_a_day_at_most(void **state)
{
	struct ticket_key key = key_of("the key of the installation 0123");
	struct identity *id = somebody(), *back;
	struct ticket_use use;
	char *text;

	(void)state;
	assert_int_equal(ticket_end(id, NOW), UNTIL);
	id->expires_unix_ms = INT64_C(253402300799000);
	assert_int_equal(ticket_end(id, NOW), NOW + TICKET_LIFE_MS);
	text = seal(&key, id);
	back = ticket_open(slice_str(text), &key, NOW + TICKET_LIFE_MS - 1,
	    &use, NULL);
	assert_non_null(back);
	/* So long the stream lasts. */
	assert_int_equal(back->expires_unix_ms, NOW + TICKET_LIFE_MS);
	identity_unref(back);
	assert_null(ticket_open(slice_str(text), &key, NOW + TICKET_LIFE_MS,
	    &use, NULL));
	free(text);
	identity_unref(id);
}

static void
test_a_ticket_is_used_soon_or_by_who_comes_back(void **state)
{
	const struct ticket_use young = { 1, TICKET_FIRST_MS };
	const struct ticket_use later = { 1, TICKET_FIRST_MS + 1 };
	const struct ticket_use old = { 1, TICKET_AGAIN_MS + 1 };
	const struct ticket_use ahead = { 1, -TICKET_SKEW_MS };
	const struct ticket_use future = { 1, -TICKET_SKEW_MS - 1 };

	(void)state;
	assert_true(ticket_good(&young, false, false));
	assert_false(ticket_good(&later, false, false));
	assert_true(ticket_good(&later, false, true));
	assert_true(ticket_good(&later, true, false));
	assert_false(ticket_good(&old, false, true));
	assert_true(ticket_good(&old, true, false));
	assert_true(ticket_good(&ahead, false, false));
	assert_false(ticket_good(&future, false, true));
	assert_false(ticket_good(&future, true, true));
}

static void
test_uses_are_known_to_every_gateway(void **state)
{
	char dir[] = "/tmp/sl-uses-XXXXXX", path[64];
	struct ticket_uses *a, *b;
	struct err err;

	(void)state;
	assert_non_null(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/tickets", dir);
	a = ticket_uses_open(path, &err);
	b = ticket_uses_open(path, &err);
	assert_true(a != NULL && b != NULL);
	assert_false(ticket_uses_knows(b, 77));
	ticket_uses_add(a, 77, NOW);
	assert_true(ticket_uses_knows(b, 77));
	/* A row that is full forgets the oldest. */
	for (uint64_t i = 1; i <= 8; i++)
		ticket_uses_add(b, 77 + i * 2 * 8192, NOW + (int64_t)i);
	assert_false(ticket_uses_knows(a, 77));
	assert_true(ticket_uses_knows(a, 77 + 2 * 8192));
	ticket_uses_close(a);
	ticket_uses_close(b);
	(void)unlink(path);
	assert_null(ticket_uses_open("/proc/none/tickets", &err));
	(void)rmdir(dir);
}

static void
test_a_use_that_is_worth_nothing_makes_room_first(void **state)
{
	char dir[] = "/tmp/sl-uses-XXXXXX", path[64];
	const int64_t day = INT64_C(24) * 3600 * 1000;
	const uint64_t step = 2 * 8192;
	struct ticket_uses *u;
	struct err err;

	(void)state;
	assert_non_null(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/tickets", dir);
	u = ticket_uses_open(path, &err);
	assert_non_null(u);
	for (uint64_t i = 0; i < 7; i++)
		ticket_uses_add(u, 1 + i * step, NOW + (int64_t)i);
	/* A clock that was a day ahead, and was set back. */
	ticket_uses_add(u, 1 + 7 * step, NOW + day);
	ticket_uses_add(u, 1 + 8 * step, NOW + 9);
	assert_false(ticket_uses_knows(u, 1 + 7 * step));
	for (uint64_t i = 0; i < 7; i++)
		assert_true(ticket_uses_knows(u, 1 + i * step));
	ticket_uses_close(u);
	(void)unlink(path);
	(void)rmdir(dir);
}

/* The first write to a page that a full file system has not would be SIGBUS. */
static void
test_the_room_for_uses_is_taken_when_it_is_opened(void **state)
{
	char dir[] = "/tmp/sl-uses-XXXXXX", path[64];
	struct rlimit was, small;
	struct ticket_uses *u;
	struct stat st;
	struct err err;

	(void)state;
	assert_non_null(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/tickets", dir);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	small = (struct rlimit){ 4096, was.rlim_max };
	assert_true(sigaction(SIGXFSZ, &(struct sigaction){
	    .sa_handler = SIG_IGN }, NULL) == 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	u = ticket_uses_open(path, &err);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	assert_null(u);
	assert_int_equal(err.code, EFBIG);
	assert_non_null(strstr(err.text, path));
	assert_non_null(strstr(err.text, "make room in its directory"));
	u = ticket_uses_open(path, &err);
	assert_non_null(u);
	assert_int_equal(stat(path, &st), 0);
	assert_true(st.st_blocks * 512 >= st.st_size && st.st_size > 4096);
	ticket_uses_close(u);
	(void)unlink(path);
	(void)rmdir(dir);
}

static void
test_the_key_of_an_installation_is_made_once(void **state)
{
	uint8_t one[INSTALL_KEY_SIZE], two[INSTALL_KEY_SIZE];
	char dir[] = "/tmp/sl-key-XXXXXX", path[64];
	struct stat st;
	struct err err;

	(void)state;
	assert_non_null(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/key", dir);
	assert_int_equal(install_key_read(path, false, one, &err), -1);
	assert_non_null(strstr(err.text, "head -c 32 /dev/urandom"));
	assert_int_equal(err.code, ENOENT);
	assert_int_equal(install_key_read(path, true, one, &err), 0);
	assert_int_equal(install_key_read(path, true, two, &err), 0);
	assert_memory_equal(one, two, sizeof(one));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(chmod(path, 0604), 0);
	assert_int_equal(install_key_read(path, true, two, &err), -1);
	assert_non_null(strstr(err.text, "chmod 0600"));
	assert_int_equal(chmod(path, 0600), 0);
	assert_int_equal(truncate(path, 31), 0);
	assert_int_equal(install_key_read(path, true, two, &err), -1);
	assert_non_null(strstr(err.text, "32 bytes"));
	assert_int_equal(unlink(path), 0);
	/* Nothing else was left there. */
	assert_int_equal(rmdir(dir), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_a_ticket_says_who_it_is_of_and_grants_reading_alone),
		cmocka_unit_test(test_no_byte_of_a_ticket_can_be_another),
		cmocka_unit_test(
		    test_a_ticket_is_never_longer_than_a_target_may_be),
		cmocka_unit_test(
		    test_a_ticket_is_used_soon_or_by_who_comes_back),
		cmocka_unit_test(
		    test_a_ticket_ends_with_its_token_and_after_a_day_at_most),
		cmocka_unit_test(test_uses_are_known_to_every_gateway),
		cmocka_unit_test(
		    test_a_use_that_is_worth_nothing_makes_room_first),
		cmocka_unit_test(
		    test_the_room_for_uses_is_taken_when_it_is_opened),
		cmocka_unit_test(test_the_key_of_an_installation_is_made_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* idem_keys against a plain model: what came, in order, and what left. */
#include "broker/idem_keys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MAX_KEYS 3000u
#define NAMES    5000u
#define TURNS    100000

static struct idem_key
key_of(uint32_t name, uint64_t number)
{
	struct idem_key key = { .position = { 1, number } };

	memcpy(key.idem, &name, sizeof(name));
	return key;
}

static uint32_t
name_in(const struct idem_key *key)
{
	uint32_t name;

	memcpy(&name, key->idem, sizeof(name));
	return name;
}

/* The model: which names are there, by the order they came. */
struct model {
	uint32_t	names[TURNS];
	size_t		head;
	size_t		tail;
	bool		there[NAMES];
};

static void
drop(struct model *m, struct idem_keys *k, bool oldest)
{
	if (m->head == m->tail) {
		assert_null(idem_keys_oldest(k));
		assert_null(idem_keys_newest(k));
		return;
	}
	assert_int_equal(name_in(idem_keys_oldest(k)), m->names[m->head]);
	assert_int_equal(name_in(idem_keys_newest(k)),
	    m->names[m->tail - 1]);
	if (oldest) {
		m->there[m->names[m->head++]] = false;
		idem_keys_drop_oldest(k);
	} else {
		m->there[m->names[--m->tail]] = false;
		idem_keys_drop_newest(k);
	}
}

static void
take(struct model *m, struct idem_keys *k, uint32_t name, uint64_t number)
{
	struct idem_key key = key_of(name, number);
	const struct idem_key *found = idem_keys_find(k, key.idem);

	assert_int_equal(found != NULL, m->there[name]);
	if (found != NULL) {
		assert_int_equal(name_in(found), name);
		return;
	}
	if (m->tail - m->head == MAX_KEYS)
		m->there[m->names[m->head++]] = false;
	m->names[m->tail++] = name;
	m->there[name] = true;
	idem_keys_push(k, &key);
}

static void
test_keys_are_found_and_leave_as_in_a_plain_list(void **state)
{
	struct idem_keys *k = idem_keys_new(MAX_KEYS, 7);
	struct model *m = calloc(1, sizeof(*m));
	const struct idem_key *row;
	uint64_t cursor = 0;
	size_t n = 0;

	(void)state;
	assert_non_null(m);
	srand(3);
	for (uint64_t i = 0; i < TURNS; i++) {
		if (rand() % 20 == 0)
			drop(m, k, rand() % 2 == 0);
		else
			take(m, k, (uint32_t)rand() % NAMES, i);
		assert_int_equal(idem_keys_count(k), m->tail - m->head);
	}
	while ((row = idem_keys_next(k, &cursor)) != NULL)
		assert_int_equal(name_in(row), m->names[m->head + n++]);
	assert_int_equal(n, m->tail - m->head);
	free(m);
	idem_keys_free(k);
}

static void
test_a_walk_goes_on_over_what_leaves_and_comes(void **state)
{
	struct idem_keys *k = idem_keys_new(10, 7);
	uint64_t cursor = 0;
	struct idem_key key;

	(void)state;
	for (uint32_t i = 0; i < 5; i++) {
		key = key_of(i, i);
		idem_keys_push(k, &key);
	}
	assert_int_equal(name_in(idem_keys_next(k, &cursor)), 0);
	idem_keys_drop_oldest(k);
	idem_keys_drop_oldest(k);
	assert_int_equal(name_in(idem_keys_next(k, &cursor)), 2);
	key = key_of(9, 9);
	idem_keys_push(k, &key);
	assert_int_equal(name_in(idem_keys_next(k, &cursor)), 3);
	assert_int_equal(name_in(idem_keys_next(k, &cursor)), 4);
	assert_int_equal(name_in(idem_keys_next(k, &cursor)), 9);
	assert_null(idem_keys_next(k, &cursor));
	idem_keys_free(k);
}

static void
test_without_room_no_key_is_kept(void **state)
{
	struct idem_keys *k = idem_keys_new(0, 7);
	struct idem_key key = key_of(1, 1);

	(void)state;
	idem_keys_push(k, &key);
	assert_int_equal(idem_keys_count(k), 0);
	assert_null(idem_keys_find(k, key.idem));
	idem_keys_free(k);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_keys_are_found_and_leave_as_in_a_plain_list),
		cmocka_unit_test(
		    test_a_walk_goes_on_over_what_leaves_and_comes),
		cmocka_unit_test(test_without_room_no_key_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

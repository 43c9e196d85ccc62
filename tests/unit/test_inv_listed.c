/* inv_listed, and an inventory that is listed in some namespaces only. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/inventory_fixture.h"
#include "watcher/inv_listed.h"
#include "watcher/inv_object.h"

static void
seen(const char *namespace, const char *name)
{
	const struct kube_object o = { .uid = slice_str(name),
		.namespace = slice_str(namespace), .name = slice_str(name),
		.resource_version = slice_str("12"), .generation = -1,
		.spec = slice_str("{}"),
		.status = slice_str("{\"phase\":\"Running\"}") };

	inventory_seen(inv, POD, &o, 1000);
}

/* "name- " of what is to be told as gone, "name+ " of the rest; as if told. */
static const char *
told(void)
{
	static char text[256];
	struct inv_object *o;
	size_t n = 0;

	text[0] = '\0';
	while ((o = inventory_first(inv)) != NULL) {
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%.*s%c ",
		    (int)inv_object_name(o).n, inv_object_name(o).p,
		    o->gone ? '-' : '+');
		inventory_sent(inv, o);
		inventory_answered(inv, o, true);
	}
	return text;
}

static uint32_t
begin(const char *namespace)
{
	return inventory_list_begin(inv, POD, namespace == NULL ?
	    SLICE_NONE : slice_str(namespace));
}

static void
end(const char *namespace, uint32_t mark)
{
	inventory_list_end(inv, POD, namespace == NULL ?
	    SLICE_NONE : slice_str(namespace), mark);
}

static void
three_pods(void)
{
	uint32_t mark = begin(NULL);

	seen("a", "a1");
	seen("a", "a2");
	seen("b", "b1");
	end(NULL, mark);
	assert_string_equal(told(), "a1+ a2+ b1+ ");
}

static void
test_a_namespace_is_swept_alone(void **state UNUSED)
{
	uint32_t mark;

	three_pods();
	mark = begin("a");
	seen("a", "a2");
	end("a", mark);
	assert_string_equal(told(), "a1- ");
	mark = begin(NULL);
	seen("a", "a2");
	end(NULL, mark);
	assert_string_equal(told(), "b1- ");
}

static void
test_lists_of_two_namespaces_at_once_keep_apart(void **state UNUSED)
{
	uint32_t a, b;

	three_pods();
	a = begin("a");
	seen("a", "a1");
	b = begin("b");
	seen("a", "a2");
	end("a", a);
	assert_string_equal(told(), "");
	end("b", b);
	assert_string_equal(told(), "b1- ");
}

static void
test_a_list_that_broke_off_sweeps_nothing_later(void **state UNUSED)
{
	uint32_t a;

	three_pods();
	(void)begin(NULL);
	seen("a", "a1");
	a = begin("a");
	seen("a", "a1");
	seen("a", "a2");
	end("a", a);
	assert_string_equal(told(), "");
}

static void
test_what_the_store_holds_is_gone_only_where_a_list_was_whole(
    void **state UNUSED)
{
	uint32_t a = begin("a");

	end("a", a);
	inventory_stored(inv, POD, slice_str("a"), slice_str("old"),
	    slice_str("{\"state\":\"healthy\"}"));
	inventory_stored(inv, POD, slice_str("b"), slice_str("other"),
	    slice_str("{\"state\":\"healthy\"}"));
	assert_string_equal(told(), "old- ");
	a = begin(NULL);
	end(NULL, a);
	assert_string_equal(told(), "other- ");
}

static void
test_a_kind_is_listed_whole_or_in_parts(void **state UNUSED)
{
	struct inv_listed l = { 0 };
	struct slice a = slice_str("a"), b = slice_str("b");

	assert_false(inv_listed_has(&l, 3, a));
	inv_listed_begin(&l, 3, a);
	assert_false(inv_listed_has(&l, 3, a));
	inv_listed_end(&l, 3, a);
	assert_true(inv_listed_has(&l, 3, a));
	assert_false(inv_listed_has(&l, 3, b));
	assert_false(inv_listed_has(&l, 2, a));
	inv_listed_begin(&l, 3, a);
	assert_true(inv_listed_has(&l, 3, a));
	assert_false(inv_listed_at_rest(&l, 3, a));
	inv_listed_begin(&l, 3, SLICE_NONE);
	inv_listed_end(&l, 3, SLICE_NONE);
	assert_true(inv_listed_has(&l, 3, b));
	assert_true(inv_listed_at_rest(&l, 3, b));
	inv_listed_clear(&l);
	assert_false(inv_listed_has(&l, 3, a));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_a_namespace_is_swept_alone),
		CASE(test_lists_of_two_namespaces_at_once_keep_apart),
		CASE(test_a_list_that_broke_off_sweeps_nothing_later),
		CASE(test_what_the_store_holds_is_gone_only_where_a_list_was_whole),
		CASE(test_a_kind_is_listed_whole_or_in_parts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

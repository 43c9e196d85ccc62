/* inventory: what the store has of the objects, and what follows. */
#include "common/xmalloc.h"
#include "tests/unit/inventory_pods_fixture.h"

/* The raw status a pod in this state has. */
static char *
status_text(const char *status)
{
	struct kube_object o = pod("a", "u", status);
	struct kube_status s = { 0 };
	struct buf b = BUF_EMPTY;

	kinds[POD].rule(&o, 1000, &s);
	kube_status_json(&b, &s);
	return buf_cstr(&b);
}

/* Else it would be published again at every start, its deletion never. */
static void
test_the_longest_status_there_can_be_is_known_again(void **state)
{
	struct kube_status s = { .state = "terminating" };
	struct buf b = BUF_EMPTY;
	uint32_t mark;

	(void)state;
	memset(s.reason, '\1', KUBE_STATUS_REASON_MAX);
	memset(s.message, '\1', KUBE_STATUS_MESSAGE_MAX);
	memset(s.fields, 'x', KUBE_STATUS_FIELDS_MAX - 1);
	memcpy(s.fields, ",\"f\":\"", 6);
	s.n_fields = KUBE_STATUS_FIELDS_MAX - 1;
	s.fields[s.n_fields - 1] = '"';
	kube_status_json(&b, &s);
	assert_in_range(b.len, 4097, INVENTORY_STATUS_MAX);
	mark = list_begins(POD);
	inventory_stored(inv, POD, slice_str("ns"), slice_str("a"),
	    (struct slice){ (const char *)b.data, b.len });
	list_ends(POD, mark);
	published("a");
	assert_null(inventory_first(inv));
	buf_free(&b);
}

static void
test_after_a_restart_only_differences_are_published(void **state)
{
	char *same = status_text(PENDING), *other = status_text(DONE);
	struct slice ns = slice_str("ns");
	uint32_t mark;

	(void)state;
	mark = list_begins(POD);
	seen("a", "u1", PENDING);
	inventory_stored(inv, POD, ns, slice_str("a"), slice_str(same));
	inventory_stored(inv, POD, ns, slice_str("b"), slice_str(other));
	inventory_stored(inv, POD, ns, slice_str("gone"), slice_str(other));
	seen("b", "u2", PENDING);
	list_ends(POD, mark);
	assert_string_equal(inventory_first(inv)->published_state, "healthy");
	published("b");
	published("gone");
	assert_null(inventory_first(inv));
	assert_int_equal(inventory_counts(inv)->entries, 2);
	/* The store's answer may also come after the list. */
	inventory_stored(inv, POD, ns, slice_str("late"), slice_str(other));
	published("late");
	assert_null(inventory_first(inv));
	free(same);
	free(other);
}

static void
test_a_stored_node_counts_for_the_object_it_stood_for(void **state)
{
	struct slice ns = slice_str("ns"), t = slice_str("-");
	struct inv_node n1 = { t, slice_str("w"), slice_str("n1"),
		SLICE_NONE };
	struct inv_node n2 = { t, slice_str("w"), slice_str("n2"),
		SLICE_NONE };
	struct inv_object *o;
	char *status;

	(void)state;
	bind_pod();
	seen("a", "u1", DONE);
	o = inventory_first(inv);
	assert_true(inv_object_node_differs(o, o->bindings));
	status = xstrdup(o->status);
	assert_false(inventory_stored_node(inv, POD, ns, slice_str("b"), &n1,
	    slice_str(status)));
	assert_false(inventory_stored_node(inv, POD, ns, slice_str("a"), &n2,
	    slice_str(status)));
	assert_true(inv_object_node_differs(o, o->bindings));
	assert_true(inventory_stored_node(inv, POD, ns, slice_str("a"), &n1,
	    slice_str(status)));
	assert_false(inv_object_node_differs(o, o->bindings));
	free(status);
	assert_int_equal(inventory_counts(inv)->entries, 1);
}

/* Its status is the same, its uid is another one's. */
static void
test_a_node_differs_when_its_name_is_used_again(void **state)
{
	static const char first[] = "1b9b0635-0d5f-447f-8170-fe3c1b9c0bb5";
	static const char second[] = "b380f802-ffef-45e5-bffb-6e7d7360d3c9";
	struct slice ns = slice_str("ns"), a = slice_str("a");
	struct inv_node n1 = { slice_str("-"), slice_str("w"),
		slice_str("n1"), slice_str(first) };
	struct inv_object *o;

	(void)state;
	bind_pod();
	seen("a", first, DONE);
	published("a");
	seen("a", second, DONE);
	o = inventory_first(inv);
	assert_non_null(o);
	assert_true(inv_object_node_differs(o, o->bindings));
	published("a");
	assert_false(inv_object_node_differs(o, o->bindings));
	assert_null(inventory_first(inv));

	/* A start later, when only the store knows what was shown. */
	o->bindings->published = 0;
	assert_true(inventory_stored_node(inv, POD, ns, a, &n1,
	    slice_str(o->status)));
	assert_true(inv_object_node_differs(o, o->bindings));
	n1.uid = slice_str(second);
	o->bindings->published = 0;
	assert_true(inventory_stored_node(inv, POD, ns, a, &n1,
	    slice_str(o->status)));
	assert_false(inv_object_node_differs(o, o->bindings));
}

/* On RESYNC the node of an object long gone is under way when the store names
 * that object: slow disks of the broker make this the usual order. */
static void
test_a_missed_deletion_is_told_though_its_node_is_under_way(
    void **state)
{
	struct slice ns = slice_str("ns"), a = slice_str("a");
	struct slice old = slice_str("{\"state\":\"healthy\"}");
	struct inv_object *o;

	(void)state;
	list_ends(POD, list_begins(POD));
	bind_pod();
	o = hand_over("a");
	inventory_stored(inv, POD, ns, a, old);
	inventory_answered(inv, o, true);
	o = hand_over("a");
	assert_true(o->leaving);
	/* Now the deletion itself is under way: once is enough. */
	inventory_stored(inv, POD, ns, a, old);
	inventory_answered(inv, o, true);
	assert_null(inventory_first(inv));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_the_longest_status_there_can_be_is_known_again),
		CASE(test_after_a_restart_only_differences_are_published),
		CASE(test_a_stored_node_counts_for_the_object_it_stood_for),
		CASE(test_a_node_differs_when_its_name_is_used_again),
		CASE(
		    test_a_missed_deletion_is_told_though_its_node_is_under_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

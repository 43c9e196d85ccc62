/* inventory: what of the objects is still to be published. */
#include "tests/unit/inventory_pods_fixture.h"
#include "watcher/payload.h"

/* Nothing is lost silently: who brings it is told. */
static void
test_beyond_its_room_only_what_is_known_is_taken(void **state)
{
	struct kube_object a = pod("a", "u1", PENDING),
	    b = pod("b", "u2", PENDING), c = pod("c", "u3", PENDING);

	(void)state;
	inventory_free(inv);
	inv = inventory_new(2);
	assert_true(inventory_seen(inv, POD, &a, 1000));
	assert_true(inventory_seen(inv, POD, &b, 1000));
	assert_false(inventory_seen(inv, POD, &c, 1000));
	assert_int_equal(inventory_counts(inv)->objects[POD], 2);
	a.status = slice_str(DONE);
	assert_true(inventory_seen(inv, POD, &a, 1001));
	/* A deletion that nobody heard of makes room. */
	inventory_deleted(inv, POD, &b, 1002);
	published("a");
	assert_null(inventory_first(inv));
	assert_true(inventory_seen(inv, POD, &c, 1003));
}

static void
test_an_unchanged_status_is_published_once(void **state)
{
	struct inv_object *o;

	(void)state;
	o = under_way();
	inventory_answered(inv, o, true);
	seen("a", "u1", PENDING);
	assert_null(inventory_first(inv));
	seen("a", "u1", DONE);
	o = hand_over("a");
	assert_null(inventory_first(inv));
	inventory_answered(inv, o, true);
	assert_null(inventory_first(inv));
}

static void
test_states_collapse_while_the_object_is_under_way(void **state)
{
	struct inv_object *o;

	(void)state;
	o = under_way();
	seen("a", "u1", DONE);
	seen("a", "u1", PENDING);
	inventory_answered(inv, o, true);
	assert_null(inventory_first(inv));   /* A, B, A: A was sent */
	seen("a", "u1", DONE);
	o = hand_over("a");
	seen("a", "u1", PENDING);
	seen("a", "u1", DONE);
	seen("a", "u1", PENDING);
	assert_null(inventory_first(inv));
	inventory_answered(inv, o, true);
	(void)hand_over("a");
}

static void
test_a_deletion_is_never_collapsed(void **state)
{
	struct kube_object gone = pod("a", "u1", DONE);
	struct inv_object *o;

	(void)state;
	o = under_way();
	inventory_deleted(inv, POD, &gone, 1000);
	seen("a", "u2", PENDING);
	inventory_answered(inv, o, true);
	o = inventory_first(inv);
	assert_non_null(o);
	assert_true(o->gone);
	assert_true(inv_object_differs(o));
	inventory_sent(inv, o);
	assert_false(o->gone);
	inventory_answered(inv, o, true);
	assert_int_equal(inventory_counts(inv)->objects[POD], 1);
}

static void
test_what_was_refused_waits_for_the_next_change(void **state)
{
	struct inv_object *o;

	(void)state;
	o = under_way();
	assert_non_null(o->published_state);
	inventory_answered(inv, o, false);
	/* No stream showed that one: it is nobody's previous state. */
	assert_null(o->published_state);
	assert_null(inventory_first(inv));
	o = under_way();
	inventory_answered(inv, o, true);
	assert_null(inventory_first(inv));
}

static void
test_what_changed_while_it_was_refused_is_tried_at_once(void **state)
{
	struct inv_object *o;

	(void)state;
	o = under_way();
	seen("a", "u1", DONE);
	inventory_answered(inv, o, false);
	published("a");
	assert_null(inventory_first(inv));
}

static void
test_a_deletion_while_a_refused_state_was_under_way_is_told_at_once(
    void **state)
{
	struct kube_object gone = pod("a", "u1", DONE);
	struct inv_object *o;

	(void)state;
	seen("a", "u1", PENDING);
	published("a");
	seen("a", "u1", DONE);
	o = hand_over("a");
	inventory_deleted(inv, POD, &gone, 1000);
	inventory_answered(inv, o, false);
	o = hand_over("a");
	assert_true(o->leaving);
	inventory_answered(inv, o, false);
	assert_int_equal(inventory_counts(inv)->entries, 1);
	list_ends(POD, list_begins(POD));
	o = hand_over("a");
	assert_true(o->leaving);
	inventory_answered(inv, o, true);
	assert_int_equal(inventory_counts(inv)->entries, 0);
}

static void
test_what_no_stream_showed_leaves_without_a_word(void **state)
{
	struct kube_object gone = pod("a", "u1", DONE);
	struct inv_object *o;

	(void)state;
	o = under_way();
	inventory_deleted(inv, POD, &gone, 1000);
	inventory_answered(inv, o, false);
	assert_null(inventory_first(inv));
	assert_int_equal(inventory_counts(inv)->entries, 0);
}

static void
test_a_deletion_of_another_uid_is_ignored(void **state)
{
	struct kube_object old = pod("a", "u1", DONE);

	(void)state;
	seen("a", "u2", PENDING);
	inventory_deleted(inv, POD, &old, 1000);
	assert_int_equal(inventory_counts(inv)->objects[POD], 1);
}

static void
test_a_list_sweeps_what_it_does_not_name(void **state)
{
	struct inv_object *o;
	uint32_t mark;

	(void)state;
	mark = list_begins(POD);
	seen("a", "u1", PENDING);
	seen("b", "u2", PENDING);
	list_ends(POD, mark);
	published("a");
	published("b");
	mark = list_begins(POD);
	seen("b", "u2", PENDING);
	list_ends(POD, mark);
	o = hand_over("a");
	assert_false(o->present);
	assert_true(o->gone_unknown);
	inventory_answered(inv, o, true);
	assert_null(inventory_first(inv));
	assert_int_equal(inventory_counts(inv)->entries, 1);
}

static void
test_bound_objects_say_when_they_are_missing(void **state)
{
	struct inv_object *o;

	(void)state;
	bind_pod();
	assert_null(inventory_first(inv));   /* nothing was listed yet */
	list_ends(POD, list_begins(POD));
	o = hand_over("a");
	assert_false(o->present);
	assert_true(strstr(inv_object_node_status(o).p, "NotFound") != NULL);
	inventory_answered(inv, o, true);
	seen("a", "u1", DONE);
	o = hand_over("a");
	assert_true(strstr(inv_object_node_status(o).p, "completed") != NULL);
	inventory_answered(inv, o, true);
	inventory_bind_begin(inv);
	inventory_bind_end(inv);
	assert_int_equal(inventory_counts(inv)->bindings, 0);
	assert_null(inventory_first(inv));
}

static void
test_time_alone_changes_a_status(void **state)
{
	struct kube_object o = pod("a", "u1", "{\"phase\":\"Pending\","
	    "\"conditions\":[{\"type\":\"PodScheduled\",\"status\":\"False\","
	    "\"reason\":\"Unschedulable\"}]}");

	(void)state;
	o.created_unix_ms = 1000;
	inventory_seen(inv, POD, &o, 2000);
	published("a");
	assert_int_equal(inventory_due(inv), 16001);
	inventory_tick(inv, 16000);
	assert_null(inventory_first(inv));
	inventory_tick(inv, 16001);
	assert_non_null(strstr(inv_object_node_status(hand_over("a")).p,
	    "degraded"));
	assert_int_equal(inventory_due(inv), 0);
}

static void
test_events_are_as_the_contract_says(void **state)
{
	struct payload p;
	struct inv_object *o;

	(void)state;
	bind_pod();
	seen("a", "0a1b2c3d-0000-1111-2222-333344445555", DONE);
	o = inventory_first(inv);
	payload_status_update(&p, "prod", o, 0);
	assert_true(slice_is(p.item.key, "resource:prod/pod/ns/a"));
	assert_true(slice_is(item_data(&p.item), "{\"resource_id\":"
	    "\"prod/pod/ns/a\",\"type\":\"pod\",\"status\":{\"state\":"
	    "\"healthy\",\"health\":\"completed\",\"reason\":\"Succeeded\","
	    "\"message\":\"the pod has completed\",\"phase\":\"Succeeded\"},"
	    "\"resource_version\":\"12\",\"change\":\"added\"}"));
	payload_clear(&p);
	payload_node_update(&p, "prod", o, o->bindings, 0);
	assert_true(slice_is(p.item.key, "workflow:w"));
	assert_true(slice_is(p.item.subject, "n1"));
	assert_non_null(strstr(buf_cstr(&p.frame), "\"uid\":"
	    "\"0a1b2c3d-0000-1111-2222-333344445555\""));
	payload_clear(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_beyond_its_room_only_what_is_known_is_taken),
		CASE(test_an_unchanged_status_is_published_once),
		CASE(test_states_collapse_while_the_object_is_under_way),
		CASE(test_a_deletion_is_never_collapsed),
		CASE(test_what_was_refused_waits_for_the_next_change),
		CASE(test_what_changed_while_it_was_refused_is_tried_at_once),
		CASE(
		    test_a_deletion_while_a_refused_state_was_under_way_is_told_at_once),
		CASE(test_what_no_stream_showed_leaves_without_a_word),
		CASE(test_a_deletion_of_another_uid_is_ignored),
		CASE(test_a_list_sweeps_what_it_does_not_name),
		CASE(test_bound_objects_say_when_they_are_missing),
		CASE(test_time_alone_changes_a_status),
		CASE(test_events_are_as_the_contract_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* inventory: what of the objects is still to be published. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/xmalloc.h"
#include "tests/unit/inventory_fixture.h"
#include "watcher/inv_object.h"
#include "watcher/json_scan.h"
#include "watcher/payload.h"

static struct kube_object
pod(const char *name, const char *uid, const char *status)
{
	return (struct kube_object){ .uid = slice_str(uid),
		.namespace = slice_str("ns"), .name = slice_str(name),
		.resource_version = slice_str("12"), .generation = -1,
		.spec = slice_str("{}"), .status = slice_str(status) };
}

static void
seen(const char *name, const char *uid, const char *status)
{
	struct kube_object o = pod(name, uid, status);

	inventory_seen(inv, POD, &o, 1000);
}

#define PENDING "{\"phase\":\"Pending\"}"
#define DONE    "{\"phase\":\"Succeeded\"}"

/* Hands the first object over; "" when there is none. */
static struct inv_object *
hand_over(const char *name)
{
	struct inv_object *o = inventory_first(inv);

	assert_non_null(o);
	assert_true(slice_is(inv_object_name(o), name));
	inventory_sent(inv, o);
	return o;
}

/* A pod that was seen, pending, and has been handed over. */
static struct inv_object *
under_way(void)
{
	seen("a", "u1", PENDING);
	return hand_over("a");
}

/* Hands the first object over and has it taken. */
static void
published(const char *name)
{
	inventory_answered(inv, hand_over(name), true);
}

/* The one binding there is: of the pod `a` to node n1 of workflow w. */
static void
bind_pod(void)
{
	inventory_bind_begin(inv);
	assert_true(inventory_bind(inv, POD, slice_str("ns"), slice_str("a"),
	    slice_str("-"), slice_str("w"), slice_str("n1")));
	inventory_bind_end(inv);
}

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
		CASE(test_the_longest_status_there_can_be_is_known_again),
		CASE(test_after_a_restart_only_differences_are_published),
		CASE(test_bound_objects_say_when_they_are_missing),
		CASE(test_a_stored_node_counts_for_the_object_it_stood_for),
		CASE(test_a_node_differs_when_its_name_is_used_again),
		CASE(
		    test_a_missed_deletion_is_told_though_its_node_is_under_way),
		CASE(test_time_alone_changes_a_status),
		CASE(test_events_are_as_the_contract_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

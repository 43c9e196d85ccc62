/*
 * What the unit tests of an inventory of pods share: pods as they are seen, and
 * what is handed over of them and answered.
 */
#ifndef SLUICE_INVENTORY_PODS_FIXTURE_H
#define SLUICE_INVENTORY_PODS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/macros.h"
#include "tests/unit/inventory_fixture.h"
#include "watcher/inv_object.h"

#define PENDING "{\"phase\":\"Pending\"}"
#define DONE    "{\"phase\":\"Succeeded\"}"

static UNUSED struct kube_object
pod(const char *name, const char *uid, const char *status)
{
	return (struct kube_object){ .uid = slice_str(uid),
		.namespace = slice_str("ns"), .name = slice_str(name),
		.resource_version = slice_str("12"), .generation = -1,
		.spec = slice_str("{}"), .status = slice_str(status) };
}

static UNUSED void
seen(const char *name, const char *uid, const char *status)
{
	struct kube_object o = pod(name, uid, status);

	inventory_seen(inv, POD, &o, 1000);
}

/* Hands the first object over; "" when there is none. */
static UNUSED struct inv_object *
hand_over(const char *name)
{
	struct inv_object *o = inventory_first(inv);

	assert_non_null(o);
	assert_true(slice_is(inv_object_name(o), name));
	inventory_sent(inv, o);
	return o;
}

/* A pod that was seen, pending, and has been handed over. */
static UNUSED struct inv_object *
under_way(void)
{
	seen("a", "u1", PENDING);
	return hand_over("a");
}

/* Hands the first object over and has it taken. */
static UNUSED void
published(const char *name)
{
	inventory_answered(inv, hand_over(name), true);
}

/* The one binding there is: of the pod `a` to node n1 of workflow w. */
static UNUSED void
bind_pod(void)
{
	inventory_bind_begin(inv);
	assert_true(inventory_bind(inv, POD, slice_str("ns"), slice_str("a"),
	    slice_str("-"), slice_str("w"), slice_str("n1")));
	inventory_bind_end(inv);
}

#endif

#include "store/run_teller.h"

#include <assert.h>
#include <stdlib.h>

#include "common/log.h"
#include "common/mono.h"
#include "common/publisher.h"
#include "common/timer.h"
#include "common/xmalloc.h"
#include "store/run_queue.h"

#define RUN_TELLER_MAGIC   0x52554e54u
#define RUN_TELLER_TURN    256u   /* runs told in one turn of the loop */
#define RUN_TELLER_FULL_MS 100    /* until the publisher is tried again */

struct run_teller {
	uint32_t		 magic;
	bool			 going;
	struct db_writer	*writer;
	struct publisher	*publisher;
	struct run_queue	*queue;
	struct event		*timer;
};

static void
told_cb(const struct publish_result *result, void *arg)
{
	struct run_wait *run = arg;
	struct run_teller *t = run_wait_owner(run);

	assert(t->magic == RUN_TELLER_MAGIC);
	run_wait_answered(run, result->code == RECORD_APPENDED ||
	    result->code == RECORD_DUPLICATE);
	timer_arm(t->timer, 0);
}

/* False: the publisher is full. */
static bool
tell(struct run_teller *t, struct run_wait *run, int64_t now_ms)
{
	struct run_event e;
	int rc;

	run_event_make(&e, run_wait_progress(run), wall_unix_ms());
	rc = publisher_submit(t->publisher, &e.item, 1, told_cb, run);
	run_event_clear(&e);
	if (rc == 0)
		run_wait_sent(run, now_ms);
	return rc == 0;
}

static void
take(struct run_teller *t)
{
	struct run_progress p;

	/* What there is no room for stays with the writer. */
	while (!run_queue_full(t->queue) && db_writer_take_run(t->writer, &p))
		run_queue_offer(t->queue, &p);
}

static void
turn(struct run_teller *t)
{
	int64_t now = mono_now().ns / 1000000, wait = 0;
	struct run_wait *run;
	unsigned int n;

	take(t);
	for (n = 0; n < RUN_TELLER_TURN; n++) {
		run = run_queue_due(t->queue, now, &wait);
		if (run == NULL)
			break;
		if (!tell(t, run, now)) {
			wait = RUN_TELLER_FULL_MS;
			break;
		}
		wait = 0;
	}
	if (wait >= 0)
		timer_arm(t->timer, wait);
}

static void
run_teller_timer_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct run_teller *t = arg;

	assert(t->magic == RUN_TELLER_MAGIC);
	turn(t);
}

static void
run_teller_fenced_cb(void *arg UNUSED)
{
	fatalx("a newer incarnation of the store runs: leaving");
}

struct run_teller *
run_teller_new(struct event_base *base, const char *bus_directory,
    uint64_t incarnation, struct db_writer *writer, struct err *err)
{
	struct run_teller *t = xcalloc(1, sizeof(*t));

	t->magic = RUN_TELLER_MAGIC;
	t->writer = writer;
	t->queue = run_queue_new(t);
	t->timer = timer_new(base, run_teller_timer_cb, t);
	t->publisher = publisher_new(base, bus_directory, "store",
	    incarnation, RUN_TELLER_BYTES_MAX, NULL, run_teller_fenced_cb, t,
	    err);
	if (t->publisher != NULL)
		return t;
	run_teller_free(t);
	return NULL;
}

void
run_teller_free(struct run_teller *t)
{
	if (t == NULL)
		return;
	assert(t->magic == RUN_TELLER_MAGIC);
	if (t->publisher != NULL)
		publisher_free(t->publisher);
	event_free(t->timer);
	run_queue_free(t->queue);
	t->magic = 0;
	free(t);
}

void
run_teller_go(struct run_teller *t)
{
	assert(t->magic == RUN_TELLER_MAGIC);
	t->going = true;
}

void
run_teller_look(struct run_teller *t)
{
	if (t->going)
		turn(t);
}

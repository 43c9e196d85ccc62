/*
 * bench_payload: what it costs the gateway to check published events.
 *
 *	bench_payload [--short | --only EVENT_TYPE] <EVENTS
 *
 * Standard input: per line an event as a publisher gives it; those of one
 * event_type stand together. First each is checked: a line "name=EVENT_TYPE
 * problems=N". Then, unless --short, they are timed, and must be good: those of
 * each event_type, and all in turn (name=all). A line "name=NAME what=WHAT
 * us=N" each, us of CPU per event, the best of ROUNDS:
 *
 *	parse    a tree is made of it (json_tree), which is freed
 *	payload  its data is held against the schema of its event_type
 *	checks   all its members are checked, data as payload does; of a copy
 *	         with version 0, so that nothing is made of it
 *	event    all that becomes of a parsed event: checks, state, hashes,
 *	         and the frame that streams will carry
 *
 * --only that one, for a profiler.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/macros.h"
#include "common/mono.h"
#include "common/xmalloc.h"
#include "gateway/envelope.h"
#include "gateway/payload_check.h"

#define ROUNDS     100
#define ROUND_SIZE 1000u   /* events in one round, at least */

struct event {
	char				*text;
	struct slice			 raw;
	char				*refused_text;
	struct json_tree		 tree;
	struct json_value		*root;
	struct json_value		*data;
	struct json_value		*refused;   /* its copy */
	struct slice			 type;
	struct slice			 key;
	const struct schema_rule	*rule;
};

struct events {
	struct event	*rows;
	size_t		 n;
};

static int64_t now_unix_ms;

NORETURN static void
die(const char *what)
{
	fprintf(stderr, "bench_payload: %s\n", what);
	exit(1);
}

/* --- reading -------------------------------------------------------------- */

static struct slice
text_of(const struct event *e, const char *member)
{
	struct slice text = json_tree_text(json_tree_member(e->root, member));

	if (text.p == NULL)
		die("an event without event_type or stream_key");
	return text;
}

static void
make_refused(struct event *e)
{
	e->refused_text = xasprintf("%.*s,\"version\":0}",
	    (int)e->root->raw.n - 1, e->root->raw.p);
	e->refused = json_tree_parse(&e->tree, slice_str(e->refused_text),
	    NULL);
	if (e->refused == NULL)
		die("an event with a version");
}

static void
read_events(struct events *all)
{
	char *line = NULL;
	size_t room = 0;
	ssize_t n;

	while ((n = getline(&line, &room, stdin)) > 0) {
		struct event e = { .text = xmemdup(line, (size_t)n) };

		e.raw = (struct slice){ e.text, (size_t)n };
		e.root = json_tree_parse(&e.tree, e.raw, NULL);
		if (e.root == NULL)
			die("a line that is no event");
		e.data = json_tree_member(e.root, "data");
		e.type = text_of(&e, "event_type");
		e.key = text_of(&e, "stream_key");
		e.rule = payload_check_rule(e.type);
		if (e.rule == NULL || e.data == NULL)
			die("an event without data, or a schema for it");
		make_refused(&e);
		all->rows = xreallocarray(all->rows, all->n + 1,
		    sizeof(*all->rows));
		all->rows[all->n++] = e;
	}
	free(line);
}

static void
free_events(struct events *all)
{
	for (size_t i = 0; i < all->n; i++) {
		json_tree_free(&all->rows[i].tree);
		free(all->rows[i].refused_text);
		free(all->rows[i].text);
	}
	free(all->rows);
}

/* --- what is done --------------------------------------------------------- */

typedef unsigned int (*work_fn)(const struct event *e);

static void
problem_cb(const char *path UNUSED, const char *problem UNUSED,
    void *arg UNUSED)
{
}

static unsigned int
do_parse(const struct event *e)
{
	struct json_tree tree = { .blocks = NULL };
	bool refused = json_tree_parse(&tree, e->raw, NULL) == NULL;

	json_tree_free(&tree);
	return refused;
}

static unsigned int
do_payload(const struct event *e)
{
	return payload_check(payload_check_rule(e->type), e->key, e->data,
	    problem_cb, NULL);
}

static unsigned int
envelope(const struct json_value *root)
{
	struct event_state state = { 0 };
	struct buf frame = BUF_EMPTY;
	struct item item;
	unsigned int problems = envelope_item(root, slice_str("-"),
	    slice_str("/publisher/anonymous"), now_unix_ms, &frame, &item,
	    &state, problem_cb, NULL);

	buf_free(&frame);
	return problems;
}

static unsigned int
do_checks(const struct event *e)
{
	return envelope(e->refused) - 1;
}

static unsigned int
do_event(const struct event *e)
{
	return envelope(e->root);
}

/* --- time ----------------------------------------------------------------- */

static double
cpu_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void
measure(const struct event *rows, size_t n, const char *what, work_fn work,
    struct slice name)
{
	double best = 0, took;
	unsigned int problems = 0;
	size_t done;

	for (int round = 0; round < ROUNDS; round++) {
		took = cpu_us();
		for (done = 0; done < ROUND_SIZE; done += n)
			for (size_t i = 0; i < n; i++)
				problems += work(&rows[i]);
		took = (cpu_us() - took) / (double)done;
		if (round == 0 || took < best)
			best = took;
	}
	if (problems > 0)
		die("what was good is not");
	printf("name=%.*s what=%s us=%.3f\n", (int)name.n, name.p, what,
	    best);
}

static void
measure_all(const struct event *rows, size_t n, struct slice name)
{
	measure(rows, n, "parse", do_parse, name);
	measure(rows, n, "payload", do_payload, name);
	measure(rows, n, "checks", do_checks, name);
	measure(rows, n, "event", do_event, name);
}

/* Each event_type's, which stand together. */
static void
measure_each(const struct events *all, const char *only)
{
	size_t begin, end;

	for (begin = 0; begin < all->n; begin = end) {
		struct slice type = all->rows[begin].type;

		end = begin;
		while (end < all->n && slice_eq(all->rows[end].type, type))
			end++;
		if (only == NULL || slice_is(type, only))
			measure_all(all->rows + begin, end - begin, type);
	}
}

/* The first of each event_type, the second of each ... */
static void
measure_in_turn(const struct events *all)
{
	struct event *mixed = xcalloc(all->n, sizeof(*mixed));
	size_t n = 0;

	for (size_t turn = 0; n < all->n; turn++)
		for (size_t i = 0, same = 0; i < all->n; i++) {
			same = i > 0 && slice_eq(all->rows[i].type,
			    all->rows[i - 1].type) ? same + 1 : 0;
			if (same == turn)
				mixed[n++] = all->rows[i];
		}
	measure_all(mixed, n, slice_str("all"));
	free(mixed);
}

static void
judge(const struct events *all)
{
	for (size_t i = 0; i < all->n; i++) {
		const struct event *e = &all->rows[i];
		unsigned int problems = do_payload(e);

		printf("name=%.*s problems=%u\n", (int)e->type.n, e->type.p,
		    problems);
		if ((do_event(e) == 0) != (problems == 0))
			die("the event is judged otherwise than its data");
	}
}

int
main(int argc, char **argv)
{
	bool brief = argc > 1 && strcmp(argv[1], "--short") == 0;
	const char *only = argc > 2 && strcmp(argv[1], "--only") == 0 ?
	    argv[2] : NULL;
	struct events all = { 0 };

	now_unix_ms = wall_unix_ms();
	read_events(&all);
	judge(&all);
	if (!brief) {
		measure_each(&all, only);
		if (only == NULL)
			measure_in_turn(&all);
	}
	free_events(&all);
	payload_check_finish();
	return 0;
}

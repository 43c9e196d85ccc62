#include "watcher/kind_set.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/log.h"
#include "common/xmalloc.h"
#include "watcher/watch_words.h"

struct kind_set {
	struct watch_env	 env;
	struct kind_watch	*kinds[KINDS_MAX];   /* by index of `kinds` */
};

static void
add(struct kind_set *set, const char *name, const struct kind_watch_ops *ops,
    void *arg)
{
	int kind = kinds_find(slice_str(name));

	if (kind < 0)
		log_warn("watch.kinds: %s is not a kind this version can "
		    "watch", name);
	else if (set->kinds[kind] == NULL)
		set->kinds[kind] = kind_watch_new(&set->env,
		    (unsigned)kind, ops, arg);
}

struct kind_set *
kind_set_new(struct event_base *base, struct kube_api *api,
    const struct conf *conf, struct inventory *inv,
    const struct kind_watch_ops *ops, void *arg)
{
	struct kind_set *set = xcalloc(1, sizeof(*set));
	size_t i;

	set->env = (struct watch_env){ base, api, list_gate_new(base), conf,
		inv };
	for (i = 0; i < conf->watch.n_kinds; i++)
		add(set, conf->watch.kinds[i], ops, arg);
	for (i = 0; i < conf->watch.n_custom; i++)
		add(set, conf->watch.custom[i].name, ops, arg);
	return set;
}

void
kind_set_free(struct kind_set *set)
{
	unsigned i;

	if (set == NULL)
		return;
	for (i = 0; i < KINDS_MAX; i++)
		kind_watch_free(set->kinds[i]);
	list_gate_free(set->env.gate);
	free(set);
}

void
kind_set_start(struct kind_set *set)
{
	unsigned i;

	for (i = 0; i < kinds_n; i++)
		if (set->kinds[i] != NULL)
			kind_watch_start(set->kinds[i]);
}

void
kind_set_stop(struct kind_set *set)
{
	unsigned i;

	for (i = 0; i < kinds_n; i++)
		if (set->kinds[i] != NULL)
			kind_watch_stop(set->kinds[i]);
}

unsigned
kind_set_views(const struct kind_set *set, struct kind_watch_view *views)
{
	unsigned i, n = 0;

	for (i = 0; i < kinds_n; i++)
		if (set->kinds[i] != NULL)
			views[n++] = kind_watch_view(set->kinds[i]);
	return n;
}

bool
kind_set_tried(const struct kind_set *set)
{
	unsigned i;

	for (i = 0; i < kinds_n; i++)
		if (set->kinds[i] != NULL &&
		    !kind_watch_view(set->kinds[i]).tried)
			return false;
	return true;
}

void
kind_set_summary(const struct kind_watch_view *views, unsigned n,
    const uint64_t *objects, struct kind_set_summary *ret)
{
	const struct kind_watch_view *worst = NULL, *lacking = NULL;
	unsigned long long sum = 0;
	unsigned i, bad = 0;

	for (i = 0; i < n; i++) {
		sum += objects[views[i].kind];
		if (views[i].state != WATCH_WATCHING && bad++ == 0)
			worst = &views[i];
		if (views[i].skipped && lacking == NULL)
			lacking = &views[i];
	}
	if (worst == NULL) {
		ret->state = watch_words_shown(WATCH_WATCHING);
		(void)snprintf(ret->text, sizeof(ret->text),
		    "%u kinds, %llu objects%s%s%s", n, sum,
		    lacking != NULL ? "; " : "", lacking != NULL ?
		    kinds[lacking->kind].name : "", lacking != NULL ?
		    ": ObjectsSkipped" : "");
		return;
	}
	ret->state = watch_words_shown(worst->state);
	(void)snprintf(ret->text, sizeof(ret->text),
	    "%u of %u kinds, %llu objects; %s: %s%s%s", n - bad, n, sum,
	    kinds[worst->kind].name, worst->reason[0] != '\0' ?
	    worst->reason : ret->state, worst->message[0] != '\0' ? ": " : "",
	    worst->message);
}

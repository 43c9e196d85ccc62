#include "health/cluster_set.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/xmalloc.h"
#include "health/classify.h"

struct cluster_set {
	struct schedule		 *schedule;
	struct checked_cluster	**clusters;
	size_t			  n_clusters;
};

struct cluster_set *
cluster_set_new(struct schedule *schedule)
{
	struct cluster_set *set = xcalloc(1, sizeof(*set));

	set->schedule = schedule;
	return set;
}

void
cluster_set_free(struct cluster_set *set)
{
	if (set == NULL)
		return;
	for (size_t i = 0; i < set->n_clusters; i++)
		checked_cluster_free(set->clusters[i]);
	free(set->clusters);
	free(set);
}

struct checked_cluster *
cluster_set_next(const struct cluster_set *set, size_t *cursor)
{
	struct checked_cluster *c;

	while (*cursor < set->n_clusters) {
		c = set->clusters[(*cursor)++];
		if (!c->gone)
			return c;
	}
	return NULL;
}

struct checked_cluster *
cluster_set_find(const struct cluster_set *set, struct slice id)
{
	struct checked_cluster *c;
	size_t cursor = 0;

	while ((c = cluster_set_next(set, &cursor)) != NULL)
		if (slice_is(id, c->id))
			return c;
	return NULL;
}

/* --- which clusters ------------------------------------------------------- */
static struct checked_cluster *
add_cluster(struct cluster_set *set, const struct conf_cluster *cluster,
    const struct conf *conf, struct mono now)
{
	struct checked_cluster *c = checked_cluster_new(cluster, conf, now);

	c->entry = schedule_add(set->schedule, c, now);
	set->clusters = xreallocarray(set->clusters, set->n_clusters + 1,
	    sizeof(struct checked_cluster *));
	set->clusters[set->n_clusters++] = c;
	return c;
}

static void
forget(struct cluster_set *set, struct checked_cluster *c)
{
	size_t i = 0;

	while (set->clusters[i] != c)
		i++;
	set->clusters[i] = set->clusters[--set->n_clusters];
	schedule_remove(set->schedule, c->entry);
	checked_cluster_free(c);
}

static void
remove_cluster(struct cluster_set *set, struct checked_cluster *c)
{
	if (schedule_running(c->entry))
		c->gone = true;   /* forgotten when its job ends */
	else
		forget(set, c);
}

static bool
is_configured(const struct checked_cluster *c, const struct conf *conf)
{
	for (size_t i = 0; i < conf->n_clusters; i++)
		if (checked_cluster_is(c, &conf->clusters[i], conf))
			return true;
	return false;
}

void
cluster_set_match(struct cluster_set *set, const struct conf *conf,
    struct mono now)
{
	struct checked_cluster *old, *c;

	for (size_t i = 0; i < conf->n_clusters; i++) {
		old = cluster_set_find(set, slice_str(conf->clusters[i].id));
		if (old != NULL && checked_cluster_is(old, &conf->clusters[i],
		    conf))
			continue;
		c = add_cluster(set, &conf->clusters[i], conf, now);
		if (old == NULL)
			continue;
		c->published = old->published;
		verdict_seed(&c->verdict, old->verdict.settled);
		remove_cluster(set, old);
	}
	for (size_t i = set->n_clusters; i-- > 0; )
		if (!set->clusters[i]->gone &&
		    !is_configured(set->clusters[i], conf))
			remove_cluster(set, set->clusters[i]);
}

bool
cluster_set_ended(struct cluster_set *set, struct checked_cluster *c)
{
	if (!c->gone)
		return false;
	forget(set, c);
	return true;
}

/* --- what is known and said of them --------------------------------------- */
void
cluster_set_seed(struct cluster_set *set,
    const struct query_snapshot *snapshot)
{
	const size_t prefix = strlen("cluster:");
	struct rd items = snapshot->items;
	enum cluster_status status;
	struct checked_cluster *c;
	struct item item;
	char word[32];

	for (uint32_t i = 0; i < snapshot->count; i++) {
		if (item_decode(&items, &item, true) < 0)
			return;
		if (item.key.n <= prefix || !classify_member(
		    item_data(&item), "status", word, sizeof(word)))
			continue;
		c = cluster_set_find(set, (struct slice){
			item.key.p + prefix, item.key.n - prefix });
		status = cluster_status_parse(word, strlen(word));
		if (c == NULL || status == CLUSTER_STATUS_MAX)
			continue;
		verdict_seed(&c->verdict, status);
		c->published = status;
	}
}

void
cluster_set_summary(const struct cluster_set *set, char *buf, size_t size)
{
	size_t count[CLUSTER_STATUS_MAX] = { 0 };
	size_t clusters = 0, cursor = 0, n;
	struct checked_cluster *c;

	while ((c = cluster_set_next(set, &cursor)) != NULL) {
		count[c->published]++;
		clusters++;
	}
	n = (size_t)snprintf(buf, size, "%zu cluster%s", clusters,
	    clusters == 1 ? "" : "s");
	for (size_t i = 0; i < CLUSTER_STATUS_MAX; i++)
		if (count[i] != 0 && n < size)
			n += (size_t)snprintf(buf + n, size - n, ", %zu %s",
			    count[i],
			    cluster_status_name((enum cluster_status)i));
}

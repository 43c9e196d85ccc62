/*
 * containers: what the container statuses of a pod say: kubectl's word for
 * them, which of them cannot start, how many are ready, whether one ended of
 * late and why one failed. Pure; the slices are those of the object, the
 * arrays raw JSON. Source: k8s-watch.md C.2 5 (Argo's severity, kubectl's
 * STATUS column).
 */
#ifndef SLUICE_CONTAINERS_H
#define SLUICE_CONTAINERS_H

#include "watcher/kube_status.h"

/* A word of kubectl's STATUS column. */
struct containers_word {
	char	text[KUBE_STATUS_REASON_MAX + 1];
};

/* Read in one pass: a pod is judged at each of its changes. */
struct containers {
	long long	total;
	long long	ready;
	bool		running;      /* one is ready and runs */
	bool		spoke;
	struct containers_word said;  /* by the first that says something */
	bool		stuck;        /* one waits, its reason an error */
	struct slice	stuck_message;
	/* Until when the latest end of one is of late, in Unix ms: 0 without
	 * any, INT64_MAX when its time is not known. */
	int64_t		restarted_until;
};

void	containers_read(struct slice statuses, struct containers *ret);

/* The word a raw JSON string is, behind a prefix. */
void	containers_word_set(struct containers_word *w, const char *prefix,
	    struct slice raw);
/* The word of the first init container that is not through; false: all are.
 * `spec`: initContainers of the pod's spec. */
bool	containers_init_word(struct slice statuses, struct slice spec,
	    struct containers_word *w);
/* Failed, with why the first one did; false: none tells. */
bool	containers_failed(struct slice statuses, const char *reason,
	    struct kube_status *s);

#endif

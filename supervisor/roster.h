/*
 * roster: which children should exist. Pure but for roster_read and
 * roster_find_binary: the configuration and the names of the kubeconfig's
 * contexts go in, the list of clusters comes out.
 */
#ifndef SLUICE_ROSTER_H
#define SLUICE_ROSTER_H

#include "common/conf.h"
#include "common/kubeconfig.h"

/* The clusters to watch; to be freed with roster_clear. */
struct roster {
	struct conf_cluster	*clusters;
	size_t			 n;
	char			**problems;   /* a line each: what, remedy */
	size_t			 n_problems;
};

/* Clusters of the configuration, and the contexts it asks for (`contexts` may
 * be NULL: none could be read). Two contexts with one slug are a problem that
 * names both; neither is taken, the others are. */
void	roster_resolve(struct roster *ret, const struct conf *conf,
	    const struct kubeconfig_contexts *contexts);
/* The same, reading conf->kubeconfig. -1 with *err when it cannot be read:
 * *ret then holds the clusters of the configuration alone. */
int	roster_read(struct roster *ret, const struct conf *conf,
	    struct err *err) MUST_CHECK;
void	roster_clear(struct roster *r);

/* "<directory>/sluice-<role>", else in LIBEXECDIR; NULL when there is none.
 * To be freed. */
char	*roster_find_binary(const char *directory, const char *role);

#endif

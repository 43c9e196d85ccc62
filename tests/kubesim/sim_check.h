/*
 * sim_check: which parameters of a list or watch contradict each other, as
 * ValidateListOptions of apimachinery says it. Pure.
 */
#ifndef SIM_CHECK_H
#define SIM_CHECK_H

#include <jansson.h>
#include <stdbool.h>

/* The parameters as they came, "" where absent. */
struct sim_check {
	const char	*match;          /* resourceVersionMatch */
	const char	*version;        /* resourceVersion */
	const char	*more;           /* continue */
	bool		 initial;        /* sendInitialEvents was given */
	bool		 watchlist_off;  /* the server's feature gate */
};

/* The Status (422) that refuses them; NULL: they fit. New reference. */
json_t	*sim_check_list(const struct sim_check *p);
json_t	*sim_check_watch(const struct sim_check *p);

#endif

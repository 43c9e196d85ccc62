/*
 * open_logs: streams that have ended while lines of their log may still follow
 * (contract 4, logs_open and log_grace): until when. Pure. Limit:
 * OPEN_LOGS_MAX; beyond it the one that is to be over first is over. Adding and
 * taking cost the logarithm of how many there are: after a restart all that
 * the journal's end holds run out together.
 */
#ifndef SLUICE_OPEN_LOGS_H
#define SLUICE_OPEN_LOGS_H

#include "common/event.h"

#define OPEN_LOGS_MAX 65536u

struct open_logs;

struct open_log {
	char		*tenant;
	char		*key;
	uint8_t		 state;      /* of the terminal event */
	struct position	 position;   /* likewise, or of the last line since */
	int64_t		 until_ms;
};

struct open_logs *open_logs_new(void);
void	open_logs_free(struct open_logs *l);
/* Adds a stream, or begins anew with it. */
void	open_logs_add(struct open_logs *l, struct slice tenant,
	    struct slice key, uint8_t state, struct position position,
	    int64_t until_ms);
/* Its last event is this one now. Of one that is not there: nothing. */
void	open_logs_line(struct open_logs *l, struct slice tenant,
	    struct slice key, struct position position);
bool	open_logs_has(const struct open_logs *l, struct slice tenant,
	    struct slice key);
/* What was added; until the next change. NULL: it is not there. */
const struct open_log *open_logs_get(const struct open_logs *l,
	    struct slice tenant, struct slice key);
/* The time of all that are there is over at now_ms. */
void	open_logs_all_due(struct open_logs *l, int64_t now_ms);
size_t	open_logs_count(const struct open_logs *l);
/* Of one that is not there: nothing. */
void	open_logs_remove(struct open_logs *l, struct slice tenant,
	    struct slice key);
/* Takes one that is over out; false: none is. Its texts are the caller's. */
bool	open_logs_take(struct open_logs *l, int64_t now_ms,
	    struct open_log *ret);

#endif

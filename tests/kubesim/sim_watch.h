/*
 * sim_watch: watches: exactly the events above a version, live after that,
 * bookmarks, clean ends at timeoutSeconds, and every refusal as an ERROR
 * event under 200.
 *
 * An event's line is made once and shared by all watches. A watch that owes
 * more than opt.watch_buffer bytes is dropped, so a reader that stopped
 * costs no more than that.
 */
#ifndef SIM_WATCH_H
#define SIM_WATCH_H

#include "tests/kubesim/sim_api.h"

struct sim_watches *sim_watch_new(struct sim *sim);
void	sim_watch_free(struct sim_watches *all);
void	sim_watch_start(struct sim_conn *c, const struct sim_path *p);
/* Ends all of them: cleanly, or by RST. */
void	sim_watch_drop_all(struct sim_watches *all, bool reset);
/* 0: no bookmarks but the one before the deadline. */
void	sim_watch_bookmark_interval(struct sim_watches *all, int64_t ms);
/* What the replica has seen has changed: its watches go on. */
void	sim_watch_catch_up(struct sim_watches *all);
size_t	sim_watch_count(const struct sim_watches *all);
uint64_t sim_watch_dropped(const struct sim_watches *all);
/* The most bytes any watch owes now. */
size_t	sim_watch_backlog(const struct sim_watches *all);

#endif

/*
 * sim_log: every request but those to /_sim/, with what tests assert by: the
 * target with its query, the headers that matter, when it came, was answered
 * and ended, how many watches were open then, and how many bytes it got.
 */
#ifndef SIM_LOG_H
#define SIM_LOG_H

#include "tests/kubesim/sim_http.h"

#define SIM_LOG_MAX 20000u

struct sim_log *sim_log_new(void);
void	sim_log_free(struct sim_log *l);
/* Enters a request; returns its number (from 1). watches: open now. */
uint64_t sim_log_add(struct sim_log *l, struct sim_conn *c, size_t watches);
/* What it was answered, and that its last byte was given away (of a watch
 * too); id 0 is ignored. */
void	sim_log_answered(struct sim_log *l, uint64_t id, int status);
void	sim_log_sent(struct sim_log *l, uint64_t id, size_t bytes);
void	sim_log_ended(struct sim_log *l, uint64_t id);
void	sim_log_empty(struct sim_log *l);
/* {"requests": [...]} above the number `after`. New reference. */
json_t	*sim_log_show(struct sim_log *l, uint64_t after);

#endif

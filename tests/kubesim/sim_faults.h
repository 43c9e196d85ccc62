/*
 * sim_faults: what tests ask the simulator to do wrong (POST /_sim/faults).
 *
 * A rule matches a part of "METHOD target", is used `count` times (default
 * 1, 0: until cleared) and has a status, an action, or a watch_error. The
 * switches (ready, latency_ms, ignore_limit, forbid) stay until changed; a
 * document is taken member by member, so one with an error is half done.
 */
#ifndef SIM_FAULTS_H
#define SIM_FAULTS_H

#include "common/err.h"
#include "tests/kubesim/sim_http.h"

#define SIM_FAULTS_MAX 64

struct sim_faults *sim_faults_new(void);
void	sim_faults_free(struct sim_faults *f);
/* Takes a document; -1 names what is wrong with it. */
int	sim_faults_set(struct sim *sim, json_t *doc, struct err *err)
	    MUST_CHECK;
void	sim_faults_clear(struct sim_faults *f);
json_t	*sim_faults_show(const struct sim_faults *f);

/* True: a rule has answered the request (or never will). */
bool	sim_faults_apply(struct sim_conn *c);
/* Code of the ERROR event this watch is to get, 0: none. */
int	sim_faults_watch_error(struct sim_faults *f, struct sim_conn *c);
/* True: this handshake is to fail; counts it. */
bool	sim_faults_tls_alert(struct sim_faults *f);
bool	sim_faults_ready(const struct sim_faults *f);
bool	sim_faults_ignores_limit(const struct sim_faults *f);
int64_t	sim_faults_latency_ms(const struct sim_faults *f);
bool	sim_faults_forbidden(const struct sim_faults *f, enum sim_kind kind,
	    const char *ns);

#endif

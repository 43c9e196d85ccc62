/*
 * sim_review: SelfSubjectReview ("who am I") and SelfSubjectAccessReview
 * ("may I"), answered by the same table that decides requests (sim_access).
 */
#ifndef SIM_REVIEW_H
#define SIM_REVIEW_H

#include "tests/kubesim/sim_http.h"

#define SIM_USER "kubesim"

/* True: the request was one of them, and is answered. */
bool	sim_review_handle(struct sim_conn *c);

#endif

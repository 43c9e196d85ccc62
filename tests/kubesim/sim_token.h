/*
 * sim_token: continue tokens: base64url of {"v","rv","start"}, as the real
 * server's are. Pure.
 */
#ifndef SIM_TOKEN_H
#define SIM_TOKEN_H

#include <stdbool.h>

#include "tests/kubesim/sim_store.h"

#define SIM_TOKEN_MAX 2048u

/* rv < 0: an inconsistent continuation, of the state as it is now. */
struct sim_token {
	int64_t	rv;
	char	ns[SIM_NAME_MAX + 1];
	char	name[SIM_NAME_MAX + 1];
};

/* To be freed. */
char	*sim_token_make(int64_t rv, const char *ns, const char *name);
bool	sim_token_parse(const char *text, struct sim_token *ret);

#endif

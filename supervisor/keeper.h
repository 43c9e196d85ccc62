/*
 * keeper: the listening sockets: one per gateway, all on one address by
 * SO_REUSEPORT, made before the first fork and never closed while the service
 * runs, so that no client is refused while a gateway is restarted.
 */
#ifndef SLUICE_KEEPER_H
#define SLUICE_KEEPER_H

#include "common/conf.h"

struct keeper {
	int		fds[CONF_GATEWAYS_MAX];
	size_t		n;
};

/* -1 with *err that names the address and the remedy. */
int	keeper_open(struct keeper *k, const struct conf *conf,
	    struct err *err) MUST_CHECK;
void	keeper_close(struct keeper *k);

#endif

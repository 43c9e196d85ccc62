/*
 * load_balancer: the address that status.loadBalancer of a service or ingress
 * publishes. An entry with neither ip nor hostname does not count
 * (k8s-watch.md C.4, further rulings). Pure.
 */
#ifndef SLUICE_LOAD_BALANCER_H
#define SLUICE_LOAD_BALANCER_H

#include <stdbool.h>

#include "common/buf.h"

struct load_balancer {
	struct slice	ip;         /* raw JSON strings, not empty, or none */
	struct slice	hostname;
};

/* The first entry that counts; false, and none in *ret, without one. */
bool	load_balancer_find(struct slice ingress, struct load_balancer *ret);

#endif

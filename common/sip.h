/*
 * sip: SipHash-1-3, for tables of names that strangers choose: who does not
 * know the key cannot choose names that collide. Pure but for the random key.
 */
#ifndef SLUICE_SIP_H
#define SLUICE_SIP_H

#include <stdint.h>

#include "common/buf.h"

struct sip_key {
	uint64_t k0, k1;
};

/* Without random numbers the process ends. */
void	 sip_key_random(struct sip_key *ret);
uint64_t sip_hash(const struct sip_key *key, struct slice text);

#endif

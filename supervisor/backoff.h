/*
 * backoff: when a dead child is started again, and when it is given up for a
 * while. Pure: time and randomness come in as values.
 *
 * The first restart comes after `first`; the following ones after decorrelated
 * jitter between `base` and `max`. More than `deaths` deaths within `window`,
 * or an exit that says a restart cannot help (78, EX_CONFIG), open the circuit;
 * it is tried again after `retry`, and one death then opens it again at once.
 */
#ifndef SLUICE_BACKOFF_H
#define SLUICE_BACKOFF_H

#include <stdbool.h>
#include <stdint.h>

#include "common/conf.h"
#include "common/mono.h"

#define BACKOFF_DEATHS_MAX 1000u

struct backoff_params {
	int64_t		first_ms;
	int64_t		base_ms;
	int64_t		max_ms;
	uint32_t	deaths;        /* 1..BACKOFF_DEATHS_MAX */
	int64_t		window_ms;
	int64_t		retry_ms;
};

struct backoff {
	struct mono	*times;        /* ring of the last deaths */
	uint32_t	 size;
	uint32_t	 count;        /* deaths in the ring */
	uint32_t	 next;         /* where the next one goes */
	int64_t		 last_ms;      /* last delay; 0: none since reset */
	bool		 half_open;    /* tried after the circuit was open */
};

struct backoff_verdict {
	bool	open;                  /* circuit open: wait `retry` */
	int64_t	delay_ms;
};

/* Those the configuration asks for. */
struct backoff_params backoff_params_of(const struct conf *conf);
void	backoff_init(struct backoff *b, uint32_t deaths);
void	backoff_clear(struct backoff *b);
/* A death at `now`; `hopeless`: exit status 78. random: any 32 bits. */
struct backoff_verdict backoff_death(struct backoff *b,
	    const struct backoff_params *p, struct mono now, bool hopeless,
	    uint32_t random);
/* The open circuit's retry begins. */
void	backoff_retry(struct backoff *b);
/* It has shown that it works, or the operator said so. */
void	backoff_reset(struct backoff *b);

#endif

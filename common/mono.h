/*
 * mono: typed time. `struct mono` is a reading of CLOCK_MONOTONIC: what all
 * deadlines, timers and ages use; it cannot be mixed up with wall time.
 * Wall time is an int64_t of milliseconds since 1970 UTC, named *_unix_ms,
 * and is used for what people and files read, never for deadlines. Every
 * process, any thread.
 */
#ifndef SLUICE_MONO_H
#define SLUICE_MONO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/time.h>

struct mono {
	int64_t	ns;
};

#define MONO_RFC3339_SIZE 32   /* "2026-11-21T21:33:06.123Z" and its NUL */

struct mono	mono_now(void);
struct mono	mono_add_ms(struct mono t, int64_t ms);
/* a - b, in milliseconds, rounded down. */
int64_t		mono_diff_ms(struct mono a, struct mono b);
bool		mono_before(struct mono a, struct mono b);
/* Until `at`, rounded up (to wake too early would be a turn for nothing); 0: it
 * is past. */
int64_t		mono_left_ms(struct mono at, struct mono now);
/* Milliseconds as libevent wants them; negative becomes 0. */
struct timeval	mono_timeval_ms(int64_t ms);

int64_t		wall_unix_ms(void);
/* RFC 3339 UTC with milliseconds; returns buf. */
const char	*wall_format(int64_t unix_ms, char buf[MONO_RFC3339_SIZE]);
/* Parses RFC 3339 (Z or offset, 0-9 fraction digits); false if malformed. */
bool		wall_parse(const char *text, size_t len, int64_t *ret_unix_ms);

#endif

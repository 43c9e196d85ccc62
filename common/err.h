/*
 * err: the caller's place for "what went wrong", filled by every fallible
 * function of common/ and of the roles' modules.
 *
 * A fallible function returns 0 or a count on success and -1 on failure, and
 * on failure fills *err (which the caller owns and may pass as NULL). Its
 * out-parameters are named ret_* and are untouched on failure. Library-like
 * code never logs; it returns such an error, and the process logs it once.
 */
#ifndef SLUICE_ERR_H
#define SLUICE_ERR_H

#include "common/macros.h"

#define ERR_TEXT_MAX 512

struct err {
	int	code;                 /* errno value, or 0 when none applies */
	char	text[ERR_TEXT_MAX];   /* one line: what, and what would help */
};

/* Each returns -1, so that callers can write "return err_set(err, ...)".
 * Macros, so that compilers and analyzers see that -1 and with it which paths
 * cannot be; the text is checked against its format all the same.
 *
 * err_set(err, fmt, ...)           fills *err (if not NULL) with code 0; text
 *                                  that does not fit is cut
 * err_errno(err, code, fmt, ...)   code = a saved errno; ": its text" appended
 * err_prefix(err, fmt, ...)        puts "prefix: " before the text already in
 *                                  *err */
#define err_set(err, ...)         err_minus_one(err_fill((err), __VA_ARGS__))
#define err_errno(err, code, ...) \
	err_minus_one(err_fill_errno((err), (code), __VA_ARGS__))
#define err_prefix(err, ...)      \
	err_minus_one(err_fill_prefix((err), __VA_ARGS__))

/* What is behind them; call the macros. */
int	err_fill(struct err *err, const char *fmt, ...) PRINTF(2, 3);
int	err_fill_errno(struct err *err, int code, const char *fmt, ...)
	    PRINTF(3, 4);
int	err_fill_prefix(struct err *err, const char *fmt, ...) PRINTF(2, 3);

static inline int
err_minus_one(int filled)
{
	(void)filled;
	return -1;
}

#endif

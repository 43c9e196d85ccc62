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

/* Fills *err (if not NULL) with code 0; returns -1, so that callers can write
 * "return err_set(err, ...)". Text that does not fit is cut. */
int	err_set(struct err *err, const char *fmt, ...) PRINTF(2, 3);

/* The same with `code` = saved errno and ": strerror" appended. */
int	err_errno(struct err *err, int code, const char *fmt, ...)
	    PRINTF(3, 4);

/* Puts "prefix: " before the text already in *err; returns -1. */
int	err_prefix(struct err *err, const char *fmt, ...) PRINTF(2, 3);

#endif

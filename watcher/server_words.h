/*
 * server_words: what an API server says beside its answers, in headers: the id
 * under which its audit log knows a request, and warnings (Warning: 299) about
 * APIs that will go. Pure. Header lines are the network's: bounded, and fit for
 * a log before they are passed on.
 */
#ifndef SLUICE_SERVER_WORDS_H
#define SLUICE_SERVER_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"

#define SERVER_WORDS_AUDIT_MAX    64u
#define SERVER_WORDS_TEXT_MAX     256u
#define SERVER_WORDS_WARNINGS_MAX 32u   /* texts of one server; more: none */

struct server_words {
	uint64_t heard[SERVER_WORDS_WARNINGS_MAX];   /* hashes */
	size_t	 n;
};

typedef void (*server_words_cb)(const char *text, void *arg);

/* True: the line is an Audit-Id, *ret its value. */
bool	server_words_audit(struct slice line, struct slice *ret);
/* Calls when the line is a Warning: 299 whose text was not heard before. */
void	server_words_warning(struct server_words *w, struct slice line,
	    server_words_cb cb, void *arg);

#endif

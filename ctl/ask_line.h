/*
 * ask_line: one line to a Unix socket, and the JSON that comes back until the
 * other side closes: how the supervisor's control socket and the gateways'
 * desks are asked. Prints nothing.
 */
#ifndef SLUICE_ASK_LINE_H
#define SLUICE_ASK_LINE_H

#include <jansson.h>

#define ASK_LINE_ANSWER_MAX (8u * 1024 * 1024)
#define ASK_LINE_TIMEOUT    10   /* seconds */

/* NULL with an errno in *ret_code: what connect(2) said (ENOENT, ECONNREFUSED:
 * nobody is there; ENAMETOOLONG), EAGAIN: no answer in time, EPIPE: the other
 * side closed without one. */
json_t	*ask_line(const char *path, const char *line, int *ret_code);

#endif

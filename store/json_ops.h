/*
 * json_ops: the questions with a JSON answer (query.h, QUERY_JSON). For the
 * reader thread, which owns the registry and the snapshot reader.
 */
#ifndef SLUICE_JSON_OPS_H
#define SLUICE_JSON_OPS_H

#include "common/buf.h"
#include "store/registry.h"
#include "store/snapshot_read.h"

struct json_ops {
	struct registry		*registry;
	struct snapshot_reader	*snapshots;
	const char		*facts;    /* JSON object: part of `status` */
};

/* Appends a whole answer: status byte, and what query.h says. */
void	json_ops_answer(const struct json_ops *ops, struct slice request,
	    struct buf *answer);
/* Appends an error answer (also used for snapshots). */
void	json_ops_error(struct buf *answer, int status, const char *code,
	    const char *text);

#endif

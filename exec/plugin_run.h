/*
 * plugin_run: runs one program to its end: no shell, a process group of its
 * own, nothing inherited but the two pipes, its time and its output bounded.
 * Whatever is left of the group afterwards is killed. Blocks. Process:
 * sluice-exec.
 */
#ifndef SLUICE_PLUGIN_RUN_H
#define SLUICE_PLUGIN_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"

#define PLUGIN_RUN_MS         60000
#define PLUGIN_RUN_OUTPUT_MAX (512u * 1024)   /* of standard output */
#define PLUGIN_RUN_ERRORS_MAX (8u * 1024)     /* kept of standard error: its
					       * end, at least half of this */

struct plugin_result {
	int	status;        /* of waitpid */
	bool	late;          /* killed at the end of its time */
	bool	flood;         /* killed: it printed too much */
	struct buf output;
	struct buf errors;
};

/* -1 with *err only when it could not be started. *ret is to be freed with
 * plugin_run_free. */
int	plugin_run(const char *path, char *const *argv, char *const *env,
	    int64_t limit_ms, struct plugin_result *ret, struct err *err)
	    MUST_CHECK;
void	plugin_run_free(struct plugin_result *r);   /* wiped */

#endif

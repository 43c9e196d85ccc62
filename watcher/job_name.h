/*
 * job_name: what the stream of a Kubernetes Job is called, and whose an event
 * in it is. Pure.
 *
 *	job:<cluster>/<namespace>/<name>
 *	job:<cluster>/<namespace>/<name>:<first 8 digits of its uid>
 *
 * The second where an earlier Job has the first: the end of a stream is final.
 * Every event has the uid as correlation_id, which the store tells; and a mark
 * made of it where others have their body's hash, which the broker tells who
 * loses a guard.
 */
#ifndef SLUICE_JOB_NAME_H
#define SLUICE_JOB_NAME_H

#include "common/event.h"

#define JOB_UID_SIZE 16u
#define JOB_UID_TEXT 37u   /* 8-4-4-4-12, and a NUL */

enum job_whose {
	JOB_WHOSE_OTHERS,    /* another publisher's, or not known */
	JOB_WHOSE_OWN,
	JOB_WHOSE_EARLIER    /* that of another Job, of its watcher */
};

void	job_name_uid(const uint8_t uid[JOB_UID_SIZE], char ret[JOB_UID_TEXT]);

/* The name with its suffix is not too long for a key. */
bool	job_name_fits(const char *cluster, struct slice namespace,
	    struct slice name);
/* <cluster>/<path>, with the suffix of `uid`, or without (NULL). */
void	job_name_add(struct buf *b, const char *cluster, const char *path,
	    const uint8_t *uid);
/* The other way: "<namespace>/<name>" of a key, to be freed, and whether there
 * is a suffix. NULL: it is none of this cluster's, or has another uid's. */
char	*job_name_path(struct slice key, const char *cluster,
	    const uint8_t uid[JOB_UID_SIZE], size_t *ret_namespace_len,
	    bool *ret_suffixed);

void	job_name_mark(const uint8_t uid[JOB_UID_SIZE],
	    uint8_t ret[EVENT_HASH_SIZE]);
enum job_whose job_name_whose(const uint8_t uid[JOB_UID_SIZE],
	    const uint8_t body[EVENT_HASH_SIZE]);

#endif

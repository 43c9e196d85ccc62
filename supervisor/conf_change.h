/*
 * conf_change: what a service that runs may take over from a configuration
 * read again. Pure: two configurations in; what stays as it was, and what
 * became of a cluster, out.
 */
#ifndef SLUICE_CONF_CHANGE_H
#define SLUICE_CONF_CHANGE_H

#include "common/conf.h"

/* Told each key that keeps its old value: "listen", "127.0.0.1 port 8085". */
typedef void (*conf_change_kept_cb)(const char *key, const char *value,
    void *arg);

/* Puts back into *fresh what changes with a restart only. */
void	conf_change_keep_fixed(const struct conf *old, struct conf *fresh,
	    conf_change_kept_cb cb, void *arg);

/* The role that takes a changed key (a path, as conf_differences tells it) only
 * when it is started again: "broker" for "journal.size". NULL: none, or a role
 * that says so itself. */
const char *conf_change_taken_by(const char *path);

enum conf_change {
	CONF_CHANGE_NONE,       /* also: in neither, or only in the new one */
	CONF_CHANGE_LEFT,       /* not in the new one */
	CONF_CHANGE_OTHER       /* reached in another way */
};

/* What became of the cluster `id`. */
enum conf_change conf_change_of_cluster(const struct conf *old,
	    const struct conf *now, const char *id);

#endif

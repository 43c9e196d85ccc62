/*
 * plugins: the credential plugins of the operator's kubeconfig: runs
 * sluice-exec for a cluster when somebody asks, and hands what it gave to all
 * who asked meanwhile, and until it expires to those who ask later. The
 * supervisor itself sees of a credential no more than until when it is good.
 * A plugin that fails is tried again after PLUGINS_RETRY_MS doubling to
 * PLUGINS_RETRY_MAX_MS; until then its error is the answer. Who asks compares
 * what an answer is good for (exec_credential.h). Supervisor only.
 */
#ifndef SLUICE_PLUGINS_H
#define SLUICE_PLUGINS_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/conf.h"

#define PLUGINS_RUNNING_MAX   4u       /* at one time; others wait */
#define PLUGINS_LIMIT_MS      65000    /* sluice-exec itself ends at 60 s */
#define PLUGINS_RETRY_MS      5000
#define PLUGINS_RETRY_MAX_MS  60000
#define PLUGINS_SPACING_MS    1000     /* between two runs at the least */
#define PLUGINS_ASKERS_MAX    4u       /* of one cluster: watcher, health */

struct plugins;

/* An answer for the child `title`; the fd stays the caller's. */
typedef void (*plugins_answer_cb)(const char *title, const char *cluster,
    uint64_t id, int fd, void *arg);

/* `binary`: of sluice-exec; NULL: every question is answered by an error. */
struct plugins *plugins_new(struct event_base *base, const char *binary,
	    plugins_answer_cb answer, void *arg);
/* Ends what runs. */
void	plugins_free(struct plugins *p);

/* The child `title` asks for the credential of a cluster; `paths` is its
 * kubeconfig (NULL: none). `refused`: the id of one that the API server did
 * not take, 0: none. Each question is answered once. */
void	plugins_ask(struct plugins *p, const char *title,
	    const struct conf_cluster *cluster, const char *paths,
	    uint64_t refused);
/* The configuration was read anew: nothing that is known answers a question
 * from here on, and what runs begins again. */
void	plugins_forget(struct plugins *p);
/* A process was reaped: true when it was one of these. */
bool	plugins_reaped(struct plugins *p, pid_t pid, int wait_status);
bool	plugins_owns(const struct plugins *p, pid_t pid);

#endif

#include "supervisor/plugins.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/exec_credential.h"
#include "common/log.h"
#include "common/mono.h"
#include "common/text.h"
#include "common/xmalloc.h"
#include "supervisor/spawn.h"

#define PLUGIN_MAGIC 0x4e494c50u   /* "PLIN" */
#define TITLE_MAX    84

/* One cluster's. */
struct plugin {
	uint32_t	 magic;
	struct plugins	*all;
	char		*cluster;
	char		*paths;
	char		*context;
	char		 askers[PLUGINS_ASKERS_MAX][TITLE_MAX];
	size_t		 n_askers;
	uint64_t	 turn;           /* waits for a place to run in: the
					  * lowest is next; 0: does not */
	bool		 unanswered;     /* no descriptor for an answer: the
					  * limit's timer tries again */
	bool		 again;          /* the run is for what was asked
					  * before: another follows it */
	pid_t		 pid;            /* 0: does not run */
	int		 writing;        /* the memfd of the run, or -1 */
	struct event	*limit;          /* of the run */
	/* The last answer. */
	int		 fd;             /* -1: none yet */
	uint64_t	 id;
	bool		 failed;
	int64_t		 expires_unix_ms;   /* 0: never */
	struct mono	 ended;
	uint32_t	 failures;       /* in a row */
	uint32_t	 forced;         /* runs after refusals, in a row */
};

static void	begin(struct plugin *g);

struct plugins {
	struct event_base	*base;
	char			*binary;
	plugins_answer_cb	 answer;
	void			*arg;
	struct plugin		**list;
	size_t			 n;
	unsigned		 running;
	uint64_t		 last_id;
	uint64_t		 last_turn;
};

/* --- the set -------------------------------------------------------------- */

struct plugins *
plugins_new(struct event_base *base, const char *binary,
    plugins_answer_cb answer, void *arg)
{
	struct plugins *p = xcalloc(1, sizeof(*p));

	p->base = base;
	p->binary = binary != NULL ? xstrdup(binary) : NULL;
	p->answer = answer;
	p->arg = arg;
	return p;
}

static void
plugin_free(struct plugin *g)
{
	if (g->pid != 0)
		(void)kill(g->pid, SIGKILL);
	if (g->writing != -1)
		(void)close(g->writing);
	if (g->fd != -1)
		(void)close(g->fd);
	event_free(g->limit);
	free(g->cluster);
	free(g->paths);
	free(g->context);
	g->magic = 0;
	free(g);
}

void
plugins_free(struct plugins *p)
{
	if (p == NULL)
		return;
	for (size_t i = 0; i < p->n; i++)
		plugin_free(p->list[i]);
	free(p->list);
	free(p->binary);
	free(p);
}

/* Killed when it still runs at its limit; its end tells the askers. Without a
 * run: they are still to be answered. */
static void
plugins_limit_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct plugin *g = arg;

	assert(g->magic == PLUGIN_MAGIC);
	/* Not reaped yet, so the pid is its own. */
	if (g->pid != 0)
		(void)kill(g->pid, SIGKILL);
	else if (g->unanswered)
		begin(g);
}

static struct plugin *
plugin_new(struct plugins *p, const char *cluster)
{
	struct plugin *g = xcalloc(1, sizeof(*g));

	g->magic = PLUGIN_MAGIC;
	g->all = p;
	g->cluster = xstrdup(cluster);
	g->writing = g->fd = -1;
	g->limit = evtimer_new(p->base, plugins_limit_cb, g);
	if (g->limit == NULL)
		fatalx("event_new failed");
	p->list = xreallocarray(p->list, p->n + 1, sizeof(struct plugin *));
	p->list[p->n++] = g;
	return g;
}

/* Room for another: clusters that left the configuration make it. */
static void
drop_idle(struct plugins *p)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->list[i]->pid == 0 && p->list[i]->n_askers == 0) {
			plugin_free(p->list[i]);
			p->list[i] = p->list[--p->n];
			return;
		}
}

static struct plugin *
find(struct plugins *p, const char *cluster)
{
	for (size_t i = 0; i < p->n; i++)
		if (strcmp(p->list[i]->cluster, cluster) == 0)
			return p->list[i];
	if (p->n >= 2 * CONF_CLUSTERS_MAX)
		drop_idle(p);
	return plugin_new(p, cluster);
}

/* --- answers -------------------------------------------------------------- */

static void
answer_all(struct plugin *g)
{
	struct plugins *p = g->all;
	size_t n = g->n_askers;

	g->n_askers = 0;
	for (size_t i = 0; i < n; i++)
		p->answer(g->askers[i], g->cluster, g->id, g->fd, p->arg);
}

/* Takes the fd as the answer from here on. */
static void
settle(struct plugin *g, int fd, const struct exec_credential_head *head)
{
	if (g->fd != -1)
		(void)close(g->fd);
	g->unanswered = false;
	(void)evtimer_del(g->limit);
	g->fd = fd;
	g->id = ++g->all->last_id;
	g->failed = head->failed;
	g->expires_unix_ms = exec_credential_good_until(
	    head->expires_unix_ms, wall_unix_ms());
	g->ended = mono_now();
	g->failures = head->failed ? g->failures + 1 : 0;
	answer_all(g);
}

/* What cannot even be run is answered as a plugin's failure is. Where not even
 * an answer can be made (no descriptor is left) its askers wait. */
static void
settle_error(struct plugin *g, const char *text)
{
	static const struct exec_credential_head head = { .failed = true };
	struct exec_credential c = { .error = xstrdup(text) };
	struct timeval tv = mono_timeval_ms(PLUGINS_RETRY_MS);
	struct err err = { 0 };
	int fd = exec_credential_memfd(&err);
	int rc = fd < 0 ? -1 : exec_credential_write(fd, &c, &err);

	exec_credential_free(&c);
	if (rc == 0) {
		settle(g, fd, &head);
		return;
	}
	if (fd >= 0)
		(void)close(fd);
	log_error("plugin of %s: %s: %s; tried again in %d s", g->cluster,
	    text, err.text, PLUGINS_RETRY_MS / 1000);
	g->unanswered = true;
	(void)evtimer_add(g->limit, &tv);
}

/* --- runs ----------------------------------------------------------------- */

static int
start(struct plugin *g, struct err *err)
{
	char name[] = "sluice-exec";
	char *argv[4] = { name, g->paths, g->context, NULL };

	if (g->paths == NULL)
		return err_set(err, "the cluster has no kubeconfig");
	if (g->all->binary == NULL)
		return err_set(err, "no binary sluice-exec beside sluiced or "
		    "in %s: credentials of exec plugins cannot be had; "
		    "install it and restart the service", SLUICE_LIBEXECDIR);
	g->writing = exec_credential_memfd(err);
	if (g->writing < 0)
		return -1;
	if (spawn_helper(argv, g->all->binary, g->writing, &g->pid,
	    err) == 0)
		return 0;
	(void)close(g->writing);
	g->writing = -1;
	return -1;
}

static void
begin(struct plugin *g)
{
	struct timeval tv = mono_timeval_ms(PLUGINS_LIMIT_MS);
	struct err err = { 0 };

	g->unanswered = false;
	(void)evtimer_del(g->limit);
	g->turn = 0;
	if (g->all->running >= PLUGINS_RUNNING_MAX) {
		g->turn = ++g->all->last_turn;
		return;
	}
	if (start(g, &err) < 0) {
		settle_error(g, err.text);
		return;
	}
	g->all->running++;
	(void)evtimer_add(g->limit, &tv);
	log_debug("plugin of %s: runs as pid %d", g->cluster, (int)g->pid);
}

static struct plugin *
first_waiting(const struct plugins *p)
{
	struct plugin *first = NULL;

	for (size_t i = 0; i < p->n; i++)
		if (p->list[i]->turn != 0 && (first == NULL ||
		    p->list[i]->turn < first->turn))
			first = p->list[i];
	return first;
}

/* By their arrival: many clusters whose plugins fail do not keep one out. */
static void
begin_next(struct plugins *p)
{
	struct plugin *g;

	while (p->running < PLUGINS_RUNNING_MAX &&
	    (g = first_waiting(p)) != NULL)
		begin(g);
}

static struct plugin *
find_pid(const struct plugins *p, pid_t pid)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->list[i]->pid == pid)
			return p->list[i];
	return NULL;
}

bool
plugins_owns(const struct plugins *p, pid_t pid)
{
	return p != NULL && find_pid(p, pid) != NULL;
}

bool
plugins_reaped(struct plugins *p, pid_t pid, int wait_status)
{
	struct plugin *g = p == NULL ? NULL : find_pid(p, pid);
	struct exec_credential_head head;
	struct err err = { 0 };
	char text[200];
	int fd;

	if (g == NULL)
		return false;
	g->pid = 0;
	p->running--;
	(void)evtimer_del(g->limit);
	fd = g->writing;
	g->writing = -1;
	if (g->again) {
		g->again = false;
		(void)close(fd);
		begin(g);
	} else if (wait_status == 0 &&
	    exec_credential_head(fd, &head, &err) == 0) {
		settle(g, fd, &head);
	} else {
		(void)close(fd);
		(void)snprintf(text, sizeof(text), "sluice-exec for cluster "
		    "%s ended with %s %d; see the log", g->cluster,
		    WIFSIGNALED(wait_status) ? "signal" : "exit status",
		    WIFSIGNALED(wait_status) ? WTERMSIG(wait_status) :
		    WEXITSTATUS(wait_status));
		settle_error(g, text);
	}
	begin_next(p);
	return true;
}

/* --- questions ------------------------------------------------------------ */

static int64_t
doubled(int64_t base_ms, uint32_t times)
{
	while (times-- > 0 && base_ms < PLUGINS_RETRY_MAX_MS)
		base_ms *= 2;
	return MIN(base_ms, (int64_t)PLUGINS_RETRY_MAX_MS);
}

/* Will the last answer do? */
static bool
is_good(struct plugin *g, uint64_t refused)
{
	int64_t age = mono_diff_ms(mono_now(), g->ended);

	if (g->fd == -1)
		return false;
	if (g->failed)
		return age < doubled(PLUGINS_RETRY_MS, g->failures - 1);
	/* One that gives what is expired already runs no more often. */
	if (g->expires_unix_ms != 0 && wall_unix_ms() >= g->expires_unix_ms)
		return age < PLUGINS_SPACING_MS;
	if (refused != g->id)
		return true;
	/* Refused: run again, at once the first time; a credential that the
	 * API server takes from nobody must not run its plugin for ever. */
	if (age > PLUGINS_RETRY_MAX_MS)
		g->forced = 0;
	if (g->forced > 0 && age < doubled(PLUGINS_RETRY_MS, g->forced))
		return true;
	g->forced++;
	return false;
}

static void
forget(struct plugin *g)
{
	if (g->fd != -1)
		(void)close(g->fd);
	g->fd = -1;
	g->failures = g->forced = 0;
	if (g->pid == 0)
		return;
	/* Its end begins another, for all who wait. */
	g->again = true;
	(void)kill(g->pid, SIGKILL);
}

void
plugins_forget(struct plugins *p)
{
	for (size_t i = 0; i < p->n; i++)
		forget(p->list[i]);
}

/* Another kubeconfig or context under the name: another credential. */
static void
aim(struct plugin *g, const char *context, const char *paths)
{
	if (text_same(g->context, context) && text_same(g->paths, paths))
		return;
	free(g->context);
	free(g->paths);
	g->context = xstrdup(context);
	g->paths = xstrdup(paths);
	forget(g);
}

static void
add_asker(struct plugin *g, const char *title)
{
	for (size_t i = 0; i < g->n_askers; i++)
		if (strcmp(g->askers[i], title) == 0)
			return;   /* its process was started anew */
	if (g->n_askers == PLUGINS_ASKERS_MAX)
		return;   /* watcher and health are two */
	(void)snprintf(g->askers[g->n_askers++], TITLE_MAX, "%s", title);
}

void
plugins_ask(struct plugins *p, const char *title,
    const struct conf_cluster *cluster, const char *paths, uint64_t refused)
{
	struct plugin *g = find(p, cluster->id);

	add_asker(g, title);
	if (paths != NULL && cluster->context != NULL)
		aim(g, cluster->context, paths);
	if (g->pid != 0 || g->turn != 0)
		return;
	if (paths == NULL || cluster->context == NULL)
		settle_error(g, "the cluster has no kubeconfig");
	else if (is_good(g, refused))
		answer_all(g);
	else
		begin(g);
}

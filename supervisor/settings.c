/*
 * The configuration as the service holds it: with the clusters there are, what
 * each child is told of it as a memfd, and read again by a reload.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/sealed.h"
#include "common/xmalloc.h"
#include "supervisor/conf_change.h"
#include "supervisor/plugins.h"
#include "supervisor/roster.h"
#include "supervisor/supervisor.h"

int
settings_clusters(struct conf *conf, struct err *err)
{
	struct roster r;
	int rc = roster_read(&r, conf, err);

	for (size_t i = 0; i < r.n_problems; i++)
		log_error("clusters: %s", r.problems[i]);
	conf_clusters_free(conf->clusters, conf->n_clusters);
	conf->clusters = r.clusters;
	conf->n_clusters = r.n;
	r.clusters = NULL;
	r.n = 0;
	roster_clear(&r);
	return rc;
}

int
settings_seal(const struct conf *conf, const struct child *c, struct err *err)
{
	struct buf b = BUF_EMPTY;
	int fd = sealed_new("sluice-conf", err), rc = -1;

	if (fd != -1) {
		conf_encode(&b, conf, c->role, c->instance);
		rc = sealed_write(fd, b.data, b.len, err);
		buf_free(&b);
	}
	if (rc == 0)
		return fd;
	if (fd != -1)
		(void)close(fd);
	return err_prefix(err, "configuration for %s", c->title);
}

/* --- reload --------------------------------------------------------------- */

/* Watchers of clusters that left stop; of those that changed, restart. */
static void
compare_watchers(struct supervisor *s, const struct conf *old)
{
	enum conf_change change;

	for (size_t i = 0; i < s->n_children; i++) {
		struct child *c = s->children[i];

		if (strcmp(c->role, "watcher") != 0)
			continue;
		change = conf_change_of_cluster(old, &s->conf, c->instance);
		if (change == CONF_CHANGE_LEFT && !c->unlisted) {
			c->unlisted = true;
			child_want(c, CHILD_DOWN,
			    "its cluster left the configuration");
		} else if (change == CONF_CHANGE_OTHER) {
			if (c->desired == CHILD_UP)
				child_restart(c,
				    "its cluster's entry changed");
		}
	}
}

/* Who reloads has mended something: what gave up may try it. */
static void
retry_failed(struct supervisor *s)
{
	for (size_t i = 0; i < s->n_children; i++)
		if (s->children[i]->state == CHILD_FAILED)
			child_restart(s->children[i], "reload");
}

static void
say_kept(const char *key, const char *value, void *arg UNUSED)
{
	log_warn("reload: %s changes with a restart of the service only; it "
	    "stays %s", key, value);
}

/* Who changed a key must not believe that it is in force. */
static void
say_taken_by(const char *path, void *arg UNUSED)
{
	const char *role = conf_change_taken_by(path);

	if (role != NULL)
		log_warn("reload: %s: in force once %s is restarted%s: "
		    "sluicectl restart %s", path, role,
		    strcmp(path, "streams") == 0 ?
		    " (log_grace: already)" : "", strcmp(role,
		    "gateway") == 0 ? "gateway/0, then the next" :
		    strcmp(role, "watcher") == 0 ? "watcher/CLUSTER" : role);
}

/* The file and the kubeconfig as they are now; -1: the old stay. */
static int
read_again(const struct supervisor *s, struct conf *ret, struct err *err)
{
	char *text = NULL;
	size_t n = 0;
	FILE *problems = open_memstream(&text, &n);
	int count;

	if (problems == NULL)
		return err_errno(err, errno, "open_memstream");
	if (s->conf_path != NULL)
		count = conf_load(ret, s->conf_path, problems);
	else
		count = conf_parse(ret, "", 0, "(defaults)", problems);
	if (count == 0)
		count = conf_check_files(ret, problems);
	(void)fclose(problems);
	if (count != 0)
		(void)err_set(err, "%.400s", text);
	else
		conf_change_keep_fixed(&s->conf, ret, say_kept, NULL);
	free(text);
	/* A kubeconfig that is being edited must not end its watchers. */
	if (count != 0 || settings_clusters(ret, err) != 0) {
		conf_free(ret);
		return err_prefix(err, "the old configuration stays");
	}
	return 0;
}

static void
close_all(int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		(void)close(fds[i]);
	free(fds);
}

/* One for each child, in their order, or none: either all are told or the old
 * configuration stays. To be given to close_all. */
static int *
seal_all(const struct supervisor *s, const struct conf *conf, struct err *err)
{
	int *fds = xcalloc(s->n_children + 1, sizeof(int));

	for (size_t i = 0; i < s->n_children; i++) {
		fds[i] = settings_seal(conf, s->children[i], err);
		if (fds[i] == -1) {
			close_all(fds, i);
			return NULL;
		}
	}
	return fds;
}

int
settings_reload(struct supervisor *s, struct err *err)
{
	struct conf fresh, old;
	int *fds;

	if (s->stop_phase != STOP_NOT)
		return err_set(err, "the service is stopping");
	if (read_again(s, &fresh, err) != 0)
		return -1;
	fds = seal_all(s, &fresh, err);
	if (fds == NULL) {
		conf_free(&fresh);
		return err_prefix(err, "the old configuration stays");
	}
	old = s->conf;
	s->conf = fresh;
	log_init("sluiced", s->conf.log_level, s->conf.log_format);
	/* Before its watchers are told: what they ask then is asked anew. */
	plugins_forget(s->plugins);
	for (size_t i = 0; i < s->n_children; i++)
		(void)child_send(s->children[i], MSG_RELOAD, NULL, 0, fds[i]);
	close_all(fds, s->n_children);
	conf_differences(&old, &s->conf, say_taken_by, NULL);
	compare_watchers(s, &old);
	service_add_watchers(s);
	retry_failed(s);
	conf_free(&old);
	log_info("reload: done, %zu clusters", s->conf.n_clusters);
	return 0;
}

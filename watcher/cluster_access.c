#include "watcher/cluster_access.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/timer.h"
#include "common/xmalloc.h"

#define ACCESS_MAGIC 0x41434353u   /* "SCCA" */

struct cluster_access {
	uint32_t			 magic;
	struct role			*role;
	struct kube_source		 source;
	struct cluster_access_ops	 ops;
	struct event			*limit;    /* of the waiting */
	bool				 asking;   /* the supervisor */
};

static void
cluster_access_limit_cb(evutil_socket_t fd UNUSED, short what UNUSED,
    void *arg)
{
	struct cluster_access *a = arg;
	struct err err;

	assert(a->magic == ACCESS_MAGIC);
	(void)err_set(&err, "the exec plugin of %s has not answered within "
	    "%d s; run it by hand as the user sluice runs as",
	    a->source.cred.origin, CLUSTER_ACCESS_WAIT_MS / 1000);
	a->ops.settled(&err, a->ops.arg);
}

struct cluster_access *
cluster_access_new(struct role *role, const struct conf_cluster *cluster,
    struct err *err)
{
	const char *paths = cluster->kubeconfig != NULL ?
	    cluster->kubeconfig : role->conf.kubeconfig;
	struct cluster_access *a;

	if (paths == NULL) {
		(void)err_set(err, "cluster %s has no kubeconfig; set "
		    "`kubeconfig` to the file with its context", cluster->id);
		return NULL;
	}
	a = xcalloc(1, sizeof(*a));
	a->magic = ACCESS_MAGIC;
	a->role = role;
	kube_source_init(&a->source, paths, cluster->context);
	a->limit = timer_new(role->base, cluster_access_limit_cb, a);
	if (kube_source_load(&a->source, mono_now(), err) < 0) {
		cluster_access_free(a);
		return NULL;
	}
	if (a->source.cred.insecure)
		log_warn("%s: insecure-skip-tls-verify is set: anybody on the "
		    "way can pose as %s and take the credentials; give "
		    "certificate-authority-data instead",
		    a->source.cred.origin, a->source.cred.server);
	return a;
}

void
cluster_access_free(struct cluster_access *a)
{
	if (a == NULL)
		return;
	assert(a->magic == ACCESS_MAGIC);
	event_free(a->limit);
	kube_source_free(&a->source);
	a->magic = 0;
	free(a);
}

void
cluster_access_listen(struct cluster_access *a,
    const struct cluster_access_ops *ops)
{
	a->ops = *ops;
}

const struct kube_credentials *
cluster_access_credentials(const struct cluster_access *a)
{
	return &a->source.cred;
}

/* --- asking --------------------------------------------------------------- */

static void
ask(struct cluster_access *a)
{
	struct msg_bindings m = {
		.version = kube_source_refused_id(&a->source) };
	struct buf b = BUF_EMPTY;

	if (!evtimer_pending(a->limit, NULL))
		timer_arm(a->limit, CLUSTER_ACCESS_WAIT_MS);
	if (a->asking)
		return;
	a->asking = true;
	(void)snprintf(m.cluster, sizeof(m.cluster), "%s", a->role->instance);
	msg_bindings_encode(&b, &m);
	role_send(a->role, MSG_CREDENTIAL_ASK, b.data, b.len, -1);
	buf_free(&b);
}

static void
renewed(struct cluster_access *a, enum kube_source_change change)
{
	if (change != KUBE_SOURCE_NEW_TLS)
		return;
	log_info("certificate, authority or address of %s changed: "
	    "connections are made anew", a->source.cred.origin);
	a->ops.renewed(a->ops.arg);
}

bool
cluster_access_prepare(struct cluster_access *a)
{
	enum kube_source_change change;
	struct err err = { 0 };

	if (kube_source_refresh(&a->source, mono_now(), &change, &err) < 0)
		log_warn("going on with the credentials read before: %s",
		    err.text);
	renewed(a, change);
	if (!kube_source_wants_plugin(&a->source, wall_unix_ms()))
		return true;
	ask(a);
	return false;
}

void
cluster_access_ended(struct cluster_access *a, struct mono began, long status)
{
	if (status == 401 || status == 0)
		kube_source_refused(&a->source, began, status == 401);
}

/* -1: the requests that wait for it fail, and *err says why. */
static int
plug(struct cluster_access *a, struct exec_credential *c, uint64_t version,
    struct err *err)
{
	enum kube_source_change change;

	/* The kubeconfig was read again meanwhile, and names none any more. */
	if (a->source.cred.exec == NULL)
		return 0;
	if (c->error != NULL)
		return err_set(err, "%s", c->error);
	change = kube_source_plug(&a->source, c, version, mono_now(),
	    wall_unix_ms());
	if (change == KUBE_SOURCE_FOREIGN)
		return err_set(err, "%s changed while its exec plugin was "
		    "asked: it is asked again", a->source.cred.origin);
	renewed(a, change);
	if (kube_source_wants_plugin(&a->source, wall_unix_ms()))
		return err_set(err, "what the exec plugin of %s gave has "
		    "expired already: it is asked again",
		    a->source.cred.origin);
	return 0;
}

void
cluster_access_message(struct cluster_access *a, const void *payload,
    size_t n, int fd)
{
	struct exec_credential c;
	struct msg_bindings m;
	struct err err = { 0 };
	int rc;

	if (msg_bindings_decode(payload, n, &m) < 0 ||
	    strcmp(m.cluster, a->role->instance) != 0)
		fatalx("supervisor: an unreadable CREDENTIAL");
	a->asking = false;
	(void)evtimer_del(a->limit);
	rc = exec_credential_read(fd, &c, &err);
	if (rc == 0) {
		rc = plug(a, &c, m.version, &err);
		exec_credential_free(&c);
	}
	a->ops.settled(rc < 0 ? &err : NULL, a->ops.arg);
}

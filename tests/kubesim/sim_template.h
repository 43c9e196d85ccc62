/*
 * sim_template: what objects of each kind look like, as JSON text with the
 * fields a real API server and its controllers would have filled in.
 *
 * Pure: every function appends to the buffer from the object and the state.
 * `*_labels` append the members of metadata after creationTimestamp,
 * `*` the members of the object after metadata; both begin with a comma.
 */
#ifndef SIM_TEMPLATE_H
#define SIM_TEMPLATE_H

#include <jansson.h>

#include "common/buf.h"
#include "common/mono.h"
#include "tests/kubesim/sim_store.h"

#define SIM_HASH_SIZE 11
/* Every Secret's data begins with it, in base64. */
#define SIM_SECRET_MARK "kubesim-secret-"

/* "2026-11-21T21:33:06Z": Kubernetes writes whole seconds. */
void	sim_template_time(int64_t unix_ms, char buf[MONO_RFC3339_SIZE]);
/* pod-template-hash of a version of an application. */
void	sim_template_hash(const char *app, uint32_t image,
	    char hash[SIM_HASH_SIZE]);

void	sim_template_app_labels(struct buf *b, const struct sim_object *o,
	    const struct sim_state *st);
void	sim_template_hash_labels(struct buf *b, const struct sim_object *o,
	    const struct sim_state *st);
/* The same for kinds without a history of revisions. */
void	sim_template_plain_labels(struct buf *b, const struct sim_object *o,
	    const struct sim_state *st);
/* With what `kubectl apply` leaves in an annotation: the whole data. */
void	sim_template_applied_labels(struct buf *b, const struct sim_object *o,
	    const struct sim_state *st);
void	sim_template_node_labels(struct buf *b, const struct sim_object *o,
	    const struct sim_state *st);
void	sim_template_namespace_labels(struct buf *b,
	    const struct sim_object *o, const struct sim_state *st);
void	sim_template_storageclass_labels(struct buf *b,
	    const struct sim_object *o, const struct sim_state *st);

void	sim_template_deployment(struct buf *b, const struct sim_object *o,
	    const struct sim_state *st);
void	sim_template_replicaset(struct buf *b, const struct sim_object *o,
	    const struct sim_state *st);
void	sim_template_pod(struct buf *b, const struct sim_object *o,
	    const struct sim_state *st);
void	sim_template_node(struct buf *b, const struct sim_object *o,
	    const struct sim_state *st);
void	sim_template_namespace(struct buf *b, const struct sim_object *o,
	    const struct sim_state *st);
void	sim_template_storageclass(struct buf *b, const struct sim_object *o,
	    const struct sim_state *st);

void	sim_template_statefulset(struct buf *b, const struct sim_object *o,
	    const struct sim_state *st);
void	sim_template_daemonset(struct buf *b, const struct sim_object *o,
	    const struct sim_state *st);
void	sim_template_job(struct buf *b, const struct sim_object *o,
	    const struct sim_state *st);
void	sim_template_cronjob(struct buf *b, const struct sim_object *o,
	    const struct sim_state *st);
void	sim_template_service(struct buf *b, const struct sim_object *o,
	    const struct sim_state *st);
void	sim_template_ingress(struct buf *b, const struct sim_object *o,
	    const struct sim_state *st);
void	sim_template_networkpolicy(struct buf *b, const struct sim_object *o,
	    const struct sim_state *st);
void	sim_template_hpa(struct buf *b, const struct sim_object *o,
	    const struct sim_state *st);
void	sim_template_pvc(struct buf *b, const struct sim_object *o,
	    const struct sim_state *st);
void	sim_template_configmap(struct buf *b, const struct sim_object *o,
	    const struct sim_state *st);
void	sim_template_secret(struct buf *b, const struct sim_object *o,
	    const struct sim_state *st);

/* Members of a pod template's spec, without braces around them. */
void	sim_template_pod_spec(struct buf *b, const struct sim_object *o,
	    uint32_t image, const char *restart_policy);
/* Of a CronJob's n-th Job: the real ones count minutes. */
void	sim_template_job_name(const struct sim_object *cronjob, uint32_t n,
	    char name[SIM_NAME_MAX + 1]);
/* n variables of a container, or n entries about them in managedFields: what
 * makes a pod as long as those of real clusters. Begins with a comma. */
enum sim_pad { SIM_PAD_VARIABLES, SIM_PAD_MANAGED, SIM_PAD_MAX };
void	sim_template_pad(struct buf *b, uint32_t n, enum sim_pad what);
/* ,"filler" of so many bytes, escaped as what no text may hold plainly is: a
 * sixth of them in the server's own store. */
void	sim_template_filler(struct buf *b, uint32_t n);
/* ,"name":n unless n is 0 (omitempty, as in Go). */
void	sim_template_count(struct buf *b, const char *name, uint32_t n);

/* The member managedFields, with a comma before it. */
void	sim_template_managed(struct buf *b, const struct sim_object *o,
	    const struct sim_state *st);

/* Bulk changes: one visible step of status. */
void	sim_template_touch_replicas(struct sim_state *st);
void	sim_template_touch_pod(struct sim_state *st);
void	sim_template_touch_phase(struct sim_state *st);
void	sim_template_touch_job(struct sim_state *st);
void	sim_template_touch_image(struct sim_state *st);
/* Takes spec.suspend of a written document into the state. */
void	sim_template_absorb_suspend(struct sim_state *st, json_t *doc);
/* Takes spec.replicas and spec.paused of a written document into the state. */
void	sim_template_absorb_replicas(struct sim_state *st, json_t *doc);

#endif

/*
 * kube_status: what a rule of watcher/status/ says about one object, and what
 * the rules have in common (k8s-watch.md C.1, C.4). Pure.
 *
 * `state` is the word KubeOrch's UI renders for the kind, `health` ours;
 * reason is one word, message a sentence. A rule depends on nothing but the
 * object and the time; `again_unix_ms` says when it would say something else
 * about the same object (0: never).
 */
#ifndef SLUICE_KUBE_STATUS_H
#define SLUICE_KUBE_STATUS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "watcher/kube_object.h"

#define KUBE_STATUS_REASON_MAX  96u
#define KUBE_STATUS_MESSAGE_MAX 500u
#define KUBE_STATUS_FIELDS_MAX  512u

enum kube_health {
	HEALTH_UNKNOWN,
	HEALTH_HEALTHY,
	HEALTH_PROGRESSING,
	HEALTH_DEGRADED,
	HEALTH_FAILED,
	HEALTH_SUSPENDED,
	HEALTH_COMPLETED,
	HEALTH_TERMINATING,
	HEALTH_MAX
};

struct kube_status {
	const char	*state;     /* static text */
	enum kube_health health;
	int64_t		 again_unix_ms;
	char		 reason[KUBE_STATUS_REASON_MAX + 1];
	char		 message[KUBE_STATUS_MESSAGE_MAX + 1];
	/* Kind fields: JSON members, each with a comma before it. */
	char		 fields[KUBE_STATUS_FIELDS_MAX];
	size_t		 n_fields;
};

/* A rule: fills *ret, which is all zero, wholly. */
typedef void (*kube_status_rule)(const struct kube_object *object,
    int64_t now_unix_ms, struct kube_status *ret);

const char	*kube_status_health_name(enum kube_health health);
/* `state` of the kinds that render healthy, partial and error. */
const char	*kube_status_word(enum kube_health health);

void	kube_status_set(struct kube_status *s, enum kube_health health,
	    const char *reason, const char *message, ...) PRINTF(4, 5);
/* The same with a reason and a message out of the object (raw JSON strings;
 * one that is no string or empty becomes the fallback). */
void	kube_status_set_raw(struct kube_status *s, enum kube_health health,
	    struct slice reason, const char *fallback_reason,
	    struct slice message, const char *fallback_message);
void	kube_status_field_int(struct kube_status *s, const char *name,
	    int64_t value);
/* A raw JSON string as a field; "" when it is none or too long. */
void	kube_status_field_text(struct kube_status *s, const char *name,
	    struct slice raw);
/* Remembers the earlier of two times. */
void	kube_status_again(struct kube_status *s, int64_t unix_ms);

struct kube_condition {
	struct slice	status;    /* raw JSON strings */
	struct slice	reason;
	struct slice	message;
	int64_t		changed_unix_ms;   /* later of transition and update */
};

/* The first condition of that type in a raw `conditions` array. */
bool	kube_status_condition(struct slice conditions, const char *type,
	    struct kube_condition *ret);

/* The rules before every kind's own: terminating, generation not observed,
 * Reconciling, Stalled. True when one of them decided. */
bool	kube_status_common(const struct kube_object *object,
	    struct slice observed_generation, struct slice conditions,
	    struct kube_status *s);

/* {"state":…,"health":…,"reason":…,"message":…,kind fields} */
void	kube_status_json(struct buf *b, const struct kube_status *s);

#endif

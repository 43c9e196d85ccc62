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
#define KUBE_STATUS_FIELDS_MAX  1024u
#define KUBE_STATUS_TEXT_MAX    256u   /* of a text field, as JSON */

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

/* Health, texts, and `state` as healthy, partial or error. */
void	kube_status_set(struct kube_status *s, enum kube_health health,
	    const char *reason, const char *message, ...) PRINTF(4, 5);
/* The same with a reason and a message out of the object (raw JSON strings;
 * one that is no string or empty becomes the fallback). */
void	kube_status_set_raw(struct kube_status *s, enum kube_health health,
	    struct slice reason, const char *fallback_reason,
	    struct slice message, const char *fallback_message);
/* `state` of a kind with words of its own, by its health: good for healthy and
 * completed, bad for degraded and failed, between for the rest. */
void	kube_status_words(struct kube_status *s, const char *good,
	    const char *between, const char *bad);
/* Progressing, "what: have/of", when less is there than wanted; else false. */
bool	kube_status_less(struct kube_status *s, const char *reason,
	    const char *what, int64_t have, int64_t of);

/* A kind has few fields, so that all of them always fit. */
void	kube_status_field_int(struct kube_status *s, const char *name,
	    int64_t value);
/* A raw JSON string as a field; "" when it is none or too long. */
void	kube_status_field_text(struct kube_status *s, const char *name,
	    struct slice raw);
/* Remembers the earlier of two times. */
void	kube_status_again(struct kube_status *s, int64_t unix_ms);

struct kube_condition {
	struct slice	status;      /* raw JSON strings */
	struct slice	reason;
	struct slice	message;
	struct slice	transition;
	struct slice	update;
};

/* The first condition of that type in a raw `conditions` array. */
bool	kube_status_condition(struct slice conditions, const char *type,
	    struct kube_condition *ret);
/* The same, and its status is True. */
bool	kube_status_is_true(struct slice conditions, const char *type,
	    struct kube_condition *ret);
/* The later of its two times, in Unix ms; 0: it has none. */
int64_t	kube_status_changed(const struct kube_condition *c);
/* Does the text stand in there at all? Spares the walk where it does not; a
 * string that needs an escape is no name of ours. */
bool	kube_status_mentions(struct slice raw, const char *text);

/* A count as the API has them (0 to 2^31 - 1); `missing` for all else, so that
 * rules may add and compare without a thought of overflow. */
int64_t	kube_status_counter(struct slice raw, int64_t missing);
size_t	kube_status_length(struct slice array);   /* 0: not an array */
bool	kube_status_has_text(struct slice raw);   /* a string, not empty */

/* The rules before every kind's own, kstatus's first three: terminating,
 * generation not observed (when both numbers are there), Reconciling or
 * Stalled. True when one of them decided. */
bool	kube_status_common(const struct kube_object *object,
	    struct slice observed_generation, struct slice conditions,
	    struct kube_status *s);

/* The whole rule of a kind without a status: it exists, so it is healthy. */
void	kube_status_exists(const struct kube_object *object,
	    struct kube_status *s);

/* {"state":…,"health":…,"reason":…,"message":…,kind fields} */
void	kube_status_json(struct buf *b, const struct kube_status *s);

#endif

/*
 * kube_object: what the watcher needs of one Kubernetes object or watch event,
 * as slices of its bytes. Pure; nothing is kept, and nothing copied but a name
 * that cannot stand in a stream key as it is (key_name): so what was parsed is
 * not to be copied as a struct.
 *
 * Identity (uid, namespace, resourceVersion) must be plain text that may stand
 * in a stream key, the name a string; an object where it is not is refused,
 * with the member named in *err. A name that no key can hold is the server's
 * right: the object is `unfit`, to be skipped and counted.
 */
#ifndef SLUICE_KUBE_OBJECT_H
#define SLUICE_KUBE_OBJECT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/key_name.h"

#define KUBE_NAME_MAX KEY_NAME_MAX
#define KUBE_UID_MAX  128u

struct kube_object {
	struct slice	kind;              /* may be missing (list items) */
	struct slice	uid;
	struct slice	namespace;         /* empty: cluster-scoped */
	struct slice	name;              /* as in its key; unfit: none */
	struct slice	resource_version;
	struct slice	owner_references;  /* raw JSON from here on */
	struct slice	spec;
	struct slice	status;
	int64_t		generation;        /* -1: not given */
	int64_t		created_unix_ms;   /* 0: not given */
	bool		deleting;          /* has a deletionTimestamp */
	bool		unfit;             /* no key can hold its name */
	char		text[KEY_NAME_SIZE];   /* of an unusual name */
};

enum kube_event_type {
	KUBE_EVENT_ADDED,
	KUBE_EVENT_MODIFIED,
	KUBE_EVENT_DELETED,
	KUBE_EVENT_BOOKMARK,
	KUBE_EVENT_ERROR,
	KUBE_EVENT_UNKNOWN,
};

/* A Status object: what the API server says went wrong. */
struct kube_error {
	int64_t		code;              /* 0: not given */
	int64_t		retry_after_s;     /* 0: not given */
	bool		too_large;         /* resourceVersion in the future */
	char		reason[64];
	char		message[256];
};

struct kube_event {
	enum kube_event_type	type;
	struct kube_object	object;    /* BOOKMARK: resource_version only */
	struct kube_error	error;     /* ERROR only */
};

/* A raw JSON string, which json_scan accepted, as a name in a key (key_name);
 * anything else has none. */
struct slice kube_object_name(struct slice raw, char buf[KEY_NAME_SIZE]);
/* A raw JSON string with an RFC 3339 time, in Unix ms; 0: it is none. */
int64_t	kube_object_time(struct slice raw);
int	kube_object_parse(struct slice json, struct kube_object *ret,
	    struct err *err) MUST_CHECK;
int	kube_object_parse_event(struct slice frame, struct kube_event *ret,
	    struct err *err) MUST_CHECK;
/* From the body of an answer that is not 200; false when it is no Status. */
bool	kube_object_parse_error(struct slice body, struct kube_error *ret);

/* `metadata` of a list. */
struct kube_list {
	struct slice	resource_version;
	struct slice	continue_token;    /* as text; empty: last page */
};

int	kube_object_parse_list(struct slice metadata, struct kube_list *ret,
	    struct err *err) MUST_CHECK;

#endif

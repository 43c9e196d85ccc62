#include "watcher/kube_status.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/json_text.h"
#include "common/macros.h"
#include "watcher/json_scan.h"

const char *
kube_status_health_name(enum kube_health health)
{
	static const char *const names[HEALTH_MAX] = {
		[HEALTH_UNKNOWN] = "unknown",
		[HEALTH_HEALTHY] = "healthy",
		[HEALTH_PROGRESSING] = "progressing",
		[HEALTH_DEGRADED] = "degraded",
		[HEALTH_FAILED] = "failed",
		[HEALTH_SUSPENDED] = "suspended",
		[HEALTH_COMPLETED] = "completed",
		[HEALTH_TERMINATING] = "terminating",
	};

	return health < HEALTH_MAX ? names[health] : "unknown";
}

/* --- filling -------------------------------------------------------------- */

/* Cuts text that vsnprintf may have ended inside a character. */
static void
trim_utf8(char *text)
{
	size_t n = strlen(text), k = 0;

	while (k < n && k < 3 &&
	       ((unsigned char)text[n - 1 - k] & 0xc0) == 0x80)
		k++;
	if (k < n) {
		unsigned char lead = (unsigned char)text[n - 1 - k];
		size_t need = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 :
		    lead >= 0xc0 ? 1 : 0;

		if (lead >= 0xc0 && k < need)
			text[n - 1 - k] = '\0';
	}
}

void
kube_status_set(struct kube_status *s, enum kube_health health,
    const char *reason, const char *message, ...)
{
	va_list ap;

	s->health = health;
	kube_status_words(s, "healthy", "partial", "error");
	(void)snprintf(s->reason, sizeof(s->reason), "%s", reason);
	trim_utf8(s->reason);
	va_start(ap, message);
	(void)vsnprintf(s->message, sizeof(s->message), message, ap);
	va_end(ap);
	trim_utf8(s->message);
}

/* A NUL inside the text (\u0000) ends it: these are words for people. */
static void
take_raw(char *buf, size_t size, struct slice raw, const char *fallback)
{
	size_t n = json_text_unescape(raw, buf, size - 1);

	buf[n] = '\0';
	if (buf[0] == '\0')
		(void)snprintf(buf, size, "%s", fallback);
}

void
kube_status_set_raw(struct kube_status *s, enum kube_health health,
    struct slice reason, const char *fallback_reason, struct slice message,
    const char *fallback_message)
{
	char r[KUBE_STATUS_REASON_MAX + 1], m[KUBE_STATUS_MESSAGE_MAX + 1];

	take_raw(r, sizeof(r), reason, fallback_reason);
	take_raw(m, sizeof(m), message, fallback_message);
	kube_status_set(s, health, r, "%s", m);
}

void
kube_status_words(struct kube_status *s, const char *good,
    const char *between, const char *bad)
{
	switch (s->health) {
	case HEALTH_HEALTHY:
	case HEALTH_COMPLETED:
		s->state = good;
		break;
	case HEALTH_DEGRADED:
	case HEALTH_FAILED:
		s->state = bad;
		break;
	case HEALTH_UNKNOWN:
	case HEALTH_PROGRESSING:
	case HEALTH_SUSPENDED:
	case HEALTH_TERMINATING:
	case HEALTH_MAX:
		s->state = between;
		break;
	}
}

bool
kube_status_less(struct kube_status *s, const char *reason, const char *what,
    int64_t have, int64_t of)
{
	if (have >= of)
		return false;
	kube_status_set(s, HEALTH_PROGRESSING, reason,
	    "%s: %" PRId64 "/%" PRId64, what, have, of);
	return true;
}

/* --- kind fields ---------------------------------------------------------- */

static void
add_field(struct kube_status *s, const void *text, size_t n)
{
	assert(n <= sizeof(s->fields) - s->n_fields);
	memcpy(s->fields + s->n_fields, text, n);
	s->n_fields += n;
}

void
kube_status_field_int(struct kube_status *s, const char *name, int64_t value)
{
	char text[96];
	int n = snprintf(text, sizeof(text), ",\"%s\":%" PRId64, name, value);

	add_field(s, text, (size_t)n);
}

/* Half an address or name would be a wrong one: too long is none. */
void
kube_status_field_text(struct kube_status *s, const char *name,
    struct slice raw)
{
	char plain[KUBE_STATUS_TEXT_MAX + 4];
	struct buf b = BUF_EMPTY, text = BUF_EMPTY;

	buf_json_text(&text, plain,
	    json_text_unescape(raw, plain, sizeof(plain)));
	if (text.len > KUBE_STATUS_TEXT_MAX)
		buf_reset(&text);
	buf_addf(&b, ",\"%s\":\"", name);
	buf_add(&b, text.data, text.len);
	buf_addc(&b, '"');
	add_field(s, b.data, b.len);
	buf_free(&text);
	buf_free(&b);
}

void
kube_status_again(struct kube_status *s, int64_t unix_ms)
{
	if (s->again_unix_ms == 0 || unix_ms < s->again_unix_ms)
		s->again_unix_ms = unix_ms;
}

/* --- values --------------------------------------------------------------- */

int64_t
kube_status_counter(struct slice raw, int64_t missing)
{
	int64_t v = json_scan_int(raw, -1);

	return v < 0 || v > INT32_MAX ? missing : v;
}

size_t
kube_status_length(struct slice array)
{
	const char *cursor = NULL;
	struct slice one;
	size_t n = 0;

	while (json_scan_next(array, &cursor, &one))
		n++;
	return n;
}

bool
kube_status_mentions(struct slice raw, const char *text)
{
	return raw.n > 0 && memmem(raw.p, raw.n, text, strlen(text)) != NULL;
}

bool
kube_status_has_text(struct slice raw)
{
	return raw.n > 2 && raw.p[0] == '"';
}

/* --- conditions and the common rules -------------------------------------- */

static const struct json_want want_condition[] = {
	{ "type", 0, NULL, 0 },
	{ "status", 1, NULL, 0 },
	{ "reason", 2, NULL, 0 },
	{ "message", 3, NULL, 0 },
	{ "lastTransitionTime", 4, NULL, 0 },
	{ "lastUpdateTime", 5, NULL, 0 },
};

#define CONDITION_SLOTS NELEM(want_condition)

bool
kube_status_condition(struct slice conditions, const char *type,
    struct kube_condition *ret)
{
	const char *cursor = NULL;
	struct slice one, slots[CONDITION_SLOTS];

	if (!kube_status_mentions(conditions, type))
		return false;
	while (json_scan_next(conditions, &cursor, &one)) {
		json_scan_again(one, want_condition, NELEM(want_condition),
		    slots, NELEM(slots));
		if (!json_scan_is(slots[0], type))
			continue;
		*ret = (struct kube_condition){ slots[1], slots[2],
			slots[3], slots[4], slots[5] };
		return true;
	}
	return false;
}

bool
kube_status_is_true(struct slice conditions, const char *type,
    struct kube_condition *ret)
{
	return kube_status_condition(conditions, type, ret) &&
	    json_scan_is(ret->status, "True");
}

int64_t
kube_status_changed(const struct kube_condition *c)
{
	int64_t turned = kube_object_time(c->transition);
	int64_t updated = kube_object_time(c->update);

	return MAX(turned, updated);
}

/* Reconciling and Stalled, whichever stands first and is True. */
static bool
rule_conditions(struct slice conditions, struct kube_status *s)
{
	const char *cursor = NULL;
	struct slice one, slots[CONDITION_SLOTS];

	if (!kube_status_mentions(conditions, "Reconciling") &&
	    !kube_status_mentions(conditions, "Stalled"))
		return false;
	while (json_scan_next(conditions, &cursor, &one)) {
		json_scan_again(one, want_condition, NELEM(want_condition),
		    slots, NELEM(slots));
		if (!json_scan_is(slots[1], "True"))
			continue;
		if (json_scan_is(slots[0], "Reconciling")) {
			kube_status_set_raw(s, HEALTH_PROGRESSING, slots[2],
			    "Reconciling", slots[3], "");
			return true;
		}
		if (json_scan_is(slots[0], "Stalled")) {
			kube_status_set_raw(s, HEALTH_FAILED, slots[2],
			    "Stalled", slots[3], "");
			return true;
		}
	}
	return false;
}

bool
kube_status_common(const struct kube_object *object,
    struct slice observed_generation, struct slice conditions,
    struct kube_status *s)
{
	int64_t observed = json_scan_int(observed_generation, -1);

	if (object->deleting) {
		kube_status_set(s, HEALTH_TERMINATING, "Terminating",
		    "Resource scheduled for deletion");
		return true;
	}
	if (object->generation >= 0 && observed >= 0 &&
	    object->generation != observed) {
		kube_status_set(s, HEALTH_PROGRESSING,
		    "LatestGenerationNotObserved", "generation is %lld, but "
		    "the controller has observed %lld",
		    (long long)object->generation, (long long)observed);
		return true;
	}
	return rule_conditions(conditions, s);
}

void
kube_status_exists(const struct kube_object *object, struct kube_status *s)
{
	if (!kube_status_common(object, SLICE_NONE, SLICE_NONE, s))
		kube_status_set(s, HEALTH_HEALTHY, "Exists", "exists");
}

/* --- output --------------------------------------------------------------- */

void
kube_status_json(struct buf *b, const struct kube_status *s)
{
	buf_addf(b, "{\"state\":\"%s\",\"health\":\"%s\"", s->state,
	    kube_status_health_name(s->health));
	if (s->reason[0] != '\0') {
		buf_adds(b, ",\"reason\":\"");
		buf_json_text(b, s->reason, strlen(s->reason));
		buf_addc(b, '"');
	}
	buf_adds(b, ",\"message\":\"");
	buf_json_text(b, s->message, strlen(s->message));
	buf_addc(b, '"');
	buf_add(b, s->fields, s->n_fields);
	buf_addc(b, '}');
}

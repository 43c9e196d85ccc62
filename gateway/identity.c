#include "gateway/identity.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/xmalloc.h"

#define SECONDS_MAX 253402300799.0   /* the year 9999 */

/* --- life ----------------------------------------------------------------- */

static struct identity *
identity_new(void)
{
	struct identity *id = xcalloc(1, sizeof(*id));

	id->refs = 1;
	memcpy(id->tenant, EVENT_TENANT_DEFAULT,
	    sizeof(EVENT_TENANT_DEFAULT));
	return id;
}

struct identity *
identity_anybody(void)
{
	struct identity *id = identity_new();

	id->subject = xstrdup("");
	id->admin = true;
	if (grants_add(&id->subscribe, slice_str("*"), NULL) == -1 ||
	    grants_add(&id->publish, slice_str("*"), NULL) == -1)
		abort();
	return id;
}

struct identity *
identity_ref(struct identity *id)
{
	id->refs++;
	return id;
}

void
identity_unref(struct identity *id)
{
	if (id == NULL)
		return;
	assert(id->refs > 0);
	if (--id->refs > 0)
		return;
	grants_clear(&id->subscribe);
	grants_clear(&id->publish);
	free(id->subject);
	free(id);
}

/* RFC 3986: unreserved characters stand for themselves. */
static bool
is_unreserved(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') || (c != '\0' && strchr("-._~", c) != NULL);
}

void
identity_source(const struct identity *id, struct buf *b)
{
	size_t begin = b->len, bare;

	buf_adds(b, "/publisher");
	bare = b->len;
	if (id->subject[0] != '\0')
		buf_addc(b, '/');
	for (const char *p = id->subject; *p != '\0'; p++) {
		if (is_unreserved(*p))
			buf_addc(b, *p);
		else
			buf_addf(b, "%%%02X", (unsigned char)*p);
	}
	if (b->len - begin > IDENTITY_SOURCE_MAX)
		b->len = bare;
}

bool
identity_expired(const struct identity *id, int64_t now_unix_ms)
{
	return id->expires_unix_ms != 0 && now_unix_ms >= id->expires_unix_ms;
}

bool
tenant_valid(struct slice t)
{
	if (slice_is(t, EVENT_TENANT_DEFAULT))
		return true;
	if (t.n == 0 || t.n > EVENT_TENANT_MAX)
		return false;
	for (size_t i = 0; i < t.n; i++) {
		char c = t.p[i];
		bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		    (c >= '0' && c <= '9');

		if (!word && (i == 0 || (c != '.' && c != '_' && c != '-')))
			return false;
	}
	return true;
}

/* --- registered claims ---------------------------------------------------- */

/* Seconds since 1970, with a fraction or without. */
static int
take_time(const json_t *claims, const char *name, int64_t *ret_unix_ms,
    struct err *err)
{
	const json_t *v = json_object_get(claims, name);
	double seconds;

	if (v == NULL)
		return 0;
	seconds = json_number_value(v);
	if (!json_is_number(v) || !isfinite(seconds) || seconds < 0 ||
	    seconds > SECONDS_MAX)
		return err_set(err, "%s must be a number of seconds since "
		    "1970", name);
	*ret_unix_ms = (int64_t)(seconds * 1000);
	return 0;
}

static int
check_times(const json_t *claims, int64_t now, struct identity *id,
    struct err *err)
{
	int64_t not_before = 0;

	if (json_object_get(claims, "exp") == NULL)
		return err_set(err, "the token has no exp");
	if (take_time(claims, "exp", &id->expires_unix_ms, err) == -1 ||
	    take_time(claims, "nbf", &not_before, err) == -1 ||
	    take_time(claims, "iat", &id->issued_unix_ms, err) == -1)
		return -1;
	if (now >= id->expires_unix_ms)
		return err_set(err, "the token is expired");
	if (now + IDENTITY_LEEWAY_MS < not_before)
		return err_set(err, "the token is not valid yet (nbf): is a "
		    "clock wrong?");
	/* A revocation would not reach it before that time. */
	if (now + IDENTITY_LEEWAY_MS < id->issued_unix_ms)
		return err_set(err, "the token is of a time that has not come "
		    "(iat): is a clock wrong?");
	return 0;
}

static bool
is_text(const json_t *v, const char *want)
{
	return json_is_string(v) && slice_is((struct slice){
	    json_string_value(v), json_string_length(v) }, want);
}

static bool
is_for(const json_t *aud, const char *audience)
{
	size_t i;
	json_t *v;

	if (!json_is_array(aud))
		return is_text(aud, audience);
	json_array_foreach(aud, i, v)
		if (is_text(v, audience))
			return true;
	return false;
}

/* jansson admits no NUL in a text unless it is asked to. */
static int
take_subject(const json_t *claims, struct identity *id, struct err *err)
{
	const json_t *v = json_object_get(claims, "sub");

	if (v != NULL && (!json_is_string(v) ||
	    json_string_length(v) > IDENTITY_SUBJECT_MAX))
		return err_set(err, "sub must be a text of at most %u bytes",
		    IDENTITY_SUBJECT_MAX);
	id->subject = xstrdup(v != NULL ? json_string_value(v) : "");
	return 0;
}

/* --- grants --------------------------------------------------------------- */

static int
take_patterns(const json_t *sluice, const char *name, struct grants *g,
    struct err *err)
{
	const json_t *list = json_object_get(sluice, name);
	size_t i;
	json_t *v;

	if (list != NULL && !json_is_array(list))
		return err_set(err, "sluice.%s must be a list", name);
	json_array_foreach(list, i, v) {
		struct slice s = { json_string_value(v),
		    json_string_length(v) };

		if (!json_is_string(v))
			return err_set(err, "sluice.%s[%zu] must be a text",
			    name, i);
		if (grants_add(g, s, err) == -1)
			return err_prefix(err, "sluice.%s[%zu]", name, i);
	}
	return 0;
}

static int
take_grants(const json_t *claims, struct identity *id, struct err *err)
{
	const json_t *sluice = json_object_get(claims, "sluice");
	const json_t *tenant = json_object_get(sluice, "tenant");
	const json_t *admin = json_object_get(sluice, "admin");
	struct slice t = { json_string_value(tenant),
	    json_string_length(tenant) };

	if (sluice == NULL)
		return 0;
	if (!json_is_object(sluice))
		return err_set(err, "sluice must be an object");
	if (tenant != NULL && (!json_is_string(tenant) || !tenant_valid(t)))
		return err_set(err, "sluice.tenant must be letters, digits "
		    "and . _ -, at most %u", EVENT_TENANT_MAX);
	if (admin != NULL && !json_is_boolean(admin))
		return err_set(err, "sluice.admin must be true or false");
	if (tenant != NULL) {
		memcpy(id->tenant, t.p, t.n);
		id->tenant[t.n] = '\0';
	}
	id->admin = json_is_true(admin);
	if (take_patterns(sluice, "subscribe", &id->subscribe, err) == -1)
		return -1;
	return take_patterns(sluice, "publish", &id->publish, err);
}

struct identity *
identity_of_claims(const json_t *claims, const struct identity_rules *rules,
    int64_t now_unix_ms, struct err *err)
{
	struct identity *id = identity_new();
	int rc = -1;

	if (check_times(claims, now_unix_ms, id, err) == -1)
		goto out;
	if (!is_for(json_object_get(claims, "aud"), rules->audience))
		(void)err_set(err, "the token is for another audience (aud)");
	else if (rules->issuer != NULL &&
	    !is_text(json_object_get(claims, "iss"), rules->issuer))
		(void)err_set(err, "the token is of another issuer (iss)");
	else if (take_subject(claims, id, err) == 0)
		rc = take_grants(claims, id, err);
out:
	if (rc == 0)
		return id;
	identity_unref(id);
	return NULL;
}

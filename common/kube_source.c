#include "common/kube_source.h"

#include <stdlib.h>
#include <string.h>

#include "common/kube_certificate.h"
#include "common/kube_digest.h"
#include "common/kube_pem.h"
#include "common/kubeconfig.h"
#include "common/xmalloc.h"

void
kube_source_init(struct kube_source *s, const char *paths,
    const char *context)
{
	*s = (struct kube_source){ .paths = xstrdup(paths),
		.context = context != NULL ? xstrdup(context) : NULL };
}

void
kube_source_free(struct kube_source *s)
{
	kube_credentials_free(&s->cred);
	free(s->paths);
	free(s->context);
	*s = (struct kube_source){ 0 };
}

/* --- reading -------------------------------------------------------------- */

/* Is the same plugin asked for the same server? */
static bool
same_plugin(const struct kube_credentials *a, const struct kube_credentials *b)
{
	uint8_t of_a[KUBE_DIGEST_BYTES], of_b[KUBE_DIGEST_BYTES];

	if (a->exec == NULL || b->exec == NULL)
		return false;
	kube_digest(a, of_a);
	kube_digest(b, of_b);
	return memcmp(of_a, of_b, sizeof(of_a)) == 0;
}

/* The kubeconfig again does not undo what its plugin gave, but what was given
 * for one server goes to no other. */
static void
keep_plugged(struct kube_source *s, struct kube_credentials *fresh)
{
	bool is_same = same_plugin(&s->cred, fresh);

	if (!is_same)
		s->foreign_id = 0;
	if (!s->plugged || !is_same) {
		s->plugged = s->plugged_pair = s->refused = false;
		return;
	}
	/* Copies: the caller compares the two. */
	if (s->cred.token != NULL)
		fresh->token = xstrdup(s->cred.token);
	/* The plugin's certificate goes before the kubeconfig's own. */
	if (!s->plugged_pair)
		return;
	kube_pem_wipe(fresh->client_cert_pem);
	kube_pem_wipe(fresh->client_key_pem);
	fresh->client_cert_pem = xstrdup(s->cred.client_cert_pem);
	fresh->client_key_pem = xstrdup(s->cred.client_key_pem);
}

/* All of it. A failure counts as a reading too: else every request would try
 * again. */
static int
read_all(struct kube_source *s, struct mono now, enum kube_source_change *ret,
    struct err *err)
{
	struct kube_credentials fresh;

	s->suspect = false;
	s->read = s->token_read = s->files_read = now;
	if (kubeconfig_load(s->paths, s->context, &fresh, err) < 0)
		return -1;
	*ret = KUBE_SOURCE_SAME;
	if (s->loaded) {
		keep_plugged(s, &fresh);
		if (!kube_credentials_same_tls(&s->cred, &fresh))
			*ret = KUBE_SOURCE_NEW_TLS;
	}
	kube_credentials_free(&s->cred);
	s->cred = fresh;
	s->loaded = true;
	return 0;
}

int
kube_source_load(struct kube_source *s, struct mono now, struct err *err)
{
	enum kube_source_change change;

	return read_all(s, now, &change, err);
}

static bool
has_files(const struct kube_credentials *c)
{
	return c->ca_file != NULL || c->client_cert_file != NULL ||
	    c->client_key_file != NULL;
}

static int
read_due(struct kube_source *s, struct mono now, enum kube_source_change *ret,
    struct err *err)
{
	int rc = 0;

	if (s->suspect)
		return read_all(s, now, ret, err);
	if (s->cred.token_file != NULL &&
	    mono_diff_ms(now, s->token_read) >= KUBE_SOURCE_TOKEN_MS) {
		s->token_read = now;
		rc = kube_credentials_reread_token(&s->cred, err);
	}
	if (rc == 0 && has_files(&s->cred) && !s->plugged_pair &&
	    mono_diff_ms(now, s->files_read) >= KUBE_SOURCE_FILES_MS) {
		s->files_read = now;
		rc = kube_credentials_reread_files(&s->cred,
		    kube_certificate_pair, err);
		if (rc > 0)
			*ret = KUBE_SOURCE_NEW_TLS;
	}
	return rc < 0 ? -1 : 0;
}

int
kube_source_refresh(struct kube_source *s, struct mono now,
    enum kube_source_change *ret, struct err *err)
{
	struct mono before = s->read, token = s->token_read,
	    files = s->files_read;

	*ret = KUBE_SOURCE_SAME;
	if (read_due(s, now, ret, err) < 0) {
		if (s->complained)
			return 0;
		s->complained = true;
		return -1;
	}
	if (s->read.ns != before.ns || s->token_read.ns != token.ns ||
	    s->files_read.ns != files.ns)
		s->complained = false;
	return 0;
}

void
kube_source_refused(struct kube_source *s, struct mono began,
    bool unauthorized)
{
	if (!mono_before(began, s->read))
		s->suspect = true;
	if (unauthorized && s->plugged && !mono_before(began, s->plugged_at))
		s->refused = true;
}

/* --- a plugin's credential ------------------------------------------------ */

bool
kube_source_wants_plugin(const struct kube_source *s, int64_t now_unix_ms)
{
	if (s->cred.exec == NULL)
		return false;
	return !s->plugged || s->refused ||
	    (s->plugin_until != 0 && now_unix_ms >= s->plugin_until);
}

uint64_t
kube_source_refused_id(const struct kube_source *s)
{
	if (s->foreign_id != 0)
		return s->foreign_id;
	return s->refused ? s->plugin_id : 0;
}

/* A certificate is taken only with its key; a change of it ends connections.
 * Without one the plugin's last is of no use any more, and the kubeconfig's
 * own, if it has one, is read again. True when it changed. */
static bool
plug_pair(struct kube_source *s, struct exec_credential *c)
{
	bool given = c->cert_pem != NULL && c->key_pem != NULL, changed;

	if (!given && !s->plugged_pair)
		return false;
	changed = s->plugged && (given != s->plugged_pair ||
	    strcmp(s->cred.client_cert_pem, c->cert_pem) != 0 ||
	    strcmp(s->cred.client_key_pem, c->key_pem) != 0);
	kube_pem_wipe(s->cred.client_cert_pem);
	kube_pem_wipe(s->cred.client_key_pem);
	s->cred.client_cert_pem = given ? c->cert_pem : NULL;
	s->cred.client_key_pem = given ? c->key_pem : NULL;
	s->plugged_pair = given;
	if (given)
		c->cert_pem = c->key_pem = NULL;
	else
		s->suspect = true;
	return changed;
}

enum kube_source_change
kube_source_plug(struct kube_source *s, struct exec_credential *c,
    uint64_t id, struct mono now, int64_t now_unix_ms)
{
	bool changed;
	uint8_t digest[KUBE_DIGEST_BYTES];

	kube_digest(&s->cred, digest);
	if (memcmp(digest, c->digest, sizeof(digest)) != 0) {
		s->suspect = true;
		s->foreign_id = id;
		return KUBE_SOURCE_FOREIGN;
	}
	s->foreign_id = 0;
	kube_pem_wipe(s->cred.token);
	s->cred.token = c->token;
	c->token = NULL;
	changed = plug_pair(s, c);
	s->plugged_at = now;
	s->plugged = true;
	s->refused = false;
	s->plugin_id = id;
	s->plugin_until = exec_credential_good_until(c->expires_unix_ms,
	    now_unix_ms);
	return changed ? KUBE_SOURCE_NEW_TLS : KUBE_SOURCE_SAME;
}

#include "supervisor/conf_change.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "common/xmalloc.h"

/* --- what cannot change --------------------------------------------------- */

struct kept {
	conf_change_kept_cb	 cb;
	void			*arg;
};

static void
keep_string(const struct kept *k, const char *key, const char *old,
    char **fresh)
{
	if (strcmp(old, *fresh) == 0)
		return;
	k->cb(key, old, k->arg);
	free(*fresh);
	*fresh = xstrdup(old);
}

/* None is NULL. */
static void
keep_text(const char *old, char **fresh)
{
	free(*fresh);
	*fresh = old != NULL ? xstrdup(old) : NULL;
}

static void
keep_count(const struct kept *k, const char *key, uint32_t old,
    uint32_t *fresh)
{
	char text[16];

	if (*fresh == old)
		return;
	(void)snprintf(text, sizeof(text), "%u", old);
	k->cb(key, text, k->arg);
	*fresh = old;
}

static void
keep_listen(const struct kept *k, const struct conf *old, struct conf *fresh)
{
	char text[128];

	if (strcmp(old->listen_host, fresh->listen_host) == 0 &&
	    old->listen_port == fresh->listen_port)
		return;
	(void)snprintf(text, sizeof(text), "%s port %u", old->listen_host,
	    old->listen_port);
	k->cb("listen", text, k->arg);
	free(fresh->listen_host);
	fresh->listen_host = xstrdup(old->listen_host);
	fresh->listen_port = old->listen_port;
}

/* With listen, which was judged by it: a socket that others reach must not be
 * left to a gateway that asks nobody who they are. All that jwt says is kept
 * with it: a file without auth was not written to say whose tokens are good,
 * and an issuer that is left out of it would be any. */
static void
keep_auth(const struct kept *k, const struct conf *old, struct conf *fresh)
{
	if (old->auth == fresh->auth)
		return;
	k->cb("auth", old->auth == CONF_AUTH_JWT ? "jwt" : "none", k->arg);
	fresh->auth = old->auth;
	if (old->auth != CONF_AUTH_JWT)
		return;
	keep_text(old->jwt.jwks_file, &fresh->jwt.jwks_file);
	keep_text(old->jwt.issuer, &fresh->jwt.issuer);
	keep_text(old->jwt.audience, &fresh->jwt.audience);
	keep_text(old->jwt.cookie, &fresh->jwt.cookie);
}

void
conf_change_keep_fixed(const struct conf *old, struct conf *fresh,
    conf_change_kept_cb cb, void *arg)
{
	const struct kept k = { cb, arg };

	keep_string(&k, "state_directory", old->state_directory,
	    &fresh->state_directory);
	keep_string(&k, "runtime_directory", old->runtime_directory,
	    &fresh->runtime_directory);
	keep_listen(&k, old, fresh);
	keep_auth(&k, old, fresh);
	keep_count(&k, "gateway.processes", old->gateway.processes,
	    &fresh->gateway.processes);
	keep_count(&k, "supervise.circuit_deaths",
	    old->supervise.circuit_deaths, &fresh->supervise.circuit_deaths);
}

/* --- what waits for a restart of one role --------------------------------- */

const char *
conf_change_taken_by(const char *path)
{
	static const struct {
		const char	*begin;
		const char	*role;
	} takers[] = {
		{ "mongodb", "store" },
		{ "encryption_key_file", "gateway" },
		{ "gateway.", "gateway" },
		{ "jwt.", "gateway" },
		{ "streams", "gateway" },
		{ "watch.", "watcher" },
		{ "journal.", "broker" },
	};

	for (size_t i = 0; i < NELEM(takers); i++)
		if (strncmp(path, takers[i].begin,
		    strlen(takers[i].begin)) == 0)
			return takers[i].role;
	return NULL;
}

/* --- clusters ------------------------------------------------------------- */

static const struct conf_cluster *
find_cluster(const struct conf *conf, const char *id)
{
	for (size_t i = 0; i < conf->n_clusters; i++)
		if (strcmp(conf->clusters[i].id, id) == 0)
			return &conf->clusters[i];
	return NULL;
}

enum conf_change
conf_change_of_cluster(const struct conf *old, const struct conf *now,
    const char *id)
{
	const struct conf_cluster *before = find_cluster(old, id);
	const struct conf_cluster *after = find_cluster(now, id);

	if (after == NULL)
		return before != NULL ? CONF_CHANGE_LEFT : CONF_CHANGE_NONE;
	if (before == NULL)
		return CONF_CHANGE_NONE;
	if (text_same(after->context, before->context) &&
	    text_same(after->kubeconfig, before->kubeconfig) &&
	    text_same(now->kubeconfig, old->kubeconfig))
		return CONF_CHANGE_NONE;
	return CONF_CHANGE_OTHER;
}

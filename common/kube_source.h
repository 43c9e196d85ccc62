/*
 * kube_source: where a cluster's credentials come from, and when they are read
 * again: a token file after KUBE_SOURCE_TOKEN_MS, certificate and CA files
 * after KUBE_SOURCE_FILES_MS, all of it and the kubeconfig itself when the
 * server refused what was read before the refused request began. What cannot
 * be read leaves what was good. A plugin's credential is put in by the caller,
 * who asks the supervisor for it (MSG_CREDENTIAL_ASK).
 * Watcher (loop) and health (in a worker while its job runs, else in the
 * loop): one thread at a time. Source of the numbers: doc/k8s-watch.md A.3 25.
 */
#ifndef SLUICE_KUBE_SOURCE_H
#define SLUICE_KUBE_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/exec_credential.h"
#include "common/kube_credentials.h"
#include "common/mono.h"

#define KUBE_SOURCE_TOKEN_MS  50000    /* 60 s, 10 s of leeway off */
#define KUBE_SOURCE_FILES_MS  300000

struct kube_source {
	char			*paths;       /* list as in KUBECONFIG */
	char			*context;     /* NULL: the current one */
	struct kube_credentials	 cred;
	bool			 loaded;
	bool			 suspect;     /* read all before the next use */
	bool			 complained;  /* of this failure to read */
	struct mono		 read;        /* all of it */
	struct mono		 token_read;
	struct mono		 files_read;
	/* A plugin's credential. */
	bool			 plugged;     /* there is one */
	bool			 plugged_pair; /* with a certificate */
	struct mono		 plugged_at;
	bool			 refused;     /* by the server: ask anew */
	uint64_t		 plugin_id;  /* the supervisor's; 0: none yet */
	int64_t			 plugin_until; /* unix ms; 0: for ever */
	uint64_t		 foreign_id;  /* of an answer that was for
					       * another server or plugin */
};

void	kube_source_init(struct kube_source *s, const char *paths,
	    const char *context);
void	kube_source_free(struct kube_source *s);   /* contents */

/* The first reading. -1 with *err: nothing is loaded. */
int	kube_source_load(struct kube_source *s, struct mono now,
	    struct err *err) MUST_CHECK;

enum kube_source_change {
	KUBE_SOURCE_SAME,
	KUBE_SOURCE_NEW_TLS,   /* connections must not be used any more */
	KUBE_SOURCE_FOREIGN,   /* of a plug: not put in, see there */
};

/* Before a use: reads what is due. -1 with *err: it could not be read, and what
 * was read before stays; told once until it can be read again (then, and
 * meanwhile, 0). */
int	kube_source_refresh(struct kube_source *s, struct mono now,
	    enum kube_source_change *ret, struct err *err) MUST_CHECK;

/* A request that began then was refused (401: `unauthorized`), or got no
 * answer: what was read before it is not trusted. Only a 401 says that of a
 * plugin's credential. */
void	kube_source_refused(struct kube_source *s, struct mono began,
	    bool unauthorized);

/* Must the plugin be asked before a request is made? */
bool	kube_source_wants_plugin(const struct kube_source *s,
	    int64_t now_unix_ms);
/* The id that the server refused, or that was for another server, for the
 * question; 0: none. */
uint64_t kube_source_refused_id(const struct kube_source *s);
/* Puts in what a plugin gave (not an error); its texts are moved. What it gave
 * for another server, or as another plugin, is not: the kubeconfig is read
 * anew before the next use, and the plugin is still wanted. */
enum kube_source_change kube_source_plug(struct kube_source *s,
	    struct exec_credential *c, uint64_t id, struct mono now,
	    int64_t now_unix_ms);

#endif

/*
 * exec_credential: what a plugin gave, or why it gave nothing, as it travels
 * from sluice-exec through the supervisor to watcher and health: a sealed
 * memfd. A head without secrets (all the supervisor reads): magic, did it
 * fail, until when it is good, what for. Behind it token, certificate, key,
 * error.
 */
#ifndef SLUICE_EXEC_CREDENTIAL_H
#define SLUICE_EXEC_CREDENTIAL_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "common/kube_digest.h"

#define EXEC_CREDENTIAL_MAX (1024u * 1024)   /* bytes of it all */
#define EXEC_CREDENTIAL_EARLY_MS 10000   /* before its end it is replaced */

struct exec_credential {
	uint8_t	 digest[KUBE_DIGEST_BYTES]; /* of what it is good for; zeros:
					     * nothing (with an error) */
	int64_t	 expires_unix_ms;   /* 0: not said */
	char	*token;             /* NULL where not given */
	char	*cert_pem;
	char	*key_pem;
	char	*error;             /* not NULL: there is nothing else */
};

struct exec_credential_head {
	bool	failed;
	int64_t	expires_unix_ms;
};

/* An empty memfd that can be sealed; -1 with *err. */
int	exec_credential_memfd(struct err *err) MUST_CHECK;
/* Writes into an empty memfd and seals it. */
int	exec_credential_write(int fd, const struct exec_credential *c,
	    struct err *err) MUST_CHECK;
/* The head alone, of a memfd that is sealed and whole. */
int	exec_credential_head(int fd, struct exec_credential_head *ret,
	    struct err *err) MUST_CHECK;
/* All of it; to be freed with exec_credential_free. The fd stays open. */
int	exec_credential_read(int fd, struct exec_credential *ret,
	    struct err *err) MUST_CHECK;
/* Pure: until when one is used and handed out: EXEC_CREDENTIAL_EARLY_MS before
 * it expires, where it lives for more than ten times that. 0: for ever. */
int64_t	exec_credential_good_until(int64_t expires_unix_ms,
	    int64_t now_unix_ms);
void	exec_credential_free(struct exec_credential *c);   /* contents, wiped */

#endif

/*
 * kube_certificate: client certificates looked at before they are used, so
 * that what the server would answer with a bare TLS alert is said in words;
 * and what libcurl says of a server's.
 * Texts with a passphrase are refused: nobody is there to type it. Pure but
 * for the clock. Watcher, health and sluice-exec (libcrypto).
 */
#ifndef SLUICE_KUBE_CERTIFICATE_H
#define SLUICE_KUBE_CERTIFICATE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"

/* Is it a certificate, and valid now? `origin`: whose, for the message. */
int	kube_certificate_check(const char *pem, const char *origin,
	    struct err *err) MUST_CHECK;
/* Until when is it valid, in ms since 1970? */
int	kube_certificate_end(const char *pem, int64_t *ret_unix_ms,
	    struct err *err) MUST_CHECK;
/* Does the key belong to the certificate? (kube_credentials_pair_check) */
int	kube_certificate_pair(const char *cert_pem, const char *key_pem,
	    struct err *err) MUST_CHECK;
/* libcurl's (OpenSSL's) words mean that the server's certificates are right
 * but for the time: no kubeconfig mends that. */
bool	kube_certificate_outdated(const char *error);

#endif

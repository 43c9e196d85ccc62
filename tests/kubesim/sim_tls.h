/*
 * sim_tls: a CA and a server certificate of its own, made at the start.
 */
#ifndef SIM_TLS_H
#define SIM_TLS_H

#include <openssl/ssl.h>
#include <stdbool.h>

#include "common/err.h"

/* The server's context; *ret_ca is the CA's certificate as PEM (free it).
 * With a directory, ca.crt is written there. The server's certificate is for
 * localhost and 127.0.0.1, valid for a day. */
int	sim_tls_new(const char *directory, bool http2, SSL_CTX **ret,
	    char **ret_ca, struct err *err) MUST_CHECK;

#endif

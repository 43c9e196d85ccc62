/*
 * sim_tls: a CA and a server certificate of its own, made at the start.
 */
#ifndef SIM_TLS_H
#define SIM_TLS_H

#include <openssl/ssl.h>
#include <stdbool.h>

#include "common/err.h"

/* Clusters told apart by SNI are hosts of it. */
#define SIM_TLS_DOMAIN "kubesim.example"

struct sim_tls {
	const char	*directory;      /* NULL: nothing is written */
	bool		 http2;          /* is offered */
	bool		 expired;        /* the server's certificate is old */
};

/* The server's context; *ret_ca is the CA's certificate as PEM (free it).
 * ca.crt is written into the directory, and client.crt with client.key, by
 * which a client is known without a token. The server's certificate is for
 * localhost, 127.0.0.1 and hosts of SIM_TLS_DOMAIN, valid for a day, or was
 * until an hour ago. */
int	sim_tls_new(const struct sim_tls *t, SSL_CTX **ret, char **ret_ca,
	    struct err *err) MUST_CHECK;

#endif

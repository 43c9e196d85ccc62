/*
 * plugin_answer: what a credential plugin printed: an ExecCredential of the
 * version it was asked in, with a token, a certificate and key, or both, and
 * perhaps until when they are good. Pure: text in, credential or reason out.
 * Source: client.authentication.k8s.io/v1, v1beta1. Process: sluice-exec.
 */
#ifndef SLUICE_PLUGIN_ANSWER_H
#define SLUICE_PLUGIN_ANSWER_H

#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/exec_credential.h"

/* -1 with *err (never with a part of the text); else *ret is to be freed with
 * exec_credential_free. */
int	plugin_answer_parse(const char *text, size_t n,
	    const char *api_version, struct exec_credential *ret,
	    struct err *err) MUST_CHECK;
/* Lowers until when it is good to the end of its certificate: a plugin that
 * gives one need not say when, and nobody could ask it again otherwise. -1:
 * the certificate cannot be read, or all of it has expired at `now`. */
int	plugin_answer_limit(struct exec_credential *c, int64_t now_unix_ms,
	    struct err *err) MUST_CHECK;

#endif

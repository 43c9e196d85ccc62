/*
 * wiping: memory that libcurl and OpenSSL give back is wiped first. What they
 * read may be the secrets that a server sends although only metadata was asked
 * for (k8s-watch.md A.5), and what they write holds tokens: none of it may
 * stay in memory that was freed. nghttp2 has memory of its own, which is not
 * wiped: what is sealed goes by HTTP/1.1 (kube_api.h). Process: watcher.
 */
#ifndef SLUICE_WIPING_H
#define SLUICE_WIPING_H

#include "common/err.h"

/* Before any other use of either. Initialises libcurl. */
int	wiping_init(struct err *err) MUST_CHECK;

#endif

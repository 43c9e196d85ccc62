/*
 * classify: what an answer, or the lack of one, to a health request means.
 *
 * Pure: (curl code, HTTP status, body) -> finding. Process: health. Source:
 * doc/k8s-watch.md D.2 (classes), doc/contract.md 3 (codes).
 *
 * /readyz is asked first. 404 or 403 there (an old server, or one that lets
 * nobody look) leads to /healthz, and those there to /version. A 200 whose
 * body is not Kubernetes' own is no health: some proxies say 200 to anything.
 */
#ifndef SLUICE_CLASSIFY_H
#define SLUICE_CLASSIFY_H

#include <curl/curl.h>
#include <stdbool.h>

#include "common/buf.h"
#include "health/verdict.h"

enum probe_endpoint {
	PROBE_READYZ,
	PROBE_HEALTHZ,
	PROBE_VERSION,
	PROBE_ENDPOINT_MAX
};

const char	*probe_endpoint_path(enum probe_endpoint endpoint);

/* True: *ret is the finding. False: ask the next endpoint. `error_text` is
 * curl's ("" or NULL: its general text is used). */
bool	classify_answer(enum probe_endpoint endpoint, CURLcode curl,
	    const char *error_text, long status, struct slice body,
	    struct probe_finding *ret);

/* A finding of our own, for what fails before a request can be made. Bytes
 * outside printable ASCII become '?'. */
void	classify_own(enum probe_code code, const char *text,
	    struct probe_finding *ret);

/* Copies `name` of `{"name": "value"}` texts such as /version's: the value of
 * a string member at the top, without escapes; false if there is none. */
bool	classify_member(struct slice json, const char *name, char *ret,
	    size_t size);

#endif

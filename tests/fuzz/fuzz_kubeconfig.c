/*
 * fuzz_kubeconfig: any bytes as a kubeconfig that came by the API: it is
 * refused, or what it asks for is within kube_policy, and touches no file. The
 * same bytes as the operator's must then be accepted too, with the same
 * server.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/kube_proxy.h"
#include "common/kube_server.h"
#include "common/kubeconfig.h"

int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct kube_policy untrusted = { .untrusted = true };

/* What no stranger may have got. */
static void
check(const struct kube_credentials *c)
{
	char *proxy;

	if (c->exec != NULL || c->token_file != NULL || c->ca_file != NULL ||
	    c->client_cert_file != NULL || c->client_key_file != NULL ||
	    c->insecure || c->proxy_url != NULL || !c->untrusted ||
	    kube_server_check_stranger(c->server) != NULL ||
	    (c->client_cert_pem == NULL) != (c->client_key_pem == NULL))
		abort();
	proxy = kube_proxy_for(c->server, "p:1", NULL, "10.0.0.0/8,.x,[::1]");
	free(proxy);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct kube_credentials c, own;
	struct err err = { .text = "" };

	if (kubeconfig_load_text(text, size, "fuzz", NULL, &untrusted, &c,
	    &err) < 0) {
		/* Every refusal says something of it. */
		if (strncmp(err.text, "kubeconfig ", 11) != 0)
			abort();
		return 0;
	}
	check(&c);
	if (kubeconfig_load_text(text, size, "fuzz", NULL,
	    &kube_policy_operator, &own, &err) < 0)
		abort();
	if (strcmp(c.server, own.server) != 0)
		abort();
	kube_credentials_free(&own);
	kube_credentials_free(&c);
	return 0;
}

#include "common/kube_policy.h"

#include <string.h>
#include <strings.h>

#include "common/kube_entry.h"
#include "common/kube_server.h"

const struct kube_policy kube_policy_operator = { .untrusted = false };

struct refusal {
	const char *key, *problem;
};

#define NO_FILE "names a file of this service's host, which a kubeconfig " \
	"that comes by the API may not; "

static int
refuse(const struct kube_entry *entry, const struct refusal *refused,
    size_t n, struct err *err)
{
	const struct yaml_node *node;

	for (size_t i = 0; i < n; i++) {
		node = kube_entry_get(entry, refused[i].key);
		if (node != NULL && !kube_entry_null(node))
			return kube_entry_fail(entry, refused[i].key, err,
			    refused[i].problem);
	}
	return 0;
}

static bool
proxy_allowed(const struct kube_policy *policy, const char *proxy)
{
	for (size_t i = 0; i < policy->n_proxies; i++)
		if (strcmp(policy->proxies[i], proxy) == 0)
			return true;
	return false;
}

int
kube_policy_cluster(const struct kube_policy *policy,
    const struct kube_entry *entry, struct err *err)
{
	static const struct refusal refused[] = {
		{ "certificate-authority", NO_FILE
		    "put its text into certificate-authority-data" },
	};
	const char *server, *proxy, *problem;
	bool insecure;

	if (!policy->untrusted)
		return 0;
	if (refuse(entry, refused, NELEM(refused), err) < 0 ||
	    kube_entry_text(entry, "server", &server, err) < 0 ||
	    kube_entry_text(entry, "proxy-url", &proxy, err) < 0 ||
	    kube_entry_bool(entry, "insecure-skip-tls-verify", &insecure,
	    err) < 0)
		return -1;
	if (insecure && !policy->allow_insecure)
		return kube_entry_fail(entry, "insecure-skip-tls-verify", err,
		    "insecure-skip-tls-verify is not allowed for a kubeconfig "
		    "that comes by the API; give certificate-authority-data");
	if (proxy != NULL && !proxy_allowed(policy, proxy))
		return kube_entry_fail(entry, "proxy-url", err, "this "
		    "`proxy-url` is not one that the operator allows");
	problem = server == NULL ? NULL : kube_server_check_stranger(server);
	if (problem != NULL)
		return kube_entry_fail(entry, "server", err, problem);
	return 0;
}

int
kube_policy_user(const struct kube_policy *policy,
    const struct kube_entry *entry, struct err *err)
{
	static const struct refusal refused[] = {
		{ "exec", "an `exec` plugin would run a program on this "
		    "service's host, which a kubeconfig that comes by the API "
		    "may not; give a token or client-certificate-data" },
		{ "auth-provider", "an `auth-provider` would run a program on "
		    "this service's host, which a kubeconfig that comes by "
		    "the API may not; give a token or "
		    "client-certificate-data" },
		{ "client-certificate", NO_FILE
		    "put its text into client-certificate-data" },
		{ "client-key", NO_FILE "put its text into client-key-data" },
		{ "tokenFile", NO_FILE "put its text into token" },
	};

	if (!policy->untrusted)
		return 0;
	return refuse(entry, refused, NELEM(refused), err);
}

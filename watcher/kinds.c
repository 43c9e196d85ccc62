#include "watcher/kinds.h"

#include "common/macros.h"
#include "watcher/status/rules.h"

/* Servers from 1.37 on leave managedFields out when asked so; older ones
 * ignore the parameter (k8s-watch.md A 30). */
#define ACCEPT_JSON "application/json;drop=metadata.managedFields," \
	"application/json"

const struct kind kinds[] = {
	{ "deployment", "Deployment", "apps", "v1", "deployments",
	    ACCEPT_JSON, ACCEPT_JSON, deployment_status },
	{ "pod", "Pod", "", "v1", "pods",
	    ACCEPT_JSON, ACCEPT_JSON, pod_status },
};

const unsigned kinds_n = NELEM(kinds);

int
kinds_find(struct slice name)
{
	unsigned i;

	for (i = 0; i < kinds_n; i++)
		if (slice_is(name, kinds[i].name))
			return (int)i;
	return -1;
}

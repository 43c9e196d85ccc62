#include "watcher/status/load_balancer.h"

#include "common/macros.h"
#include "watcher/json_scan.h"
#include "watcher/kube_status.h"

bool
load_balancer_find(struct slice ingress, struct load_balancer *ret)
{
	static const struct json_want wants[] = {
		{ "ip", 0, NULL, 0 },
		{ "hostname", 1, NULL, 0 },
	};
	const char *cursor = NULL;
	struct slice one, v[2];

	*ret = (struct load_balancer){ SLICE_NONE, SLICE_NONE };
	while (json_scan_next(ingress, &cursor, &one)) {
		json_scan_again(one, wants, NELEM(wants), v, 2);
		if (kube_status_has_text(v[0]))
			ret->ip = v[0];
		if (kube_status_has_text(v[1]))
			ret->hostname = v[1];
		if (ret->ip.n > 0 || ret->hostname.n > 0)
			return true;
	}
	return false;
}

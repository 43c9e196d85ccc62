#include "tests/kubesim/sim_defaults.h"

#include <stdbool.h>
#include <string.h>

#include "common/macros.h"

#define NODE_PORT_FIRST 30000u   /* of 30000 to 32767 */
#define NODE_PORTS      2700u

static const struct {
	enum sim_kind	 kind;
	const char	*member;
} examples[] = {
	{ SIM_SERVICE, "selector" },
	{ SIM_INGRESS, "ingressClassName" },
	{ SIM_INGRESS, "tls" },
	{ SIM_INGRESS, "rules" },
	{ SIM_NETWORKPOLICY, "podSelector" },
	{ SIM_NETWORKPOLICY, "ingress" },
	{ SIM_PVC, "storageClassName" },
	{ SIM_PVC, "volumeName" },
};

void
sim_defaults_drop_examples(json_t *template_, enum sim_kind kind,
    const json_t *written)
{
	json_t *spec = json_object_get(template_, "spec");

	if (kind == SIM_CONFIGMAP || kind == SIM_SECRET) {
		(void)json_object_del(template_, "data");
		(void)json_object_del(template_, "binaryData");
	}
	if (!json_is_object(json_object_get(written, "spec")))
		return;
	for (size_t i = 0; i < NELEM(examples); i++)
		if (examples[i].kind == kind)
			(void)json_object_del(spec, examples[i].member);
}

static void
fill_port(json_t *port, bool open, unsigned node_port)
{
	json_t *number = json_object_get(port, "port");

	if (json_object_get(port, "protocol") == NULL)
		(void)json_object_set_new(port, "protocol",
		    json_string("TCP"));
	if (json_object_get(port, "targetPort") == NULL && number != NULL)
		(void)json_object_set(port, "targetPort", number);
	if (open && json_object_get(port, "nodePort") == NULL)
		(void)json_object_set_new(port, "nodePort",
		    json_integer(node_port));
}

static void
fill_service(json_t *doc, const struct sim_object *o)
{
	json_t *spec = json_object_get(doc, "spec"), *port;
	const char *type = json_string_value(json_object_get(spec, "type"));
	bool open = type != NULL && (strcmp(type, "LoadBalancer") == 0 ||
	    strcmp(type, "NodePort") == 0);
	json_t *status = json_object_get(doc, "status");
	size_t i;

	/* What is no load balancer any more loses the address of one. */
	if (type != NULL && strcmp(type, "LoadBalancer") != 0 &&
	    json_object_get(status, "loadBalancer") != NULL)
		(void)json_object_set_new(status, "loadBalancer",
		    json_object());
	json_array_foreach(json_object_get(spec, "ports"), i, port) {
		if (!json_is_object(port))
			continue;
		/* A type without node ports takes them away. */
		if (!open)
			(void)json_object_del(port, "nodePort");
		fill_port(port, open, NODE_PORT_FIRST +
		    (o->ordinal + (unsigned)i) % NODE_PORTS);
	}
}

void
sim_defaults_fill(json_t *doc, const struct sim_object *o)
{
	if (o->kind == SIM_SERVICE)
		fill_service(doc, o);
}

#include "tests/kubesim/sim_options.h"

#include <getopt.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "common/log.h"
#include "tests/kubesim/sim_http.h"
#include "tests/kubesim/sim_kinds.h"

#define MIB          (1024u * 1024u)
#define CLUSTERS_MAX 256

static const char usage_text[] =
    "usage: kubesim [options]\n"
    "  --port N              0 (default) picks a free one; 127.0.0.1 only\n"
    "  --tls                 own CA and certificate, made at the start\n"
    "  --http1               no HTTP/2 over TLS\n"
    "  --expired-cert        the certificate was valid until an hour ago\n"
    "  --dir DIR             ca.crt, client.crt and client.key go there\n"
    "  --token T             default: a random one\n"
    "  --context NAME        name of context and cluster (demo)\n"
    "  --print-kubeconfig F  writes a kubeconfig, mode 0600\n"
    "  --seed N              the same seed tells the same story (1)\n"
    "  --objects N           about so many objects (40)\n"
    "  --kinds LIST          which kinds live: all, or names with commas\n"
    "                        (deployment,replicaset,pod)\n"
    "  --pods N              beside them so many pods (0)\n"
    "  --namespaces N        ... in so many namespaces (1)\n"
    "  --pod-bytes N         ... of about so many bytes (10000)\n"
    "  --clusters N          so many of them in this process, on ports of\n"
    "                        their own, contexts NAME, NAME-1, ... (1)\n"
    "  --sni                 all of them on the first one's port too, told\n"
    "                        apart by the name a client asks for:\n"
    "                        NAME.kubesim.example, ... (with --tls)\n"
    "  --clock MS            time stands at this Unix time and moves by\n"
    "                        /_sim/clock alone\n"
    "  --rate N              changes per second of the life (5)\n"
    "  --frozen              no life: only what requests change\n"
    "  --window N            events kept for watches (10000)\n"
    "  --window-ms N         events younger than that are kept too (0)\n"
    "  --truth N             states kept for /_sim/history (200000)\n"
    "  --watch-buffer MIB    what a slow watcher may owe (32)\n"
    "  --continue-ms N       life of a continue token (300000)\n"
    "  --die-with-parent     ends when the starting process does\n";

enum option_id {
	OPT_PORT = 256, OPT_TLS, OPT_HTTP1, OPT_EXPIRED, OPT_DIR, OPT_TOKEN,
	OPT_CONTEXT, OPT_KUBECONFIG, OPT_SEED, OPT_OBJECTS, OPT_RATE,
	OPT_FROZEN, OPT_WINDOW, OPT_TRUTH, OPT_BUFFER, OPT_CONTINUE, OPT_DIE,
	OPT_KINDS, OPT_WINDOW_MS, OPT_PODS, OPT_NAMESPACES, OPT_POD_BYTES,
	OPT_CLUSTERS, OPT_CLOCK, OPT_SNI, OPT_HELP
};

static const struct option long_options[] = {
	{ "port", required_argument, NULL, OPT_PORT },
	{ "tls", no_argument, NULL, OPT_TLS },
	{ "http1", no_argument, NULL, OPT_HTTP1 },
	{ "expired-cert", no_argument, NULL, OPT_EXPIRED },
	{ "dir", required_argument, NULL, OPT_DIR },
	{ "token", required_argument, NULL, OPT_TOKEN },
	{ "context", required_argument, NULL, OPT_CONTEXT },
	{ "print-kubeconfig", required_argument, NULL, OPT_KUBECONFIG },
	{ "seed", required_argument, NULL, OPT_SEED },
	{ "objects", required_argument, NULL, OPT_OBJECTS },
	{ "kinds", required_argument, NULL, OPT_KINDS },
	{ "pods", required_argument, NULL, OPT_PODS },
	{ "namespaces", required_argument, NULL, OPT_NAMESPACES },
	{ "pod-bytes", required_argument, NULL, OPT_POD_BYTES },
	{ "clusters", required_argument, NULL, OPT_CLUSTERS },
	{ "sni", no_argument, NULL, OPT_SNI },
	{ "clock", required_argument, NULL, OPT_CLOCK },
	{ "rate", required_argument, NULL, OPT_RATE },
	{ "frozen", no_argument, NULL, OPT_FROZEN },
	{ "window", required_argument, NULL, OPT_WINDOW },
	{ "window-ms", required_argument, NULL, OPT_WINDOW_MS },
	{ "truth", required_argument, NULL, OPT_TRUTH },
	{ "watch-buffer", required_argument, NULL, OPT_BUFFER },
	{ "continue-ms", required_argument, NULL, OPT_CONTINUE },
	{ "die-with-parent", no_argument, NULL, OPT_DIE },
	{ "help", no_argument, NULL, OPT_HELP },
	{ NULL, 0, NULL, 0 },
};

static uint64_t
number(const char *name, const char *text, uint64_t low, uint64_t high)
{
	uint64_t n;

	if (!sim_http_number(text, &n) || n < low || n > high)
		fatal_config("--%s %s: a number from %llu to %llu", name,
		    text, (unsigned long long)low, (unsigned long long)high);
	return n;
}

/* The kernel kills us with the thread that started us; if that is gone
 * already, nobody would. */
static void
die_with_parent(void)
{
	pid_t parent = getppid();

	if (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0 || getppid() != parent ||
	    parent == 1)
		fatalx("--die-with-parent: the parent is gone");
}

/* Options that are a number of a range, in units of `unit`. */
static const struct {
	int		id;
	enum { AS_UNSIGNED, AS_U64, AS_SIZE, AS_I64, AS_PORT } as;
	size_t		at;
	uint64_t	low;
	uint64_t	high;
	uint64_t	unit;
} numbers[] = {
#define NUMBER(id, as, member, low, high, unit) \
	{ id, as, offsetof(struct sim_options, member), low, high, unit }
	NUMBER(OPT_PORT, AS_PORT, port, 0, UINT16_MAX, 1),
	NUMBER(OPT_SEED, AS_U64, seed, 0, UINT64_MAX, 1),
	NUMBER(OPT_OBJECTS, AS_UNSIGNED, objects, 0, 200000, 1),
	NUMBER(OPT_PODS, AS_UNSIGNED, pods, 0, 1000000, 1),
	NUMBER(OPT_NAMESPACES, AS_UNSIGNED, namespaces, 1, 1000, 1),
	NUMBER(OPT_POD_BYTES, AS_UNSIGNED, pod_bytes, 1, 1000000, 1),
	NUMBER(OPT_CLUSTERS, AS_UNSIGNED, clusters, 1, CLUSTERS_MAX, 1),
	NUMBER(OPT_CLOCK, AS_I64, clock_ms, 1, INT64_MAX / 2, 1),
	NUMBER(OPT_RATE, AS_UNSIGNED, rate, 0, 100000, 1),
	NUMBER(OPT_WINDOW, AS_SIZE, window, 1, 10000000, 1),
	NUMBER(OPT_WINDOW_MS, AS_I64, window_ms, 0, 86400000, 1),
	NUMBER(OPT_TRUTH, AS_SIZE, truth, 1, 10000000, 1),
	NUMBER(OPT_BUFFER, AS_SIZE, watch_buffer, 1, 4096, MIB),
	NUMBER(OPT_CONTINUE, AS_I64, continue_ms, 1, 86400000, 1),
#undef NUMBER
};

/* False: the option is not a number. */
static bool
take_number(struct sim_options *o, int id, const char *name)
{
	size_t i = 0;
	uint64_t n;
	void *at;

	while (i < NELEM(numbers) && numbers[i].id != id)
		i++;
	if (i == NELEM(numbers))
		return false;
	n = number(name, optarg, numbers[i].low, numbers[i].high) *
	    numbers[i].unit;
	at = (char *)o + numbers[i].at;
	switch (numbers[i].as) {
	case AS_UNSIGNED:
		*(unsigned *)at = (unsigned)n;
		break;
	case AS_U64:
		*(uint64_t *)at = n;
		break;
	case AS_SIZE:
		*(size_t *)at = (size_t)n;
		break;
	case AS_I64:
		*(int64_t *)at = (int64_t)n;
		break;
	case AS_PORT:
		*(uint16_t *)at = (uint16_t)n;
		break;
	}
	return true;
}

static void
take_option(struct sim_options *o, int id, const char *name)
{
	if (take_number(o, id, name))
		return;
	switch (id) {
	case OPT_TLS:
		o->tls = true;
		break;
	case OPT_SNI:
		o->sni = true;
		break;
	case OPT_EXPIRED:
		o->expired = true;
		break;
	case OPT_HTTP1:
		o->http1 = true;
		break;
	case OPT_DIR:
		o->dir = optarg;
		break;
	case OPT_TOKEN:
		o->token = optarg;
		break;
	case OPT_CONTEXT:
		o->context = optarg;
		break;
	case OPT_KUBECONFIG:
		o->kubeconfig = optarg;
		break;
	case OPT_KINDS:
		o->kinds = sim_kinds_set(optarg);
		if (o->kinds == 0)
			fatal_config("--kinds %s: all, or names of kinds with "
			    "commas between them", optarg);
		break;
	case OPT_FROZEN:
		o->frozen = true;
		break;
	case OPT_DIE:
		die_with_parent();
		break;
	case OPT_HELP:
		(void)fputs(usage_text, stdout);
		exit(0);
	default:
		(void)fputs(usage_text, stderr);
		exit(64);
	}
}

void
sim_options_parse(struct sim_options *o, int argc, char **argv)
{
	int id, at = 0;

	*o = (struct sim_options){ .context = "demo", .seed = 1, .rate = 5,
	    .kinds = SIM_KINDS_DEFAULT, .namespaces = 1, .pod_bytes = 10000,
	    .clusters = 1, .objects = 40, .window = 10000, .truth = 200000,
	    .watch_buffer = 32 * MIB, .continue_ms = 300000 };
	while ((id = getopt_long(argc, argv, "", long_options, &at)) != -1)
		take_option(o, id, long_options[at].name);
	if (optind != argc)
		take_option(o, '?', "");
	if (o->sni && !o->tls)
		fatal_config("--sni: add --tls, without it no client asks for "
		    "a name");
}

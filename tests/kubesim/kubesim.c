/*
 * kubesim: a simulated Kubernetes API server, for tests and for `make run` on
 * a machine without a cluster. See --help; tests drive it by /_sim/
 * (sim_control.h). It listens on loopback only.
 */
#include <errno.h>
#include <getopt.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"
#include "common/mono.h"
#include "common/xmalloc.h"
#include "tests/kubesim/sim_bulk.h"
#include "tests/kubesim/sim_control.h"
#include "tests/kubesim/sim_faults.h"
#include "tests/kubesim/sim_http.h"
#include "tests/kubesim/sim_kinds.h"
#include "tests/kubesim/sim_life.h"
#include "tests/kubesim/sim_log.h"
#include "tests/kubesim/sim_script.h"
#include "tests/kubesim/sim_seed.h"
#include "tests/kubesim/sim_snapshot.h"
#include "tests/kubesim/sim_tls.h"
#include "tests/kubesim/sim_watch.h"

#define TOKEN_BYTES    16
#define MIB            (1024u * 1024u)
#define LAST_MOMENT_MS 100
#define CLUSTERS_MAX   256

static const char usage_text[] =
    "usage: kubesim [options]\n"
    "  --port N              0 (default) picks a free one; 127.0.0.1 only\n"
    "  --tls                 own CA and certificate, made at the start\n"
    "  --http1               no HTTP/2 over TLS\n"
    "  --dir DIR             ca.crt is written there\n"
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
	OPT_PORT = 256, OPT_TLS, OPT_HTTP1, OPT_DIR, OPT_TOKEN, OPT_CONTEXT,
	OPT_KUBECONFIG, OPT_SEED, OPT_OBJECTS, OPT_RATE, OPT_FROZEN,
	OPT_WINDOW, OPT_TRUTH, OPT_BUFFER, OPT_CONTINUE, OPT_DIE, OPT_KINDS,
	OPT_WINDOW_MS, OPT_PODS, OPT_NAMESPACES, OPT_POD_BYTES, OPT_CLUSTERS,
	OPT_CLOCK, OPT_HELP
};

static const struct option long_options[] = {
	{ "port", required_argument, NULL, OPT_PORT },
	{ "tls", no_argument, NULL, OPT_TLS },
	{ "http1", no_argument, NULL, OPT_HTTP1 },
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
	NUMBER(OPT_BUFFER, AS_SIZE, watch_buffer, 1, 1024, MIB),
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

static void
parse_options(struct sim_options *o, int argc, char **argv)
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
}

static char *
random_token(void)
{
	unsigned char raw[TOKEN_BYTES];
	struct buf b = BUF_EMPTY;

	if (RAND_bytes(raw, sizeof(raw)) != 1)
		fatalx("no random numbers for a token");
	for (size_t i = 0; i < sizeof(raw); i++)
		buf_addf(&b, "%02x", raw[i]);
	return buf_cstr(&b);
}

/* ---- the kubeconfig ---- */

static char *
base64(const char *text)
{
	size_t n = strlen(text);
	char *out = xmalloc(n * 4 / 3 + 8);

	(void)EVP_EncodeBlock((unsigned char *)out,
	    (const unsigned char *)text, (int)n);
	return out;
}

/* The name of the cluster and its context: the first has no number. */
static char *
cluster_name(const struct sim_options *o, unsigned i)
{
	return i == 0 ? xstrdup(o->context) : xasprintf("%s-%u", o->context,
	    i);
}

static void
add_clusters(struct buf *b, const struct sim_options *o, char *const *urls,
    const char *ca)
{
	char *data = ca != NULL ? base64(ca) : NULL, *name;

	buf_adds(b, "clusters:\n");
	for (unsigned i = 0; i < o->clusters; i++) {
		name = cluster_name(o, i);
		buf_addf(b, "- name: %s\n  cluster:\n    server: %s\n", name,
		    urls[i]);
		if (data != NULL)
			buf_addf(b, "    certificate-authority-data: %s\n",
			    data);
		free(name);
	}
	free(data);
}

static void
kubeconfig_text(struct buf *b, const struct sim_options *o, char *const *urls,
    const char *ca)
{
	char *name;

	buf_addf(b, "apiVersion: v1\nkind: Config\ncurrent-context: %s\n",
	    o->context);
	add_clusters(b, o, urls, ca);
	buf_adds(b, "contexts:\n");
	for (unsigned i = 0; i < o->clusters; i++) {
		name = cluster_name(o, i);
		buf_addf(b, "- name: %s\n  context:\n    cluster: %s\n"
		    "    user: %s\n", name, name, o->context);
		free(name);
	}
	buf_addf(b, "users:\n- name: %s\n  user:\n    token: %s\n",
	    o->context, o->token);
}

/* By a temporary name, so that no reader sees half of it. */
static void
write_kubeconfig(const struct sim_options *o, char *const *urls,
    const char *ca)
{
	char *temporary = xasprintf("%s.new", o->kubeconfig);
	struct buf b = BUF_EMPTY;
	FILE *f;

	kubeconfig_text(&b, o, urls, ca);
	(void)umask(077);
	f = fopen(temporary, "we");
	if (f == NULL || fwrite(b.data, 1, b.len, f) != b.len ||
	    fclose(f) != 0 || rename(temporary, o->kubeconfig) != 0)
		fatal("--print-kubeconfig %s", o->kubeconfig);
	buf_free(&b);
	free(temporary);
}

/* ---- start and end ---- */

/* All clusters of this process. */
struct process {
	struct event_base	*base;
	struct sim		*sim;
	unsigned		 n;
};

/* Watches end cleanly, and there is a moment for it to reach the readers. */
static void
kubesim_signal_cb(UNUSED evutil_socket_t fd, UNUSED short what, void *arg)
{
	struct timeval tv = mono_timeval_ms(LAST_MOMENT_MS);
	struct process *p = arg;

	for (unsigned i = 0; i < p->n; i++)
		sim_watch_drop_all(p->sim[i].watches, false);
	(void)event_base_loopexit(p->base, &tv);
}

static struct event *
on_signal(struct process *p, int number_)
{
	struct event *ev = evsignal_new(p->base, number_, kubesim_signal_cb,
	    p);

	if (ev == NULL || event_add(ev, NULL) != 0)
		fatalx("cannot wait for signal %d", number_);
	return ev;
}

/* Returns the cluster's URL, to be freed. */
static char *
start(struct sim *sim, SSL_CTX *tls, uint16_t *ret_replica)
{
	struct err err = { 0 };
	uint16_t port;

	sim->store = sim_store_new(sim->opt.seed, sim->opt.window,
	    sim->opt.truth);
	sim_modes_init(&sim->modes);
	sim->replica_rv = UINT64_MAX;
	sim->log = sim_log_new();
	sim->store->window_ms = sim->opt.window_ms;
	sim->store->clock_ms = sim->opt.clock_ms;
	sim_seed_fill(sim->store, sim->opt.kinds, sim->opt.objects);
	if (sim->opt.pods != 0)
		sim_seed_crowd(sim->store, sim->opt.pods,
		    sim->opt.namespaces, sim->opt.pod_bytes);
	sim_store_compact(sim->store);
	sim->faults = sim_faults_new();
	sim->control = sim_control_new(sim);
	sim->shelf = sim_shelf_new();
	sim->watches = sim_watch_new(sim);
	sim->life = sim_life_new(sim);
	sim->bulk = sim_bulk_new(sim);
	sim->script = sim_script_new(sim);
	if (sim_http_new(sim, tls, &sim->http, &port, ret_replica, &err) != 0)
		fatalx("%s", err.text);
	return xasprintf("%s://127.0.0.1:%u", tls != NULL ? "https" : "http",
	    port);
}

/* The first cluster has the options as they are; the others free ports and
 * seeds of their own. */
static void
start_all(struct process *p, const struct sim_options *o, SSL_CTX *tls,
    const char *ca)
{
	uint16_t *replicas = xcalloc(o->clusters, sizeof(*replicas));
	char **urls = xcalloc(o->clusters, sizeof(*urls));
	struct sim *sim;

	p->sim = xcalloc(o->clusters, sizeof(*p->sim));
	for (; p->n < o->clusters; p->n++) {
		sim = &p->sim[p->n];
		sim->base = p->base;
		sim->opt = *o;
		sim->opt.seed += p->n;
		if (p->n != 0)
			sim->opt.port = 0;
		urls[p->n] = start(sim, tls, &replicas[p->n]);
	}
	if (o->kubeconfig != NULL)
		write_kubeconfig(o, urls, ca);
	for (unsigned i = 0; i < o->clusters; i++)
		(void)printf("replica on port %u\nlistening on %s\n",
		    replicas[i], urls[i]);
	(void)fflush(stdout);
	log_info("simulated cluster \"%s\" of %u objects on %s, %s",
	    o->context, o->objects, urls[0], o->frozen ? "frozen" : "alive");
	for (unsigned i = 0; i < o->clusters; i++)
		free(urls[i]);
	free(urls);
	free(replicas);
}

static void
stop_all(struct process *p)
{
	struct sim *sim;

	for (unsigned i = 0; i < p->n; i++) {
		sim_script_free(p->sim[i].script);
		sim_bulk_free(p->sim[i].bulk);
		sim_life_free(p->sim[i].life);
		sim_http_free(p->sim[i].http);
	}
	/* Freed bufferevents hold their SSL until the loop has turned. */
	(void)event_base_loop(p->base, EVLOOP_NONBLOCK);
	for (unsigned i = 0; i < p->n; i++) {
		sim = &p->sim[i];
		sim_watch_free(sim->watches);
		sim_shelf_free(sim->shelf);
		sim_control_free(sim->control);
		sim_faults_free(sim->faults);
		sim_access_clear(&sim->access);
		sim_log_free(sim->log);
		sim_store_free(sim->store);
	}
	free(p->sim);
	event_base_free(p->base);
}

int
main(int argc, char **argv)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	struct event *term, *interrupt;
	struct sim_options opt;
	struct process process = { 0 };
	struct err err = { 0 };
	char *ca = NULL, *token = NULL;
	SSL_CTX *tls = NULL;

	log_init("kubesim", LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
	parse_options(&opt, argc, argv);
	if (opt.token == NULL)
		opt.token = token = random_token();
	(void)sigaction(SIGPIPE, &ignore, NULL);
	process.base = event_base_new();
	if (process.base == NULL)
		fatalx("no event loop");
	if (opt.tls && sim_tls_new(opt.dir, !opt.http1, &tls, &ca, &err) != 0)
		fatalx("%s", err.text);
	/* Before it says that it listens: who reads that may end it at once. */
	term = on_signal(&process, SIGTERM);
	interrupt = on_signal(&process, SIGINT);
	start_all(&process, &opt, tls, ca);
	(void)event_base_dispatch(process.base);
	event_free(term);
	event_free(interrupt);
	stop_all(&process);
	SSL_CTX_free(tls);
	free(token);
	free(ca);
	return 0;
}

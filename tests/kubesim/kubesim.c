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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"
#include "common/mono.h"
#include "common/xmalloc.h"
#include "tests/kubesim/sim_control.h"
#include "tests/kubesim/sim_faults.h"
#include "tests/kubesim/sim_http.h"
#include "tests/kubesim/sim_kinds.h"
#include "tests/kubesim/sim_life.h"
#include "tests/kubesim/sim_log.h"
#include "tests/kubesim/sim_seed.h"
#include "tests/kubesim/sim_snapshot.h"
#include "tests/kubesim/sim_tls.h"
#include "tests/kubesim/sim_watch.h"

#define TOKEN_BYTES    16
#define MIB            (1024u * 1024u)
#define LAST_MOMENT_MS 100

static const char usage_text[] =
    "usage: kubesim [options]\n"
    "  --port N              0 (default) picks a free one; 127.0.0.1 only\n"
    "  --tls                 own CA and certificate, made at the start\n"
    "  --dir DIR             ca.crt is written there\n"
    "  --token T             default: a random one\n"
    "  --context NAME        name of context and cluster (demo)\n"
    "  --print-kubeconfig F  writes a kubeconfig, mode 0600\n"
    "  --seed N              the same seed tells the same story (1)\n"
    "  --objects N           about so many objects (40)\n"
    "  --kinds LIST          which kinds live: all, or names with commas\n"
    "                        (deployment,replicaset,pod)\n"
    "  --rate N              changes per second of the life (5)\n"
    "  --frozen              no life: only what requests change\n"
    "  --window N            events kept for watches (10000)\n"
    "  --window-ms N         events younger than that are kept too (0)\n"
    "  --truth N             states kept for /_sim/history (200000)\n"
    "  --watch-buffer MIB    what a slow watcher may owe (32)\n"
    "  --continue-ms N       life of a continue token (300000)\n"
    "  --die-with-parent     ends when the starting process does\n";

enum option_id {
	OPT_PORT = 256, OPT_TLS, OPT_DIR, OPT_TOKEN, OPT_CONTEXT,
	OPT_KUBECONFIG, OPT_SEED, OPT_OBJECTS, OPT_RATE, OPT_FROZEN,
	OPT_WINDOW, OPT_TRUTH, OPT_BUFFER, OPT_CONTINUE, OPT_DIE, OPT_KINDS,
	OPT_WINDOW_MS, OPT_HELP
};

static const struct option long_options[] = {
	{ "port", required_argument, NULL, OPT_PORT },
	{ "tls", no_argument, NULL, OPT_TLS },
	{ "dir", required_argument, NULL, OPT_DIR },
	{ "token", required_argument, NULL, OPT_TOKEN },
	{ "context", required_argument, NULL, OPT_CONTEXT },
	{ "print-kubeconfig", required_argument, NULL, OPT_KUBECONFIG },
	{ "seed", required_argument, NULL, OPT_SEED },
	{ "objects", required_argument, NULL, OPT_OBJECTS },
	{ "kinds", required_argument, NULL, OPT_KINDS },
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

static void
take_option(struct sim_options *o, int id, const char *name)
{
	switch (id) {
	case OPT_PORT:
		o->port = (uint16_t)number(name, optarg, 0, UINT16_MAX);
		break;
	case OPT_TLS:
		o->tls = true;
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
	case OPT_SEED:
		o->seed = number(name, optarg, 0, UINT64_MAX);
		break;
	case OPT_OBJECTS:
		o->objects = (unsigned)number(name, optarg, 0, 200000);
		break;
	case OPT_KINDS:
		o->kinds = sim_kinds_set(optarg);
		if (o->kinds == 0)
			fatal_config("--kinds %s: all, or names of kinds with "
			    "commas between them", optarg);
		break;
	case OPT_RATE:
		o->rate = (unsigned)number(name, optarg, 0, 100000);
		break;
	case OPT_FROZEN:
		o->frozen = true;
		break;
	case OPT_WINDOW:
		o->window = number(name, optarg, 1, 10000000);
		break;
	case OPT_WINDOW_MS:
		o->window_ms = (int64_t)number(name, optarg, 0, 86400000);
		break;
	case OPT_TRUTH:
		o->truth = number(name, optarg, 1, 10000000);
		break;
	case OPT_BUFFER:
		o->watch_buffer = number(name, optarg, 1, 1024) * MIB;
		break;
	case OPT_CONTINUE:
		o->continue_ms = (int64_t)number(name, optarg, 1, 86400000);
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
	    .kinds = SIM_KINDS_DEFAULT, .objects = 40, .window = 10000, .truth = 200000,
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

static void
kubeconfig_text(struct buf *b, const struct sim_options *o, const char *url,
    const char *ca)
{
	char *data;

	buf_addf(b, "apiVersion: v1\nkind: Config\ncurrent-context: %s\n"
	    "clusters:\n- name: %s\n  cluster:\n    server: %s\n",
	    o->context, o->context, url);
	if (ca != NULL) {
		data = base64(ca);
		buf_addf(b, "    certificate-authority-data: %s\n", data);
		free(data);
	}
	buf_addf(b, "contexts:\n- name: %s\n  context:\n    cluster: %s\n"
	    "    user: %s\nusers:\n- name: %s\n  user:\n    token: %s\n",
	    o->context, o->context, o->context, o->context, o->token);
}

/* By a temporary name, so that no reader sees half of it. */
static void
write_kubeconfig(const struct sim_options *o, const char *url, const char *ca)
{
	char *temporary = xasprintf("%s.new", o->kubeconfig);
	struct buf b = BUF_EMPTY;
	FILE *f;

	kubeconfig_text(&b, o, url, ca);
	(void)umask(077);
	f = fopen(temporary, "we");
	if (f == NULL || fwrite(b.data, 1, b.len, f) != b.len ||
	    fclose(f) != 0 || rename(temporary, o->kubeconfig) != 0)
		fatal("--print-kubeconfig %s", o->kubeconfig);
	buf_free(&b);
	free(temporary);
}

/* ---- start and end ---- */

/* Watches end cleanly, and there is a moment for it to reach the readers. */
static void
kubesim_signal_cb(UNUSED evutil_socket_t fd, UNUSED short what, void *arg)
{
	struct timeval tv = mono_timeval_ms(LAST_MOMENT_MS);
	struct sim *sim = arg;

	sim_watch_drop_all(sim->watches, false);
	(void)event_base_loopexit(sim->base, &tv);
}

static struct event *
on_signal(struct sim *sim, int number_)
{
	struct event *ev = evsignal_new(sim->base, number_, kubesim_signal_cb,
	    sim);

	if (ev == NULL || event_add(ev, NULL) != 0)
		fatalx("cannot wait for signal %d", number_);
	return ev;
}

static void
start(struct sim *sim, SSL_CTX *tls, const char *ca)
{
	struct err err = { 0 };
	uint16_t port, replica;
	char *url;

	sim->store = sim_store_new(sim->opt.seed, sim->opt.window,
	    sim->opt.truth);
	sim->store->window_ms = sim->opt.window_ms;
	sim_seed_fill(sim->store, sim->opt.kinds, sim->opt.objects);
	sim_store_compact(sim->store);
	sim_modes_init(&sim->modes);
	sim->replica_rv = UINT64_MAX;
	sim->log = sim_log_new();
	sim->faults = sim_faults_new();
	sim->control = sim_control_new(sim);
	sim->shelf = sim_shelf_new();
	sim->watches = sim_watch_new(sim);
	sim->life = sim_life_new(sim);
	if (sim_http_new(sim, tls, &sim->http, &port, &replica, &err) != 0)
		fatalx("%s", err.text);
	url = xasprintf("%s://127.0.0.1:%u", tls != NULL ? "https" : "http",
	    port);
	if (sim->opt.kubeconfig != NULL)
		write_kubeconfig(&sim->opt, url, ca);
	(void)printf("replica on port %u\nlistening on %s\n", replica, url);
	(void)fflush(stdout);
	log_info("simulated cluster \"%s\" of %u objects on %s, %s",
	    sim->opt.context, sim->opt.objects, url,
	    sim->opt.frozen ? "frozen" : "alive");
	free(url);
}

static void
stop(struct sim *sim)
{
	sim_life_free(sim->life);
	sim_http_free(sim->http);
	/* Freed bufferevents hold their SSL until the loop has turned. */
	(void)event_base_loop(sim->base, EVLOOP_NONBLOCK);
	sim_watch_free(sim->watches);
	sim_shelf_free(sim->shelf);
	sim_control_free(sim->control);
	sim_faults_free(sim->faults);
	sim_access_clear(&sim->access);
	sim_log_free(sim->log);
	sim_store_free(sim->store);
	event_base_free(sim->base);
}

int
main(int argc, char **argv)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	struct sim sim = { 0 };
	struct event *term, *interrupt;
	struct err err = { 0 };
	char *ca = NULL, *token = NULL;
	SSL_CTX *tls = NULL;

	log_init("kubesim", LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
	parse_options(&sim.opt, argc, argv);
	if (sim.opt.token == NULL)
		sim.opt.token = token = random_token();
	(void)sigaction(SIGPIPE, &ignore, NULL);
	sim.base = event_base_new();
	if (sim.base == NULL)
		fatalx("no event loop");
	if (sim.opt.tls &&
	    sim_tls_new(sim.opt.dir, &tls, &ca, &err) != 0)
		fatalx("%s", err.text);
	/* Before it says that it listens: who reads that may end it at once. */
	term = on_signal(&sim, SIGTERM);
	interrupt = on_signal(&sim, SIGINT);
	start(&sim, tls, ca);
	(void)event_base_dispatch(sim.base);
	event_free(term);
	event_free(interrupt);
	stop(&sim);
	SSL_CTX_free(tls);
	free(token);
	free(ca);
	return 0;
}

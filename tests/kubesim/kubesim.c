/*
 * kubesim: a simulated Kubernetes API server, for tests and for `make run` on
 * a machine without a cluster. See --help; tests drive it by /_sim/
 * (sim_control.h). It listens on loopback only.
 */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/log.h"
#include "common/mono.h"
#include "common/xmalloc.h"
#include "tests/kubesim/sim_bulk.h"
#include "tests/kubesim/sim_control.h"
#include "tests/kubesim/sim_faults.h"
#include "tests/kubesim/sim_http.h"
#include "tests/kubesim/sim_life.h"
#include "tests/kubesim/sim_log.h"
#include "tests/kubesim/sim_options.h"
#include "tests/kubesim/sim_script.h"
#include "tests/kubesim/sim_seed.h"
#include "tests/kubesim/sim_snapshot.h"
#include "tests/kubesim/sim_tls.h"
#include "tests/kubesim/sim_watch.h"

#define TOKEN_BYTES    16
#define LAST_MOMENT_MS 100

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
		    urls[o->sni ? 0 : i]);
		if (o->sni)
			buf_addf(b, "    tls-server-name: %s.%s\n", name,
			    SIM_TLS_DOMAIN);
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
	char **urls = xcalloc(o->clusters, sizeof(*urls)), *name;
	struct sim *sim;

	p->sim = xcalloc(o->clusters, sizeof(*p->sim));
	for (; p->n < o->clusters; p->n++) {
		sim = &p->sim[p->n];
		sim->base = p->base;
		sim->opt = *o;
		sim->opt.seed += p->n;
		if (p->n != 0)
			sim->opt.port = 0;
		name = cluster_name(o, p->n);
		sim->host = xasprintf("%s.%s", name, SIM_TLS_DOMAIN);
		free(name);
		sim->all = o->sni ? p->sim : NULL;
		sim->n_all = o->clusters;
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
		free(sim->host);
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
	struct sim_tls wish;
	struct process process = { 0 };
	struct err err = { 0 };
	char *ca = NULL, *token = NULL;
	SSL_CTX *tls = NULL;

	log_init("kubesim", LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
	sim_options_parse(&opt, argc, argv);
	if (opt.token == NULL)
		opt.token = token = random_token();
	(void)sigaction(SIGPIPE, &ignore, NULL);
	process.base = event_base_new();
	if (process.base == NULL)
		fatalx("no event loop");
	wish = (struct sim_tls){ .directory = opt.dir, .http2 = !opt.http1,
	    .expired = opt.expired };
	if (opt.tls && sim_tls_new(&wish, &tls, &ca, &err) != 0)
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

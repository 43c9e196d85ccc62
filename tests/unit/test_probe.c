/*
 * health/probe and health/metadata: real requests to a server of a few lines
 * that answers each path as the test says.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <curl/curl.h>

#include "common/macros.h"
#include "common/mono.h"
#include "health/metadata.h"
#include "health/probe.h"

#define HANG    (-1)    /* as a status: never answer */
#define WAIT_MS 60000   /* for what comes */

struct answer {
	const char	*path;      /* what the target begins with */
	int		 status;
	const char	*body;
};

struct server {
	int			 listener;
	pthread_t		 thread;
	const struct answer	*answers;
	size_t			 n;
	char			 url[64];
	atomic_bool		 cancelled;
	atomic_int		 connections;
};

static const struct answer *
find_answer(const struct server *s, const char *request)
{
	for (size_t i = 0; i < s->n; i++)
		if (strncmp(request + 4, s->answers[i].path,
		    strlen(s->answers[i].path)) == 0)
			return &s->answers[i];
	return NULL;
}

/* Serves one connection until the client closes it. */
static void
serve(struct server *s, int fd)
{
	const struct answer *a;
	char in[8192], head[256];
	size_t n = 0;
	ssize_t got;
	int len;

	while ((got = read(fd, in + n, sizeof(in) - n - 1)) > 0) {
		n += (size_t)got;
		in[n] = '\0';
		if (strstr(in, "\r\n\r\n") == NULL)
			continue;
		a = find_answer(s, in);
		n = 0;
		if (a != NULL && a->status == HANG)
			continue;
		len = snprintf(head, sizeof(head), "HTTP/1.1 %d x\r\n"
		    "Content-Length: %zu\r\n\r\n", a != NULL ? a->status : 404,
		    a != NULL ? strlen(a->body) : 0);
		(void)!write(fd, head, (size_t)len);
		if (a != NULL)
			(void)!write(fd, a->body, strlen(a->body));
	}
}

static void *
server_main(void *arg)
{
	struct server *s = arg;
	int fd;

	while ((fd = accept(s->listener, NULL, NULL)) >= 0) {
		(void)atomic_fetch_add(&s->connections, 1);
		serve(s, fd);
		(void)close(fd);
	}
	return NULL;
}

/* A port of its own, to which nobody listens yet. */
static void
server_bind(struct server *s)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	socklen_t size = sizeof(sin);

	memset(s, 0, sizeof(*s));
	s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(s->listener, (struct sockaddr *)(void *)&sin,
	    size), 0);
	assert_int_equal(getsockname(s->listener,
	    (struct sockaddr *)(void *)&sin, &size), 0);
	(void)snprintf(s->url, sizeof(s->url), "http://127.0.0.1:%d",
	    ntohs(sin.sin_port));
}

static void
server_start(struct server *s, const struct answer *answers, size_t n)
{
	server_bind(s);
	s->answers = answers;
	s->n = n;
	assert_int_equal(listen(s->listener, 8), 0);
	assert_int_equal(pthread_create(&s->thread, NULL, server_main, s), 0);
}

static void
server_stop(struct server *s)
{
	(void)shutdown(s->listener, SHUT_RDWR);
	(void)pthread_join(s->thread, NULL);
	(void)close(s->listener);
}

static struct mono
in_ms(int64_t ms)
{
	return mono_add_ms(mono_now(), ms);
}

static void
probe_for(int64_t ms, struct server *s, const struct answer *answers,
    size_t n, struct probe_result *ret)
{
	struct kube_credentials cred = { 0 };

	server_start(s, answers, n);
	cred.server = s->url;
	probe_run(&cred, in_ms(ms), &s->cancelled, ret);
	server_stop(s);
}

static void
probe(struct server *s, const struct answer *answers, size_t n,
    struct probe_result *ret)
{
	probe_for(WAIT_MS, s, answers, n, ret);
}

#define VERSION "{\"gitVersion\":\"v1.36.1\",\"platform\":\"linux/amd64\"}"

static void
test_a_ready_server_is_ok_and_tells_its_version(void **state UNUSED)
{
	static const struct answer answers[] = {
		{ "/readyz", 200, "ok" }, { "/version", 200, VERSION },
	};
	struct mono before = mono_now();
	struct probe_result r;
	struct server s;

	probe(&s, answers, NELEM(answers), &r);
	assert_int_equal(r.finding.code, PROBE_OK);
	assert_string_equal(r.version, "v1.36.1");
	assert_string_equal(r.platform, "linux/amd64");
	assert_in_range(r.latency_ms, 0, mono_diff_ms(mono_now(), before));
	assert_int_equal(atomic_load(&s.connections), 1);
}

static void
test_an_old_server_is_asked_for_healthz_then_version(void **state UNUSED)
{
	static const struct answer healthz[] = {
		{ "/readyz", 404, "" }, { "/healthz", 200, "ok" },
	};
	static const struct answer version[] = {
		{ "/readyz", 403, "" }, { "/healthz", 403, "" },
		{ "/version", 200, VERSION },
	};
	struct probe_result r;
	struct server s;

	probe(&s, healthz, NELEM(healthz), &r);
	assert_int_equal(r.finding.code, PROBE_OK);
	assert_string_equal(r.version, "");
	probe(&s, version, NELEM(version), &r);
	assert_int_equal(r.finding.code, PROBE_OK);
	assert_string_equal(r.version, "v1.36.1");
}

static void
test_a_server_that_is_not_ready_says_which_checks_fail(void **state UNUSED)
{
	static const struct answer answers[] = {
		{ "/readyz", 500, "[+]ping ok\n[-]etcd failed: x\n" },
		{ "/version", 200, VERSION },
	};
	struct probe_result r;
	struct server s;

	probe(&s, answers, NELEM(answers), &r);
	assert_int_equal(r.finding.code, PROBE_NOT_READY);
	assert_true(r.finding.reachable);
	assert_non_null(strstr(r.finding.message, "etcd"));
	assert_string_equal(r.version, "v1.36.1");
}

static void
test_a_refused_connection_is_tcp(void **state UNUSED)
{
	struct kube_credentials cred = { 0 };
	struct probe_result r;
	struct server s;

	/* Kept, so that nobody else comes to listen there. */
	server_bind(&s);
	cred.server = s.url;
	probe_run(&cred, in_ms(WAIT_MS), &s.cancelled, &r);
	(void)close(s.listener);
	assert_int_equal(r.finding.code, PROBE_TCP);
	assert_false(r.finding.reachable);
}

static void
test_a_server_that_hangs_is_given_up_within_the_budget(void **state UNUSED)
{
	static const struct answer answers[] = { { "/readyz", HANG, "" } };
	struct mono before = mono_now();
	struct probe_result r;
	struct server s;

	probe_for(PROBE_BUDGET_MS, &s, answers, NELEM(answers), &r);
	assert_int_equal(r.finding.code, PROBE_TIMEOUT);
	assert_in_range(mono_diff_ms(mono_now(), before), PROBE_BUDGET_MS - 50,
	    PROBE_BUDGET_MS + 2000);
}

static void
test_the_budget_is_for_all_requests_together(void **state UNUSED)
{
	static const struct answer answers[] = {
		{ "/readyz", 200, "ok" }, { "/version", HANG, "" },
	};
	struct mono before = mono_now();
	struct probe_result r;
	struct server s;

	probe_for(PROBE_BUDGET_MS, &s, answers, NELEM(answers), &r);
	assert_int_equal(r.finding.code, PROBE_OK);
	assert_string_equal(r.version, "");
	assert_in_range(mono_diff_ms(mono_now(), before), 0,
	    PROBE_BUDGET_MS + 2000);
}

static void *
cancel_soon(void *arg)
{
	struct timespec ts = { .tv_nsec = 100000000 };
	struct server *s = arg;

	(void)nanosleep(&ts, NULL);
	atomic_store(&s->cancelled, true);
	return NULL;
}

static void
test_a_cancelled_check_ends_within_about_a_second(void **state UNUSED)
{
	static const struct answer answers[] = { { "/readyz", HANG, "" } };
	struct kube_credentials cred = { 0 };
	struct mono before = mono_now();
	struct probe_result r;
	pthread_t canceller;
	struct server s;

	server_start(&s, answers, NELEM(answers));
	cred.server = s.url;
	assert_int_equal(pthread_create(&canceller, NULL, cancel_soon, &s), 0);
	probe_run(&cred, in_ms(PROBE_BUDGET_MS), &s.cancelled, &r);
	(void)pthread_join(canceller, NULL);
	server_stop(&s);
	assert_in_range(mono_diff_ms(mono_now(), before), 90, 3000);
}

static void
test_metadata_is_read_in_pages_and_what_is_forbidden_stays_unknown(
    void **state UNUSED)
{
	static const struct answer answers[] = {
		{ "/version", 200, VERSION },
		{ "/api/v1/nodes?limit=250&continue=x%2Fy", 200,
		    "{\"metadata\":{},\"items\":[{\"status\":{\"capacity\":{"
		    "\"cpu\":\"2\",\"memory\":\"1Ki\"}}}]}" },
		{ "/api/v1/nodes?limit=250", 200,
		    "{\"metadata\":{\"continue\":\"x/y\","
		    "\"remainingItemCount\":1},\"items\":[{\"status\":{"
		    "\"capacity\":{\"cpu\":\"1\",\"memory\":\"1Ki\"}}}]}" },
		{ "/api/v1/namespaces", 403, "{\"kind\":\"Status\"}" },
		{ "/apis/storage.k8s.io/v1/storageclasses", 200,
		    "{\"metadata\":{},\"items\":[{\"metadata\":{"
		    "\"name\":\"fast\"}}]}" },
	};
	struct kube_credentials cred = { 0 };
	struct cluster_facts f;
	struct err err = { 0 };
	struct server s;

	server_start(&s, answers, NELEM(answers));
	cred.server = s.url;
	assert_int_equal(metadata_fetch(&cred, &s.cancelled, &f, &err), 0);
	assert_true(f.nodes_known);
	assert_int_equal(f.node_count, 2);
	assert_int_equal(f.cpu_milli, 3000);
	assert_int_equal(f.memory_bytes, 2048);
	assert_string_equal(f.version, "v1.36.1");
	assert_false(f.namespaces.known);
	assert_true(f.storage_classes.known);
	assert_string_equal(f.storage_classes.at[0], "fast");
	cluster_facts_free(&f);
	server_stop(&s);
	server_bind(&s);
	assert_int_equal(metadata_fetch(&cred, &s.cancelled, &f, &err), -1);
	assert_true(err.text[0] != '\0');
	(void)close(s.listener);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_a_ready_server_is_ok_and_tells_its_version),
		cmocka_unit_test(
		    test_an_old_server_is_asked_for_healthz_then_version),
		cmocka_unit_test(
		    test_a_server_that_is_not_ready_says_which_checks_fail),
		cmocka_unit_test(test_a_refused_connection_is_tcp),
		cmocka_unit_test(
		    test_a_server_that_hangs_is_given_up_within_the_budget),
		cmocka_unit_test(test_the_budget_is_for_all_requests_together),
		cmocka_unit_test(
		    test_a_cancelled_check_ends_within_about_a_second),
		cmocka_unit_test(
	    test_metadata_is_read_in_pages_and_what_is_forbidden_stays_unknown),
	};

	(void)curl_global_init(CURL_GLOBAL_DEFAULT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

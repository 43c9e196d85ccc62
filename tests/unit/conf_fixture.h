/*
 * What the configuration's unit tests share: a file's text read, and a
 * configuration printed.
 */
#ifndef SLUICE_CONF_FIXTURE_H
#define SLUICE_CONF_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/conf_table.h"
#include "common/xmalloc.h"

/* Parses; problems in *ret_text (to be freed), their number as result. */
static UNUSED int
parse(struct conf *conf, const char *text, char **ret_text)
{
	size_t n = 0;
	FILE *f = open_memstream(ret_text, &n);
	int count = conf_parse(conf, text, strlen(text), "f.yaml", f);

	(void)fclose(f);
	return count;
}

/* One problem, and this one. */
static UNUSED void
expect(const char *text, const char *problem)
{
	struct conf conf;
	char *said = NULL;
	int count = parse(&conf, text, &said);

	if (count != 1 || strstr(said, problem) == NULL)
		fail_msg("%s: %d problems, \"%s\"; want \"%s\"", text, count,
		    said, problem);
	free(said);
	conf_free(&conf);
}

static UNUSED char *
print(const struct conf *conf)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	conf_print(conf, f);
	(void)fclose(f);
	return text;
}

/* A file with many a key. */
static UNUSED const char full[] =
    "listen: \"[::1]:9000\"\n"
    "state_directory: /tmp/s/\n"
    "mongodb: mongodb://u:p%40@h:27017/kubeorch?w=1\n"
    "kubeconfig: /a/b:/c d/\"e\"\n"
    "contexts: [prod, \"with: colon\", \"null\", \"-x\"]\n"
    "clusters: [{id: one, context: \"T\\u00eate \\\"q\\\" \\\\ \\t\", "
    "kubeconfig: /k}, two]\n"
    "encryption_key_file: /key\n"
    "auth: jwt\n"
    "jwt: {jwks_file: /keys, issuer: \"https://i: x\", audience: a, "
    "cookie: __Host-s}\n"
    "gateway: {processes: 3, cors_origins: [https://a.example:1], "
    "trusted_proxies: [10.0.0.0/8, \"::1\"], max_per_address: 7, "
    "max_connections: 100, ring: 1MiB}\n"
    "health: {workers: 2, interval: 90s, metadata_max_age: 1h}\n"
    "watch: {kinds: [pod], backoff: {base: 1s, max: 1500ms}, "
    "http2: false, custom: [{group: example.com, version: v1, "
    "resource: widgets, kind: Widget}, {group: \"\", version: v1, "
    "resource: endpoints, kind: Endpoints}]}\n"
    "journal: {size: 100MiB, segment: 5000KiB, retain: 2h, sync: always, "
    "max_streams: 5000, idempotency: {window: 1m, keys: 1000}}\n"
    "supervise: {first: 1ms, circuit_deaths: 1000}\n"
    "log: {level: debug, format: json}\n"
    "streams: {job: {retry: 1s, on_overflow: close}, default: "
    "{idle_timeout: off, retry: 2s, heartbeat_form: comment}}\n";

#endif

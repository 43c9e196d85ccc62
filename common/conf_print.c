#include "common/conf_value.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* --- printing ------------------------------------------------------------ */

/* A plain scalar only where YAML can read nothing else into it. */
static bool
is_plain(const char *text)
{
	if (*text == '\0' || strcmp(text, "null") == 0)
		return false;
	if (*text == '-' || *text == ':')
		return false;
	for (const char *p = text; *p != '\0'; p++) {
		bool word = (*p >= 'a' && *p <= 'z') ||
		    (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') ||
		    *p == '/' || *p == '.' || *p == '_' || *p == '-' ||
		    *p == '+' || *p == '@' ||
		    (*p == ':' && p[1] != '\0' && p[1] != ' ');

		if (!word)
			return false;
	}
	return true;
}

/* A quoted YAML scalar, or a bare one where nothing can be misread. */
static void
value_text(const char *text, FILE *out)
{
	if (is_plain(text)) {
		(void)fputs(text, out);
		return;
	}
	(void)fputc('"', out);
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			(void)fprintf(out, "\\%c", c);
		else if (c < 0x20 || c == 0x7f)
			(void)fprintf(out, "\\x%02x", c);
		else
			(void)fputc(c, out);
	}
	(void)fputc('"', out);
}

static void
print_strings(char *const *list, size_t n, FILE *out)
{
	(void)fputc('[', out);
	for (size_t i = 0; i < n; i++) {
		if (i != 0)
			(void)fputs(", ", out);
		value_text(list[i], out);
	}
	(void)fputc(']', out);
}

static void
print_clusters(const struct conf_cluster *list, size_t n, FILE *out)
{
	(void)fputc('[', out);
	for (size_t i = 0; i < n; i++) {
		(void)fputs(i != 0 ? ", {id: " : "{id: ", out);
		value_text(list[i].id, out);
		(void)fputs(", context: ", out);
		value_text(list[i].context, out);
		if (list[i].kubeconfig != NULL) {
			(void)fputs(", kubeconfig: ", out);
			value_text(list[i].kubeconfig, out);
		}
		(void)fputc('}', out);
	}
	(void)fputc(']', out);
}

/* The name is made of the rest. */
static void
print_custom(const struct conf_kind *list, size_t n, FILE *out)
{
	(void)fputc('[', out);
	for (size_t i = 0; i < n; i++) {
		(void)fputs(i != 0 ? ", {group: " : "{group: ", out);
		value_text(list[i].group, out);
		(void)fputs(", version: ", out);
		value_text(list[i].version, out);
		(void)fputs(", resource: ", out);
		value_text(list[i].resource, out);
		(void)fputs(", kind: ", out);
		value_text(list[i].kind, out);
		(void)fputc('}', out);
	}
	(void)fputc(']', out);
}

static void
print_unit(uint64_t v, const struct conf_unit *units, size_t n,
    const char *zero, FILE *out)
{
	char text[32];

	if (v == 0 && zero != NULL) {
		(void)fputs(zero, out);
		return;
	}
	conf_unit_format(v, units, n, text, sizeof(text));
	(void)fputs(text, out);
}

static void
print_word(const char *words, int index, FILE *out)
{
	size_t n;
	const char *word = conf_word_at(words, index, &n);

	(void)fwrite(word, 1, n, out);
}

static void
print_string(const char *text, FILE *out)
{
	value_text(text != NULL ? text : "none", out);
}

/* Options of a URI whose values are secrets, lower case. */
static const char *const secret_options[] = {
	"tlscertificatekeyfilepassword=",
	"sslclientcertificatekeypassword=",
	"authmechanismproperties=",
};

static bool
is_secret_option(const char *p)
{
	for (size_t i = 0; i < NELEM(secret_options); i++)
		if (strncasecmp(p, secret_options[i],
		    strlen(secret_options[i])) == 0)
			return true;
	return false;
}

/* The URI of MongoDB, secrets as ***: what is printed is shown around. */
static void
print_uri(const char *uri, FILE *out)
{
	struct buf b = BUF_EMPTY;
	size_t n, at = 0;

	if (uri != NULL)
		at = conf_uri_password(uri, &n);
	if (at != 0) {
		buf_add(&b, uri, at);
		buf_adds(&b, "***");
		uri += at + n;
	}
	for (; uri != NULL && *uri != '\0'; uri += n) {
		n = strcspn(uri, "?&;");
		if (is_secret_option(uri)) {
			buf_add(&b, uri, strcspn(uri, "=") + 1);
			buf_adds(&b, "***");
		} else {
			buf_add(&b, uri, n);
		}
		if (uri[n] != '\0')
			buf_addc(&b, uri[n++]);
	}
	print_string(uri != NULL ? buf_cstr(&b) : NULL, out);
	buf_free(&b);
}

static void
print_listen(const char *host, uint16_t port, FILE *out)
{
	(void)fprintf(out, strchr(host, ':') != NULL ? "\"[%s]:%u\"" : "%s:%u",
	    host, port);
}

/* The value as YAML, on one line. */
static void
print_value(const struct conf_key *k, const void *base, FILE *out)
{
	const char *p = (const char *)base + k->off;
	const char *p2 = (const char *)base + k->off2;
	const char *p3 = (const char *)base + k->off3;

	switch (k->type) {
	case CONF_TYPE_FIXED:
		(void)fputs(k->def, out);
		break;
	case CONF_TYPE_LISTEN:
		print_listen(*(char *const *)p, *(const uint16_t *)p2, out);
		break;
	case CONF_TYPE_PATH:
	case CONF_TYPE_PATHS:
	case CONF_TYPE_TEXT:
	case CONF_TYPE_TOKEN:
		print_string(*(char *const *)p, out);
		break;
	case CONF_TYPE_MONGODB:
		print_uri(*(char *const *)p, out);
		break;
	case CONF_TYPE_CONTEXTS:
		if (*(const enum conf_contexts *)p == CONF_CONTEXTS_LIST)
			print_strings(*(char **const *)p2,
			    *(const size_t *)p3, out);
		else
			print_word(k->words, *(const int *)p, out);
		break;
	case CONF_TYPE_CLUSTERS:
		print_clusters(*(struct conf_cluster *const *)p,
		    *(const size_t *)p2, out);
		break;
	case CONF_TYPE_ORIGINS:
	case CONF_TYPE_NETWORKS:
	case CONF_TYPE_KINDS:
	case CONF_TYPE_NAMESPACES:
		print_strings(*(char **const *)p, *(const size_t *)p2, out);
		break;
	case CONF_TYPE_CUSTOM:
		print_custom(*(struct conf_kind *const *)p,
		    *(const size_t *)p2, out);
		break;
	case CONF_TYPE_COUNT:
		if (*(const uint32_t *)p == 0)
			(void)fputs("auto", out);
		else
			(void)fprintf(out, "%u", *(const uint32_t *)p);
		break;
	case CONF_TYPE_SIZE:
		print_unit(*(const uint64_t *)p, conf_sizes, CONF_SIZES, NULL,
		    out);
		break;
	case CONF_TYPE_DURATION:
		print_unit(*(const uint64_t *)p, conf_durations, CONF_DURATIONS,
		    k->words, out);
		break;
	case CONF_TYPE_WORD:
		print_word(k->words, *(const int *)p, out);
		break;
	case CONF_TYPE_BOOL:
		(void)fputs(*(const bool *)p ? "true" : "false", out);
		break;
	case CONF_TYPE_SYNC:
		if (*(const enum conf_sync *)p == CONF_SYNC_INTERVAL)
			print_unit(*(const uint64_t *)p2, conf_durations,
			    CONF_DURATIONS, NULL, out);
		else
			print_word(k->words, *(const int *)p - 1, out);
		break;
	case CONF_TYPE_MAX:
		abort();
	}
}

/* --- the whole file ------------------------------------------------------ */

/* Opens the groups of `path` that `last` was not in already. */
static void
print_groups(const char *last, const char *path, FILE *out)
{
	const char *start = path, *dot;
	int depth = 0;

	while ((dot = strchr(start, '.')) != NULL) {
		size_t n = (size_t)(dot - path) + 1;

		if (strncmp(last, path, n) != 0)
			(void)fprintf(out, "%*s%.*s:\n", depth * 2, "",
			    (int)(dot - start), start);
		start = dot + 1;
		depth++;
	}
	(void)fprintf(out, "%*s%s: ", depth * 2, "", start);
}

static bool
row_differs(const struct conf_key *key, const struct conf_stream *a,
    const struct conf_stream *b)
{
	size_t size = key->type == CONF_TYPE_WORD ? sizeof(int)
						  : sizeof(int64_t);

	return memcmp((const char *)a + key->off, (const char *)b + key->off,
	    size) != 0;
}

/* A row of streams: all of it, or only what differs from `inherited`. */
static void
print_row(const char *name, const struct conf_stream *row,
    const struct conf_stream *inherited, FILE *out)
{
	bool named = false;

	for (size_t i = 0; i < conf_stream_keys_count; i++) {
		const struct conf_key *key = &conf_stream_keys[i];

		if (inherited != NULL && !row_differs(key, row, inherited))
			continue;
		if (!named)
			(void)fprintf(out, "  %s:\n", name);
		named = true;
		(void)fprintf(out, "    %s: ", key->path);
		print_value(key, row, out);
		(void)fputc('\n', out);
	}
}

void
conf_print(const struct conf *conf, FILE *out)
{
	const struct conf_stream *def = &conf->streams[STREAM_TYPE_MAX];
	const char *last = "";

	for (size_t i = 0; i < conf_keys_count; i++) {
		print_groups(last, conf_keys[i].path, out);
		print_value(&conf_keys[i], conf, out);
		(void)fputc('\n', out);
		last = conf_keys[i].path;
	}
	(void)fputs("streams:\n", out);
	print_row("default", def, NULL, out);
	for (int i = 0; i < STREAM_TYPE_MAX; i++)
		print_row(stream_type_name((enum stream_type)i),
		    &conf->streams[i], def, out);
}

#include "common/kube_pem.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/kube_entry.h"
#include "common/text.h"
#include "common/xmalloc.h"
#include "common/yaml.h"

static int
base64_value(char c)
{
	if (c == '+')
		return 62;
	return c == '/' ? 63 : text_base64(c);
}

char *
kube_pem_base64(const char *text)
{
	size_t n = strlen(text), len = 0, pad = 0, digits = 0, i;
	char *out = xmalloc(n / 4 * 3 + 4);
	uint32_t acc = 0;
	int v;

	for (i = 0; i < n; i++) {
		if (strchr(" \t\r\n", text[i]) != NULL)
			continue;
		if (text[i] == '=') {
			pad++;
			continue;
		}
		v = base64_value(text[i]);
		if (v < 0 || pad > 0)
			break;
		acc = acc << 6 | (uint32_t)v;
		if (++digits % 4 == 0) {
			out[len++] = (char)(acc >> 16 & 0xff);
			out[len++] = (char)(acc >> 8 & 0xff);
			out[len++] = (char)(acc & 0xff);
		}
	}
	if (digits % 4 == 2)
		out[len++] = (char)(acc >> 4 & 0xff);
	if (digits % 4 == 3) {
		out[len++] = (char)(acc >> 10 & 0xff);
		out[len++] = (char)(acc >> 2 & 0xff);
	}
	if (i < n || (digits + pad) % 4 != 0 || pad > 2 ||
	    memchr(out, '\0', len) != NULL) {
		explicit_bzero(out, len);
		free(out);
		return NULL;
	}
	out[len] = '\0';
	return out;
}

char *
kube_pem_to_base64(const char *text)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t n = strlen(text), len = 0, i, left;
	char *out = xmalloc((n + 2) / 3 * 4 + 1);
	uint32_t v;

	for (i = 0; i < n; i += 3) {
		left = n - i;
		v = (uint32_t)(unsigned char)text[i] << 16;
		if (left > 1)
			v |= (uint32_t)(unsigned char)text[i + 1] << 8;
		if (left > 2)
			v |= (unsigned char)text[i + 2];
		out[len++] = digits[v >> 18];
		out[len++] = digits[v >> 12 & 63];
		out[len++] = left > 1 ? digits[v >> 6 & 63] : '=';
		out[len++] = left > 2 ? digits[v & 63] : '=';
	}
	out[len] = '\0';
	return out;
}

char *
kube_pem_path(const struct kube_entry *entry, const char *path)
{
	const char *slash = strrchr(entry->file->path, '/');

	if (path[0] == '/' || slash == NULL)
		return xstrdup(path);
	return xasprintf("%.*s/%s", (int)(slash - entry->file->path),
	    entry->file->path, path);
}

void
kube_pem_wipe(char *text)
{
	if (text != NULL)
		explicit_bzero(text, strlen(text));
	free(text);
}

/* NULL, or what is wrong. OpenSSL would ask for a passphrase on the terminal
 * (and libcurl has it do so): a process without one waits for ever. */
static const char *
pem_problem(const char *text)
{
	if (strstr(text, "-----BEGIN ") == NULL)
		return "is not PEM: `-----BEGIN ...` is missing";
	if (strstr(text, "-----BEGIN ENCRYPTED ") != NULL ||
	    strstr(text, "Proc-Type:") != NULL)
		return "has a passphrase, which nobody is there to type; take "
		    "it off with `openssl pkey`";
	return NULL;
}

int
kube_pem_file(const char *path, char **ret, struct err *err)
{
	const char *problem;
	char *text;
	size_t n;

	if (kube_entry_read(path, KUBE_ENTRY_TEXT_MAX, &text, &n, err) < 0)
		return -1;
	problem = pem_problem(text);
	if (problem != NULL) {
		kube_pem_wipe(text);
		return err_set(err, "%s: %s", path, problem);
	}
	*ret = text;
	return 0;
}

static int
from_data(const struct kube_entry *entry, const char *key, const char *data,
    char **ret, struct err *err)
{
	char *pem = kube_pem_base64(data);
	const char *problem;

	if (pem == NULL)
		return kube_entry_fail(entry, key, err, "-data is not "
		    "base64; encode the PEM file with `base64 -w0`");
	problem = pem_problem(pem);
	if (problem != NULL) {
		kube_pem_wipe(pem);
		return kube_entry_fail(entry, key, err, problem);
	}
	*ret = pem;
	return 0;
}

static int
from_file(const struct kube_entry *entry, const char *key, const char *path,
    char **ret, char **ret_file, struct err *err)
{
	char *full = kube_pem_path(entry, path);
	struct err e = { 0 };

	if (kube_pem_file(full, ret, &e) < 0) {
		free(full);
		return err_set(err, "kubeconfig %s:%u: %s \"%s\": %s: %s",
		    entry->file->path, kube_entry_get(entry, key)->line,
		    entry->what, entry->name, key, e.text);
	}
	*ret_file = full;
	return 0;
}

int
kube_pem_entry(const struct kube_entry *entry, const char *key, char **ret,
    char **ret_file, struct err *err)
{
	const char *path, *data;
	char data_key[64];

	(void)snprintf(data_key, sizeof(data_key), "%s-data", key);
	if (kube_entry_text(entry, key, &path, err) < 0 ||
	    kube_entry_text(entry, data_key, &data, err) < 0)
		return -1;
	if (path != NULL && data != NULL)
		return kube_entry_fail(entry, key, err, "a certificate or key "
		    "is given both as a file and as -data; remove one");
	if (data != NULL)
		return from_data(entry, data_key, data, ret, err);
	if (path != NULL)
		return from_file(entry, key, path, ret, ret_file, err);
	return 0;
}

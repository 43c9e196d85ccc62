#include "tests/kubesim/sim_token.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "common/xmalloc.h"

#define TOKEN_VERSION  "meta.k8s.io/v1"

char *
sim_token_make(int64_t rv, const char *ns, const char *name)
{
	char *text = xasprintf("{\"v\":\"" TOKEN_VERSION "\",\"rv\":%" PRId64
	    ",\"start\":\"%s/%s\"}", rv, ns, name);
	size_t n = strlen(text);
	char *out = xmalloc(n * 4 / 3 + 8);
	size_t len;

	len = (size_t)EVP_EncodeBlock((unsigned char *)out,
	    (const unsigned char *)text, (int)n);
	for (size_t i = 0; i < len; i++) {
		if (out[i] == '+')
			out[i] = '-';
		else if (out[i] == '/')
			out[i] = '_';
	}
	while (len > 0 && out[len - 1] == '=')
		len--;
	out[len] = '\0';
	free(text);
	return out;
}

static bool
token_start(const char *start, struct sim_token *ret)
{
	const char *slash = strchr(start, '/');
	size_t n;

	if (slash == NULL)
		return false;
	n = (size_t)(slash - start);
	if (n > SIM_NAME_MAX || strlen(slash + 1) > SIM_NAME_MAX)
		return false;
	memcpy(ret->ns, start, n);
	ret->ns[n] = '\0';
	memcpy(ret->name, slash + 1, strlen(slash + 1) + 1);
	return true;
}

bool
sim_token_parse(const char *text, struct sim_token *ret)
{
	unsigned char in[SIM_TOKEN_MAX + 4], out[SIM_TOKEN_MAX + 4];
	size_t n = strlen(text), pad;
	json_t *doc;
	const char *start = NULL;
	json_int_t rv = 0;
	bool good;
	int len;

	if (n == 0 || n > SIM_TOKEN_MAX)
		return false;
	for (size_t i = 0; i < n; i++)
		in[i] = (unsigned char)(text[i] == '-' ? '+' :
		    text[i] == '_' ? '/' : text[i]);
	for (pad = 0; (n + pad) % 4 != 0; pad++)
		in[n + pad] = '=';
	len = EVP_DecodeBlock(out, in, (int)(n + pad));
	if (len < (int)pad)
		return false;
	doc = json_loadb((const char *)out, (size_t)len - pad, 0, NULL);
	good = json_unpack(doc, "{s:I, s:s}", "rv", &rv, "start", &start) == 0
	    && token_start(start, ret);
	ret->rv = rv;
	json_decref(doc);
	return good;
}

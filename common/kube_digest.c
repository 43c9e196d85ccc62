#include "common/kube_digest.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "common/kube_credentials.h"
#include "common/kube_exec.h"

static void
add(EVP_MD_CTX *md, const void *p, size_t n)
{
	if (EVP_DigestUpdate(md, p, n) != 1)
		abort();
}

/* With its NUL: two texts never run into each other. */
static void
add_text(EVP_MD_CTX *md, const char *text)
{
	uint8_t given = text != NULL;

	add(md, &given, 1);
	if (given)
		add(md, text, strlen(text) + 1);
}

static void
add_texts(EVP_MD_CTX *md, char *const *texts, size_t n)
{
	uint64_t count = n;

	add(md, &count, sizeof(count));
	for (size_t i = 0; i < n; i++)
		add_text(md, texts[i]);
}

void
kube_digest(const struct kube_credentials *c, uint8_t ret[KUBE_DIGEST_BYTES])
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	const struct kube_exec *x = c->exec;
	uint8_t info = x->provide_cluster_info;

	/* Only memory can be short here. */
	if (md == NULL || EVP_DigestInit_ex(md, EVP_sha256(), NULL) != 1)
		abort();
	add_text(md, c->server);
	add_text(md, c->tls_server_name);
	add_text(md, c->exec_config);
	add_text(md, x->api_version);
	add_text(md, x->command);
	add_texts(md, x->args, x->n_args);
	add_texts(md, x->env, x->n_env);
	add(md, &info, 1);
	if (EVP_DigestFinal_ex(md, ret, NULL) != 1)
		abort();
	EVP_MD_CTX_free(md);
}

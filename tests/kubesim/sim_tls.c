#include "tests/kubesim/sim_tls.h"

#include <errno.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/xmalloc.h"

#define DAY_S     86400L
#define EXPIRED_S (-3600L)

static int
tls_error(struct err *err, const char *what)
{
	char text[256];

	ERR_error_string_n(ERR_get_error(), text, sizeof(text));
	return err_set(err, "%s: %s", what, text);
}

static int
add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509_EXTENSION *ext;
	X509V3_CTX ctx;
	int added;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	if (ext == NULL)
		return -1;
	added = X509_add_ext(cert, ext, -1);
	X509_EXTENSION_free(ext);
	return added == 1 ? 0 : -1;
}

static int
set_name(X509 *cert, const char *common_name)
{
	X509_NAME *name = X509_get_subject_name(cert);

	return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
	    (const unsigned char *)common_name, -1, -1, 0) == 1 ? 0 : -1;
}

static int
set_serial(X509 *cert)
{
	uint64_t serial;

	if (RAND_bytes((unsigned char *)&serial, sizeof(serial)) != 1)
		return -1;
	return ASN1_INTEGER_set_uint64(X509_get_serialNumber(cert),
	    serial >> 1) == 1 ? 0 : -1;
}

/* issuer NULL: self-signed CA. Valid from yesterday for until_s more. */
static X509 *
make_certificate(EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key,
    long until_s)
{
	X509 *cert = X509_new();
	bool ca = issuer == NULL;

	if (cert == NULL)
		return NULL;
	if (X509_set_version(cert, 2) != 1 || set_serial(cert) != 0 ||
	    X509_gmtime_adj(X509_getm_notBefore(cert), -DAY_S) == NULL ||
	    X509_gmtime_adj(X509_getm_notAfter(cert), until_s) == NULL ||
	    set_name(cert, ca ? "kubesim-ca" : "kubesim") != 0 ||
	    X509_set_issuer_name(cert, X509_get_subject_name(ca ? cert :
	    issuer)) != 1 || X509_set_pubkey(cert, key) != 1 ||
	    add_extension(cert, ca ? cert : issuer, NID_basic_constraints,
	    ca ? "critical,CA:TRUE" : "critical,CA:FALSE") != 0 ||
	    add_extension(cert, ca ? cert : issuer, NID_key_usage, ca ?
	    "critical,keyCertSign,cRLSign" : "critical,digitalSignature") != 0
	    || add_extension(cert, ca ? cert : issuer,
	    NID_subject_key_identifier, "hash") != 0 ||
	    (!ca && (add_extension(cert, issuer, NID_authority_key_identifier,
	    "keyid") != 0 || add_extension(cert, issuer, NID_subject_alt_name,
	    "DNS:localhost,DNS:*." SIM_TLS_DOMAIN ",IP:127.0.0.1") != 0 ||
	    add_extension(cert, issuer, NID_ext_key_usage,
	    "serverAuth,clientAuth") != 0)) ||
	    X509_sign(cert, issuer_key, EVP_sha256()) == 0) {
		X509_free(cert);
		return NULL;
	}
	return cert;
}

/* Of the certificate, or else of the key. To be freed. */
static char *
pem_of(X509 *cert, EVP_PKEY *key)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *data = NULL, *text = NULL;
	int written = 0;
	long n;

	if (bio != NULL)
		written = cert != NULL ? PEM_write_bio_X509(bio, cert) :
		    PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL,
		    NULL);
	if (written == 1) {
		n = BIO_get_mem_data(bio, &data);
		if (n > 0)
			text = xstrndup(data, (size_t)n);
	}
	BIO_free(bio);
	return text;
}

static int
write_file(const char *directory, const char *name, const char *pem,
    struct err *err)
{
	char *path = xasprintf("%s/%s", directory, name);
	FILE *f = fopen(path, "we");
	int rc = 0;

	if (f == NULL || fputs(pem, f) < 0 || fflush(f) != 0)
		rc = err_errno(err, errno, "%s", path);
	if (f != NULL)
		(void)fclose(f);
	free(path);
	return rc;
}

/* A client's certificate with its key, both of this CA. */
static int
write_client(const char *directory, X509 *ca, EVP_PKEY *ca_key,
    struct err *err)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = key != NULL ? make_certificate(key, ca, ca_key, DAY_S) :
	    NULL;
	char *pem = NULL, *key_pem = NULL;
	int rc = -1;

	if (cert != NULL) {
		pem = pem_of(cert, NULL);
		key_pem = pem_of(NULL, key);
	}
	if (pem == NULL || key_pem == NULL)
		(void)tls_error(err, "cannot make a client's certificate");
	else if (write_file(directory, "client.crt", pem, err) == 0)
		rc = write_file(directory, "client.key", key_pem, err);
	free(pem);
	free(key_pem);
	X509_free(cert);
	EVP_PKEY_free(key);
	return rc;
}

/* HTTP/2 if the client offers it and we do; else HTTP/1.1. */
static int
alpn_cb(UNUSED SSL *ssl, const unsigned char **out, unsigned char *out_len,
    const unsigned char *in, unsigned in_len, void *arg)
{
	static const unsigned char both[] = "\x02h2\x08http/1.1";
	bool http2 = arg != NULL;
	unsigned skip = http2 ? 0 : 3;
	unsigned char *chosen;

	if (SSL_select_next_proto(&chosen, out_len, both + skip,
	    (unsigned)sizeof(both) - 1 - skip, in, in_len) !=
	    OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_NOACK;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

static SSL_CTX *
make_context(X509 *cert, EVP_PKEY *key, X509 *ca, bool http2)
{
	static char yes[] = "yes";

	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	if (ctx == NULL)
		return NULL;
	if (SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1 ||
	    SSL_CTX_use_certificate(ctx, cert) != 1 ||
	    SSL_CTX_use_PrivateKey(ctx, key) != 1 ||
	    X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), ca) != 1 ||
	    SSL_CTX_set_session_id_context(ctx, (const unsigned char *)yes,
	    sizeof(yes)) != 1) {
		SSL_CTX_free(ctx);
		return NULL;
	}
	(void)SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	/* Asked for, as by a real server, and nobody has to have one. */
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_alpn_select_cb(ctx, alpn_cb, http2 ? yes : NULL);
	return ctx;
}

int
sim_tls_new(const struct sim_tls *t, SSL_CTX **ret, char **ret_ca,
    struct err *err)
{
	EVP_PKEY *ca_key = EVP_EC_gen("P-256"), *key = EVP_EC_gen("P-256");
	X509 *ca = NULL, *cert = NULL;
	SSL_CTX *ctx = NULL;
	char *pem = NULL;
	int rc = -1;

	if (ca_key != NULL && key != NULL)
		ca = make_certificate(ca_key, NULL, ca_key, DAY_S);
	if (ca != NULL)
		cert = make_certificate(key, ca, ca_key, t->expired ?
		    EXPIRED_S : DAY_S);
	if (cert != NULL)
		ctx = make_context(cert, key, ca, t->http2);
	if (ctx == NULL || (pem = pem_of(ca, NULL)) == NULL) {
		(void)tls_error(err, "cannot make the server's certificate");
		goto out;
	}
	if (t->directory != NULL &&
	    (write_file(t->directory, "ca.crt", pem, err) != 0 ||
	    write_client(t->directory, ca, ca_key, err) != 0))
		goto out;
	*ret = ctx;
	*ret_ca = pem;
	ctx = NULL;
	pem = NULL;
	rc = 0;
out:
	SSL_CTX_free(ctx);
	free(pem);
	X509_free(cert);
	X509_free(ca);
	EVP_PKEY_free(key);
	EVP_PKEY_free(ca_key);
	return rc;
}

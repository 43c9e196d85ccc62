#include "common/kube_certificate.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* What has a passphrase is not read: nobody is there to type it, and OpenSSL's
 * own callback would wait at the terminal. */
static int
no_passphrase_cb(char *buf, int size, int writing, void *arg)
{
	(void)buf;
	(void)size;
	(void)writing;
	(void)arg;
	return -1;
}

static BIO *
begin(const char *pem)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);

	if (bio == NULL)
		abort();
	return bio;
}

/* What OpenSSL noted of a failure stays with nobody. */
static void
end(BIO *bio)
{
	BIO_free(bio);
	ERR_clear_error();
}

static X509 *
read_certificate(const char *pem)
{
	BIO *bio = begin(pem);
	X509 *cert = PEM_read_bio_X509(bio, NULL, no_passphrase_cb, NULL);

	end(bio);
	return cert;
}

static EVP_PKEY *
read_key(const char *pem)
{
	BIO *bio = begin(pem);
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase_cb,
	    NULL);

	end(bio);
	return key;
}

static void
format_time(const ASN1_TIME *t, char *buf, size_t size)
{
	struct tm tm = { 0 };

	if (ASN1_TIME_to_tm(t, &tm) != 1 ||
	    strftime(buf, size, "%Y-%m-%d %H:%M:%S UTC", &tm) == 0)
		(void)snprintf(buf, size, "an unreadable date");
}

int
kube_certificate_check(const char *pem, const char *origin, struct err *err)
{
	X509 *cert = read_certificate(pem);
	char when[64];
	int rc = 0;

	if (cert == NULL) {
		rc = err_set(err, "the client certificate of %s is not a PEM "
		    "certificate", origin);
	} else if (X509_cmp_current_time(X509_get0_notAfter(cert)) < 0) {
		format_time(X509_get0_notAfter(cert), when, sizeof(when));
		rc = err_set(err, "the client certificate of %s expired on %s; "
		    "renew it", origin, when);
	} else if (X509_cmp_current_time(X509_get0_notBefore(cert)) > 0) {
		format_time(X509_get0_notBefore(cert), when, sizeof(when));
		rc = err_set(err, "the client certificate of %s is valid only "
		    "from %s on; check this host's clock", origin, when);
	}
	X509_free(cert);
	return rc;
}

int
kube_certificate_end(const char *pem, int64_t *ret_unix_ms, struct err *err)
{
	X509 *cert = read_certificate(pem);
	struct tm tm = { 0 };
	int rc = 0;

	if (cert == NULL)
		rc = err_set(err, "the client certificate is not PEM");
	else if (ASN1_TIME_to_tm(X509_get0_notAfter(cert), &tm) != 1)
		rc = err_set(err, "the client certificate's end cannot be "
		    "read");
	else
		*ret_unix_ms = (int64_t)timegm(&tm) * 1000;
	X509_free(cert);
	return rc;
}

int
kube_certificate_pair(const char *cert_pem, const char *key_pem,
    struct err *err)
{
	X509 *cert = read_certificate(cert_pem);
	EVP_PKEY *key = read_key(key_pem);
	int rc = 0;

	if (cert == NULL)
		rc = err_set(err, "the client certificate is not PEM");
	else if (key == NULL)
		rc = err_set(err, "the client key cannot be read (one with a "
		    "passphrase cannot be used)");
	else if (X509_check_private_key(cert, key) != 1)
		rc = err_set(err, "client certificate and client key do not "
		    "belong together");
	ERR_clear_error();
	X509_free(cert);
	EVP_PKEY_free(key);
	return rc;
}

bool
kube_certificate_outdated(const char *error)
{
	return strstr(error, "certificate has expired") != NULL ||
	    strstr(error, "certificate is not yet valid") != NULL;
}

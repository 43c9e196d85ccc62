#include "watcher/wiping.h"

#include <curl/curl.h>
#include <malloc.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "common/xmalloc.h"

static void
wipe(void *p)
{
	if (p == NULL)
		return;
	explicit_bzero(p, malloc_usable_size(p));
	free(p);
}

/* realloc() would move the bytes and leave them behind as well. */
static void *
resize(void *p, size_t n)
{
	size_t have = p == NULL ? 0 : malloc_usable_size(p);
	void *fresh;

	if (p != NULL && n > 0 && n <= have)
		return p;
	fresh = xmalloc(n);
	if (have > 0 && n > 0)
		memcpy(fresh, p, have);
	wipe(p);
	return fresh;
}

static void *
wiping_malloc_cb(size_t n, const char *file, int line)
{
	(void)file;
	(void)line;
	return xmalloc(n);
}

static void *
wiping_realloc_cb(void *p, size_t n, const char *file, int line)
{
	(void)file;
	(void)line;
	return resize(p, n);
}

static void
wiping_free_cb(void *p, const char *file, int line)
{
	(void)file;
	(void)line;
	wipe(p);
}

int
wiping_init(struct err *err)
{
	if (CRYPTO_set_mem_functions(wiping_malloc_cb, wiping_realloc_cb,
	    wiping_free_cb) != 1)
		return err_set(err, "OpenSSL was used before its memory could "
		    "be set");
	if (curl_global_init_mem(CURL_GLOBAL_DEFAULT, xmalloc, wipe, resize,
	    xstrdup, xcalloc) != CURLE_OK)
		return err_set(err, "libcurl cannot be initialised");
	return 0;
}

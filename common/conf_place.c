/* Values that say where something is: paths, addresses, the URI of MongoDB. */
#include "common/conf_value.h"

#include <arpa/inet.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/xmalloc.h"

/* --- paths --------------------------------------------------------------- */

static const char *
home_directory(void)
{
	const char *home = getenv("HOME");
	const struct passwd *pw;

	if (home != NULL && home[0] == '/')
		return home;
	pw = getpwuid(getuid());
	return pw != NULL && pw->pw_dir[0] == '/' ? pw->pw_dir : NULL;
}

char *
conf_expand_home(const char *path)
{
	const char *home;

	if (path[0] != '~' || (path[1] != '/' && path[1] != '\0'))
		return xstrdup(path);
	home = home_directory();
	return home != NULL ? xasprintf("%s%s", home, path + 1) : NULL;
}

/* One absolute path, `~` expanded, without a trailing slash; NULL after the
 * problem was reported. */
static char *
one_path(const struct conf_value *v, const char *text)
{
	char *path = conf_expand_home(text);
	size_t n;

	if (path == NULL) {
		(void)conf_value_wrong(v,
		    "\"%s\": no home directory is known; write an "
		    "absolute path", text);
		return NULL;
	}
	n = strlen(path);
	if (path[0] != '/' || n >= CONF_PATH_MAX) {
		(void)conf_value_wrong(v, "\"%s\" %s", text, path[0] != '/'
		    ? "is not absolute; write a path that begins with / or ~/"
		    : "is too long for a path");
		free(path);
		return NULL;
	}
	while (n > 1 && path[n - 1] == '/')
		path[--n] = '\0';
	return path;
}

int
conf_read_path(const struct conf_value *v)
{
	const char *text = conf_value_scalar(v, "an absolute path");
	char *path;

	if (text == NULL)
		return -1;
	if (conf_word_index(v->key->words, text) >= 0) {
		conf_value_set_string(v, v->key->off, NULL);
		return 0;
	}
	path = one_path(v, text);
	if (path == NULL)
		return -1;
	conf_value_set_string(v, v->key->off, path);
	return 0;
}

/* Paths with ':' between them, as in KUBECONFIG. NULL after a report. */
char *
conf_read_path_list(const struct conf_value *v, const char *text)
{
	struct buf list = BUF_EMPTY;
	char *part, *path, *result;
	size_t n;

	for (; *text != '\0'; text += n + (text[n] == ':')) {
		n = strcspn(text, ":");
		if (n == 0)
			continue;
		part = xstrndup(text, n);
		path = one_path(v, part);
		free(part);
		if (path == NULL) {
			buf_free(&list);
			return NULL;
		}
		if (list.len != 0)
			buf_addc(&list, ':');
		buf_adds(&list, path);
		free(path);
	}
	if (list.len == 0) {
		(void)conf_value_wrong(v,
		    "names no file; write a path, or none");
		return NULL;
	}
	result = xstrdup(buf_cstr(&list));
	buf_free(&list);
	return result;
}

int
conf_read_paths(const struct conf_value *v)
{
	const char *text = conf_value_scalar(v, "an absolute path, or none");
	char *paths = NULL;

	if (text == NULL)
		return -1;
	if (strcmp(text, "none") != 0) {
		paths = conf_read_path_list(v, text);
		if (paths == NULL)
			return -1;
	}
	conf_value_set_string(v, v->key->off, paths);
	return 0;
}

/* --- addresses ----------------------------------------------------------- */

/* "[host]:port" or "host:port", numeric. */
static int
listen_parse(const char *text, char **ret_host, uint16_t *ret_port,
    struct err *err)
{
	const char *colon = strrchr(text, ':'), *p;
	unsigned char addr[16];
	char *host;
	uint64_t port;

	if (colon == NULL)
		return err_set(err, "\"%s\" has no port; write "
		    "127.0.0.1:8085 or [::1]:8085", text);
	p = colon + 1;
	if (!conf_digits(&p, &port) || *p != '\0' || port < 1 || port > 65535)
		return err_set(err, "\"%s\": the port must be 1 to 65535",
		    text);
	if (text[0] == '[' && colon > text + 1 && colon[-1] == ']')
		host = xstrndup(text + 1, (size_t)(colon - text) - 2);
	else
		host = xstrndup(text, (size_t)(colon - text));
	if (strcmp(host, "localhost") == 0) {
		free(host);
		host = xstrdup("127.0.0.1");
	}
	if (inet_pton(text[0] == '[' ? AF_INET6 : AF_INET, host, addr) != 1) {
		free(host);
		return err_set(err, "\"%s\" is not a numeric address and "
		    "port; write 127.0.0.1:8085 or [::1]:8085", text);
	}
	*ret_host = host;
	*ret_port = (uint16_t)port;
	return 0;
}

bool
conf_is_loopback(const char *host)
{
	struct in6_addr six;

	if (inet_pton(AF_INET6, host, &six) == 1)
		return IN6_IS_ADDR_LOOPBACK(&six);
	return strncmp(host, "127.", 4) == 0;
}

int
conf_read_listen(const struct conf_value *v)
{
	const char *text = conf_value_scalar(v,
	    "an address such as 127.0.0.1:8085");
	uint16_t port;
	struct err err;
	char *host;

	if (text == NULL)
		return -1;
	if (listen_parse(text, &host, &port, &err) != 0)
		return conf_value_wrong(v, "%s", err.text);
	conf_value_set_string(v, v->key->off, host);
	memcpy(conf_value_at(v, v->key->off2), &port, sizeof(port));
	return 0;
}

/* --- MongoDB -------------------------------------------------------------- */

size_t
conf_uri_password(const char *uri, size_t *ret_len)
{
	const char *scheme = strstr(uri, "://"), *user, *at, *colon;

	*ret_len = 0;
	if (scheme == NULL)
		return 0;
	user = scheme + 3;
	at = strchr(user, '@');
	colon = at != NULL ? memchr(user, ':', (size_t)(at - user)) : NULL;
	if (colon == NULL)
		return 0;
	*ret_len = (size_t)(at - colon) - 1;
	return (size_t)(colon - uri) + 1;
}

/* The driver's own error would show the password; and only where nothing can
 * be misread is it known which part that is. */
static bool
is_encoded(const char *uri)
{
	const char *user = strstr(uri, "://") + 3, *at = strrchr(user, '@');
	const char *colon;

	if (at == NULL)
		return true;
	if (strcspn(user, "/?#[]@") != (size_t)(at - user))
		return false;
	colon = memchr(user, ':', (size_t)(at - user));
	return colon == NULL ||
	    memchr(colon + 1, ':', (size_t)(at - colon) - 1) == NULL;
}

int
conf_read_mongodb(const struct conf_value *v)
{
	const char *text = conf_value_scalar(v, "none or a mongodb:// URI");

	if (text == NULL)
		return -1;
	if (strcmp(text, "none") == 0) {
		conf_value_set_string(v, v->key->off, NULL);
		return 0;
	}
	if (strncmp(text, "mongodb://", 10) != 0 &&
	    strncmp(text, "mongodb+srv://", 14) != 0)
		return conf_value_wrong(v,
		    "is not a MongoDB URI; write none or "
		    "mongodb://host:27017/database");
	if (!is_encoded(text))
		return conf_value_wrong(v, "has a : / ? # [ ] or @ in the user "
		    "name, the password or an option; write them as %%3A %%2F "
		    "%%3F %%23 %%5B %%5D %%40");
	conf_value_set_string(v, v->key->off, xstrdup(text));
	return 0;
}

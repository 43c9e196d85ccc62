/* What a gateway could read through the directory of the keys of tokens. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "common/conf.h"
#include "common/xmalloc.h"

#define PLACES_MAX 2   /* where the file is, and where it is a link to */

struct exposure {
	char	 places[PLACES_MAX][PATH_MAX];   /* real paths; "" is "/" */
	size_t	 n;
	FILE	*out;
	int	 count;
};

/* Cuts what is behind the last slash, and that. */
static void
cut_leaf(char *path)
{
	char *slash = strrchr(path, '/');

	if (slash != NULL)
		*slash = '\0';
}

static void
note_places(struct exposure *e, const char *file)
{
	char *directory = xstrdup(file);

	cut_leaf(directory);
	if (realpath(*directory != '\0' ? directory : "/",
	    e->places[e->n]) != NULL)
		e->n++;
	if (realpath(file, e->places[e->n]) != NULL)
		cut_leaf(e->places[e->n++]);
	for (size_t i = 0; i < e->n; i++)
		if (strcmp(e->places[i], "/") == 0)
			e->places[i][0] = '\0';
	free(directory);
}

static void
look(struct exposure *e, const char *what, const char *path)
{
	char real[PATH_MAX];
	size_t n;

	if (path == NULL || realpath(path, real) == NULL)
		return;
	for (size_t i = 0; i < e->n; i++) {
		n = strlen(e->places[i]);
		if (strncmp(real, e->places[i], n) != 0 || real[n] != '/')
			continue;
		(void)fprintf(e->out, "jwt.jwks_file: whoever takes a gateway "
		    "over could read %s, %s, which lies below %s/: put that "
		    "file into a directory of its own\n", real, what,
		    e->places[i]);
		e->count++;
		return;
	}
}

/* Paths with ':' between them. */
static void
look_each(struct exposure *e, const char *what, const char *list)
{
	char *copy = list != NULL ? xstrdup(list) : NULL;
	char *path, *rest = copy;

	while ((path = strsep(&rest, ":")) != NULL)
		look(e, what, path);
	free(copy);
}

int
conf_exposed(const struct conf *conf, FILE *out)
{
	struct exposure e = { .out = out };

	if (conf->auth != CONF_AUTH_JWT || !conf->gateway.sandbox)
		return 0;
	note_places(&e, conf->jwt.jwks_file);
	look(&e, "this configuration", conf->file);
	look(&e, "the encryption_key_file", conf->encryption_key_file);
	look(&e, "the state_directory", conf->state_directory);
	look_each(&e, "a kubeconfig", conf->kubeconfig);
	for (size_t i = 0; i < conf->n_clusters; i++)
		look_each(&e, "a kubeconfig", conf->clusters[i].kubeconfig);
	return e.count;
}

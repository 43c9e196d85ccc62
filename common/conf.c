#include "common/conf.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/conf_value.h"
#include "common/xmalloc.h"

/* Longest name below it: "/bus/gateway-63.<incarnation>.sub" (a Unix socket's
 * path has 107 bytes). */
#define RUNTIME_DIRECTORY_MAX 72u

/* --- problems ------------------------------------------------------------ */

void
conf_problem(struct conf_report *r, unsigned line, const char *key,
    const char *fmt, ...)
{
	va_list ap;

	r->count++;
	if (r->count > CONF_PROBLEMS_MAX || r->out == NULL)
		return;
	(void)fprintf(r->out, "%s:", r->name);
	if (line != 0)
		(void)fprintf(r->out, "%u:", line);
	if (key != NULL)
		(void)fprintf(r->out, " %s:", key);
	(void)fputc(' ', r->out);
	va_start(ap, fmt);
	(void)vfprintf(r->out, fmt, ap);
	va_end(ap);
	(void)fputc('\n', r->out);
}

/* --- the walk over the file ---------------------------------------------- */

#define KEYS_MAX 64u

struct walk {
	struct conf_report	 report;
	struct conf		*conf;
	unsigned		 lines[KEYS_MAX];  /* of each key; 0: not set */
};

static const struct conf_key *
find_key(const char *path)
{
	for (size_t i = 0; i < conf_keys_count; i++)
		if (strcmp(conf_keys[i].path, path) == 0)
			return &conf_keys[i];
	return NULL;
}

static const struct conf_key *
find_stream_key(const char *leaf)
{
	for (size_t i = 0; i < conf_stream_keys_count; i++)
		if (strcmp(conf_stream_keys[i].path, leaf) == 0)
			return &conf_stream_keys[i];
	return NULL;
}

static bool
is_group(const char *path)
{
	size_t n = strlen(path);

	for (size_t i = 0; i < conf_keys_count; i++)
		if (strncmp(conf_keys[i].path, path, n) == 0 &&
		    conf_keys[i].path[n] == '.')
			return true;
	return false;
}

static unsigned
line_of(const struct walk *w, const char *path)
{
	const struct conf_key *key = find_key(path);

	assert(key != NULL);
	return w->lines[key - conf_keys];
}

static void
unknown_key(struct walk *w, const struct yaml_node *node, const char *prefix,
    const char *name)
{
	char *path = xasprintf("%s%s", prefix, name);
	char *hint = conf_suggest(prefix, name);

	conf_problem(&w->report, node->line, path, "unknown key; %s", hint);
	free(hint);
	free(path);
}

/* A map to go into; anything else was reported. */
static bool
is_map(struct walk *w, const struct yaml_node *node, const char *path)
{
	if (node->kind == YAML_KIND_MAP)
		return true;
	if (!yaml_tree_is_null(node))
		conf_problem(&w->report, node->line, path,
		    "must hold keys below it, each on a line of its own");
	return false;
}

static void
walk_stream_row(struct walk *w, const struct yaml_node *map,
    const char *name, struct conf_stream *row)
{
	char *place = xasprintf("streams.%s", name), *path;
	char *prefix = xasprintf("%s.", place);
	size_t count = is_map(w, map, place) ? map->count : 0;
	const struct conf_key *key;

	for (size_t i = 0; i < count; i++) {
		key = find_stream_key(map->keys[i]->text);
		if (key == NULL) {
			unknown_key(w, map->keys[i], prefix,
			    map->keys[i]->text);
			continue;
		}
		path = xasprintf("%s%s", prefix, key->path);
		(void)conf_value_read(&w->report, key, path, map->values[i],
		    row);
		free(path);
	}
	free(prefix);
	free(place);
}

static int
row_index(const char *name)
{
	for (int i = 0; i < STREAM_TYPE_MAX; i++)
		if (strcmp(stream_type_name((enum stream_type)i), name) == 0)
			return i;
	return -1;
}

/* `default` first, wherever it stands: every other row inherits from it. */
static void
walk_streams(struct walk *w, const struct yaml_node *map)
{
	struct conf_stream *rows = w->conf->streams;
	const struct yaml_node *def = yaml_tree_get(map, "default");
	int row;

	if (!is_map(w, map, "streams"))
		return;
	if (def != NULL)
		walk_stream_row(w, def, "default", &rows[STREAM_TYPE_MAX]);
	for (size_t i = 0; i < STREAM_TYPE_MAX; i++)
		rows[i] = rows[STREAM_TYPE_MAX];
	for (size_t i = 0; i < map->count; i++) {
		const char *name = map->keys[i]->text;

		row = row_index(name);
		if (row >= 0)
			walk_stream_row(w, map->values[i], name, &rows[row]);
		else if (strcmp(name, "default") != 0)
			unknown_key(w, map->keys[i], "streams.", name);
	}
}

static void
walk_map(struct walk *w, const struct yaml_node *map, const char *prefix)
{
	const struct conf_key *key;
	char *path, *below;

	for (size_t i = 0; i < map->count; i++) {
		const struct yaml_node *value = map->values[i];

		path = xasprintf("%s%s", prefix, map->keys[i]->text);
		key = find_key(path);
		if (key != NULL) {
			w->lines[key - conf_keys] = value->line;
			(void)conf_value_read(&w->report, key, path, value,
			    w->conf);
		} else if (strcmp(path, "streams") == 0) {
			walk_streams(w, value);
		} else if (is_group(path)) {
			below = xasprintf("%s.", path);
			if (is_map(w, value, path))
				walk_map(w, value, below);
			free(below);
		} else {
			unknown_key(w, map->keys[i], prefix,
			    map->keys[i]->text);
		}
		free(path);
	}
}

/* --- what only the whole can tell ---------------------------------------- */

static void
check_order(struct walk *w, const char *low, int64_t low_value,
    const char *high, int64_t high_value)
{
	unsigned line = line_of(w, low);

	if (low_value > high_value)
		conf_problem(&w->report, line != 0 ? line : line_of(w, high),
		    low, "is greater than %s; write a smaller one", high);
}

/* Who may come in from elsewhere must say who they are, and all that is needed
 * to tell whether it is true must be there. */
static void
check_access(struct walk *w)
{
	const struct conf *c = w->conf;
	unsigned line = line_of(w, "auth");

	if (c->auth == CONF_AUTH_NONE) {
		if (!conf_is_loopback(c->listen_host))
			conf_problem(&w->report, line_of(w, "listen"),
			    "listen", "\"%s\" is not loopback, and with auth: "
			    "none everybody who reaches it may do everything; "
			    "write 127.0.0.1:PORT or [::1]:PORT, or auth: jwt",
			    c->listen_host);
		return;
	}
	if (c->jwt.jwks_file == NULL)
		conf_problem(&w->report, line, "jwt.jwks_file", "is needed "
		    "with auth: jwt; write the path of a JSON Web Key Set with "
		    "the keys that tokens are signed with");
	if (c->jwt.audience == NULL)
		conf_problem(&w->report, line, "jwt.audience", "is needed "
		    "with auth: jwt, or a token made for any other service "
		    "would open this one; write what stands in aud, such as "
		    "sluice");
}

static void
check_whole(struct walk *w)
{
	struct conf *c = w->conf;

	check_access(w);
	check_order(w, "supervise.first", c->supervise.first_ms,
	    "supervise.max", c->supervise.max_ms);
	check_order(w, "supervise.base", c->supervise.base_ms,
	    "supervise.max", c->supervise.max_ms);
	check_order(w, "watch.backoff.base", c->watch.backoff_base_ms,
	    "watch.backoff.max", c->watch.backoff_max_ms);
	if (c->journal.segment > c->journal.size / 4)
		conf_problem(&w->report, line_of(w, "journal.segment") != 0
		    ? line_of(w, "journal.segment")
		    : line_of(w, "journal.size"), "journal.segment",
		    "is more than a quarter of journal.size; write a smaller "
		    "segment or a larger size");
	if (strlen(c->runtime_directory) > RUNTIME_DIRECTORY_MAX)
		conf_problem(&w->report, line_of(w, "runtime_directory") != 0
		    ? line_of(w, "runtime_directory")
		    : line_of(w, "state_directory"), "runtime_directory",
		    "\"%s\" is longer than %u bytes, and sockets below it "
		    "would pass the 107 bytes of a Unix socket's path; write "
		    "a shorter one, such as /run/sluice",
		    c->runtime_directory, RUNTIME_DIRECTORY_MAX);
}

/* Defaults that hang on other keys. */
static void
complete(struct walk *w)
{
	struct conf *c = w->conf;

	if (line_of(w, "runtime_directory") == 0) {
		free(c->runtime_directory);
		c->runtime_directory = conf_default_runtime_directory(c);
	}
	/* Who lists clusters wants these, not the current context as well. */
	if (c->n_clusters != 0 && line_of(w, "contexts") == 0) {
		c->contexts = CONF_CONTEXTS_LIST;
		c->context_names = xcalloc(0, sizeof(char *));
	}
}

/* --- reading ------------------------------------------------------------- */

int
conf_parse(struct conf *conf, const char *text, size_t n, const char *name,
    FILE *problems)
{
	struct walk w = { .report = { .out = problems, .name = name },
		.conf = conf };
	struct yaml_node *root;
	unsigned line = 0;
	struct err err;

	assert(conf_keys_count <= KEYS_MAX);
	conf_init(conf);
	conf->file = xstrdup(name);
	root = yaml_tree_read(text, n, &line, &err);
	if (root == NULL) {
		conf_problem(&w.report, line, NULL, "%s", err.text);
		return w.report.count;
	}
	if (is_map(&w, root, NULL))
		walk_map(&w, root, "");
	yaml_tree_free(root);
	complete(&w);
	check_whole(&w);
	if (w.report.count > CONF_PROBLEMS_MAX && problems != NULL)
		(void)fprintf(problems, "%s: and %d more\n", name,
		    w.report.count - CONF_PROBLEMS_MAX);
	return w.report.count;
}

/* The whole file, bounded. */
static int
read_file(const char *path, struct buf *ret, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n = 0;
	int code;

	if (fd == -1)
		return err_errno(err, errno, "cannot be opened");
	while (ret->len <= CONF_FILE_MAX) {
		n = read(fd, buf_reserve(ret, 65536), 65536);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		buf_grew(ret, (size_t)n);
	}
	code = errno;
	(void)close(fd);
	if (n < 0)
		return err_errno(err, code, "cannot be read");
	if (ret->len > CONF_FILE_MAX)
		return err_set(err, "is larger than %u bytes: not a "
		    "configuration of sluiced", CONF_FILE_MAX);
	return 0;
}

int
conf_load(struct conf *conf, const char *path, FILE *problems)
{
	struct buf text = BUF_EMPTY;
	struct err err;
	int count;

	if (read_file(path, &text, &err) != 0) {
		conf_init(conf);
		(void)fprintf(problems, "%s: %s; write sluiced -c FILE with a "
		    "file this user may read, or see sluice.yaml(5)\n", path,
		    err.text);
		count = 1;
	} else {
		count = conf_parse(conf, (const char *)text.data, text.len,
		    path, problems);
	}
	buf_free(&text);
	return count;
}

/* `others`: what every user must not be able to do with it. */
static void
check_file(struct conf_report *r, const char *key, const char *path,
    mode_t others, const char *remedy)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd == -1)
		conf_problem(r, 0, key, "%s: %s; the user that sluiced runs "
		    "as must be able to read it; %s", path, strerror(errno),
		    remedy);
	else if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		conf_problem(r, 0, key, "%s: is no file; %s", path, remedy);
	else if ((st.st_mode & others) != 0)
		conf_problem(r, 0, key, "%s: every user may %s it; chmod %s "
		    "it", path, (st.st_mode & others & S_IWOTH) != 0 ?
		    "write" : "read", (others & S_IROTH) != 0 ? "0600" :
		    "0640");
	if (fd != -1)
		(void)close(fd);
}

int
conf_check_files(const struct conf *conf, FILE *problems)
{
	struct conf_report r = { .out = problems,
		.name = conf->file != NULL ? conf->file : "(defaults)" };

	if (conf->auth != CONF_AUTH_JWT)
		return 0;
	check_file(&r, "jwt.jwks_file", conf->jwt.jwks_file, S_IWOTH,
	    "write the path of a JSON Web Key Set with the keys that tokens "
	    "are signed with");
	if (conf->encryption_key_file != NULL)
		check_file(&r, "encryption_key_file",
		    conf->encryption_key_file, S_IRWXO, "head -c 32 "
		    "/dev/urandom makes one, to be of mode 0600");
	return r.count;
}

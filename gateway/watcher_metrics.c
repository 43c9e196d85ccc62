#include "gateway/watcher_metrics.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/watch_figures.h"
#include "common/xmalloc.h"

#define ROWS_MAX (CONF_CLUSTERS_MAX * 30u)

/* One kind of one cluster. */
struct row {
	char			cluster[64];
	struct watch_figures	figures;
};

struct rows {
	struct row	*list;
	size_t		 n;
	size_t		 room;
};

/* --- reading -------------------------------------------------------------- */

static struct row *
add_row(struct rows *rows)
{
	if (rows->n == rows->room) {
		rows->room = rows->room == 0 ? 32 : rows->room * 2;
		rows->list = xreallocarray(rows->list, rows->room,
		    sizeof(*rows->list));
	}
	return &rows->list[rows->n++];
}

static bool
is_fresh(const struct stat *st, int64_t now)
{
	int64_t written = (int64_t)st->st_mtim.tv_sec * 1000 +
	    st->st_mtim.tv_nsec / 1000000;

	return S_ISREG(st->st_mode) && now - written < WATCH_FIGURES_AGE_MS;
}

static void
read_file(struct rows *rows, int directory, const char *name, int64_t now)
{
	char text[WATCH_FIGURES_FILE_MAX];
	struct watch_figures figures;
	struct row *row;
	struct slice left;
	struct stat st;
	ssize_t n = -1;
	int fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW |
	    O_NONBLOCK);

	if (fd == -1)
		return;
	if (fstat(fd, &st) == 0 && is_fresh(&st, now))
		n = read(fd, text, sizeof(text));
	(void)close(fd);
	left = (struct slice){ text, n > 0 ? (size_t)n : 0 };
	while (rows->n < ROWS_MAX && watch_figures_next(&left, &figures)) {
		row = add_row(rows);
		(void)snprintf(row->cluster, sizeof(row->cluster), "%s",
		    name);
		row->figures = figures;
	}
}

static void
read_all(struct rows *rows, const struct conf *conf, int64_t now)
{
	char *path = watch_figures_directory(conf);
	DIR *directory = opendir(path);
	const struct dirent *entry;

	free(path);
	if (directory == NULL)
		return;
	while ((entry = readdir(directory)) != NULL)
		if (slug_valid(slice_str(entry->d_name)))
			read_file(rows, dirfd(directory), entry->d_name, now);
	(void)closedir(directory);
}

/* --- printing ------------------------------------------------------------- */

static int
compare_rows(const void *a, const void *b)
{
	const struct row *x = a, *y = b;
	int c = strcmp(x->cluster, y->cluster);

	return c != 0 ? c : strcmp(x->figures.kind, y->figures.kind);
}

static void
print_figure(struct buf *b, const struct rows *rows, enum watch_figure figure)
{
	static const struct {
		const char	*name, *type, *help;
	} texts[FIGURE_MAX] = {
#define TEXTS(NAME, name, type, help) [FIGURE_##NAME] = { name, type, help },
		WATCH_FIGURES(TEXTS)
#undef TEXTS
	};
	const char *name = texts[figure].name;

	buf_addf(b, "# HELP sluice_watcher_%s %s\n# TYPE sluice_watcher_%s "
	    "%s\n", name, texts[figure].help, name, texts[figure].type);
	for (size_t i = 0; i < rows->n; i++)
		buf_addf(b, "sluice_watcher_%s{cluster=\"%s\",kind=\"%s\"} %"
		    PRIu64 "\n", name, rows->list[i].cluster,
		    rows->list[i].figures.kind,
		    rows->list[i].figures.value[figure]);
}

void
watcher_metrics_print(struct buf *b, const struct conf *conf,
    int64_t now_unix_ms)
{
	struct rows rows = { NULL, 0, 0 };

	read_all(&rows, conf, now_unix_ms);
	if (rows.n > 1)
		qsort(rows.list, rows.n, sizeof(*rows.list), compare_rows);
	for (int i = 0; rows.n > 0 && i < FIGURE_MAX; i++)
		print_figure(b, &rows, (enum watch_figure)i);
	free(rows.list);
}

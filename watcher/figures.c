#include "watcher/figures.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"
#include "common/mono.h"
#include "common/timer.h"
#include "common/watch_figures.h"
#include "common/xmalloc.h"

#define FIGURES_MAGIC 0x46494755u   /* "FIGU" */
#define WRITE_MS      1000
#define ALIVE_MS      (WATCH_FIGURES_AGE_MS / 4)   /* though nothing changed */

struct figures {
	uint32_t		 magic;
	const struct inventory	*inv;
	struct event		*timer;
	char			*path;
	char			*fresh;      /* path until it is whole */
	bool			 followed[KINDS_MAX];
	uint64_t		 value[KINDS_MAX][FIGURE_MAX];
	bool			 soon;       /* the timer runs for a change */
	bool			 failed;     /* it was logged */
};

/* --- the file ------------------------------------------------------------- */

static int
write_file(const char *path, const struct buf *b)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC |
	    O_NOFOLLOW, 0600);
	ssize_t n;

	if (fd == -1)
		return -1;
	n = write(fd, b->data, b->len);
	if (close(fd) != 0 || n != (ssize_t)b->len)
		return -1;
	return 0;
}

static void
put_text(struct figures *f, struct buf *b)
{
	const struct inventory_counts *counts = inventory_counts(f->inv);
	struct watch_figures row;

	for (unsigned i = 0; i < kinds_n; i++) {
		if (!f->followed[i])
			continue;
		(void)snprintf(row.kind, sizeof(row.kind), "%s",
		    kinds[i].name);
		memcpy(row.value, f->value[i], sizeof(row.value));
		row.value[FIGURE_OBJECTS] = counts->objects[i];
		row.value[FIGURE_WAITING] = counts->waiting[i];
		watch_figures_add(b, &row);
	}
}

static void
save(struct figures *f)
{
	struct buf b = BUF_EMPTY;

	put_text(f, &b);
	if (write_file(f->fresh, &b) < 0 || rename(f->fresh, f->path) != 0) {
		if (!f->failed)
			log_warn("%s cannot be written (%s): /metrics lacks "
			    "this watcher's figures", f->path,
			    strerror(errno));
		f->failed = true;
	} else {
		f->failed = false;
	}
	buf_free(&b);
	f->soon = false;
	timer_arm(f->timer, ALIVE_MS);
}

static void
figures_timer_cb(evutil_socket_t fd, short what, void *arg)
{
	struct figures *f = arg;

	(void)fd;
	(void)what;
	assert(f->magic == FIGURES_MAGIC);
	save(f);
}

static void
changed(struct figures *f)
{
	if (f->soon)
		return;
	f->soon = true;
	timer_arm(f->timer, WRITE_MS);
}

/* --- what is counted ------------------------------------------------------ */

void
figures_event(struct figures *f, unsigned kind)
{
	f->value[kind][FIGURE_EVENTS]++;
	changed(f);
}

void
figures_list(struct figures *f, unsigned kind)
{
	f->value[kind][FIGURE_LISTS]++;
	changed(f);
}

void
figures_news(struct figures *f, unsigned kind, const struct watch_news *news)
{
	uint64_t *value = f->value[kind];

	value[FIGURE_EXPIRED] += news->type == WATCH_NEWS_EXPIRED;
	value[FIGURE_RECEIVED] += news->bytes;
	value[FIGURE_SKIPPED] += news->objects;
	changed(f);
}

void
figures_published(struct figures *f, unsigned kind, size_t n,
    int64_t since_unix_ms)
{
	uint64_t *lag = &f->value[kind][FIGURE_LAG_MS];
	int64_t ms = MAX(wall_unix_ms() - since_unix_ms, 0);

	f->value[kind][FIGURE_PUBLISHED] += n;
	/* The longest since the file was written. */
	if (!f->soon || (uint64_t)ms > *lag)
		*lag = (uint64_t)ms;
	changed(f);
}

/* --- life ----------------------------------------------------------------- */

static void
follow(struct figures *f, const char *name)
{
	int kind = kinds_find(slice_str(name));

	if (kind >= 0)
		f->followed[kind] = true;
}

struct figures *
figures_new(struct role *role, const struct inventory *inv)
{
	struct figures *f = xcalloc(1, sizeof(*f));
	char *directory = watch_figures_directory(&role->conf);

	f->magic = FIGURES_MAGIC;
	f->inv = inv;
	f->timer = timer_new(role->base, figures_timer_cb, f);
	for (size_t i = 0; i < role->conf.watch.n_kinds; i++)
		follow(f, role->conf.watch.kinds[i]);
	for (size_t i = 0; i < role->conf.watch.n_custom; i++)
		follow(f, role->conf.watch.custom[i].name);
	if (mkdir(directory, 0700) != 0 && errno != EEXIST)
		log_warn("%s: %s", directory, strerror(errno));
	f->path = xasprintf("%s/%s", directory, role->instance);
	/* No cluster has such a name (slug). */
	f->fresh = xasprintf("%s/.%s", directory, role->instance);
	free(directory);
	changed(f);
	return f;
}

void
figures_free(struct figures *f)
{
	if (f == NULL)
		return;
	(void)unlink(f->path);
	event_free(f->timer);
	free(f->path);
	free(f->fresh);
	f->magic = 0;
	free(f);
}

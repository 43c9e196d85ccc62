#include "common/journal_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/journal.h"
#include "common/record.h"
#include "common/xmalloc.h"

#define HEADER_BYTES     32u
#define EPOCHS_FILE_MAX  (1024u * 1024)
#define LIST_MAX         1000000u    /* files of one kind */

static const char *const mark_names[JOURNAL_MARK_MAX] = {
	[JOURNAL_OPEN] = "open",
	[JOURNAL_CLEAN] = "clean",
	[JOURNAL_MEMORY] = "memory",
};

const char *
journal_file_mark_name(enum journal_mark mark)
{
	return (unsigned int)mark < JOURNAL_MARK_MAX ? mark_names[mark] :
	    "unknown";
}

const char *
journal_file_name(char buf[JOURNAL_FILE_NAME_MAX], uint64_t first,
    const char *suffix)
{
	(void)snprintf(buf, JOURNAL_FILE_NAME_MAX, "%016" PRIx64 ".%s", first,
	    suffix);
	return buf;
}

/* False for any other name than "<16 hex>.<suffix>". */
static bool
name_parse(const char *name, const char *suffix, uint64_t *ret_first)
{
	uint64_t first = 0;

	for (size_t i = 0; i < 16; i++) {
		char c = name[i];
		unsigned int digit;

		if (c >= '0' && c <= '9')
			digit = (unsigned int)(c - '0');
		else if (c >= 'a' && c <= 'f')
			digit = (unsigned int)(c - 'a') + 10;
		else
			return false;
		first = first << 4 | digit;
	}
	if (name[16] != '.' || strcmp(name + 17, suffix) != 0)
		return false;
	*ret_first = first;
	return true;
}

static int
compare_u64(const void *a, const void *b)
{
	uint64_t x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return x < y ? -1 : x > y;
}

ssize_t
journal_file_list(int directory, const char *suffix, uint64_t **ret,
    struct err *err)
{
	uint64_t *list = NULL, first;
	size_t n = 0, size = 0;
	struct dirent *entry;
	DIR *dir;
	int fd;

	fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_errno(err, errno, "journal directory");
	dir = fdopendir(fd);
	if (dir == NULL) {
		int code = errno;

		(void)close(fd);
		return err_errno(err, code, "journal directory");
	}
	while (n < LIST_MAX && (entry = readdir(dir)) != NULL) {
		if (!name_parse(entry->d_name, suffix, &first))
			continue;
		if (n == size) {
			size = size * 2 + 16;
			list = xreallocarray(list, size, sizeof(*list));
		}
		list[n++] = first;
	}
	(void)closedir(dir);
	if (n != 0)
		qsort(list, n, sizeof(*list), compare_u64);
	*ret = list;
	return (ssize_t)n;
}

ssize_t
journal_file_read(int fd, void *p, size_t n, uint64_t offset)
{
	uint8_t *at = p;
	size_t done = 0;

	while (done < n) {
		ssize_t got = pread(fd, at + done, n - done,
		    (off_t)(offset + done));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (got == 0)
			break;
		done += (size_t)got;
	}
	return (ssize_t)done;
}

void
journal_file_header_encode(struct buf *b, const struct journal_segment *h)
{
	size_t start = b->len;

	buf_u32(b, JOURNAL_MAGIC);
	buf_u32(b, JOURNAL_VERSION);
	buf_u32(b, h->epoch);
	buf_u64(b, h->first);
	buf_u64(b, (uint64_t)h->created_unix_ms);
	buf_u32(b, crc32c(0, b->data + start, b->len - start));
}

int
journal_file_header_read(int fd, struct journal_segment *ret,
    struct err *err)
{
	uint8_t bytes[HEADER_BYTES];
	struct journal_segment h;
	struct rd r;
	ssize_t n;

	n = journal_file_read(fd, bytes, sizeof(bytes), 0);
	if (n < 0)
		return err_errno(err, errno, "segment header");
	r = rd_init(bytes, (size_t)n);
	if (rd_u32(&r) != JOURNAL_MAGIC)
		return err_set(err, "not a journal segment (no magic)");
	if (rd_u32(&r) != JOURNAL_VERSION)
		return err_set(err, "segment is of another version");
	h.epoch = rd_u32(&r);
	h.first = rd_u64(&r);
	h.created_unix_ms = (int64_t)rd_u64(&r);
	if (rd_u32(&r) != crc32c(0, bytes, HEADER_BYTES - 4) || r.failed)
		return err_set(err, "segment header is damaged");
	*ret = h;
	return 0;
}

void
journal_file_files_end_encode(struct buf *b, uint64_t files_end)
{
	buf_u64(b, files_end);
}

uint64_t
journal_file_files_end(int fd)
{
	uint8_t bytes[8];
	struct rd r;

	if (journal_file_read(fd, bytes, sizeof(bytes), HEADER_BYTES) !=
	    (ssize_t)sizeof(bytes))
		return 0;
	r = rd_init(bytes, sizeof(bytes));
	return rd_u64(&r);
}

/* --- epochs -------------------------------------------------------------- */

static int
epoch_parse(const char *line, struct journal_epoch *ret)
{
	struct journal_epoch e;
	char mark[8];
	int end = 0;

	/* Fields have fixed forms and widths; what is left over is an error. */
	if (sscanf(line, "%8" SCNx32 " %20" SCNu64 " %39s %20" SCNu64 " %7s%n",
	    &e.epoch, &e.first, e.boot_id, &e.reserved, mark, &end) != 5 ||
	    line[end] != '\0' || e.epoch == 0)
		return -1;
	for (int m = 0; m < JOURNAL_MARK_MAX; m++) {
		if (strcmp(mark, mark_names[m]) == 0) {
			e.mark = (enum journal_mark)m;
			*ret = e;
			return 0;
		}
	}
	return -1;
}

static int
epochs_parse(char *text, struct journal_epoch *ret, struct err *err)
{
	size_t n = 0, line_no = 0;
	char *line, *next;

	for (line = text; *line != '\0'; line = next) {
		line_no++;
		next = strchr(line, '\n');
		if (next == NULL)
			return err_set(err, "%s:%zu: line is cut",
			    JOURNAL_FILE_EPOCHS, line_no);
		*next++ = '\0';
		if (n == JOURNAL_FILE_EPOCHS_MAX) {
			memmove(ret, ret + 1, (n - 1) * sizeof(*ret));
			n--;
		}
		if (epoch_parse(line, &ret[n]) < 0)
			return err_set(err, "%s:%zu: not \"<epoch> <first> "
			    "<boot_id> <reserved> open|clean|memory\"",
			    JOURNAL_FILE_EPOCHS, line_no);
		n++;
	}
	return (int)n;
}

int
journal_file_epochs_read(int directory,
    struct journal_epoch ret[JOURNAL_FILE_EPOCHS_MAX], struct err *err)
{
	char *text;
	ssize_t n;
	int fd, rc;

	fd = openat(directory, JOURNAL_FILE_EPOCHS, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return err_errno(err, errno, JOURNAL_FILE_EPOCHS);
	text = xmalloc(EPOCHS_FILE_MAX + 1);
	n = journal_file_read(fd, text, EPOCHS_FILE_MAX, 0);
	if (n < 0) {
		rc = err_errno(err, errno, JOURNAL_FILE_EPOCHS);
	} else {
		text[n] = '\0';
		if (strlen(text) != (size_t)n)
			rc = err_set(err, "%s: holds a NUL byte",
			    JOURNAL_FILE_EPOCHS);
		else
			rc = epochs_parse(text, ret, err);
	}
	free(text);
	(void)close(fd);
	return rc;
}

void
journal_file_epochs_encode(struct buf *b, const struct journal_epoch *e,
    size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf_addf(b, "%08" PRIx32 " %" PRIu64 " %s %" PRIu64 " %s\n",
		    e[i].epoch, e[i].first, e[i].boot_id, e[i].reserved,
		    journal_file_mark_name(e[i].mark));
}

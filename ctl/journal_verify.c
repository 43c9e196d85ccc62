#include "ctl/journal_verify.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/journal_file.h"
#include "common/journal_state.h"

uint64_t
journal_verify_epochs(int directory, const char *path)
{
	struct journal_epoch e[JOURNAL_FILE_EPOCHS_MAX];
	uint64_t problems = 0;
	struct err err;
	int n = journal_file_epochs_read(directory, e, &err);

	if (n < 0) {
		fprintf(stderr, "%s/%s\n", path, err.text);
		return 1;
	}
	for (int i = 1; i < n; i++) {
		if (e[i].first > e[i - 1].first && e[i].epoch != e[i - 1].epoch)
			continue;
		problems++;
		fprintf(stderr, "%s/%s: epoch %08" PRIx32 " from %" PRIu64
		    " does not follow epoch %08" PRIx32 " from %" PRIu64 "\n",
		    path, JOURNAL_FILE_EPOCHS, e[i].epoch, e[i].first,
		    e[i - 1].epoch, e[i - 1].first);
	}
	return problems;
}

/* --- state files --------------------------------------------------------- */

/* The last chunk, which ends before `offset`, and nothing after it. */
static int
check_end(int fd, struct journal_state_chunk *c, uint64_t position,
    uint64_t offset, struct err *err)
{
	uint64_t through = rd_u64(&c->rd);
	struct stat st = { 0 };

	(void)rd_u64(&c->rd);
	if (!rd_done(&c->rd) || through < position)
		return err_set(err, "state file ends in disorder before "
		    "offset %" PRIu64, offset);
	if (fstat(fd, &st) == 0 && (uint64_t)st.st_size != offset)
		return err_set(err, "data follows the end of the state file "
		    "at offset %" PRIu64, offset);
	return 0;
}

static int
check_chunks(int fd, uint64_t position, struct err *err)
{
	uint64_t offset = JOURNAL_STATE_HEADER_SIZE;
	struct journal_state_chunk c;
	struct buf b = BUF_EMPTY;
	int rc;

	do
		rc = journal_state_chunk_read(fd, &offset, &b, &c, err);
	while (rc == 0 && c.kind != JOURNAL_STATE_END);
	if (rc == 0)
		rc = check_end(fd, &c, position, offset, err);
	buf_free(&b);
	return rc;
}

static int
check_state(int fd, uint64_t position, struct err *err)
{
	struct position header;

	if (journal_state_header_read(fd, &header, err) < 0)
		return -1;
	if (header.number != position)
		return err_set(err, "header says position %" PRIu64 ", not %"
		    PRIu64 ", at offset 0", header.number, position);
	return check_chunks(fd, position, err);
}

static uint64_t
verify_state(int directory, const char *path, uint64_t position)
{
	char name[JOURNAL_FILE_NAME_MAX];
	struct err err;
	int fd, rc;

	(void)journal_file_name(name, position, "state");
	fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	/* A running broker removes old ones. */
	if (fd < 0 && errno == ENOENT)
		return 0;
	rc = fd < 0 ? err_errno(&err, errno, "state file") :
	    check_state(fd, position, &err);
	if (rc < 0)
		fprintf(stderr, "%s/%s: %s\n", path, name, err.text);
	if (fd >= 0)
		(void)close(fd);
	return (uint64_t)(rc < 0);
}

uint64_t
journal_verify_states(int directory, const char *path)
{
	uint64_t *positions = NULL, problems = 0;
	struct err err;
	ssize_t n;

	n = journal_file_list(directory, "state", &positions, &err);
	if (n < 0) {
		fprintf(stderr, "%s: %s\n", path, err.text);
		return 1;
	}
	for (ssize_t i = 0; i < n; i++)
		problems += verify_state(directory, path, positions[i]);
	free(positions);
	return problems;
}

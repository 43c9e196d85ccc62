/*
 * log: one line per thing that happened, to stderr.
 *
 * Where stderr is the journal (JOURNAL_STREAM names it) a line starts with
 * "<N>" (sd-daemon(3)), which journald takes off; on a terminal or a file a
 * line of text has a UTC time. Every line carries the process's name
 * (`watcher/prod`). With format json it is one JSON object per line. A line
 * longer than LOG_LINE_MAX is cut, control characters become spaces, bytes that
 * are no UTF-8 become question marks. Only process-level code logs; see err.h
 * for the rest. Async-signal handlers must not call any of these.
 */
#ifndef SLUICE_LOG_H
#define SLUICE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/macros.h"

#define LOG_LINE_MAX 4096

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARN,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG,
	LOG_LEVEL_MAX
};

enum log_format {
	LOG_FORMAT_TEXT,
	LOG_FORMAT_JSON,
	LOG_FORMAT_MAX
};

/* `ident` is copied. May be called again (name known later, level changed). */
void	log_init(const char *ident, enum log_level level,
	    enum log_format format);

/* True where lines go to journald, by what log_init found. */
bool	log_to_journal(void);

/* Whether lines of this level are written. */
bool	log_writes(enum log_level level);

void	log_debug(const char *fmt, ...) PRINTF(1, 2);
void	log_info(const char *fmt, ...) PRINTF(1, 2);
void	log_warn(const char *fmt, ...) PRINTF(1, 2);
void	log_error(const char *fmt, ...) PRINTF(1, 2);

/* A line with named values, at info: with format text they follow the message
 * as name=value, with json each is a member. What makes the line longer than
 * LOG_FIELDS_MAX is left out, whole fields. */
#define LOG_FIELDS_MAX 2048

struct log_field {
	const char	*name;
	const char	*text;     /* NULL: it is the number */
	uint64_t	 number;
};

void	log_fields(const char *message, const struct log_field *fields,
	    size_t n);

/* Logs at error and ends the process: fatal() appends strerror(errno) and
 * exits 1, fatalx() exits 1, fatal_config() exits 78 (sysexits EX_CONFIG: the
 * supervisor opens the circuit at once, since a restart cannot help). */
NORETURN void	fatal(const char *fmt, ...) PRINTF(1, 2);
NORETURN void	fatalx(const char *fmt, ...) PRINTF(1, 2);
NORETURN void	fatal_config(const char *fmt, ...) PRINTF(1, 2);

#endif

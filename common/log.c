#include "common/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/mono.h"
#include "common/utf8.h"

static struct {
	char		ident[80];
	enum log_level	level;
	enum log_format	format;
	bool		journal;   /* stderr is read by journald */
} logger = { .ident = "sluice", .level = LOG_LEVEL_INFO };

static const struct {
	const char	*name;
	int		 syslog;
} levels[LOG_LEVEL_MAX] = {
	[LOG_LEVEL_ERROR] = { "error", 3 },
	[LOG_LEVEL_WARN]  = { "warning", 4 },
	[LOG_LEVEL_INFO]  = { "info", 6 },
	[LOG_LEVEL_DEBUG] = { "debug", 7 },
};

/* "device:inode" of the stream systemd gave us. A shell that runs below some
 * service has the variable too, and a terminal, or a file, as its stderr. */
static bool
stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char own[48];
	struct stat st;

	if (stream == NULL || fstat(STDERR_FILENO, &st) != 0)
		return false;
	(void)snprintf(own, sizeof(own), "%ju:%ju", (uintmax_t)st.st_dev,
	    (uintmax_t)st.st_ino);
	return strcmp(stream, own) == 0;
}

void
log_init(const char *ident, enum log_level level, enum log_format format)
{
	(void)snprintf(logger.ident, sizeof(logger.ident), "%s", ident);
	logger.level = level;
	logger.format = format;
	logger.journal = stderr_is_journal();
}

bool
log_to_journal(void)
{
	return logger.journal;
}

bool
log_writes(enum log_level level)
{
	return level <= logger.level;
}

/* Appends text (without control characters) as the inside of a JSON string;
 * returns the new length. */
static size_t
escape(char *out, size_t n, size_t size, const char *text)
{
	size_t left = strlen(text), length;

	for (; left > 0 && n + 8 < size; text += length, left -= length) {
		if (*text == '"' || *text == '\\')
			out[n++] = '\\';
		length = utf8_length(text, left);
		memcpy(out + n, text, length);
		n += length;
	}
	return n;
}

/* What a terminal or a reader of JSON could stumble over: one line, nothing
 * that moves a cursor, nothing that is no UTF-8 (its end may be cut). */
static void
clean(char *text)
{
	size_t left = strlen(text), length;

	for (; left > 0; text += length, left -= length) {
		length = utf8_length(text, left);
		if (length == 0)
			*text = '?';
		else if (utf8_control(text, length))
			memset(text, ' ', length);
		length = MAX(length, (size_t)1);
	}
}

/* `members` is "" or, for JSON, what follows the message. */
static void
emit(enum log_level level, const char *text, const char *members)
{
	char line[LOG_LINE_MAX], now[MONO_RFC3339_SIZE];
	size_t n = 0;

	(void)wall_format(wall_unix_ms(), now);
	if (logger.journal)
		n = (size_t)snprintf(line, sizeof(line), "<%d>",
		    levels[level].syslog);
	if (logger.format == LOG_FORMAT_JSON) {
		n += (size_t)snprintf(line + n, sizeof(line) - n,
		    "{\"ts\":\"%s\",\"level\":\"%s\",\"process\":\"%s\","
		    "\"pid\":%d,\"message\":\"", now, levels[level].name,
		    logger.ident, (int)getpid());
		n = escape(line, n, sizeof(line) - 4 - strlen(members), text);
		n += (size_t)snprintf(line + n, sizeof(line) - n, "\"%s}\n",
		    members);
	} else {
		n += (size_t)(logger.journal
		    ? snprintf(line + n, sizeof(line) - n, "%s: %s\n",
			logger.ident, text)
		    : snprintf(line + n, sizeof(line) - n, "%s %s %s: %s\n",
			now, levels[level].name, logger.ident, text));
		n = MIN(n, sizeof(line) - 1);
		line[n - 1] = '\n';
	}
	/* One write per line: lines of several processes never interleave. */
	(void)!write(STDERR_FILENO, line, n);
}

static void PRINTF(2, 0)
vlog(enum log_level level, const char *fmt, va_list ap)
{
	char text[LOG_LINE_MAX - 200];
	int saved = errno;

	if (log_writes(level)) {
		(void)vsnprintf(text, sizeof(text), fmt, ap);
		clean(text);
		emit(level, text, "");
	}
	errno = saved;
}

/* A word that needs no quotes where name=value pairs stand in a row. */
static bool
is_word(const char *text)
{
	return *text != '\0' && text[strspn(text, "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._~:/@*-")] == '\0';
}

/* One field as this format has it; 0: there is no room. */
static size_t
add_field(char *out, size_t size, const struct log_field *f)
{
	bool json = logger.format == LOG_FORMAT_JSON;
	const char *quote = json || (f->text != NULL && !is_word(f->text)) ?
	    "\"" : "";
	char value[LOG_FIELDS_MAX], text[LOG_FIELDS_MAX / 2];
	int n;

	if (f->text == NULL) {
		quote = "";
		(void)snprintf(value, sizeof(value), "%" PRIu64, f->number);
	} else {
		(void)snprintf(text, sizeof(text), "%s", f->text);
		clean(text);
		value[escape(value, 0, sizeof(value), text)] = '\0';
	}
	n = snprintf(out, size, json ? ",\"%s\":%s%s%s" : " %s=%s%s%s",
	    f->name, quote, value, quote);
	return n > 0 && (size_t)n < size ? (size_t)n : 0;
}

void
log_fields(const char *message, const struct log_field *fields, size_t n)
{
	char all[LOG_FIELDS_MAX] = "", text[LOG_LINE_MAX - 200];
	int saved = errno;
	size_t used = 0, more;

	if (!log_writes(LOG_LEVEL_INFO))
		return;
	for (size_t i = 0; i < n; i++) {
		more = add_field(all + used, sizeof(all) - used, &fields[i]);
		used += more;
		all[used] = '\0';
	}
	(void)snprintf(text, sizeof(text), "%s%s", message,
	    logger.format == LOG_FORMAT_JSON ? "" : all);
	clean(text);
	emit(LOG_LEVEL_INFO, text, logger.format == LOG_FORMAT_JSON ? all :
	    "");
	errno = saved;
}

#define LOG_FUNCTION(name, level)		\
	void					\
	name(const char *fmt, ...)		\
	{					\
		va_list ap;			\
						\
		va_start(ap, fmt);		\
		vlog(level, fmt, ap);		\
		va_end(ap);			\
	}

LOG_FUNCTION(log_debug, LOG_LEVEL_DEBUG)
LOG_FUNCTION(log_info, LOG_LEVEL_INFO)
LOG_FUNCTION(log_warn, LOG_LEVEL_WARN)
LOG_FUNCTION(log_error, LOG_LEVEL_ERROR)

void
fatal(const char *fmt, ...)
{
	char text[LOG_LINE_MAX - 200];
	int saved = errno;
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_error("%s: %s", text, strerrordesc_np(saved));
	exit(1);
}

void
fatalx(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vlog(LOG_LEVEL_ERROR, fmt, ap);
	va_end(ap);
	exit(1);
}

void
fatal_config(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vlog(LOG_LEVEL_ERROR, fmt, ap);
	va_end(ap);
	exit(EX_CONFIG);
}

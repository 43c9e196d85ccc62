/*
 * sluicectl: the operator's command: asks the supervisor over its control
 * socket and the gateways at their desks, reads the journal's files, and
 * publishes.
 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/conf.h"
#include "common/mono.h"
#include "common/xmalloc.h"
#include "ctl/ask_line.h"
#include "ctl/connections_cmd.h"
#include "ctl/journal_cmd.h"
#include "ctl/publish_cmd.h"

#define DEFAULT_FILE   "/etc/sluice/sluice.yaml"
/* Where the unit's RuntimeDirectory= is, whatever the caller's defaults say. */
#define SERVICE_SOCKET "/run/sluice/control"

struct options {
	const char	*file;
	const char	*runtime;
	bool		 json;
	int		 first;     /* of argv that is not an option */
};

static void
usage(void)
{
	(void)fputs(
	    "usage: sluicectl [-c FILE | --runtime DIR] [--json] COMMAND\n"
	    "  status             processes: state, pid, restarts, cause\n"
	    "  restart ROLE       end it in order and start it again\n"
	    "  stop [ROLE]        stop one process, or the whole service\n"
	    "  start ROLE         start one that was stopped, has failed, or "
	    "drains\n"
	    "  drain ROLE         have a gateway let go of its streams\n"
	    "  reload             read the configuration again\n"
	    "  connections        open streams of all gateways\n"
	    "  disconnect ID      end one of them\n"
	    "  disconnect --subject S [--tenant T]\n"
	    "                     end a subject's, and refuse its tokens\n"
	    "  journal info|dump|verify ...\n"
	    "  publish            events, one a line, from standard input\n"
	    "  publish --stream KEY --type TYPE --data JSON\n"
	    "                     one event\n"
	    "see sluicectl(8)\n", stderr);
}

static int
parse_options(int argc, char **argv, struct options *o)
{
	int i;

	*o = (struct options){ 0 };
	for (i = 1; i < argc && argv[i][0] == '-'; i++) {
		if (strcmp(argv[i], "-c") == 0 && i + 1 < argc)
			o->file = argv[++i];
		else if (strcmp(argv[i], "--runtime") == 0 && i + 1 < argc)
			o->runtime = argv[++i];
		else if (strcmp(argv[i], "--json") == 0)
			o->json = true;
		else
			return -1;
	}
	o->first = i;
	return i < argc ? 0 : -1;
}

/* The configuration of -c, else the installed one, else the defaults. The
 * number of problems, which were printed. */
static int
read_conf(const struct options *o, struct conf *ret)
{
	const char *file = o->file;

	if (file == NULL && access(DEFAULT_FILE, F_OK) == 0)
		file = DEFAULT_FILE;
	if (file != NULL)
		return conf_load(ret, file, stderr);
	return conf_parse(ret, "", 0, "(defaults)", stderr);
}

/* The socket is where systemd put it, which the file need not say: for who
 * named no other installation. */
static bool
is_service(const struct options *o, const char *path)
{
	return (o->file == NULL || strcmp(o->file, DEFAULT_FILE) == 0) &&
	    access(path, F_OK) != 0 && access(SERVICE_SOCKET, F_OK) == 0;
}

/* runtime_directory/control: of --runtime, else of the configuration. */
static char *
control_path(const struct options *o)
{
	struct conf conf;
	char *path = NULL;

	if (o->runtime != NULL)
		return xasprintf("%s/control", o->runtime);
	if (read_conf(o, &conf) == 0)
		path = xasprintf("%s/control", conf.runtime_directory);
	conf_free(&conf);
	if (path != NULL && is_service(o, path)) {
		free(path);
		path = xstrdup(SERVICE_SOCKET);
	}
	return path;
}

/* The answer to one line, or NULL after a message. */
static json_t *
ask(const char *path, const char *line)
{
	int code;
	json_t *json = ask_line(path, line, &code);

	if (json != NULL)
		return json;
	if (code == ENOENT || code == ECONNREFUSED)
		(void)fprintf(stderr, "sluicectl: no sluiced runs here (%s): "
		    "start it (systemctl start sluice, or sluiced -c FILE), "
		    "or name another with -c FILE or --runtime DIR\n", path);
	else if (code == EACCES || code == EPERM)
		(void)fprintf(stderr, "sluicectl: %s: %s; run it as the user "
		    "sluiced runs as, or as root\n", path,
		    strerrordesc_np(code));
	else if (code == ENAMETOOLONG)
		(void)fprintf(stderr, "sluicectl: %s: longer than a socket's "
		    "path may be\n", path);
	else if (code == EAGAIN)
		(void)fprintf(stderr, "sluicectl: %s: sluiced did not answer "
		    "within %d s: it hangs, or is stopped (ps shows T); "
		    "systemd restarts one that hangs, else: kill -KILL its "
		    "pid\n", path, ASK_LINE_TIMEOUT);
	else if (code == EPIPE)
		(void)fprintf(stderr, "sluicectl: %s: sluiced closed the "
		    "connection: it ends, or too many others ask it at once; "
		    "try again\n", path);
	else
		(void)fprintf(stderr, "sluicectl: %s: %s\n", path,
		    strerrordesc_np(code));
	return NULL;
}

/* --- output --------------------------------------------------------------- */

static const char *
text_of(const json_t *row, const char *name)
{
	const char *text = json_string_value(json_object_get(row, name));

	return text != NULL ? text : "";
}

static int64_t
number_of(const json_t *row, const char *name)
{
	return json_integer_value(json_object_get(row, name));
}

/* "12s", "5m", "3h", "2d" since an RFC 3339 time. */
static void
format_age(const char *since, char *buf, size_t size)
{
	int64_t then, s = 0;

	if (wall_parse(since, strlen(since), &then))
		s = MAX((wall_unix_ms() - then) / 1000, 0);
	if (s < 120)
		(void)snprintf(buf, size, "%" PRId64 "s", s);
	else if (s < 7200)
		(void)snprintf(buf, size, "%" PRId64 "m", s / 60);
	else if (s < 172800)
		(void)snprintf(buf, size, "%" PRId64 "h", s / 3600);
	else
		(void)snprintf(buf, size, "%" PRId64 "d", s / 86400);
}

/* The row's last column: what the process says of itself, what it died of,
 * and, when it stays down, what the operator can do. */
static void
print_sentence(const json_t *row, const char *state)
{
	bool well = strcmp(state, "ready") == 0;
	const char *why = well ? text_of(row, "last_death")
			       : text_of(row, "cause");
	const char *says = text_of(row, "status_state");
	const char *text = text_of(row, "status");
	const char *separator = "";

	if (*says != '\0' || *text != '\0') {
		(void)printf("%s%s%s", says,
		    *says != '\0' && *text != '\0' ? ": " : "", text);
		separator = "; ";
	}
	if (*why != '\0')
		(void)printf("%s%s: %s", separator,
		    well ? "last death" : "cause", why);
	if (strcmp(state, "failed") == 0)
		(void)printf("; remedy: mend that, then: sluicectl start %s",
		    text_of(row, "process"));
	(void)putchar('\n');
}

static void
print_row(const json_t *row)
{
	const char *state = text_of(row, "state");
	char pid[16] = "-", age[32];

	if (number_of(row, "pid") != 0)
		(void)snprintf(pid, sizeof(pid), "%" PRId64,
		    number_of(row, "pid"));
	format_age(text_of(row, "since"), age, sizeof(age));
	(void)printf("%-24s %-9s %7s %6s %8" PRId64 " %6" PRId64 " %-9s ",
	    text_of(row, "process"), state, pid, age,
	    number_of(row, "restarts"), number_of(row, "deaths"),
	    text_of(row, "circuit"));
	print_sentence(row, state);
}

static void
print_status(const json_t *answer)
{
	const json_t *rows = json_object_get(answer, "processes");

	(void)printf("sluiced %s, pid %" PRId64 ", %s, http://%s:%" PRId64
	    "/, state in %s\n", text_of(answer, "version"),
	    number_of(answer, "pid"), text_of(answer, "state"),
	    text_of(answer, "listen_host"), number_of(answer, "listen_port"),
	    text_of(answer, "state_directory"));
	(void)printf("%-24s %-9s %7s %6s %8s %6s %-9s %s\n", "PROCESS",
	    "STATE", "PID", "SINCE", "RESTARTS", "DEATHS", "CIRCUIT",
	    "STATUS");
	for (size_t i = 0; i < json_array_size(rows); i++)
		print_row(json_array_get(rows, i));
}

static int
print_answer(const struct options *o, const json_t *answer, bool status)
{
	bool ok = json_is_true(json_object_get(answer, "ok"));

	if (o->json) {
		if (json_dumpf(answer, stdout, JSON_COMPACT) != 0) {
			if (ferror(stdout) == 0)
				(void)fputs("sluicectl: out of memory\n",
				    stderr);
			return EX_IOERR;   /* flushed() says why */
		}
		(void)putchar('\n');
	} else if (ok && status) {
		print_status(answer);
	}
	if (!ok)
		(void)fprintf(stderr, "sluicectl: %s\n",
		    text_of(answer, "error"));
	return ok ? 0 : 1;
}

/* --- commands ------------------------------------------------------------- */

static bool
is_known(const char *verb, int operands)
{
	if (strcmp(verb, "status") == 0 || strcmp(verb, "reload") == 0)
		return operands == 0;
	if (strcmp(verb, "stop") == 0)
		return operands <= 1;
	return operands == 1 && (strcmp(verb, "restart") == 0 ||
	    strcmp(verb, "start") == 0 || strcmp(verb, "drain") == 0);
}

static int
command(const struct options *o, int argc, char **argv)
{
	const char *verb = argv[o->first];
	int operands = argc - o->first - 1, rc = 1;
	char *path, *line;
	json_t *answer;

	if (!is_known(verb, operands)) {
		usage();
		return EX_USAGE;
	}
	path = control_path(o);
	if (path == NULL)
		return EX_CONFIG;
	line = operands == 1 ? xasprintf("%s %s\n", verb, argv[o->first + 1])
			     : xasprintf("%s\n", verb);
	answer = ask(path, line);
	if (answer != NULL)
		rc = print_answer(o, answer, strcmp(verb, "status") == 0);
	json_decref(answer);
	free(line);
	free(path);
	return rc;
}

/* `journal ...`; the configuration is read where no directory is named. */
static int
journal(const struct options *o, int argc, char **argv)
{
	struct journal_ask ask = { .json = o->json };
	struct conf conf;
	char *directory;
	int rc;

	if (journal_cmd_parse(argc - o->first, argv + o->first, &ask) != 0)
		return EX_USAGE;
	if (ask.directory != NULL)
		return journal_cmd(&ask);
	if (read_conf(o, &conf) != 0) {
		conf_free(&conf);
		return EX_CONFIG;
	}
	ask.directory = directory = conf_journal_directory(&conf);
	conf_free(&conf);
	rc = journal_cmd(&ask);
	free(directory);
	return rc;
}

/* `connections`, `disconnect ...` */
static int
connections(const struct options *o, int argc, char **argv)
{
	struct connections_ask ask = { .json = o->json };
	char *path, *bus;
	int rc;

	if (connections_cmd_parse(argc - o->first, argv + o->first,
	    &ask) != 0) {
		usage();
		return EX_USAGE;
	}
	path = control_path(o);
	if (path == NULL)
		return EX_CONFIG;
	/* Beside the control socket. */
	*strrchr(path, '/') = '\0';
	bus = xasprintf("%s/bus", path);
	rc = connections_cmd(bus, &ask);
	free(bus);
	free(path);
	return rc;
}

/* Where this machine's Sluice listens, as its configuration says. */
static char *
own_url(const struct conf *conf)
{
	const char *host = conf->listen_host;

	if (strcmp(host, "0.0.0.0") == 0)
		host = "127.0.0.1";
	else if (strcmp(host, "::") == 0)
		host = "::1";
	return xasprintf(strchr(host, ':') != NULL ? "http://[%s]:%u" :
	    "http://%s:%u", host, conf->listen_port);
}

/* `publish ...`; the configuration is read where no URL is named. */
static int
publish(const struct options *o, int argc, char **argv)
{
	struct publish_ask ask = { .json = o->json };
	struct conf conf;
	char *url;
	int rc;

	if (publish_cmd_parse(argc - o->first, argv + o->first, &ask) != 0) {
		usage();
		return EX_USAGE;
	}
	if (ask.url != NULL)
		return publish_cmd(&ask);
	if (read_conf(o, &conf) != 0) {
		conf_free(&conf);
		return EX_CONFIG;
	}
	ask.url = url = own_url(&conf);
	conf_free(&conf);
	rc = publish_cmd(&ask);
	free(url);
	return rc;
}

/* What was printed may be cut: the disk is full, or nobody reads. */
static int
flushed(int status)
{
	if (fflush(stdout) == 0 && ferror(stdout) == 0)
		return status;
	(void)fputs("sluicectl: standard output could not be written whole: "
	    "is the disk full?\n", stderr);
	return status != 0 ? status : EX_IOERR;
}

int
main(int argc, char **argv)
{
	struct options o;

	if (argc == 2 && (strcmp(argv[1], "-V") == 0 ||
	    strcmp(argv[1], "--version") == 0)) {
		(void)printf("sluicectl %s\n", SLUICE_VERSION);
		return 0;
	}
	if (parse_options(argc, argv, &o) != 0) {
		usage();
		return EX_USAGE;
	}
	if (strcmp(argv[o.first], "connections") == 0 ||
	    strcmp(argv[o.first], "disconnect") == 0)
		return flushed(connections(&o, argc, argv));
	if (strcmp(argv[o.first], "journal") == 0)
		return flushed(journal(&o, argc, argv));
	if (strcmp(argv[o.first], "publish") == 0)
		return flushed(publish(&o, argc, argv));
	return flushed(command(&o, argc, argv));
}

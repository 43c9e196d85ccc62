/*
 * sluiced: the one process systemd knows. Starts, watches, restarts and stops
 * the others, holds the listening sockets, and touches no data.
 */
#include "supervisor/supervisor.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/log.h"
#include "common/xmalloc.h"
#include "supervisor/spawn.h"

#define DEFAULT_FILE   "/etc/sluice/sluice.yaml"
#define LAST_KILLS_MAX 100   /* rounds of killing what is left at the end */
#define FILES_MAX      65536 /* as in the unit */

enum mode { MODE_RUN, MODE_TEST, MODE_DOT, MODE_VERSION };

static void
usage(void)
{
	(void)fputs("usage: sluiced [-t] [-c FILE]\n"
	    "       sluiced -V | --dot\n"
	    "see sluiced(8)\n", stderr);
}

static int
parse_arguments(int argc, char **argv, enum mode *ret_mode,
    const char **ret_file)
{
	*ret_mode = MODE_RUN;
	*ret_file = access(DEFAULT_FILE, F_OK) == 0 ? DEFAULT_FILE : NULL;
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "-c") == 0 && i + 1 < argc)
			*ret_file = argv[++i];
		else if (strcmp(argv[i], "-t") == 0)
			*ret_mode = MODE_TEST;
		else if (strcmp(argv[i], "-V") == 0 ||
		    strcmp(argv[i], "--version") == 0)
			*ret_mode = MODE_VERSION;
		else if (strcmp(argv[i], "--dot") == 0)
			*ret_mode = MODE_DOT;
		else
			return -1;
	}
	return 0;
}

/* On a terminal as a compiler would; in the journal as errors, line by line, so
 * that `journalctl -p err` shows them. Cuts `text`. */
static void
tell_problems(char *text)
{
	char *line, *rest = text;

	if (!log_to_journal()) {
		(void)fputs(text, stderr);
		return;
	}
	while ((line = strsep(&rest, "\n")) != NULL)
		if (*line != '\0')
			log_error("%s", line);
}

/* 0, or how many problems there are; *ret_text, freed by the caller, has a line
 * of each. */
static int
read_conf(struct conf *conf, const char *file, char **ret_text)
{
	size_t n = 0;
	FILE *problems = open_memstream(ret_text, &n);
	int count;

	if (problems == NULL)
		fatal("open_memstream");
	if (file != NULL)
		count = conf_load(conf, file, problems);
	else
		count = conf_parse(conf, "", 0, "(defaults)", problems);
	if (count == 0)
		count = conf_check_files(conf, problems);
	if (fclose(problems) != 0)
		fatal("open_memstream");
	return count;
}

/* Advice on a configuration that is good: a line of each, freed by the
 * caller. */
static char *
advice_of(const struct conf *conf)
{
	char *text;
	size_t n = 0;
	FILE *out = open_memstream(&text, &n);

	if (out == NULL)
		fatal("open_memstream");
	(void)conf_exposed(conf, out);
	if (fclose(out) != 0)
		fatal("open_memstream");
	return text;
}

static void
log_advice(const struct conf *conf)
{
	char *text = advice_of(conf), *line, *rest = text;

	while ((line = strsep(&rest, "\n")) != NULL)
		if (*line != '\0')
			log_warn("%s", line);
	free(text);
}

static void
print_advice(const struct conf *conf)
{
	char *text = advice_of(conf);

	(void)fputs(text, stderr);
	free(text);
}

static int
test_conf(const char *file)
{
	struct conf conf;
	char *problems;
	int count = read_conf(&conf, file, &problems);

	if (count != 0)
		tell_problems(problems);
	free(problems);
	if (count == 0) {
		print_advice(&conf);
		conf_print(&conf, stdout);
	}
	conf_free(&conf);
	if (fflush(stdout) != 0 || ferror(stdout) != 0) {
		(void)fputs("sluiced: standard output could not be written "
		    "whole: is the disk full?\n", stderr);
		return EX_IOERR;
	}
	return count == 0 ? 0 : EX_CONFIG;
}

/* The directory this program lies in: the others lie beside it. */
static char *
own_directory(void)
{
	char path[CONF_PATH_MAX], *slash;
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

	if (n <= 0)
		return xstrdup(SLUICE_LIBEXECDIR);
	path[n] = '\0';
	slash = strrchr(path, '/');
	if (slash != NULL)
		*slash = '\0';
	return xstrdup(path);
}

/* --- the loop's inputs ---------------------------------------------------- */

static void
supervisor_signal_cb(evutil_socket_t number, short what UNUSED, void *arg)
{
	struct supervisor *s = arg;
	struct err err;

	if (number == SIGCHLD)
		service_reap(s);
	else if (number == SIGTERM)
		service_stop(s, "SIGTERM");
	else if (number == SIGINT)
		service_stop(s, "SIGINT");
	else if (settings_reload(s, &err) != 0)
		log_error("reload: %s", err.text);
}

static void
supervisor_tick_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	service_tick(arg);
}

static const int numbers[] = { SIGTERM, SIGINT, SIGHUP, SIGCHLD };

/* Those of the loop wait while there is none: a SIGHUP before it would end us,
 * a second SIGTERM after it would leave children behind. */
static void
hold_signals(bool hold)
{
	sigset_t set;

	(void)sigemptyset(&set);
	for (size_t i = 0; i < NELEM(numbers); i++)
		(void)sigaddset(&set, numbers[i]);
	(void)sigprocmask(hold ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL);
}

static void
open_loop(struct supervisor *s)
{
	struct timeval tv = mono_timeval_ms(CHILD_PING_MS);
	struct sigaction sa;

	_Static_assert(NELEM(numbers) == NELEM(s->signals), "signals");
	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = SIG_IGN;
	(void)sigaction(SIGPIPE, &sa, NULL);
	s->base = event_base_new();
	if (s->base == NULL)
		fatalx("event_base_new failed: no epoll?");
	for (size_t i = 0; i < NELEM(numbers); i++) {
		s->signals[i] = evsignal_new(s->base, numbers[i],
		    supervisor_signal_cb, s);
		if (s->signals[i] == NULL ||
		    event_add(s->signals[i], NULL) != 0)
			fatalx("event_new failed");
	}
	s->tick = event_new(s->base, -1, EV_PERSIST, supervisor_tick_cb, s);
	if (s->tick == NULL || event_add(s->tick, &tv) != 0)
		fatalx("event_new failed");
	s->last_tick = mono_now();
	hold_signals(false);
}

static void
close_loop(struct supervisor *s)
{
	for (size_t i = 0; i < NELEM(s->signals); i++)
		event_free(s->signals[i]);
	event_free(s->tick);
	event_base_free(s->base);
}

/* Whatever still lives below us, strays of strays included. */
static void
kill_the_rest(void)
{
	struct timespec pause = { .tv_nsec = 2000000 };
	pid_t pids[64];
	size_t n;

	for (int i = 0; i < LAST_KILLS_MAX; i++) {
		n = spawn_children(pids, NELEM(pids));
		if (n == 0)
			return;
		for (size_t k = 0; k < n; k++)
			(void)kill(pids[k], SIGKILL);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		(void)nanosleep(&pause, NULL);
	}
}

/* --- life ----------------------------------------------------------------- */

/* Everything that can be refused, before anything is started. */
static int
prepare(struct supervisor *s, struct err *err)
{
	if (state_dir_open(&s->state_dir, &s->conf, err) != 0)
		return -1;
	if (keeper_open(&s->keeper, &s->conf, err) != 0)
		return -1;
	open_loop(s);
	s->control = control_open(s, err);
	if (s->control == NULL)
		return -1;
	service_start(s);
	return 0;
}

/* What children inherit: no cores with secrets in them, files for this user
 * alone, and more of them than the 1024 of a shell, which 500 clusters use up.
 * Nothing here calls select(2). */
static void
set_limits(void)
{
	struct rlimit no_core = { 0, 0 }, files;

	(void)umask(077);
	(void)setrlimit(RLIMIT_CORE, &no_core);
	if (getrlimit(RLIMIT_NOFILE, &files) != 0 ||
	    files.rlim_cur >= FILES_MAX)
		return;
	files.rlim_cur = MIN(files.rlim_max, FILES_MAX);
	(void)setrlimit(RLIMIT_NOFILE, &files);
}

/* The first of them is what `systemctl status` shows. */
static int
refuse_conf(struct supervisor *s, char *problems)
{
	(void)notify_send(&s->notify, "STATUS=%.*s",
	    (int)strcspn(problems, "\n"), problems);
	tell_problems(problems);
	free(problems);
	conf_free(&s->conf);
	notify_free(&s->notify);
	return EX_CONFIG;
}

static int
run(const char *file)
{
	struct supervisor s = { .conf_path = file,
		.state_dir = { .lock_fd = -1, .runtime_lock_fd = -1 } };
	struct err err;
	char *problems;

	hold_signals(true);
	notify_init(&s.notify);
	if (read_conf(&s.conf, file, &problems) != 0)
		return refuse_conf(&s, problems);
	free(problems);
	log_init("sluiced", s.conf.log_level, s.conf.log_format);
	set_limits();
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	s.bin_directory = own_directory();
	log_info("service: starts, version %s, pid %d, configuration %s",
	    SLUICE_VERSION, (int)getpid(), s.conf.file);
	if (prepare(&s, &err) != 0) {
		log_error("%s", err.text);
		(void)notify_send(&s.notify, "STATUS=%s", err.text);
		exit(1);
	}
	log_advice(&s.conf);
	(void)event_base_dispatch(s.base);
	hold_signals(true);
	service_free(&s);
	relay_free(&s);
	kill_the_rest();
	control_close(s.control);
	keeper_close(&s.keeper);
	state_dir_close(&s.state_dir);
	notify_free(&s.notify);
	close_loop(&s);
	free(s.bin_directory);
	conf_free(&s.conf);
	return 0;
}

int
main(int argc, char **argv)
{
	enum mode mode;
	const char *file;

	if (parse_arguments(argc, argv, &mode, &file) != 0) {
		usage();
		return EX_USAGE;
	}
	log_init("sluiced", LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
	switch (mode) {
	case MODE_TEST:
		return test_conf(file);
	case MODE_DOT:
		child_fsm_dot(stdout);
		return 0;
	case MODE_VERSION:
		(void)printf("sluiced %s\n", SLUICE_VERSION);
		return 0;
	case MODE_RUN:
		break;
	}
	return run(file);
}

#include "common/role.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/channel.h"
#include "common/log.h"
#include "common/mono.h"
#include "common/sealed.h"
#include "common/xmalloc.h"

#define ROLE_MAGIC    0x454c4f52u   /* "ROLE" */
#define CALLBACKS_MAX 512           /* between two looks of the loop */

/* struct role is what the role sees; this is the whole. */
struct role_private {
	struct role		 pub;
	uint32_t		 magic;
	const struct role_ops	*ops;
	struct channel		*channel;
	struct event		*sigterm;
	struct event		*stop_limit;
	uint64_t		 turns;
	bool			 orphan;     /* the supervisor is gone */
	bool			 started;
	bool			 ready;
	bool			 stopping;
	bool			 leaving;
};

static struct role_private *
private_of(struct role *role)
{
	struct role_private *p = CONTAINER_OF(role, struct role_private, pub);

	assert(p->magic == ROLE_MAGIC);
	return p;
}

/* --- what a role may ask for --------------------------------------------- */

void
role_send(struct role *role, enum msg_type type, const void *payload,
    size_t n, int fd)
{
	struct role_private *p = private_of(role);
	struct err err;

	if (p->orphan)
		return;
	if (channel_send(p->channel, type, payload, n, fd, &err) == 0)
		return;
	/* A closed channel is told by its own event, which ends us in order. */
	if (err.code == EPIPE || err.code == ECONNRESET)
		return;
	fatalx("supervisor: %s", err.text);
}

void
role_ready(struct role *role)
{
	struct role_private *p = private_of(role);

	if (p->ready)
		return;
	p->ready = true;
	role_send(role, MSG_READY, NULL, 0, -1);
}

void
role_exit(struct role *role)
{
	private_of(role)->leaving = true;
	(void)event_base_loopbreak(role->base);
}

void
role_status(struct role *role, const char *state, const char *fmt, ...)
{
	struct msg_status m;
	struct buf b = BUF_EMPTY;
	va_list ap;

	memset(&m, 0, sizeof(m));
	(void)snprintf(m.state, sizeof(m.state), "%s", state);
	va_start(ap, fmt);
	(void)vsnprintf(m.text, sizeof(m.text), fmt, ap);
	va_end(ap);
	msg_status_encode(&b, &m);
	role_send(role, MSG_STATUS, b.data, b.len, -1);
	buf_free(&b);
}

void
role_bus_path(struct role *role, const char *path)
{
	struct msg_peer m;
	struct buf b = BUF_EMPTY;

	memset(&m, 0, sizeof(m));
	m.incarnation = role->incarnation;
	(void)snprintf(m.path, sizeof(m.path), "%s", path);
	msg_peer_encode(&b, &m);
	role_send(role, MSG_BUS_PATH, b.data, b.len, -1);
	buf_free(&b);
}

int
role_read_conf(int fd, struct conf *ret, struct err *err)
{
	struct stat st;
	uint8_t *bytes;
	size_t n;
	int rc;

	if (fstat(fd, &st) != 0)
		return err_errno(err, errno, "configuration: fstat");
	if (st.st_size <= 0 || st.st_size > (off_t)ROLE_CONF_MAX)
		return err_set(err, "configuration of %lld bytes refused",
		    (long long)st.st_size);
	bytes = xmalloc((size_t)st.st_size);
	if (sealed_read(fd, bytes, (size_t)st.st_size, &n, err) < 0) {
		rc = err_prefix(err, "configuration");
	} else {
		rc = conf_decode(ret, bytes, n, err);
		explicit_bzero(bytes, n);   /* the store's has a password */
	}
	free(bytes);
	return rc;
}

/* --- life ---------------------------------------------------------------- */

static void
role_stop_limit_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct role_private *p = arg;

	assert(p->magic == ROLE_MAGIC);
	log_error("still here %d ms after stop: leaving hard",
	    ROLE_STOP_MAX_MS);
	_exit(1);
}

static void
stop(struct role_private *p, const char *cause)
{
	struct timeval tv = mono_timeval_ms(ROLE_STOP_MAX_MS);

	if (p->stopping)
		return;
	p->stopping = true;
	log_debug("stop: %s", cause);
	(void)event_add(p->stop_limit, &tv);
	if (p->started)
		p->ops->stop(&p->pub);
	else
		role_exit(&p->pub);
}

static void
role_sigterm_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct role_private *p = arg;

	assert(p->magic == ROLE_MAGIC);
	stop(p, "SIGTERM");
}

/* A role that cannot start says why to the operator, then leaves. */
NORETURN static void
fail(struct role_private *p, const struct err *err)
{
	int code = err->code == EX_CONFIG ? EX_CONFIG : 1;

	log_error("cannot start: %s", err->text);
	role_status(&p->pub, "failed", "%s", err->text);
	_exit(code);
}

static void
configure(struct role_private *p, int fd)
{
	struct err err = { 0 };

	if (p->started)
		fatalx("supervisor: a second CONFIG");
	if (role_read_conf(fd, &p->pub.conf, &err) != 0) {
		err.code = EX_CONFIG;
		fail(p, &err);
	}
	(void)close(fd);
	log_init(p->pub.title, p->pub.conf.log_level, p->pub.conf.log_format);
	p->started = true;
	if (p->ops->start(&p->pub, &err) != 0)
		fail(p, &err);
}

/* The role takes what it can of a changed configuration; its log is ours. */
static void
change_log(const struct role_private *p, int fd)
{
	struct conf conf;

	if (role_read_conf(fd, &conf, NULL) != 0)
		return;   /* the role says so */
	log_init(p->pub.title, conf.log_level, conf.log_format);
	conf_free(&conf);
}

static void
pong(struct role_private *p)
{
	struct msg_pong m;
	struct buf b = BUF_EMPTY;
	const char *busy = NULL;

	if (p->started && p->ops->busy != NULL)
		busy = p->ops->busy(&p->pub);
	memset(&m, 0, sizeof(m));
	m.turns = p->turns;
	(void)snprintf(m.busy, sizeof(m.busy), "%s", busy != NULL ? busy : "");
	msg_pong_encode(&b, &m);
	role_send(&p->pub, MSG_PONG, b.data, b.len, -1);
	buf_free(&b);
}

static void
pass_on(struct role_private *p, enum msg_type type, const void *payload,
    size_t n, int fd)
{
	if (type == MSG_RELOAD)
		change_log(p, fd);
	if (p->ops->message != NULL)
		p->ops->message(&p->pub, type, payload, n, fd);
	else if (fd != -1)
		(void)close(fd);
}

static void
role_message_cb(struct channel *c UNUSED, enum msg_type type,
    const void *payload, size_t n, int fd, const struct err *err, void *arg)
{
	struct role_private *p = arg;

	assert(p->magic == ROLE_MAGIC);
	if (type == MSG_TYPE_MAX && err->code == EBADMSG)
		fatalx("supervisor: %s", err->text);
	if (type == MSG_TYPE_MAX) {
		p->orphan = true;
		stop(p, "the supervisor is gone");
	} else if (type == MSG_PING) {
		pong(p);
	} else if (type == MSG_STOP) {
		stop(p, "asked by the supervisor");
	} else if (type == MSG_CONFIG) {
		configure(p, fd);
	} else if (!p->started) {
		fatalx("supervisor: %s before CONFIG", msg_name(type));
	} else {
		pass_on(p, type, payload, n, fd);
	}
}

/* --- start --------------------------------------------------------------- */

/* A terminal's Ctrl-C and hang-up reach every process of the foreground
 * group: only the supervisor acts on them, and it gives the order to stop. */
static void
reset_signals(void)
{
	static const int ignored[] = { SIGINT, SIGHUP, SIGQUIT, SIGPIPE };
	struct sigaction sa;
	sigset_t none;

	memset(&sa, 0, sizeof(sa));
	(void)sigemptyset(&sa.sa_mask);
	sa.sa_handler = SIG_IGN;
	for (size_t i = 0; i < NELEM(ignored); i++)
		(void)sigaction(ignored[i], &sa, NULL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Fd 3 must be the supervisor's channel, made by the process that is still our
 * parent; PDEATHSIG alone is lost when the parent died before it was set. */
static void
check_parent(const struct role *role)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);
	int type = 0;
	socklen_t type_size = sizeof(type);

	if (getsockopt(MSG_CHANNEL_FD, SOL_SOCKET, SO_TYPE, &type,
	    &type_size) != 0 || type != SOCK_SEQPACKET ||
	    getsockopt(MSG_CHANNEL_FD, SOL_SOCKET, SO_PEERCRED, &peer,
	    &size) != 0) {
		(void)fprintf(stderr, "sluice-%s is started by sluiced, not by "
		    "hand: see sluiced(8)\n", role->name);
		exit(EX_USAGE);
	}
	(void)fcntl(MSG_CHANNEL_FD, F_SETFD, FD_CLOEXEC);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* Credentials are in here: no core file, and nobody of the same user
	 * looks in (root may). */
	(void)prctl(PR_SET_DUMPABLE, 0);
	if (getppid() != peer.pid)
		fatalx("the supervisor (pid %d) is gone", (int)peer.pid);
}

static bool
parse_u64(const char *text, uint64_t *ret)
{
	uint64_t v = 0;

	if (*text == '\0')
		return false;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9' || CKD_MUL(&v, v, 10u) ||
		    CKD_ADD(&v, v, (uint64_t)(*text - '0')))
			return false;
	}
	*ret = v;
	return true;
}

static void
identify(struct role *role, const char *name, int argc, char **argv)
{
	role->name = name;
	if (argc == 2 && strcmp(argv[1], "-V") == 0) {
		(void)printf("sluice-%s %s\n", name, SLUICE_VERSION);
		exit(0);
	}
	if (argc != 3 || !parse_u64(argv[2], &role->incarnation)) {
		(void)fprintf(stderr, "sluice-%s is started by sluiced, not by "
		    "hand: see sluiced(8)\n", name);
		exit(EX_USAGE);
	}
	role->instance = argv[1];
	if (strcmp(role->instance, "-") == 0)
		(void)snprintf(role->title, sizeof(role->title), "%s", name);
	else
		(void)snprintf(role->title, sizeof(role->title), "%s/%s", name,
		    role->instance);
}

/* After so many callbacks the loop looks again at what is there: else some
 * that keep each other busy (requests in pipelines) would keep all others
 * waiting, and PING unanswered. */
static struct event_base *
new_base(void)
{
	struct event_config *config = event_config_new();
	struct event_base *base = NULL;

	if (config != NULL && event_config_set_max_dispatch_interval(config,
	    NULL, CALLBACKS_MAX, 0) == 0)
		base = event_base_new_with_config(config);
	if (base == NULL)
		fatalx("event_base_new_with_config failed: no epoll?");
	event_config_free(config);
	return base;
}

static void
open_loop(struct role_private *p)
{
	struct event_base *base = new_base();

	p->pub.base = base;
	p->channel = channel_new(base, MSG_CHANNEL_FD, MSG_FROM_SUPERVISOR,
	    role_message_cb, p);
	p->sigterm = evsignal_new(base, SIGTERM, role_sigterm_cb, p);
	p->stop_limit = evtimer_new(base, role_stop_limit_cb, p);
	if (p->sigterm == NULL || p->stop_limit == NULL)
		fatalx("event_new failed");
	(void)event_add(p->sigterm, NULL);
}

int
role_main(const char *name, int argc, char **argv, const struct role_ops *ops)
{
	struct role_private *p = xcalloc(1, sizeof(*p));
	struct rlimit no_core = { 0, 0 };

	p->magic = ROLE_MAGIC;
	p->ops = ops;
	identify(&p->pub, name, argc, argv);
	log_init(p->pub.title, LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
	reset_signals();
	(void)setrlimit(RLIMIT_CORE, &no_core);
	check_parent(&p->pub);
	open_loop(p);
	while (!p->leaving && event_base_loop(p->pub.base, EVLOOP_ONCE) == 0)
		p->turns++;
	if (p->started && ops->finish != NULL)
		ops->finish(&p->pub);
	event_free(p->sigterm);
	event_free(p->stop_limit);
	channel_free(p->channel);
	event_base_free(p->pub.base);
	if (p->started)
		conf_free(&p->pub.conf);
	p->magic = 0;
	free(p);
	return 0;
}

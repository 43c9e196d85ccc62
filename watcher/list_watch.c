#include "watcher/list_watch.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/mono.h"
#include "common/timer.h"
#include "common/xmalloc.h"
#include "watcher/list_ask.h"
#include "watcher/list_compare.h"
#include "watcher/side_question.h"
#include "watcher/watch_words.h"

#define LIST_WATCH_MAGIC 0x4c495357u   /* "LISW" */
#define SKIPPED "some objects of this kind are not shown: larger than " \
	"16 MiB, or of a name no stream can have; /metrics counts them " \
	"(sluice_watcher_skipped_total)"

struct list_watch {
	uint32_t			 magic;
	const struct watch_env		*env;
	const struct list_watch_ops	*ops;
	void				*arg;
	struct request_place		 place;
	char				*namespace;
	struct watch_fsm		 fsm;
	struct list_ask			*ask;
	struct side_question		*question;
	uint32_t			 mark;       /* of the last list */
	bool				 named;      /* an object, since then */
	struct list_pass		 pass;       /* to list */
	struct list_compare		*compare;
	struct event			*wait;
	struct mono			 trouble;    /* since then: calm_ms */
	bool				 listed;
	bool				 tried;
	bool				 unanswered; /* asks again later */
	bool				 retried;    /* at once, after 401 */
	bool				 skipped;    /* since it was listed */
	enum watch_state		 shown;      /* meanwhile */
	int64_t				 delay_ms;
	struct watch_reason		 why;
};

static void	step(struct list_watch *lw, enum watch_input input,
		    const struct watch_outcome *outcome);

static void
tell(const struct list_watch *lw, enum watch_news_type type, const char *text)
{
	lw->ops->news(&(struct watch_news){ .type = type, .text = text },
	    lw->arg);
}

/* --- what the requests bring ---------------------------------------------- */

static bool
list_watch_object_cb(enum kube_event_type type,
    const struct kube_object *object, void *arg)
{
	struct list_watch *lw = arg;

	lw->named = true;
	return lw->ops->object(lw, type, object, lw->arg);
}

/* A server that is asked again after a failure is no better before it has
 * answered: until then the state shown stays what it was. */
static void
list_watch_answered_cb(void *arg)
{
	struct list_watch *lw = arg;

	assert(lw->magic == LIST_WATCH_MAGIC);
	/* Nobody was told of this one. */
	if (lw->retried)
		watch_reason_set(&lw->why, 0, "", "");
	lw->retried = false;
	if (lw->unanswered) {
		lw->unanswered = false;
		watch_reason_set(&lw->why, 0, "", "");
		lw->ops->changed(lw, lw->arg);
	}
	if (lw->fsm.state != WATCH_WATCHING)
		return;
	lw->ops->open(lw, lw->arg);
	list_compare_open(lw->compare);
}

/* What a list had to skip exists: it cannot tell what is gone. A comparison
 * would find it missing each time, and what it asks for skips it again. */
static void
list_ended(struct list_watch *lw, uint64_t oversized)
{
	lw->listed = lw->tried = true;
	watch_reason_set(&lw->why, 0, "", "");
	if (oversized > 0) {
		tell(lw, WATCH_NEWS_NOTICE, "the list held objects larger "
		    "than 16 MiB, which were skipped: what it did not name "
		    "does not count as deleted, and no list is compared");
		return;
	}
	list_compare_start(lw->compare);
	lw->ops->list_end(lw, lw->mark, lw->arg);
}

/* What exists has come by watch; the same watch goes on. */
static void
list_watch_listed_cb(uint64_t oversized, void *arg)
{
	struct list_watch *lw = arg;

	list_gate_return(lw->env->gate, &lw->pass);
	list_ended(lw, oversized);
	step(lw, WATCH_IN_LISTED, NULL);
	lw->ops->open(lw, lw->arg);
}

static void
list_watch_alive_cb(void *arg)
{
	struct list_watch *lw = arg;

	(void)watch_fsm_step(&lw->fsm, WATCH_IN_ALIVE, &(struct watch_facts){
	    .calm_ms = mono_diff_ms(mono_now(), lw->trouble) });
}

static void
list_watch_news_cb(const struct watch_news *news, void *arg)
{
	struct list_watch *lw = arg;
	bool first = news->type == WATCH_NEWS_SKIPPED && !lw->skipped;

	lw->ops->news(news, lw->arg);
	lw->skipped = lw->skipped || first;
	if (first)
		tell(lw, WATCH_NEWS_NOTICE, SKIPPED);
	if (first && lw->fsm.state == WATCH_WATCHING)
		lw->ops->changed(lw, lw->arg);
}

static void
list_watch_done_cb(const struct watch_outcome *outcome, void *arg)
{
	enum watch_input input = outcome->input;
	struct list_watch *lw = arg;

	assert(lw->magic == LIST_WATCH_MAGIC);
	if (watch_outcome_explains(outcome, lw->fsm.state))
		lw->why = outcome->why;
	if (outcome->input != WATCH_IN_PAGE)
		list_gate_return(lw->env->gate, &lw->pass);
	/* Of these two a list follows at once. */
	if (outcome->input != WATCH_IN_PAGE &&
	    outcome->input != WATCH_IN_UNSUPPORTED)
		lw->tried = true;
	tell(lw, WATCH_NEWS_ENDED, NULL);
	if (outcome->unreachable)
		tell(lw, WATCH_NEWS_UNREACHABLE, NULL);
	if (watch_outcome_outage(outcome))
		list_compare_outage(lw->compare);
	if (outcome->input == WATCH_IN_LISTED) {
		list_ended(lw, outcome->oversized);
		if (outcome->full) {
			lw->why = outcome->why;
			input = WATCH_IN_FULL;
		}
	}
	step(lw, input, outcome);
}

static const struct list_ask_ops ask_ops = {
	.object = list_watch_object_cb,
	.answered = list_watch_answered_cb,
	.listed = list_watch_listed_cb,
	.alive = list_watch_alive_cb,
	.news = list_watch_news_cb,
	.done = list_watch_done_cb,
};

/* --- the machine ---------------------------------------------------------- */

static void
begin_list(struct list_watch *lw)
{
	lw->mark = lw->ops->list_begin(lw, lw->arg);
	lw->named = false;
}

/* The kind is not served: there are none, as after a list that named none. One
 * that asks again and again has the mark of its last try for that. */
static void
list_nothing(struct list_watch *lw)
{
	if (lw->named)
		begin_list(lw);
	lw->ops->list_end(lw, lw->mark, lw->arg);
}

/* It is this one's turn to list. */
static void
list_watch_granted(void *arg)
{
	struct list_watch *lw = arg;

	assert(lw->magic == LIST_WATCH_MAGIC);
	list_compare_cancel(lw->compare);
	lw->skipped = false;
	begin_list(lw);
	if (lw->fsm.state == WATCH_STREAMING) {
		list_ask_stream(lw->ask);
	} else {
		list_ask_forget(lw->ask);
		list_ask_list(lw->ask, lw->fsm.version, lw->fsm.whole);
	}
}

/* `before`: the state whose request ended. */
static void
act(struct list_watch *lw, const struct watch_step *s, enum watch_state before)
{
	switch (s->action) {
	case WATCH_DO_LIST:
	case WATCH_DO_STREAM:
		list_gate_ask(lw->env->gate, &lw->pass);
		break;
	case WATCH_DO_PAGE:
		list_ask_list(lw->ask, lw->fsm.version, lw->fsm.whole);
		break;
	case WATCH_DO_WATCH:
		list_ask_watch(lw->ask);
		break;
	case WATCH_DO_FOLLOW:
		list_ask_follow(lw->ask);
		break;
	case WATCH_DO_PROBE:
		/* The watch that follows leaves the silent connection, too. */
		side_question_probe(lw->question, list_ask_version(lw->ask),
		    list_ask_silent(lw->ask));
		break;
	case WATCH_DO_DISCOVER:
		side_question_discover(lw->question);
		break;
	case WATCH_DO_REVIEW:
		side_question_review(lw->question, before == WATCH_WATCHING ||
		    before == WATCH_STREAMING ? "watch" : "list");
		break;
	case WATCH_DO_WAIT:
		lw->delay_ms = s->delay_ms;
		timer_arm(lw->wait, s->delay_ms);
		break;
	case WATCH_DO_NOTHING:
	case WATCH_DO_END:
	case WATCH_ACTION_MAX:
		break;
	}
}

/* It has been silent since the last sign of life, or of hope. */
static void
leave_connection(struct list_watch *lw)
{
	struct mono heard = list_ask_heard(lw->ask);
	struct mono begun = side_question_begun(lw->question);

	list_ask_leave_connection(lw->ask, mono_before(heard, begun) ? begun :
	    heard);
}

/* Whether this cluster can list by watch is learnt once, for all kinds. */
static struct watch_step
feed(struct list_watch *lw, enum watch_input input,
    const struct watch_outcome *o)
{
	struct watch_facts facts = {
		.calm_ms = mono_diff_ms(mono_now(), lw->trouble),
		.random = arc4random(),
	};
	struct watch_step s;

	if (o != NULL) {
		facts.quick = o->quick;
		facts.paged = o->paged;
		facts.cut = o->cut;
		facts.answered = o->refused;
		facts.retry_after_ms = o->retry_after_ms;
	}
	lw->fsm.streams = lw->env->conf->watch.watch_list &&
	    kube_api_streams(lw->env->api);
	s = watch_fsm_step(&lw->fsm, input, &facts);
	if (lw->env->conf->watch.watch_list && kube_api_streams(lw->env->api) &&
	    !lw->fsm.streams) {
		kube_api_no_streams(lw->env->api);
		tell(lw, WATCH_NEWS_NOTICE, "this API server cannot list by "
		    "watch: listing as usual from now on");
	}
	return s;
}

/* `outcome` of the request that ended, NULL: of none. */
static void
step(struct list_watch *lw, enum watch_input input,
    const struct watch_outcome *outcome)
{
	enum watch_state before = lw->fsm.state;
	struct watch_step s = feed(lw, input, outcome);
	bool same = strcmp(watch_words_shown(before),
	    watch_words_shown(lw->fsm.state)) == 0;

	if (input != WATCH_IN_ENDED)
		lw->trouble = mono_now();
	if (input == WATCH_IN_TIMER) {
		lw->unanswered = true;
		lw->shown = before;
	} else if (s.action == WATCH_DO_WAIT || s.action == WATCH_DO_END) {
		lw->unanswered = false;
	}
	lw->retried = input == WATCH_IN_UNAUTHORIZED &&
	    s.action != WATCH_DO_WAIT;
	if (s.fresh_connection)
		leave_connection(lw);
	if (input == WATCH_IN_EXPIRED)
		tell(lw, WATCH_NEWS_EXPIRED, NULL);
	lw->delay_ms = s.action == WATCH_DO_WAIT ? s.delay_ms : 0;
	if (lw->fsm.state == WATCH_ABSENT && before != WATCH_ABSENT)
		list_nothing(lw);
	if (!lw->unanswered && (!same || s.action == WATCH_DO_WAIT))
		lw->ops->changed(lw, lw->arg);
	act(lw, &s, before);
}

static bool
list_watch_watches(void *arg)
{
	struct list_watch *lw = arg;

	assert(lw->magic == LIST_WATCH_MAGIC);
	return lw->fsm.state == WATCH_WATCHING && list_ask_open(lw->ask);
}

/* The watch is asked for again from a whole list. */
static void
list_anew(struct list_watch *lw, enum watch_input input)
{
	list_ask_drop(lw->ask);
	step(lw, input, NULL);
}

static bool
list_watch_differs(void *arg)
{
	struct list_watch *lw = arg;

	assert(lw->magic == LIST_WATCH_MAGIC);
	if (lw->fsm.state != WATCH_WATCHING)
		return false;
	tell(lw, WATCH_NEWS_NOTICE, "the watch did not tell all that a list "
	    "shows: listing anew");
	list_anew(lw, WATCH_IN_MISSED);
	return true;
}

static void
list_watch_compared(void *arg)
{
	struct list_watch *lw = arg;

	assert(lw->magic == LIST_WATCH_MAGIC);
	tell(lw, WATCH_NEWS_ENDED, NULL);
}

static const struct list_compare_ops compare_ops = {
	.ended = list_watch_compared,
	.watches = list_watch_watches,
	.differs = list_watch_differs,
};

/* --- timers and life ------------------------------------------------------ */

static void
list_watch_wait_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct list_watch *lw = arg;

	assert(lw->magic == LIST_WATCH_MAGIC);
	step(lw, WATCH_IN_TIMER, NULL);
}

struct list_watch *
list_watch_new(const struct watch_env *env, unsigned kind,
    const char *namespace, const struct list_watch_ops *ops, void *arg)
{
	const struct conf *conf = env->conf;
	struct list_watch *lw = xcalloc(1, sizeof(*lw));

	lw->magic = LIST_WATCH_MAGIC;
	lw->env = env;
	lw->ops = ops;
	lw->arg = arg;
	lw->pass = (struct list_pass){ .granted = list_watch_granted,
		.arg = lw };
	lw->namespace = namespace == NULL ? NULL : xstrdup(namespace);
	lw->place = (struct request_place){ &kinds[kind], lw->namespace,
		strcmp(kinds[kind].name, "secret") == 0 &&
		    !conf->watch.helm_releases ? REQUEST_PATH_NO_HELM : NULL };
	watch_fsm_init(&lw->fsm, conf->watch.backoff_base_ms,
	    conf->watch.backoff_max_ms, conf->watch.denied_ms);
	lw->ask = list_ask_new(env->base, env->api, conf, &lw->place, &ask_ops,
	    lw);
	lw->compare = list_compare_new(env, kind, &lw->place, &compare_ops,
	    lw);
	lw->question = side_question_new(env->base, env->api, &lw->place,
	    list_watch_done_cb, lw);
	lw->wait = timer_new(env->base, list_watch_wait_cb, lw);
	return lw;
}

void
list_watch_free(struct list_watch *lw)
{
	if (lw == NULL)
		return;
	list_gate_return(lw->env->gate, &lw->pass);
	list_compare_free(lw->compare);
	side_question_free(lw->question);
	list_ask_free(lw->ask);
	event_free(lw->wait);
	free(lw->namespace);
	lw->magic = 0;
	free(lw);
}

void
list_watch_start(struct list_watch *lw)
{
	step(lw, WATCH_IN_START, NULL);
}

void
list_watch_stop(struct list_watch *lw)
{
	list_gate_return(lw->env->gate, &lw->pass);
	list_compare_cancel(lw->compare);
	list_ask_drop(lw->ask);
	side_question_cancel(lw->question);
	(void)evtimer_del(lw->wait);
	watch_reason_set(&lw->why, 0, "", "");
	step(lw, WATCH_IN_STOP, NULL);
}

void
list_watch_alone(struct list_watch *lw)
{
	if (lw->fsm.state == WATCH_WATCHING)
		list_anew(lw, WATCH_IN_ALONE);
}

const char *
list_watch_namespace(const struct list_watch *lw)
{
	return lw->namespace;
}

struct list_watch_view
list_watch_view(const struct list_watch *lw)
{
	enum watch_state state = lw->unanswered ? lw->shown : lw->fsm.state;
	bool skipped = lw->skipped && lw->why.reason[0] == '\0';

	/* Silence alone is no trouble yet. */
	return (struct list_watch_view){
		.state = state == WATCH_PROBING ? WATCH_WATCHING : state,
		.attempt = lw->fsm.attempt,
		.delay_ms = lw->delay_ms,
		.resource_version = list_ask_version(lw->ask),
		.reason = skipped ? "ObjectsSkipped" : lw->why.reason,
		.message = skipped ? SKIPPED : lw->why.message,
		.audit = lw->why.audit,
		.code = lw->why.code,
		.listed = lw->listed,
		.skipped = lw->skipped,
		.tried = lw->tried,
		.open = list_ask_open(lw->ask),
	};
}

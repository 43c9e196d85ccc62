#include "watcher/watch_outcome.h"

#include "watcher/kinds.h"

void
watch_outcome_decide(struct watch_outcome *o, enum watch_input input)
{
	if (o->decided)
		return;
	o->decided = true;
	o->input = input;
}

void
watch_outcome_say(struct watch_outcome *o, long code, const char *reason,
    const char *message)
{
	o->explained = true;
	watch_reason_set(&o->why, code, reason, message);
}

void
watch_outcome_refuse(struct watch_outcome *o, const char *text)
{
	o->refused = true;
	watch_outcome_say(o, 200, "InvalidAnswer", text);
	watch_outcome_decide(o, WATCH_IN_FAILED);
}

/* A list by watch that the server answers with an error it would not give to
 * a list: it cannot do this. */
static enum watch_input
input_of_error(const struct watch_asked *asked, enum watch_input input,
    long code)
{
	if (asked->stream && input == WATCH_IN_FAILED && code != 429 &&
	    (code == 400 || code == 422 || asked->open))
		return WATCH_IN_UNSUPPORTED;
	return input;
}

static void
error_event(struct watch_outcome *o, const struct kube_error *error,
    const struct watch_asked *asked)
{
	enum watch_input input;

	o->explained = true;
	o->refused = error->retry_after_s == 0;
	input = watch_reason_event(&o->why, error);
	o->retry_after_ms = watch_reason_retry_ms(o->why.code, error);
	watch_outcome_decide(o, input_of_error(asked, input, o->why.code));
}

void
watch_outcome_body(struct watch_outcome *o, const struct watch_body *body,
    const struct watch_asked *asked)
{
	switch (body->end) {
	case WATCH_BODY_ERROR:
		error_event(o, &body->error, asked);
		break;
	case WATCH_BODY_BACK:
		watch_outcome_say(o, 200, "VersionWentBack", body->err.text);
		watch_outcome_decide(o, WATCH_IN_TOO_LARGE);
		break;
	case WATCH_BODY_BAD:
	case WATCH_BODY_OPEN:
		watch_outcome_refuse(o, body->err.text);
		break;
	}
}

bool
watch_outcome_result(struct watch_outcome *o,
    const struct kube_result *result, const struct watch_asked *asked)
{
	enum watch_input input;

	if (o->decided)
		return false;
	if (watch_reason_result(&o->why, result, asked->origin, &input,
	    &o->retry_after_ms))
		return true;
	o->explained = true;
	if (result->status == 406 && asked->metadata)
		watch_reason_set(&o->why, 406, "NotAcceptable",
		    KINDS_NO_METADATA);
	o->cut = result->status == 200;
	o->unreachable = result->status == 0;
	watch_outcome_decide(o, o->cut ? input : input_of_error(asked, input,
	    result->status));
	return false;
}

bool
watch_outcome_explains(const struct watch_outcome *o, enum watch_state state)
{
	return o->explained && (state != WATCH_REVIEWING ||
	    o->input == WATCH_IN_ALLOWED);
}

/* A server that restarts may listen before anyone asks again: then a watch was
 * cut, and that is all. While it reads its data it answers 429, what stands
 * before it 502 to 504. */
bool
watch_outcome_outage(const struct watch_outcome *o)
{
	return o->unreachable || o->cut || o->silent ||
	    (o->input == WATCH_IN_FAILED && o->explained &&
	    (o->why.code == 429 || o->why.code >= 500));
}

void
watch_outcome_page(struct watch_outcome *o, struct list_pages *list)
{
	struct err err = { 0 };
	bool more;

	if (list_pages_end(list, &more, &err) < 0)
		watch_outcome_refuse(o, err.text);
	else
		watch_outcome_decide(o, more ? WATCH_IN_PAGE :
		    WATCH_IN_LISTED);
}

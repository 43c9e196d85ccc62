#include "watcher/job_stored.h"

#include "common/macros.h"
#include "watcher/inv_object.h"
#include "watcher/json_scan.h"

static bool
read_event(struct slice event, struct job_step *ret,
    uint8_t ret_uid[JOB_UID_SIZE])
{
	enum { S_UID, S_STATE, S_ATTEMPT, S_MAX };
	static const struct json_want want_data[] = {
		{ "state", S_STATE, NULL, 0 },
		{ "attempt", S_ATTEMPT, NULL, 0 },
	};
	static const struct json_want want[] = {
		{ "correlation_id", S_UID, NULL, 0 },
		{ "data", -1, want_data, NELEM(want_data) },
	};
	struct slice v[S_MAX];
	int64_t attempt;

	if (!json_scan(event, want, NELEM(want), v, S_MAX))
		return false;
	ret->state = lifecycle_state_of(LIFECYCLE_OF_JOB,
	    json_scan_text(v[S_STATE]));
	attempt = json_scan_int(v[S_ATTEMPT], 0);
	ret->attempt = (uint32_t)attempt;
	return ret->state != LIFECYCLE_NONE && attempt > 0 &&
	    attempt <= LIFECYCLE_ATTEMPT_MAX &&
	    inv_object_uid(json_scan_text(v[S_UID]), ret_uid);
}

bool
job_stored_read(const struct item *item, struct job_step *ret,
    uint8_t ret_uid[JOB_UID_SIZE])
{
	struct buf event = BUF_EMPTY;
	bool told;

	if (!slice_is(item->event_type, "job.state_changed"))
		return false;
	/* A frame is what is between the braces. */
	buf_addc(&event, '{');
	buf_add(&event, item->frame.p, item->frame.n);
	told = read_event((struct slice){ (const char *)event.data, event.len },
	    ret, ret_uid);
	buf_free(&event);
	return told;
}

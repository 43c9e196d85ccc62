#include "gateway/publish_tally.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "gateway/cloud_event.h"

void
publish_tally_free(struct publish_tally *t)
{
	buf_free(&t->details.json);
	free(t->places);
	free(t->by_id);
}

void
publish_tally_taken(struct publish_tally *t, uint32_t accepted,
    uint32_t duplicates, struct position first, struct position last)
{
	t->accepted += accepted;
	t->duplicates += duplicates;
	if (t->first.epoch == 0)
		t->first = first;
	if (last.epoch != 0)
		t->last = last;
}

void
publish_tally_refused(struct publish_tally *t, enum publish_refusal refusal,
    uint32_t n)
{
	t->refused += n;
	t->refusals[refusal] += n;
}

void
publish_tally_tell(struct publish_tally *t, uint32_t good,
    enum publish_refusal refusal, const char *path, const char *text)
{
	char where[64];

	if (t->by_id != NULL)
		path = cloud_event_name(path, t->by_id[good]);
	if (t->list)
		(void)snprintf(where, sizeof(where), "[%" PRIu32 "]%s%s",
		    t->places[good], *path != '\0' ? "." : "", path);
	else
		(void)snprintf(where, sizeof(where), "%s", path);
	reply_detail_code(&t->details, where,
	    publish_refusal_text(refusal)->code, text);
}

static void
accepted(const struct publish_tally *t, struct conn *c, const char *extra)
{
	struct buf b = BUF_EMPTY;
	char id[EVENT_ID_MAX];

	buf_addf(&b, "{\"accepted\":%u,\"duplicates\":%u", t->accepted,
	    t->duplicates);
	if (t->first.epoch != 0) {
		buf_addf(&b, ",\"first_id\":\"%s\"",
		    position_format(t->first, id));
		buf_addf(&b, ",\"last_id\":\"%s\"",
		    position_format(t->last, id));
	}
	if (t->refused > 0) {
		buf_addf(&b, ",\"refused\":%u,\"details\":[", t->refused);
		buf_add(&b, t->details.json.data, t->details.json.len);
		buf_addc(&b, ']');
	}
	if (extra[0] != '\0')
		buf_addf(&b, ",%s", extra);
	buf_addc(&b, '}');
	reply_json(c, 202, (struct slice){ (const char *)b.data, b.len });
	buf_free(&b);
}

static void
refused(struct publish_tally *t, struct conn *c, enum publish_refusal refusal)
{
	const struct publish_refusal_text *text = publish_refusal_text(
	    refusal);

	reply_error(c, text->status, text->code, text->text, &t->details);
}

void
publish_tally_answer(struct publish_tally *t, struct conn *c,
    const char *extra)
{
	for (int i = 0; t->accepted + t->duplicates == 0 && i < REFUSAL_MAX;
	    i++) {
		if (t->refusals[i] == 0)
			continue;
		refused(t, c, (enum publish_refusal)i);
		return;
	}
	accepted(t, c, extra);
}

#include "broker/intake.h"

#include <stdlib.h>

#include "common/xmalloc.h"

static struct intake_request *
request_new(struct intake *in)
{
	if (in->n == in->size) {
		in->size = in->size * 2 + 16;
		in->requests = xreallocarray(in->requests, in->size,
		    sizeof(*in->requests));
	}
	return &in->requests[in->n++];
}

void
intake_add(struct intake *in, struct bus_message *message,
    const struct publish_request *q, const struct publish_outcome *o)
{
	struct intake_request *r = request_new(in);

	*r = (struct intake_request){
		.message = *message,
		.publisher = q->publisher,
		.incarnation = q->incarnation,
		.batch = q->batch,
		.op = q->op,
		.reads = q->reads && o->count != 0,
		.first = o->first,
		.count = o->count,
		.exceptions = o->exceptions,
	};
	if (o->exceptions != 0)
		r->list = xmemdup(o->list,
		    o->exceptions * sizeof(*o->list));
	if (o->count != 0)
		journal_job_add(&in->job, o->record->data, o->record->len,
		    o->first.number, o->first.number + o->count - 1);
}

bool
intake_replace(struct intake *in, struct bus_message *message,
    const struct publish_request *q)
{
	for (size_t i = 0; i < in->n; i++) {
		struct intake_request *r = &in->requests[i];

		if (r->op != q->op || r->batch != q->batch ||
		    r->incarnation != q->incarnation ||
		    !slice_eq(r->publisher, q->publisher))
			continue;
		bus_message_free(&r->message);
		r->message = *message;
		r->publisher = q->publisher;
		r->reads = r->reads && q->reads;
		return true;
	}
	return false;
}

bool
intake_is_full(const struct intake *in)
{
	return in->job.bytes.len >= INTAKE_BYTES_MAX;
}

void
intake_answer(struct intake *in, int rep)
{
	struct buf b = BUF_EMPTY;

	for (size_t i = 0; i < in->n; i++) {
		struct intake_request *r = &in->requests[i];

		if (r->reads) {
			bus_message_free(&r->message);
		} else {
			buf_reset(&b);
			publish_answer_encode(&b, PUBLISH_OK, r->batch,
			    r->first, r->count, r->exceptions, r->list);
			(void)bus_reply(rep, &r->message, b.data, b.len,
			    NULL);
		}
		free(r->list);
	}
	in->n = 0;
	buf_free(&b);
}

static int
restamp_records(struct intake *to, const struct intake *from,
    struct publish_core *core, const struct publish_shift *shift,
    struct err *err)
{
	struct buf b = BUF_EMPTY;
	int rc = 0;

	for (size_t i = 0; i < from->job.n_records && rc == 0; i++) {
		const struct writer_record *r = &from->job.records[i];
		uint64_t first;

		rc = publish_restamp(core, shift,
		    from->job.bytes.data + r->offset, r->length, &b, err);
		if (rc < 0)
			break;
		first = r->first - shift->from.number + shift->to.number;
		journal_job_add(&to->job, b.data, b.len, first,
		    first + (r->last - r->first));
	}
	buf_free(&b);
	return rc;
}

int
intake_restamp(struct intake *to, struct intake *from,
    struct publish_core *core, const struct publish_shift *shift,
    struct err *err)
{
	for (size_t i = 0; i < from->n; i++) {
		struct intake_request *r = request_new(to);

		*r = from->requests[i];
		publish_shift_exceptions(shift, r->list, r->exceptions);
		if (r->first.epoch == shift->from.epoch &&
		    r->first.number >= shift->from.number) {
			r->first.epoch = shift->to.epoch;
			r->first.number += shift->to.number -
			    shift->from.number;
		}
	}
	from->n = 0;
	return restamp_records(to, from, core, shift, err);
}

void
intake_clear(struct intake *in)
{
	for (size_t i = 0; i < in->n; i++) {
		bus_message_free(&in->requests[i].message);
		free(in->requests[i].list);
	}
	free(in->requests);
	journal_job_clear(&in->job);
	*in = (struct intake){ 0 };
}

#include "common/bus_request.h"

int
bus_request_open(struct bus_request *r, const char *bus_directory,
    const char *leaf, struct err *err)
{
	*r = (struct bus_request){ .socket = -1 };
	if (bus_address(r->address, sizeof(r->address), bus_directory, leaf,
	    err) < 0)
		return -1;
	r->socket = bus_open(BUS_REQ, err);
	if (r->socket < 0)
		return -1;
	r->endpoint = bus_connect(r->socket, r->address, err);
	if (r->endpoint < 0) {
		bus_request_close(r);
		return -1;
	}
	return 0;
}

void
bus_request_close(struct bus_request *r)
{
	bus_close(r->socket);
	r->socket = -1;
}

void
bus_request_begin(struct bus_request *r)
{
	r->number = (r->number + 1) & BUS_NUMBER_MAX;
	r->sent = false;
}

/* Connections come and go, and nothing over them: another endpoint. */
static int
make_anew(struct bus_request *r, uint64_t connections, struct err *err)
{
	if (r->endpoint >= 0)
		bus_disconnect(r->socket, r->endpoint);
	r->heard = connections;
	r->endpoint = bus_connect(r->socket, r->address, err);
	return r->endpoint < 0 ? -1 : 0;
}

int
bus_request_put(struct bus_request *r, const void *p, size_t n,
    struct err *err)
{
	/* Counted first: one that is made meanwhile is a reason to repeat. */
	uint64_t connections = bus_connections(r->socket);

	if ((r->endpoint < 0 ||
	    connections - r->heard > BUS_REQUEST_FLAPS_MAX) &&
	    make_anew(r, connections, err) < 0)
		return -1;
	if (bus_ask(r->socket, r->number, p, n, err) < 0)
		return -1;
	r->connections = connections;
	r->sent_at = mono_now();
	r->sent = true;
	return 0;
}

bool
bus_request_due(const struct bus_request *r, struct mono now)
{
	return !r->sent ||
	    mono_diff_ms(now, r->sent_at) >= BUS_REQUEST_RESEND_MS ||
	    bus_connections(r->socket) != r->connections;
}

int
bus_request_answer(struct bus_request *r, struct bus_message *ret,
    struct err *err)
{
	uint32_t number;
	int rc;

	while ((rc = bus_receive(r->socket, ret, err)) == 1) {
		r->heard = bus_connections(r->socket);
		if (bus_answer_number(ret, &number) == 0 &&
		    number == r->number)
			return 1;
		bus_message_free(ret);
	}
	return rc;
}

void
bus_request_served(struct bus_request *r)
{
	r->heard = r->connections;
}

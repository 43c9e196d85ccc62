/*
 * load_nats: publishes to a JetStream of a NATS server, each message with a
 * reply subject, and counts what the server says it has stored. Process:
 * sse_load nats.
 *
 * The client protocol as docs.nats.io has it (CONNECT, SUB, PUB, MSG, PING).
 * Connection i publishes to stream i % streams, always the same bytes; on each
 * at most `window` messages wait for their answers, which come in order. At its
 * end it prints the line of load_publisher.
 */
#ifndef LOAD_NATS_H
#define LOAD_NATS_H

#include "tests/bench/load/load_publisher.h"

/* Of the options port, target (the subject), streams, first, connections,
 * bytes, count, seconds and window (0: 1) count. Runs to the end; the exit
 * status: 1 when a message was refused. */
int	load_nats_run(const struct load_publisher_options *options);

#endif

/*
 * sse_load: the load of the gateway's benchmarks, for Sluice and its peers
 * alike: clients that read streams, and publishers, each a process of its own.
 *
 *	sse_load read -p PORT -n CONNECTIONS [-s STREAMS] [-f FIRST]
 *	    [-t TARGET] [-S STALLED] [-i LAST_EVENT_ID] [-a ADDRESSES]
 *	    [-P PENDING] [-R RECEIVE_BUFFER] [-w FILE]
 *	sse_load publish -p PORT (-n EVENTS | -d SECONDS) [-s STREAMS]
 *	    [-f FIRST] [-t TARGET] [-b] [-B BYTES] [-m BATCH] [-c CONNECTIONS]
 *	    [-r RATE] [-o AFTER] [-z] [-w FILE -W WINDOW -F FANOUT]
 *	sse_load nats -p PORT (-n EVENTS | -d SECONDS) -t SUBJECT [-s STREAMS]
 *	    [-f FIRST] [-B BYTES] [-c CONNECTIONS] [-W UNDER_WAY]
 *
 * What they do is in load_readers.h, load_publisher.h and load_nats.h. TARGET
 * is Sluice's unless given; -b publishes bare payloads, as Nchan takes them; -z
 * the same bytes again and again. -w: the file by which readers tell a
 * publisher with a window how far they are.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/macros.h"
#include "tests/bench/load/load_mark.h"
#include "tests/bench/load/load_nats.h"
#include "tests/bench/load/load_publisher.h"
#include "tests/bench/load/load_readers.h"

#define CONNECTIONS_MAX 60000u
#define BYTES_MAX       40000u
#define BATCH_MAX       1000u

NORETURN static void
usage(const char *problem)
{
	fprintf(stderr, "sse_load: %s: see its first comment\n", problem);
	exit(2);
}

static double
number(const char *text, double max)
{
	char *end;
	double v = strtod(text, &end);

	if (end == text || *end != '\0' || v < 0 || v > max)
		usage(text);
	return v;
}

static uint32_t
whole(const char *text, uint32_t max)
{
	return (uint32_t)number(text, max);
}

static int
read_main(int argc, char **argv)
{
	struct load_readers_options o = { .streams = 1, .addresses = 8,
		.pending = 256,
		.target = "/api/v1/streams?snapshot=0&stream=job:b{}" };
	int c;

	while ((c = getopt(argc, argv, "p:n:s:f:t:S:i:a:P:R:w:")) != -1) {
		switch (c) {
		case 'p': o.port = (uint16_t)whole(optarg, 65535); break;
		case 'n': o.connections = whole(optarg, CONNECTIONS_MAX); break;
		case 's': o.streams = whole(optarg, 1000000); break;
		case 'f': o.first = whole(optarg, 1000000); break;
		case 't': o.target = optarg; break;
		case 'S': o.stalled = whole(optarg, CONNECTIONS_MAX); break;
		case 'i': o.last_id = optarg; break;
		case 'a': o.addresses = whole(optarg, 200); break;
		case 'P': o.pending = whole(optarg, CONNECTIONS_MAX); break;
		case 'R': o.receive = (int)whole(optarg, 1 << 30); break;
		case 'w': o.shared = optarg; break;
		default: usage("unknown option");
		}
	}
	if (optind != argc || o.port == 0 || o.connections == 0 ||
	    o.stalled > o.connections || o.streams == 0 ||
	    o.addresses == 0 || o.pending == 0)
		usage("read");
	return load_readers_run(&o);
}

/* To Sluice or Nchan; with `nats` to a NATS server. */
static int
publish_main(int argc, char **argv, bool nats)
{
	struct load_publisher_options o = { .streams = 1, .connections = 1,
		.batch = 1, .bytes = 200, .fanout = 1,
		.target = "/api/v1/events" };
	int c;

	while ((c = getopt(argc, argv, "p:n:d:s:f:t:bB:m:c:r:o:zw:W:F:")) !=
	    -1) {
		switch (c) {
		case 'p': o.port = (uint16_t)whole(optarg, 65535); break;
		case 'n': o.count = (uint64_t)number(optarg, 1e10); break;
		case 'd': o.seconds = number(optarg, 1e6); break;
		case 's': o.streams = whole(optarg, 1000000); break;
		case 'f': o.first = whole(optarg, 1000000); break;
		case 't': o.target = optarg; break;
		case 'b': o.bare = true; break;
		case 'B': o.bytes = whole(optarg, BYTES_MAX); break;
		case 'm': o.batch = whole(optarg, BATCH_MAX); break;
		case 'c': o.connections = whole(optarg, LOAD_LANES_MAX); break;
		case 'r': o.rate = number(optarg, 1e9); break;
		case 'o': o.after = whole(optarg, 1 << 30); break;
		case 'z': o.frozen = true; break;
		case 'w': o.shared = optarg; break;
		case 'W': o.window = whole(optarg, 1000000); break;
		case 'F': o.fanout = whole(optarg, 1000000); break;
		default: usage("unknown option");
		}
	}
	if (optind != argc || o.port == 0 || o.streams == 0 || o.batch == 0 ||
	    o.connections == 0 || (o.count == 0 && o.seconds <= 0) ||
	    (o.bare && o.batch > 1) ||
	    (!nats && o.window > 0 && o.shared == NULL))
		usage("publish");
	return nats ? load_nats_run(&o) : load_publisher_run(&o);
}

int
main(int argc, char **argv)
{
	struct rlimit files;

	/* A bench that is killed leaves nobody behind. */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	if (argc > 1 && strcmp(argv[1], "read") == 0)
		return read_main(argc - 1, argv + 1);
	if (argc > 1 && strcmp(argv[1], "publish") == 0)
		return publish_main(argc - 1, argv + 1, false);
	if (argc > 1 && strcmp(argv[1], "nats") == 0)
		return publish_main(argc - 1, argv + 1, true);
	usage("read, publish or nats?");
}

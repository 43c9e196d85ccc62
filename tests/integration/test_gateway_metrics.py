"""/metrics, read by Prometheus' own parser, and the log's line for each stream that ended."""

import contextlib
import http.client
import json
import math
import os
import re
import signal
import time

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.bed.net import deadline, wait_until
from tests.bed.sluice import Sluice
from tests.bed.sockets import accepted_by
from tests.bed.tokens import bearer

from .crowd import one_on_each
from .guarded import ADMIN, Guarded
from .numbered import events, numbers

PREFIX = "sluice_gateway_"


def families(sluice):
    """What /metrics says, by name, as the parser reads it."""
    status, headers, text = sluice.request("GET", "/metrics")
    assert status == 200
    assert headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    return {family.name: family for family in text_string_to_metric_families(text)}


def value(sluice, name, **labels):
    """One sample; 0 when it is not there yet."""
    for family in families(sluice).values():
        for sample in family.samples:
            if sample.name == PREFIX + name and sample.labels == labels:
                return sample.value
    return 0


def check_histogram(family):
    """Buckets grow to the count, and the last of them is the count."""
    of = {}
    for sample in family.samples:
        of.setdefault(sample.name.removeprefix(family.name), []).append(sample)
    buckets = [(float(s.labels["le"]), s.value) for s in of["_bucket"]]
    assert buckets == sorted(buckets) and len(buckets) >= 5
    assert [v for _, v in buckets] == sorted(v for _, v in buckets)
    assert buckets[-1] == (float("inf"), of["_count"][0].value)
    assert of["_sum"][0].value >= 0


def test_the_whole_text_is_as_prometheus_wants_it():
    with Sluice() as sluice, sluice.stream("job:m") as stream:
        stream.wait_joined()
        sluice.publish(events("job:m", 0, 3))
        stream.wait_events(3)
        found = families(sluice)
    seen = set()
    for family in found.values():
        assert family.documentation and family.type in ("counter", "gauge", "histogram")
        assert family.samples, family.name
        for sample in family.samples:
            one = (sample.name, tuple(sorted(sample.labels.items())))
            assert one not in seen, one
            seen.add(one)
            assert family.type != "counter" or sample.name.endswith("_total")
        if family.type == "histogram":
            check_histogram(family)
    histograms = {f.name for f in found.values() if f.type == "histogram"}
    assert histograms == {PREFIX + "lag_seconds", PREFIX + "stream_duration_seconds"}
    for name in ("connections", "ring_bytes", "ring_size_bytes", "gaps", "closes", "http_answers"):
        assert PREFIX + name in found, name


def test_figures_count_what_happened():
    with Sluice() as sluice, contextlib.ExitStack() as stack:
        streams = [stack.enter_context(sluice.stream("job:m", snapshot=0)) for _ in range(3)]
        for stream in streams:
            stream.wait_open()
        assert value(sluice, "connections", state="streaming") == 3
        before, begin = value(sluice, "sent_bytes_total"), time.monotonic()
        for n in range(10):
            sluice.publish(events("job:m", n, n + 1, size=1000))
        for stream in streams:
            stream.wait_events(10)
        assert value(sluice, "events_delivered_total") == 30
        assert value(sluice, "sent_bytes_total") - before > 30_000
        # A flush of one event or more, each within the time it took to be read here.
        flushes = value(sluice, "lag_seconds_count")
        assert 1 <= flushes <= 10
        most = time.monotonic() - begin + 0.1
        assert value(sluice, "lag_seconds_sum") <= flushes * most
        assert value(sluice, "ring_frames") == 10
        assert value(sluice, "http_answers_total", code="404") == 0
        assert sluice.request("GET", "/nothing")[0] == 404
        assert value(sluice, "http_answers_total", code="404") == 1
        assert value(sluice, "stream_duration_seconds_count") == 0
        streams[0].close()
        opened = streams[1].named("stream.open")[0].json["connection_id"]
        assert sluice.request("DELETE", f"/api/v1/connections/{opened}")[0] == 200
        wait_until(lambda: value(sluice, "stream_duration_seconds_count") == 2, 10, "two ends")
        assert value(sluice, "stream_closings_total", reason="admin") == 1
        with sluice.stream("job:m", last_event_id="00000001-5") as lost:
            lost.read_until(lambda s: s.named("stream.gap"), 10, "a gap")
        assert value(sluice, "gaps_total", reason="epoch_changed") == 1


class Asker:
    """A connection with one of several gateways: that of process PID."""

    def __init__(self, sluice, pid):
        """Connects until the kernel chooses that one."""
        for _ in range(100):
            self.conn = http.client.HTTPConnection("127.0.0.1", sluice.port, timeout=deadline(20))
            self.ask("GET", "/healthz")
            accepted = accepted_by(pid, self.conn.sock)
            if accepted is not None:
                accepted.close()
                return
            self.conn.close()
        raise AssertionError("a hundred connections are all with another gateway")

    def ask(self, method, path, rows=()):
        """A request, with events as ndjson; the answer's text."""
        body = "".join(json.dumps(row) + "\n" for row in rows) or None
        self.conn.request(method, path, body, {"Content-Type": "application/x-ndjson"})
        answer = self.conn.getresponse()
        text = answer.read().decode()
        assert answer.status in (200, 202), text
        return text

    def figures(self):
        """{sample: value} of those without labels, and of the lag's buckets by their bound."""
        found = {}
        for family in text_string_to_metric_families(self.ask("GET", "/metrics")):
            for sample in family.samples:
                if set(sample.labels) <= {"le"}:
                    name = sample.name.removeprefix(PREFIX)
                    found[name + sample.labels.get("le", "")] = sample.value
        return found


# Of one write (gateway/flight.h).
FRAMES = 64


@pytest.mark.release_only
def test_all_that_is_pending_goes_out_in_few_writes_and_its_lag_is_told():
    with Sluice(gateways=2) as sluice, contextlib.ExitStack() as stack:
        pids = [sluice.pid("gateway/0"), sluice.pid("gateway/1")]
        streams = one_on_each(stack, lambda: sluice.stream("job:m", snapshot=0)).values()
        asked, other = (Asker(sluice, pid) for pid in pids)
        for asker in (asked, other):
            stack.callback(asker.conn.close)

        def publish(begin, end):
            for at in range(begin, end, 50):
                other.ask("POST", "/api/v1/events", events("job:m", at, at + 50))

        def late(figures):
            return figures["lag_seconds_count"] - figures["lag_seconds_bucket1.000"]

        def lagged(before, after):
            """(how many flushes, their seconds) between two looks."""
            names = ("lag_seconds_count", "lag_seconds_sum")
            return [after[name] - before[name] for name in names]

        # Once more where this machine stood still.
        for base in (0, 600, 1200):
            begin, start, others = time.monotonic(), asked.figures(), late(other.figures())
            publish(base, base + 100)
            for stream in streams:
                stream.wait_events(base + 100)
            before = asked.figures()
            assert before["lag_seconds_count"] >= 1
            sluice.kill("gateway/0", signal.SIGSTOP)
            try:
                publish(base + 100, base + 600)
                time.sleep(1.5)
            finally:
                os.kill(pids[0], signal.SIGCONT)
            for stream in streams:
                stream.wait_events(base + 600)
                assert numbers(stream) == list(range(base + 600))
            after = asked.figures()
            most = time.monotonic() - begin + 0.1
            # As many as they need, one that waits for nobody, a heartbeat, an answer.
            assert after["writes_total"] - before["writes_total"] <= math.ceil(500 / FRAMES) + 3
            assert late(after) > late(before)
            flushes, seconds = lagged(before, after)
            assert 1.5 <= seconds <= flushes * most
            # Of who was not stopped nothing was late, nor before that of who was.
            timely = (late(before), late(other.figures())) == (late(start), others)
            if timely:
                break
        assert timely
        flushes, seconds = lagged(start, before)
        assert flushes >= 1 and seconds <= 1 * flushes


def test_a_batch_reaches_every_live_reader_in_few_writes():
    count, readers = 200, 10
    quiet = {"streams": {"default": {"heartbeat_interval": "10m"}}}
    with Sluice(quiet) as sluice, contextlib.ExitStack() as stack:
        streams = [stack.enter_context(sluice.stream("job:m")) for _ in range(readers)]
        for stream in streams:
            stream.wait_joined()
        for at in range(0, 5 * count, count):
            before = value(sluice, "writes_total")
            sluice.publish(events("job:m", at, at + count))
            for stream in streams:
                stream.wait_events(at + count)
            # As many as they need, one more should the batch come in two, and two answers.
            most = readers * (math.ceil(count / FRAMES) + 1) + 2
            assert value(sluice, "writes_total") - before <= most
        assert all(numbers(stream) == list(range(5 * count)) for stream in streams)


def test_every_reason_for_which_a_request_was_not_let_in_is_counted():
    with Guarded() as guarded:
        issuer, sluice = guarded.issuer, guarded.sluice
        path = "/api/v1/streams?stream=job:a"

        def count():
            family = families(sluice)[PREFIX + "auth_failures"]
            return {s.labels["reason"]: s.value for s in family.samples}

        assert count() == {"missing": 0, "invalid": 0, "revoked": 0, "forbidden": 0}
        eve = issuer.grants(["job:*"], sub="eve")
        admin = bearer(issuer.token(sluice=ADMIN, sub="admin"))
        assert guarded.get(path)[0] == 401
        assert guarded.get(path, eve + "x")[0] == 401
        assert guarded.get("/api/v1/streams?stream=run:a", eve)[0] == 403
        target = "/api/v1/connections?subject=eve"
        assert sluice.request("DELETE", target, headers=admin)[0] == 200
        assert guarded.get(path, eve)[0] == 401
        assert count() == {"missing": 1, "invalid": 1, "revoked": 1, "forbidden": 1}


def ended(sluice):
    """The lines of streams that ended, as dicts of their fields."""
    lines = [line for line in sluice.log().splitlines() if "stream ended" in line]
    return [dict(re.findall(r" (\w+)=(\"[^\"]*\"|\S+)", line)) for line in lines]


def test_a_stream_that_ended_has_one_line_in_the_log():
    with Guarded() as guarded:
        token = guarded.issuer.grants(["job:*"], ["*"], sub="eve the 1st", tenant="acme")
        ticket = guarded.sluice.request("POST", "/api/v1/tickets", "", bearer(token))[2]["ticket"]
        with guarded.stream(None, "job:a", headers={}, ticket=ticket, snapshot=0) as one:
            opened = one.wait_open()
            assert guarded.post(token, events("job:a", 0, 4))[0] == 202
            # Who publishes is told by the token, where the event does not say.
            assert one.wait_events(4)[0]["source"] == "/publisher/eve%20the%201st"
        # Without a snapshot: one of before these events would be followed by them.
        with guarded.stream(token, "job:a", timeout="1s", snapshot=0) as two:
            two.read_until(lambda s: s.ended, 10, "the idle time-out")
        # One that was never opened has none.
        assert guarded.get("/api/v1/streams?stream=run:a", token)[0] == 403
        wait_until(lambda: len(ended(guarded.sluice)) == 2, 10, "two lines")
        first = next(r for r in ended(guarded.sluice) if r["reason"] == "client")
        second = next(r for r in ended(guarded.sluice) if r["reason"] == "idle_timeout")
        assert first["connection"] == opened["connection_id"] and first["client"] == "127.0.0.1"
        assert first["subject"] == '"eve the 1st"' and first["tenant"] == "acme"
        assert first["events"] == "4" and int(first["bytes"]) > 400
        assert second["events"] == "0" and 1000 <= int(second["duration_ms"]) < 60_000
        log = guarded.sluice.log()
        for secret in (token, ticket, token.split(".")[2], token.split(".")[1]):
            assert secret not in log
        assert "job:a" not in log.split("stream ended", 1)[1].split("\n", 1)[0]


def test_with_json_each_field_is_a_member():
    with Sluice({"log": {"format": "json"}}) as sluice:
        with sluice.stream("job:a") as stream:
            opened = stream.wait_open()

        def line():
            rows = [r for r in sluice.log().splitlines() if '"stream ended"' in r]
            return json.loads(rows[0]) if rows else None

        row = wait_until(line, 10, "the line")
        assert row["process"] == "gateway/0" and row["connection"] == opened["connection_id"]
        assert row["events"] == 0 and row["reason"] == "client" and row["subject"] == ""


def test_a_storm_of_ends_is_cut_and_what_was_left_out_is_said():
    with Sluice() as sluice:
        streams = [sluice.stream("job:a", snapshot=0) for _ in range(600)]
        for stream in streams:
            stream.wait_open()
        began = time.monotonic()
        for stream in streams:
            stream.close()
        wait_until(lambda: value(sluice, "stream_duration_seconds_count") == 600, 20, "all ends")
        took = time.monotonic() - began

        def told():
            return sum(int(n) for n in re.findall(r" (\d+) more streams ended", sluice.log()))

        wait_until(lambda: len(ended(sluice)) + told() == 600, 10, "a line, or its count, for each")
        assert 100 <= len(ended(sluice)) <= 100 * (int(took) + 2)
        assert value(sluice, "log_left_out_total") == told() == 600 - len(ended(sluice))


def test_where_no_line_is_written_none_is_left_out():
    with Sluice({"log": {"level": "warn"}}) as sluice:
        streams = [sluice.stream("job:a", snapshot=0) for _ in range(250)]
        for stream in streams:
            stream.wait_open()
        for stream in streams:
            stream.close()
        wait_until(lambda: value(sluice, "stream_duration_seconds_count") == 250, 20, "all ends")
        assert value(sluice, "log_left_out_total") == 0 and not ended(sluice)

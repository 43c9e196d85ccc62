"""format=cloudevents: the same events in the same order, each as a CloudEvent 1.0."""

import os
import re
import signal

import pytest

from tests.bed.sluice import Sluice

from .numbered import publish, wait_kept

FAST = {"streams": {"default": {"heartbeat_interval": "500ms"}}}
SMALL_RING = {"gateway": {"ring": "1MiB", "processes": 1}}

RENAMED = {
    "stream_key": "streamkey",
    "event_type": "type",
    "timestamp": "time",
    "correlation_id": "correlationid",
    "idempotency_key": "idempotencykey",
}

FULL = {
    "stream_key": "job:all",
    "event_type": "x.all",
    "timestamp": "2026-01-02T03:04:05.678Z",
    "source": "/worker/w-17",
    "subject": "s\u00fcd \U0001f600",
    "version": 3,
    "correlation_id": "c-1",
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "idempotency_key": "once",
    "data": {"job_id": "all", "attempt": 1, "percent": 1.50, "text": "a\r\nb\u2028\u0000c"},
}


@pytest.fixture(name="sluice", scope="module")
def _sluice():
    with Sluice(FAST) as running:
        yield running


def as_cloud_event(event):
    """EVENT (a native frame's JSON) as the contract says that a CloudEvent carries it."""
    cloud = {"specversion": "1.0", "sequence": str(event["seq"])}
    for name, value in event.items():
        if name not in ("seq", "type"):
            cloud[RENAMED.get(name, name)] = value
    return cloud


def payloads(stream):
    """The bytes of each event's `data`, in order."""
    frames = [f for f in stream.frames if f.event in ("x.all", "x.n")]
    return [f.data.partition('"data":')[2] for f in frames]


def check(cloud):
    """CLOUD has what CloudEvents 1.0 requires of attributes (its section 3)."""
    assert cloud["specversion"] == "1.0"
    for name in ("id", "source", "type"):
        assert cloud[name] and isinstance(cloud[name], str)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", cloud["time"])
    for name, value in cloud.items():
        assert re.fullmatch("[a-z0-9]{1,20}", name), name
        # An attribute is a boolean, an integer of 32 bits, or a string.
        assert name == "data" or isinstance(value, (bool, str)) or -(2**31) <= value < 2**31


def test_every_member_is_carried_and_ids_and_order_are_the_same(sluice):
    with (
        sluice.stream("job:all", snapshot=0) as plain,
        sluice.stream("job:all", snapshot=0, format="cloudevents") as cloud,
    ):
        plain.wait_open()
        cloud.wait_open()
        sluice.publish([FULL])
        publish(sluice, "job:all", 0, 50)
        events = plain.wait_events(51)
        clouds = cloud.wait_events(51)
        for one in clouds:
            check(one)
        assert clouds == [as_cloud_event(e) for e in events]
        assert cloud.ids() == plain.ids() == [e["id"] for e in events]
        names = [f.event for f in cloud.frames if f.id in set(cloud.ids()) and f.json.get("type")]
        assert names == ["x.all"] + ["x.n"] * 50
        # What is in `data` is copied, not read and written again.
        assert payloads(cloud) == payloads(plain)


def test_control_frames_and_snapshots_are_as_they_are(sluice):
    publish(sluice, "job:kept", 0, 3, event_type="job.state_changed")
    wait_kept(sluice, "job:kept")
    with sluice.stream("job:kept", format="cloudevents") as stream:
        assert stream.wait_open()["stream_keys"] == ["job:kept"]
        kept = stream.read_until(lambda s: s.named("snapshot"), 20, "snapshot")[0]
        assert kept.json["event_type"] == "job.state_changed" and kept.json["data"]["n"] == 2
        assert stream.read_until(lambda s: s.named("heartbeat"), 20, "heartbeat")[0].json["tip"]


def test_from_the_journal_and_past_the_end_of_the_ring_nothing_is_lost():
    conf = {"streams": {"default": {**FAST["streams"]["default"], "on_overflow": "journal"}}}
    with Sluice({**conf, **SMALL_RING}) as sluice:
        publish(sluice, "job:old", 0, 3000, size=1000)
        with sluice.stream("job:old", last_event_id="-1", format="cloudevents") as stream:
            stream.hold_little()
            stream.wait_events(3000, 30)
            # It does not read now: more than the kernel takes for it, and than the ring has.
            publish(sluice, "job:old", 3000, 16000, size=1000)
            clouds = stream.wait_events(16000, 30)
            assert [c["data"]["n"] for c in clouds] == list(range(16000))
            assert [c["id"] for c in clouds] == stream.ids()
            assert not stream.named("stream.gap", "snapshot")


@pytest.mark.slow
def test_without_the_store_they_have_no_id_line_like_others():
    conf = {**FAST, "supervise": {"hang_timeout": "60s"}}
    with Sluice(conf) as sluice:
        pid = sluice.kill("store", signal.SIGSTOP)
        try:
            with sluice.stream("job:blind", format="cloudevents") as stream:
                stream.read_until(lambda s: s.named("stream.error"), 20, "stream.error")
                publish(sluice, "job:blind", 0, 3)
                clouds = stream.wait_events(3)
                assert [c["data"]["n"] for c in clouds] == [0, 1, 2] and stream.last_id() is None
        finally:
            os.kill(pid, signal.SIGCONT)


def test_another_format_is_refused(sluice):
    for value in ("", "json", "CloudEvents"):
        path = f"/api/v1/streams?stream=job:a&format={value}"
        status, _, answer = sluice.request("GET", path)
        assert (status, answer["code"]) == (400, "bad_request") and "format" in answer["error"]

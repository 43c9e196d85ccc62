"""Cursors older than the journal: a gap only where something was, or may have been, missed."""

import functools
import os
import signal

import pytest

from tests.bed.net import wait_until
from tests.bed.sluice import Sluice

from .numbered import numbers, publish, wait_kept

# The smallest journal there is: what is published first leaves it after some 8 MB more.
CONF = {
    "streams": {"default": {"heartbeat_interval": "500ms"}},
    "gateway": {"ring": "1MiB", "processes": 1},
    "journal": {"size": "8MiB", "segment": "2MiB"},
    "supervise": {"hang_timeout": "60s"},
}

GONE = "resource:c/pod/n/gone"
AGAIN = "resource:c/pod/n/again"


class Old:
    """An installation, and two cursors that its journal no longer knows.

    Between them an object was deleted, which the broker has forgotten; after the second one
    events of job:missed were published, and nothing of job:quiet, job:q/* and job:other. Of
    job:later and job:l/* there was nothing until events that the journal still has; of job:both
    there are such, but one before them is gone. An object of the name of the deleted one came
    again, with an event that is kept.
    """

    def __init__(self, sluice):
        """Publishes all that, and then until it has left the journal."""
        self.sluice = sluice
        for key in ("job:quiet", "job:q/1", "job:other", "job:known", "job:missed", "job:later"):
            publish(sluice, key, 0, 3, event_type="job.state_changed")
        self.early = self.tip()
        for key in (GONE, AGAIN):
            publish(sluice, key, 0, 1, event_type="resource.deleted")
        publish(sluice, "job:quiet", 3, 4, event_type="job.state_changed")
        self.cursor = self.tip()
        publish(sluice, "job:missed", 3, 4, event_type="job.state_changed")
        publish(sluice, "job:both", 3, 4, event_type="job.state_changed")
        wait_kept(sluice, "job:missed")
        wait_until(self.left, 60, "the events have left the journal")
        for key in ("job:later", "job:l/1", "job:both"):
            publish(sluice, key, 4, 7, event_type="job.state_changed")
        # Whether one is forgotten shows only in a stream that never was.
        wait_until(self.forgotten, 30, "the deleted objects are forgotten")
        publish(sluice, AGAIN, 1, 2, event_type="status_update")

    def forgotten(self):
        """Whether a stream nobody knows may have had events after the early cursor."""
        missed = self.lookbacks("missed")
        with self.sluice.stream("resource:never", last_event_id=self.early, snapshot=0) as stream:
            return bool(first_words(stream)) and self.lookbacks("missed") > missed

    def opened(self):
        """What stream.open says now."""
        with self.sluice.stream("job:tip", snapshot=0) as stream:
            return stream.wait_open()

    def tip(self):
        """The newest position."""
        return self.opened()["tip"]

    def left(self):
        """Publishes more noise; whether the journal begins after job:missed's last event."""
        publish(self.sluice, "job:noise", 0, 800, size=1000)
        number = int(self.cursor.split("-")[1])
        return int(self.opened()["oldest"].split("-")[1]) > number + 1

    def lookbacks(self, result):
        """How often the broker was asked, by what came of it."""
        text = self.sluice.request("GET", "/metrics")[2]
        return int(text.split(f'lookbacks_total{{result="{result}"}} ')[1].split()[0])


@pytest.fixture(name="old", scope="module")
def _old():
    with Sluice(CONF) as running:
        yield Old(running)


def undisturbed(test):
    """A gap is right, too, when the broker does not answer in 2 s: then TEST is run again."""

    @functools.wraps(test)
    def run(old, **arguments):
        for left in range(4, -1, -1):
            unknown = old.lookbacks("unknown")
            try:
                return test(old, **arguments)
            except AssertionError:
                if left == 0 or old.lookbacks("unknown") == unknown:
                    raise
        return None

    return run


def first_words(stream):
    """Reads to the first frame that says where the client stands: a bookmark, or a gap."""
    stream.read_until(lambda s: s.last_id() or s.named("stream.gap"), 10, "gap or bookmark")
    return stream.named("stream.gap", "snapshot", "stream.error")


@pytest.mark.parametrize(
    "keys,live",
    [
        (["job:other"], "job:other"),
        (["job:q/*"], "job:q/2"),
        (["job:never"], "job:never"),
        (["job:many", "job:many/*", "run:*"], "run:many"),
    ],
)
@undisturbed
def test_a_stream_where_nothing_was_since_goes_on_without_gap_or_snapshot(old, keys, live):
    quiet = old.lookbacks("quiet")
    for more in ({}, {"strict": 1}):
        with old.sluice.stream(*keys, last_event_id=old.cursor, **more) as stream:
            assert not first_words(stream) and stream.status == 200
    with old.sluice.stream(*keys, last_event_id=old.cursor, snapshot=0) as stream:
        assert not first_words(stream)
        publish(old.sluice, live, 10, 12)
        stream.wait_events(2)
        assert numbers(stream) == [10, 11]
        assert not stream.named("stream.gap", "snapshot")
    assert old.lookbacks("quiet") == quiet + 3


@pytest.mark.parametrize(
    "keys,expected",
    [(["job:later"], 3), (["job:l/*"], 3), (["job:later", "job:l/*", "job:quiet"], 6)],
)
@undisturbed
def test_a_stream_all_of_whose_events_since_are_kept_gets_them_without_a_gap(old, keys, expected):
    kept = old.lookbacks("kept")
    for more in ({}, {"strict": 1}):
        with old.sluice.stream(*keys, last_event_id=old.cursor, **more) as stream:
            stream.wait_events(expected)
            # Nothing more comes, up to a bookmark behind them.
            beats = len(stream.named("heartbeat"))
            stream.read_until(
                lambda s, seen=beats: len(s.named("heartbeat")) > seen, 10, "a heartbeat"
            )
            assert sorted(numbers(stream)) == sorted([4, 5, 6] * (expected // 3))
            assert stream.status == 200 and not stream.named("stream.gap", "snapshot")
    assert old.lookbacks("kept") == kept + 2


def test_a_stream_one_of_whose_events_since_is_gone_gets_a_gap_though_others_are_kept(old):
    for keys in (["job:both"], ["job:later", "job:both"], ["job:*"]):
        with old.sluice.stream(*keys, last_event_id=old.cursor) as stream:
            first_words(stream)
            assert stream.named("stream.gap")[0].json["reason"] == "evicted"
            assert not stream.events()


@pytest.mark.parametrize("keys", [["job:missed"], ["job:missed", "job:none"]])
@undisturbed
def test_a_stream_that_had_an_event_since_gets_a_gap_and_its_snapshot(old, keys):
    missed = old.lookbacks("missed")
    with old.sluice.stream(*keys, last_event_id=old.cursor) as stream:
        first_words(stream)
        gap = stream.named("stream.gap")[0].json
        assert gap["from"] == old.cursor and gap["reason"] == "evicted"
        sets = stream.read_until(lambda s: s.named("snapshot"), 10, "snapshot")
        assert sets[0].json["as_of"] == gap["to"] and sets[0].json["data"]["n"] == 3
    with old.sluice.stream(*keys, last_event_id=old.cursor, strict=1) as stream:
        stream.read_until(lambda s: s.status, 10, "the answer")
        assert stream.status == 410
    assert old.lookbacks("missed") == missed + 2


def test_a_prefix_one_of_whose_streams_had_an_event_since_gets_a_gap(old):
    with old.sluice.stream("job:*", last_event_id=old.cursor) as stream:
        first_words(stream)
        assert stream.named("stream.gap")[0].json["reason"] == "evicted"


@undisturbed
def test_what_may_have_been_forgotten_is_a_gap_and_a_known_stream_is_not(old):
    def gap(key):
        with old.sluice.stream(key, last_event_id=old.early, snapshot=0) as stream:
            return bool(first_words(stream))

    # The deleted objects are after this cursor: nobody can say which streams they were of.
    assert gap(GONE) and gap("resource:never") and gap("resource:c/*") and gap("import:*")
    assert gap("job:quiet") and not gap("job:known")


@undisturbed
def test_an_object_that_came_again_does_not_hide_what_was_forgotten_of_it(old):
    with old.sluice.stream(AGAIN, last_event_id=old.early, snapshot=0) as stream:
        first_words(stream)
        assert stream.named("stream.gap")[0].json["reason"] == "evicted"
        assert not stream.events()
    kept = old.lookbacks("kept")
    with old.sluice.stream(AGAIN, last_event_id=old.cursor) as stream:
        stream.wait_events(1)
        assert numbers(stream) == [1] and not stream.named("stream.gap", "snapshot")
    assert old.lookbacks("kept") == kept + 1


@undisturbed
def test_a_broker_that_was_killed_still_knows(old):
    pid = old.sluice.kill("broker")
    old.sluice.wait_restarted("broker", pid)
    with old.sluice.stream("job:quiet", last_event_id=old.cursor) as stream:
        assert not first_words(stream)
    with old.sluice.stream("job:later", last_event_id=old.cursor) as stream:
        stream.wait_events(3)
        assert not stream.named("stream.gap", "snapshot")
    with old.sluice.stream("job:missed", last_event_id=old.cursor) as stream:
        first_words(stream)
        assert stream.named("stream.gap")[0].json["reason"] == "evicted"


@pytest.mark.slow
def test_a_broker_that_does_not_answer_leaves_the_gap(old):
    unknown = old.lookbacks("unknown")
    pid = old.sluice.kill("broker", signal.SIGSTOP)
    try:
        with (
            old.sluice.stream("job:quiet", last_event_id=old.cursor) as stream,
            old.sluice.stream("job:quiet", last_event_id=old.cursor, strict=1) as strict,
            old.sluice.stream("job:quiet", last_event_id=old.cursor, timeout="1s") as brief,
        ):
            # One leaves while the question is under way; others are served meanwhile.
            old.sluice.stream("job:quiet", last_event_id=old.cursor).close()
            assert old.sluice.request("GET", "/healthz")[0] == 200
            first_words(stream)
            assert stream.named("stream.gap")[0].json["reason"] == "evicted"
            strict.read_until(lambda s: s.status, 10, "the answer")
            assert strict.status == 410
            # Who waits for what follows its cursor is not idle.
            first_words(brief)
            assert brief.named("stream.gap")[0].json["reason"] == "evicted"
        assert old.lookbacks("unknown") == unknown + 3
    finally:
        os.kill(pid, signal.SIGCONT)
    old.sluice.wait_ready()
    # It has two seconds for its answer: it runs again when it has taken an event.
    publish(old.sluice, "workflow:awake", 0, 1)
    with old.sluice.stream("job:quiet", last_event_id=old.cursor) as stream:
        assert not first_words(stream)

"""A log that is open stays so for every gateway, started again, and whatever log_grace is since."""

import contextlib
import time

import pytest

from tests.bed.net import deadline, wait_until
from tests.bed.sluice import Sluice

from .numbered import publish, wait_kept
from .test_gateway_connections import on_both
from .test_gateway_ends import ends, line, state, status_of, to_the_end

FAST = {"heartbeat_interval": "500ms"}
# What is this far back is read by no gateway at its start.
SMALL = {"gateway": {"ring": "256KiB"}, "journal": {"segment": "2MiB", "size": "64MiB"}}


def opened(sluice, key):
    """A job that has ended with its log open: its first event, and its end."""
    first = sluice.publish([state(key, "running")])["last_id"]
    return first, sluice.publish([state(key, "failed", logs_open=True)])["last_id"]


def restarted(sluice, name="gateway/0"):
    """The same service with one process started again."""
    pid = sluice.kill(name)
    sluice.wait_restarted(name, pid)


def still_open(stream):
    """A whole heartbeat long nothing is told of an end."""
    count = len(stream.named("heartbeat"))
    stream.read_until(lambda s: len(s.named("heartbeat")) > count + 1, 10, "two heartbeats")
    assert not ends(stream) and stream.ended is None


@pytest.mark.slow
def test_a_gateway_that_has_not_read_the_end_of_an_open_log_leaves_it_open():
    conf = {"streams": {"default": {**FAST, "log_grace": "10m"}}, **SMALL}
    with Sluice(conf) as sluice, contextlib.ExitStack() as stack:
        key, beside = "job:late", "job:beside"
        first, cursor = opened(sluice, key)
        publish(sluice, "workflow:noise", 0, 9000, size=1000)
        wait_kept(sluice, key)
        restarted(sluice)
        # By its number, from before its end, by a snapshot, beside another, by a prefix.
        alone = [
            sluice.stream(key, last_event_id=cursor),
            sluice.stream(key, last_event_id=first),
            sluice.stream(key),
        ]
        wide = [
            sluice.stream(key, beside, last_event_id=cursor),
            sluice.stream("job:*", last_event_id=cursor),
        ]
        for stream in alone + wide:
            stack.enter_context(stream)
        for stream in alone + wide:
            stream.wait_joined(20)
            still_open(stream)
        last = sluice.publish([line(key, 1), line(key, 2, last=True)])["last_id"]
        for stream in alone:
            assert to_the_end(stream) == "clean"
        for stream in alone + wide:
            stream.read_until(ends, 10, "its end")
            assert [e["last_id"] for e in ends(stream)] == [last]
            assert stream.events()[-1]["id"] == last
        assert status_of(sluice, key, cursor=last) == 204


@pytest.mark.slow
def test_log_grace_is_over_on_a_gateway_that_has_not_read_the_end():
    # Long enough for the streams to be open before it is over: else they were told 204.
    grace = deadline(20)
    conf = {"streams": {"default": {**FAST, "log_grace": f"{grace}s"}}, **SMALL}
    with Sluice(conf) as sluice, contextlib.ExitStack() as stack:
        for n in range(3):
            begin = time.monotonic()
            key = f"job:late/{n}"
            _, cursor = opened(sluice, key)
            # Two segments and more.
            publish(sluice, "workflow:noise", 0, 6000, size=1000)
            restarted(sluice)
            streams = [
                stack.enter_context(sluice.stream(key, last_event_id=cursor)),
                stack.enter_context(sluice.stream("job:late/*", last_event_id=cursor)),
            ]
            for stream in streams:
                stream.read_until(lambda s: s.status, 10, "an answer")
            # Once more where that took this machine too long.
            if time.monotonic() - begin < grace - 1:
                break
        for stream in streams:
            stream.read_until(ends, grace + 10, "its end")
            assert [e["last_id"] for e in ends(stream)] == [cursor]
        assert time.monotonic() - begin >= grace


@pytest.mark.parametrize("before,after", [("1s", "60s"), ("off", "60s")])
def test_a_longer_log_grace_holds_on_every_gateway_from_the_reload_on(before, after):
    conf = {"streams": {"default": {**FAST, "log_grace": before}}}
    with Sluice(conf, gateways=2) as sluice, contextlib.ExitStack() as stack:
        conf["streams"]["default"]["log_grace"] = after
        sluice.write_conf(conf)
        sluice.ctl("reload")
        streams = on_both(stack, lambda: sluice.stream("job:late", "job:other"))
        for stream in streams:
            stream.wait_joined()
        cursor = sluice.publish([state("job:late", "failed", logs_open=True)])["last_id"]
        over = time.monotonic() + 3
        wait_until(lambda: time.monotonic() > over, 10, "the time of grace that was")
        last = sluice.publish([line("job:late", 1), line("job:late", 2, last=True)])["last_id"]
        for stream in streams:
            stream.read_until(ends, 10, "its end")
            assert [e["last_id"] for e in ends(stream)] == [last] != [cursor]
            assert stream.events()[-1]["id"] == last


def test_a_shorter_log_grace_ends_what_ends_from_the_reload_on():
    conf = {"streams": {"default": {**FAST, "log_grace": "10m"}}}
    with Sluice(conf, gateways=2) as sluice, contextlib.ExitStack() as stack:
        conf["streams"]["default"]["log_grace"] = "1s"
        sluice.write_conf(conf)
        sluice.ctl("reload")
        streams = on_both(stack, lambda: sluice.stream("job:soon"))
        for stream in streams:
            stream.wait_joined()
        cursor = sluice.publish([state("job:soon", "failed", logs_open=True)])["last_id"]
        for stream in streams:
            assert to_the_end(stream, deadline(10)) == "clean"
            assert [e["last_id"] for e in ends(stream)] == [cursor]

"""One job over two gateways: one of them dies with an event that it did not answer for, and both
are asked for another end at once (contract 3 and 7, row 1)."""

import contextlib
import threading
import time

import pytest

from tests.bed.net import deadline
from tests.bed.sluice import Sluice
from tests.bed.stillness import Stillness

from .crowd import one_on_each
from .lifecycle import (
    PATHS,
    STEADY,
    columns,
    ends_in_time,
    job,
    job_path,
    publisher_each,
    quiet,
    states,
    to_the_end,
)
from .repeating import dies_unanswered

CONF = {"streams": {"default": {"heartbeat_interval": "500ms"}}, **STEADY}

# With which of a path's events a gateway dies: the first, one in between, the last.
DIES_AT = {
    "succeeded": 4,
    "failed": 3,
    "canceled": 2,
    "timed-out": 1,
    "throttled": 2,
    "retry": 4,
    "lease": 3,
    "late": 0,
    "late-end": 0,
}


def known_again(publisher, event, code):
    """EVENT, the latest of its job, is taken for what it is, and what may not follow is refused."""
    status, answer = publisher.post(event)
    assert (status, answer.get("accepted"), answer.get("duplicates")) == (202, 0, 1), answer
    status, refused = publisher.post(job(event["stream_key"], "pending"))
    assert (status, refused["code"]) == (409, code)
    assert f"current state is {event['data']['state']}" in refused["details"][0]["problem"]
    return answer["first_id"]


@pytest.mark.parametrize("name", DIES_AT)
def test_a_gateway_dies_between_append_and_answer(name):
    key, words, at = f"job:killed-{name}", PATHS[name], DIES_AT[name]
    events = job_path(key, *words)
    want, code = columns(words, events), "illegal_transition"
    if at + 1 == len(words):
        code = "stream_ended"
    with Sluice(CONF, gateways=2) as sluice, contextlib.ExitStack() as stack:
        still = stack.enter_context(Stillness(sluice.directory))
        readers = one_on_each(stack, lambda: sluice.stream(key))
        for reader in readers.values():
            reader.wait_joined()
        victim, other = publisher_each(sluice).values()
        cut = readers.pop(victim.incarnation())
        (whole,) = readers.values()
        # The one that dies takes the event before, too: it need not ask where the job stands.
        for i, event in enumerate(events[:at]):
            assert (other, victim)[(at - i) % 2].post(event)[0] == 202
        # It is behind by none of them: what it has not told when it stops, it tells nobody.
        cut.read_until(lambda s: len(s.ids()) == at, 10, "what was before, at the one that dies")
        gateway = victim.gateway(sluice)
        dies_unanswered(sluice, gateway, key, lambda: victim.send(events[at]))
        begin = time.monotonic()
        with pytest.raises(OSError):
            victim.answer()
        whole.read_until(lambda s: len(s.ids()) > at, 10, "the event, at the other gateway")
        if at + 1 == len(words):
            ends_in_time(whole, begin, still)
        # It was appended, and is neither taken again nor lost; a reader there has not seen it.
        first_id = known_again(other, events[at], code)
        assert to_the_end(cut) == "cut" and states(cut) == want[:at]
        rest = stack.enter_context(sluice.stream(key, last_event_id=cut.last_id(), snapshot=0))
        sluice.wait_restarted(*gateway)
        publishers = publisher_each(sluice)
        for publisher in publishers.values():
            assert known_again(publisher, events[at], code) == first_id
        for i, event in enumerate(events[at + 1 :]):
            begin = time.monotonic()
            assert publishers[f"gateway/{i % 2}"].post(event)[0] == 202
        if at + 1 < len(words):
            ends_in_time(whole, begin, still)
            ends_in_time(rest, begin, still)
        again = stack.enter_context(sluice.stream(key, last_event_id="-1"))
        for told in ([whole], [cut, rest], [again]):
            assert to_the_end(told[-1]) == "clean"
            assert [row for stream in told for row in states(stream)] == want
            ends = [f.json for stream in told for f in stream.named("stream.end")]
            assert [(e["final_state"], e["last_id"]) for e in ends] == [
                (events[-1]["data"]["state"], told[-1].ids()[-1])
            ]
        assert whole.ids() == cut.ids() + rest.ids() == again.ids()
        for publisher in (victim, other, *publishers.values()):
            publisher.close()


def ask_at_once(publishers, keys, ends):
    """Each gateway is asked for its own end of each job; {key: {gateway: (status, answer)}}."""
    answers = {key: {} for key in keys}
    together = threading.Barrier(len(ends), timeout=deadline(30))

    def ask(name):
        for key in keys:
            together.wait()
            answers[key][name] = publishers[name].post(job(key, ends[name]))

    threads = [threading.Thread(target=ask, args=(name,), daemon=True) for name in ends]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(deadline(60))
    return answers


def test_of_two_gateways_that_end_a_job_at_once_one_wins():
    with Sluice(CONF, gateways=2) as sluice:
        publishers = publisher_each(sluice)
        keys = [f"job:race/{i}" for i in range(300)]
        # Both know where each job stands, so both take its end for legal.
        for publisher in publishers.values():
            assert publisher.post([job(key, "running") for key in keys])[0] == 202
        lost = sum(p.figure("guards_lost_total") for p in publishers.values())
        ends, won = {"gateway/0": "succeeded", "gateway/1": "failed"}, {}
        for key, both in ask_at_once(publishers, keys, ends).items():
            (winner,) = [name for name, (status, _) in both.items() if status == 202]
            (loser,) = set(ends) - {winner}
            status, answer = both[loser]
            assert (status, answer["code"]) == (409, "stream_ended")
            assert f"current state is {ends[winner]}" in answer["details"][0]["problem"]
            won[key] = ends[winner]
        # It is the broker that refused each loser's.
        now = sum(p.figure("guards_lost_total") for p in publishers.values())
        assert now - lost >= len(keys) == len(won)
        with sluice.stream("job:race/*", last_event_id="-1") as stream:
            quiet(sluice, stream)
            told = {}
            for event in stream.events():
                told.setdefault(event["stream_key"], []).append(event["data"]["state"])
            assert told == {key: ["running", word] for key, word in won.items()}
        for publisher in publishers.values():
            publisher.close()

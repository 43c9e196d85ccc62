"""The checker itself: hand-made histories, good ones it must pass and bad ones it must not."""

import copy
import re

import pytest

from .checker import figures
from .fold import fold
from .history import Event, Truth
from .made import E1, E2, ERROR, SERVER, A, B, Made, beat, closing, gap, opened

M = Made()
GOOD = {
    "a snapshot, then what is after it": [opened(6), *M.kept(6, 5, 6), *M.live(7, 8, 9, 10)],
    "a snapshot older than the join": [opened(8), *M.kept(4, 3, 4), *M.live(5, 6, 7, 8)],
    "a bookmark at the end": [opened(6), *M.kept(6, 5, 6), *M.live(7, 8), beat(8)],
    "live without ids until the snapshot": [
        opened(4),
        ERROR,
        M.blind(5),
        M.blind(6),
        *M.kept(4, 3, 4, last_id=6),
        *M.live(7),
    ],
    "a snapshot that has some of what was told": [
        opened(4),
        ERROR,
        M.blind(5),
        *M.kept(6, 6, last_id=6),
        *M.live(7),
    ],
    "a gap in the middle": [
        opened(4),
        *M.kept(4, 3, 4),
        gap(4, 8, "slow_consumer"),
        *M.kept(8, 7, 8),
        *M.live(9),
    ],
    "a clean good-bye": [opened(6), *M.kept(6, 5, 6), closing(6)],
}
BAD = {
    "again": ([opened(6), *M.kept(6, 5, 6), *M.live(7, 7)], "again, or back in time"),
    "in the snapshot, and again": ([opened(6), *M.kept(6, 5, 6), *M.live(6)], "again"),
    "lost": ([opened(6), *M.kept(6, 5, 6), *M.live(7, 9)], "lost without a gap: 1 events"),
    "lost between snapshot and join": ([opened(8), *M.kept(4, 3, 4), *M.live(9)], "lost without"),
    "order": ([opened(6), *M.kept(6, 5, 6), *M.live(8, 7)], "lost without a gap"),
    "another seq": ([opened(6), *M.kept(6, 5, 6), M.event(7, seq=9)], "its seq is 9"),
    "other data": ([opened(6), *M.kept(6, 5, 6), M.event(7, sum=1)], "not the data"),
    "an id that is not": ([opened(6), *M.kept(6, 5, 6), *M.live(7, epoch=E2)], "never published"),
    "a snapshot of old": ([opened(6), *M.kept(6, 3, 6)], "not the latest"),
    "a snapshot of the future": ([opened(6), *M.kept(4, 5, 4)], "not the latest"),
    "a snapshot that lacks one": ([opened(6), *M.kept(6, 6)], "lacks"),
    "a torn snapshot": ([opened(6), M.kept(6, 5, 6)[1]], "is the 1th of its set"),
    "an event before the snapshot": ([opened(6), *M.live(7)], "before the snapshot was whole"),
    "no id at the snapshot's end": ([opened(6), ["snapshot", None, M.kept(6, 6)[0][2]]], "its id"),
    "an empty snapshot that is not": ([opened(6), beat(6)], "lacks"),
    "a bookmark too far": ([opened(6), *M.kept(6, 5, 6), beat(7)], "skips 1 events"),
    "a bookmark back": ([opened(6), *M.kept(6, 5, 6), beat(5)], "went back"),
    "no id, and no reason": ([opened(6), *M.kept(6, 5, 6), M.blind(7)], "without its id"),
    "blind and lost": (
        [opened(4), ERROR, M.blind(5), M.blind(7)],
        "lost without a gap",
    ),
    "between snapshot and blind": (
        [opened(4), ERROR, M.blind(7), *M.kept(4, 3, 4, last_id=7)],
        "neither in the snapshot",
    ),
    "told blind and again": (
        [opened(4), ERROR, M.blind(5), M.blind(6), *M.kept(6, 5, 6, last_id=6)],
        "and again in the snapshot",
    ),
    "a gap's end one too far": (
        [opened(4), *M.kept(4, 3, 4), gap(4, 9, "slow_consumer"), *M.kept(8, 7, 8)],
        "its snapshot is at 8",
    ),
    "a gap over what was never given": (
        [opened(4), *M.kept(4, 3, 4), gap(5, 8, "slow_consumer"), *M.kept(8, 7, 8)],
        "passes over",
    ),
    "a gap from before": (
        [opened(4), *M.kept(4, 3, 4), gap(2, 8, "slow_consumer"), *M.kept(8, 7, 8)],
        "it stands at 4",
    ),
    "a gap of nothing": (
        [opened(4), *M.kept(4, 3, 4), gap(4, 4, "slow_consumer"), *M.kept(4, 3, 4)],
        "nothing stands there",
    ),
    "something behind the good-bye": (
        [opened(6), *M.kept(6, 5, 6), closing(6), *M.live(7)],
        "follows stream.closing",
    ),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_good_connection_passes(name):
    assert Made().session(*GOOD[name]).problems() == []


@pytest.mark.parametrize("name", BAD)
def test_a_bad_connection_does_not(name):
    frames, words = BAD[name]
    problems = Made().session(*frames).problems()
    assert len(problems) == 1 and words in problems[0], problems


def test_every_cursor_is_followed_by_exactly_the_rest():
    for n in range(2, 10):
        frames = [opened(), *M.live(*range(n + 1, 11)), beat(10)]
        assert Made().session(*frames, cursor=f"{E1}-{n}", reach=True).problems() == []
        assert Made().session(*frames[:-2], cursor=f"{E1}-{n}", reach=True).problems()
        assert Made().session(*frames, cursor=f"{E1}-{n - 1}").problems()
        assert Made().session(*frames, cursor=f"{E1}-{n + 1}").problems()


def test_oldest_and_now_are_cursors_too():
    assert Made().session(opened(oldest=3), *M.live(3, 4), cursor="-1").problems() == []
    assert Made().session(opened(oldest=3), *M.live(4), cursor="-1").problems()
    assert Made().session(opened(oldest=4), *M.live(4), cursor="-1").problems()
    assert Made().session(opened(8), *M.live(9), cursor="now").problems() == []
    assert Made().session(opened(8), *M.live(10), cursor="now").problems()


def test_other_streams_are_none_of_its_business():
    only = {"selectors": (A,), "cursor": f"{E1}-2"}
    keys = opened(keys=(A,))
    assert Made().session(keys, *M.live(3, 5, 7), beat(8), **only).problems() == []
    assert "not of this" in Made().session(keys, *M.live(3, 4), **only).problems()[0]


def test_evicted_must_be_true():
    frames = [opened(oldest=3), gap(1, 6), *M.kept(6, 5, 6)]
    assert Made().session(*frames, cursor=f"{E1}-1").problems() == []
    frames = [opened(oldest=3), gap(2, 6), *M.kept(6, 5, 6)]
    problems = Made().session(*frames, cursor=f"{E1}-2").problems()
    assert "nothing of that is gone" in problems[0]
    silent = Made().session(*frames, cursor=f"{E1}-2")
    silent.records.append({"what": "log", "at": 39, "text": "no answer"})
    assert silent.problems() == []
    # Who reads slowly reads late what was sent in time.
    for at, slow, excused in ((30, False, False), (30, True, True), (15, True, False)):
        late = Made().session(*frames, cursor=f"{E1}-2", slow=slow)
        late.records.append({"what": "log", "at": at, "text": "no answer"})
        assert (late.problems() == []) == excused, (at, slow)


def test_a_gap_without_a_snapshot_ends_where_it_says():
    more = {"cursor": f"{E1}-1", "snapshot": False}
    assert Made().session(opened(), gap(1, 6), *M.live(7), **more).problems() == []
    assert Made().session(opened(), gap(1, 7), *M.live(7), **more).problems()
    assert Made().session(opened(), gap(1, 5), *M.live(7), **more).problems()


def test_a_cursor_of_another_epoch_must_be_told_so():
    more = {"cursor": f"{E2}-4"}
    told = [opened(), gap(4, 6, "epoch_changed", E2), *M.kept(6, 5, 6), *M.live(7)]
    assert Made().session(*told, **more).problems() == []
    problems = Made().session(opened(), *M.live(5), **more).problems()
    assert "no stream.gap epoch_changed" in problems[0]
    told[1] = gap(4, 6, "evicted", E2)
    assert "it should be epoch_changed" in Made().session(*told, **more).problems()[0]


def test_a_cursor_ahead_must_be_told_so_and_no_other():
    told = [opened(), gap(99, 10, "cursor_ahead"), *M.kept(10, 9, 10)]
    assert Made().session(*told, cursor=f"{E1}-99").problems() == []
    assert Made().session(opened(), beat(99), cursor=f"{E1}-99").problems()
    told[1] = gap(9, 10, "cursor_ahead")
    assert "was there before" in Made().session(*told, cursor=f"{E1}-9").problems()[0]


def test_an_end_needs_a_reason():
    frames = [opened(6), *M.kept(6, 5, 6)]
    cut = Made().session(*frames, ended="cut")
    assert "nothing had happened" in cut.problems()[0]
    # Only what befell the very process that served it.
    cut.records.append({"what": "gateway", "who": "gateway/1", "incarnation": SERVER})
    for kind, who, incarnation, at, excused in (
        ("kill", "gateway/1", SERVER, 39, True),
        ("kill", "gateway/1", SERVER, 43, False),
        ("kill", "gateway/1", SERVER + 1, 39, False),
        ("kill", "broker", SERVER - 1, 39, False),
        ("pause", "gateway/1", SERVER, 39, False),
        ("reboot", "all", None, 40.5, True),
        ("reboot", "all", None, 39, False),
        ("hung", "gateway/1", None, 39, True),
        ("hung", "gateway/0", None, 39, False),
    ):
        fault = {"what": "fault", "kind": kind, "who": who, "at": at, "until": at, "lost": []}
        if incarnation is not None:
            fault["incarnation"] = incarnation
        judged = copy.deepcopy(cut)
        judged.records.append(fault)
        assert (judged.problems() == []) == excused, fault
    assert "without stream.closing" in Made().session(*frames, ended="clean").problems()[0]
    assert "status 503" in Made().session(status=503).problems()[0]


def end(key, n, state="failed"):
    """stream.end."""
    info = {"stream_key": key, "final_state": state, "last_id": f"{E1}-{n}", "reason": "terminal"}
    return ["stream.end", None, info]


BEGIN = [opened(6), *M.kept(6, 5, 6), *M.live(7, 8)]
BLIND = [opened(4), ERROR, M.blind(5), M.blind(6)]


@pytest.mark.parametrize(
    ("frames", "said"),
    [
        ([*BEGIN, *M.live(9), end(A, 9), *M.live(10), beat(10)], None),
        ([*BEGIN, end(A, 7), *M.live(9)], "its last is <aaaaaaaa-9"),
        ([*BEGIN, end(A, 9), *M.live(9)], "is not given"),
        ([*BEGIN, *M.live(9), end(A, 9, "succeeded")], "it ended as failed"),
        ([*BEGIN, *M.live(9), end(A, 9), end(A, 9)], "again"),
        ([*BEGIN, *M.live(9, 10), end(B, 10)], "it ended as None"),
        ([*BEGIN, *M.live(9), end("run:x", 9)], "did not ask for"),
        ([*BLIND, end(A, 9), M.blind(7)], "follows its stream.end"),
        # Behind a gap the snapshot may tell of it again, and then its end.
        ([*BEGIN, *M.live(9), end(A, 9), gap(9, 10, "slow_consumer"), *M.kept(10, 9, 10),
          end(A, 9)], None),
    ],
)  # fmt: skip
def test_the_end_of_a_stream_is_told_once_and_behind_all_of_it(frames, said):
    made = Made().session(*frames)
    made.records.append({"what": "ended", "key": A, "state": "failed"})
    problems = made.problems()
    assert (said is None and problems == []) or said in problems[0]


def test_a_connection_ends_cleanly_with_the_last_of_its_streams():
    live = [opened(6, keys=(A,)), *M.kept(6, 5), *M.live(7, 9)]
    for frames, more, good in (
        ([*live, end(A, 9)], {"ended": "clean"}, True),
        # Of an only one nobody is asked whether it was the last.
        ([*live, end(A, 9), beat(9)], {"ended": "clean"}, False),
        ([*live, end(A, 9), beat(9)], {"ended": "clean", "selectors": (A, A)}, False),
        ([*live, beat(9)], {"ended": "clean"}, False),
        (live, {"ended": "clean"}, False),
        ([], {"status": 204, "cursor": f"{E1}-9", "ended": "clean"}, True),
        ([], {"status": 503}, False),
    ):
        made = Made().session(*frames, **{"selectors": (A,)} | more)
        assert made.problems() != []
        made.records.append({"what": "ended", "key": A, "state": "failed"})
        assert (made.problems() == []) == good


def test_heartbeats_may_stand_behind_the_last_end_of_several_streams():
    whole = [*told(9), end(A, 9), *M.live(10), end(B, 10)]
    clean = "a clean end without stream.closing"
    for frames, selectors, ended, said in (
        # While the broker, which is asked whether all have ended, says nothing.
        ([*whole, beat(10), beat(10)], (A, B), (A, B), None),
        ([*whole, beat(10), beat(10)], (A, B), (A,), clean),
        ([*told(9), end(A, 9), beat(9), *M.live(10), beat(10)], (A, B), (A, B), clean),
        # A prefix never ends.
        ([*whole, beat(10)], ("job:*",), (A, B), clean),
        ([*whole, beat(10)], (A, "job:*"), (A, B), clean),
    ):
        made = Made().session(
            opened(keys=selectors), *frames, selectors=selectors, cursor=f"{E1}-8", ended="clean"
        )
        for key in ended:
            made.records.append({"what": "ended", "key": key, "state": "failed"})
        problems = ends_with(made, A).problems()
        assert said in problems[-1] if said else problems == [], (frames, selectors, problems)


def ends_with(made, key):
    """KEY begins with its event before the last, and ends with that one."""
    made.records.append({"what": "ended", "key": key, "state": "failed"})
    numbers = [n for n, (of, _) in made.events.items() if of == key][-2:]
    for n in numbers:
        made.journal["events"][n - 1][3] = "job.state_changed"
        made.batch["events"][n - 1][1] = "job.state_changed"
    return made


def told(*numbers):
    """The frames of events; those of job:a from 7 on are its states."""
    frames = M.live(*numbers)
    for frame in frames:
        if frame[2]["key"] == A and int(frame[1].split("-")[1]) >= 7:
            frame[0] = frame[2]["type"] = "job.state_changed"
    return frames


@pytest.mark.parametrize(
    ("frames", "more", "said"),
    [
        ([*told(9), end(A, 9), *told(10)], {}, None),
        ([*told(9, 10)], {}, "no stream.end of job:a"),
        # It passed the end on another connection, and is told again.
        ([end(A, 9), *told(10)], {"cursor": f"{E1}-9"}, None),
        ([*told(10)], {"cursor": f"{E1}-9"}, "no stream.end of job:a"),
        # A gap puts an end to what was told.
        ([*told(9), end(A, 9), gap(9, 10, "slow_consumer"), *M.kept(10, 10)], {},
         "no stream.end of job:a|lacks"),
        # Who was cut off, or had no time, may not have come to it; nor who names a prefix.
        ([*told(9, 10)], {"reach": False}, None),
        ([*told(9, 10)], {"selectors": ("job:*",)}, None),
    ],
)  # fmt: skip
def test_who_had_the_time_is_told_of_each_end(frames, more, said):
    session = {"cursor": f"{E1}-8", "selectors": (A, B), "reach": True} | more
    made = ends_with(Made(), A)
    # The last reading of the journal is behind the session.
    problems = made.session(opened(keys=session["selectors"]), *frames, **session).problems()
    assert (said is None and problems == []) or re.search(said, problems[0])


def test_of_an_end_that_nobody_can_know_any_more_nothing_need_be_told():
    for change in ("robbed", "evicted"):
        made = ends_with(Made(), A)
        made.session(opened(keys=(A, B)), *told(10), cursor=f"{E1}-9", selectors=(A, B), reach=True)
        assert made.problems()
        if change == "evicted":
            made.records[2]["oldest"] = f"{E1}-10"
        else:
            lost = {"kind": "reboot", "who": "all", "at": 1, "until": 1, "lost": [f"{E1}-3"]}
            made.records.append({"what": "fault", **lost})
        assert not any("no stream.end" in p for p in made.problems()), change


def test_a_connection_may_not_end_before_its_streams_do():
    both = {"selectors": (A, B), "cursor": f"{E1}-8", "ended": "clean"}
    whole = [*told(9), end(A, 9), *M.live(10), end(B, 10)]
    for frames, said in (
        (whole, None),
        ([*told(9), *M.live(10), end(B, 10)], "no stream.end of job:a"),
        ([*told(9), end(A, 9)], "over, it stands at 9 and .*-10 .* is not given"),
    ):
        made = ends_with(Made(), A)
        made.records.append({"what": "ended", "key": B, "state": "failed"})
        problems = made.session(opened(keys=(A, B)), *frames, **both).problems()
        assert (said is None and problems == []) or re.search(said, problems[0])
    early = ends_with(Made(), A).session(selectors=(A,), status=204, cursor=f"{E1}-8")
    assert "over, it stands at 8" in early.problems()[0]


def test_a_stream_that_was_forgotten_may_cost_a_prefix_its_cursor():
    for oldest, ended, good in ((10, True, True), (10, False, False), (9, True, False)):
        made = Made()
        made.records[2]["oldest"] = f"{E1}-{oldest}"
        if ended:
            made.records.append({"what": "ended", "key": A, "state": "failed"})
        # Nothing of its own is gone, and nobody can say so.
        frames = [opened(keys=("job:c*",)), gap(1, 10), beat(10)]
        problems = made.session(*frames, selectors=("job:c*",), cursor=f"{E1}-1").problems()
        assert (problems == []) == good, (oldest, ended, problems)


# --- what publishers and journal say --------------------------------------------------------------


def test_an_acknowledged_event_that_the_journal_never_had_is_lost():
    made = Made()
    del made.journal["events"][4]
    assert any("lost: batch p-1" in p for p in made.problems())


def test_a_repeat_that_was_appended_again_is_found():
    made = Made()
    made.journal["events"].append([f"{E1}-11", A, 6, "job.progress"])
    assert any("nobody published" in p for p in made.problems())
    twice = Made()
    twice.records.append({**twice.batch, "publisher": "q"})
    assert any("was acknowledged to" in p for p in twice.problems())


def test_holes_in_positions_and_seqs_are_found():
    made = Made()
    made.journal["events"][4][2] = 7
    assert any("seq should be" in p for p in made.problems())
    made = Made()
    for event in made.journal["events"][5:]:
        event[0] = f"{E1}-{int(event[0][9:]) + 1}"
    assert any("positions have a hole" in p for p in made.problems())


def test_what_a_reboot_took_is_known_only_before_it():
    made = Made()
    made.records.append(
        {
            "what": "fault",
            "kind": "reboot",
            "who": "all",
            "at": 3,
            "until": 4,
            "lost": [f"{E1}-9", f"{E1}-10"],
        }
    )
    made.records.append(
        {
            "what": "journal",
            "begun": 60,
            "at": 60,
            "oldest": f"{E1}-3",
            "newest": f"{E2}-20",
            "events": [[f"{E2}-20", A, 5, "job.progress"]],
        }
    )
    made.records.append(
        {
            "what": "published",
            "publisher": "p",
            "first": 11,
            "events": [[A, "job.progress", None, 1020]],
            "at": 5,
            "acked": 6,
            "first_id": f"{E2}-20",
            "last_id": f"{E2}-20",
        }
    )
    made.events[20] = (A, 5)
    later = made.event(20, epoch=E2)
    before = copy.deepcopy(made)
    before.session(opened(8), *M.live(9, 10), cursor=f"{E1}-8")
    assert before.problems() == []
    after = copy.deepcopy(made)
    frames = [opened(20, epoch=E2, oldest=3), *M.live(*range(3, 9)), later]
    after.session(*frames, cursor="-1")
    assert after.problems() == []
    after.session(*frames[:-1], *M.live(9), cursor="-1")
    assert "lost before it" in after.problems()[0]
    wrong = copy.deepcopy(made)
    wrong.session(*frames, beat(20), cursor="-1")
    assert "another epoch" in wrong.problems()[0]


def test_the_truth_of_a_good_run_is_whole():
    truth = Truth(Made().records)
    assert truth.problems == []
    assert [e.sum for e in truth.events] == list(range(1001, 1011))


def test_the_fold_keeps_the_latest_of_each_slot_and_subject():
    def event(n, event_type, subject=None):
        made = Event(E1, n, A, n, event_type)
        made.subject = subject
        return made

    events = [
        event(1, "job.state_changed"),
        event(2, "job.progress"),
        event(3, "job.progress", "s1"),
        event(4, "job.state_changed"),
        event(5, "job.progress", "s1"),
        event(6, "job.artifact", "a"),
        event(7, "x.other"),
        *[event(n, "job.log") for n in range(8, 120)],
    ]
    assert sorted(fold(events)) == [2, 4, 5, 6, *range(20, 120)]


# When both gateways of the next test are there.
TOGETHER = (12, 19, 23, 25, 29, 34, 39, 46, 49, 56, 59)


def test_a_share_is_of_connections_that_either_gateway_could_have_served():
    records = [
        *({"what": "gateway", "who": f"gateway/{i}", "incarnation": SERVER + i} for i in (0, 1)),
        *(
            {"what": "fault", "who": who, "kind": kind, "at": at, "until": until}
            for who, kind, at, until in (
                ("gateway/0", "pause", 20, 22),
                ("broker", "kill", 25, 25),
                ("all", "reboot", 40, 42),
                ("gateway/1", "hang", 50, 58),
            )
        ),
        *(
            {"what": "state", "who": f"gateway/{i}", "at": at, "state": state}
            for i, at, state in (
                (0, 10, "ready"),
                (1, 11, "ready"),
                (1, 30, "backoff"),
                (1, 31, "starting"),
                (1, 33, "ready"),
                (0, 43, "starting"),
                (0, 45, "ready"),
                (1, 54, "hung"),
                (1, 55, "ready"),
                (0, 60, "stopping"),
            )
        ),
    ]
    for at in (5, 10.5, 11.05, 21, 29.95, 32, 33.05, 41, 44, 51, 54.5, 61, *TOGETHER):
        open_frame = [at, "stream.open", None, {"connection_id": f"{SERVER << 32:x}"}]
        session = {"what": "session", "at": at, "cursor": None, "status": 200}
        found = figures([*records, session | {"frames": [open_frame]}])
        assert found["served by gateway/0"] == 1
        either = found.get("served by gateway/0 of either", 0)
        assert found["served by either"] == either == (at in TOGETHER), at

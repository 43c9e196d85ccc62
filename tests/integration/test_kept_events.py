"""What a page that opens gets of a job, a pack run and a run: a frame for each kept event."""

import pytest

from tests.bed.net import wait_until
from tests.bed.store import StoreBed

from .numbered import publish, wait_kept
from .test_history import follow, position, wait_stored


@pytest.fixture(scope="module")
def bed():
    """A running Sluice."""
    with StoreBed() as sluice:
        yield sluice


def event(key, event_type, data, **more):
    """An event as a publisher sends it."""
    return {"stream_key": key, "event_type": event_type, "data": data, **more}


def pack_state(name, state, previous):
    """A pack run's own transition."""
    data = {"pack_run_id": name, "state": state, "previous_state": previous, "attempt": 1}
    return event(f"pack-run:{name}", "pack_run.state_changed", {**data, "step_count": 3})


def step(name, index, state, previous):
    """A step's transition."""
    data = {"pack_run_id": name, "step_index": index, "step_count": 3, "step_id": f"s{index}"}
    more = {"state": state, "previous_state": previous, "attempt": 1}
    return event(f"pack-run:{name}", "pack_run.step", {**data, **more}, subject=f"s{index}")


def log(key, event_type, number):
    """A line of a log."""
    data = {"line": f"line {number}", "line_no": number, "stream": "stdout", "attempt": 1}
    return event(key, event_type, data)


def artifact(key, event_type, name, uri):
    """An artifact, by its id."""
    return event(key, event_type, {"id": name, "name": name, "uri": uri})


def snapshot(sluice, key):
    """[(event_type, data)] of a new subscriber's snapshot, and its frames."""
    wait_kept(sluice, key)
    with sluice.stream(key) as stream:
        stream.read_until(lambda s: s.last_id(), 10, "the end of the snapshot")
        frames = stream.named("snapshot")
    count = len(frames)
    assert [f.json["i"] for f in frames] == list(range(1, count + 1))
    assert {f.json["n"] for f in frames} == {count}
    # Only the last one is a cursor.
    assert [bool(f.id) for f in frames] == [False] * (count - 1) + [True]
    return [(f.json["event_type"], f.json["data"]) for f in frames]


def publish_pack_run(sluice, name):
    """Two steps done and one under way, 130 lines, an artifact that was replaced."""
    key = f"pack-run:{name}"
    rows = [pack_state(name, "pending", None), pack_state(name, "queued", "pending")]
    rows += [pack_state(name, "running", "queued")]
    for index, last in enumerate(("succeeded", "succeeded", None)):
        rows += [step(name, index, "pending", None), step(name, index, "running", "pending")]
        rows += [step(name, index, last, "running")] if last else []
    rows += [log(key, "pack_run.log", n) for n in range(1, 131)]
    rows += [artifact(key, "pack_run.artifact", "a", "https://old.example/a")]
    rows += [artifact(key, "pack_run.artifact", "b", "https://new.example/b")]
    rows += [artifact(key, "pack_run.artifact", "a", "https://new.example/a")]
    for percent in (10, 70):
        data = {"pack_run_id": name, "step_index": 2, "step_count": 3, "percent": percent}
        rows.append(event(key, "pack_run.progress", data))
    for row in rows:
        sluice.publish([row])
    return key


def check_pack_run(kept):
    """State, progress, steps in the order of their ids, artifacts, and the last 100 lines."""
    names = [name for name, _ in kept]
    assert names == [
        "pack_run.state_changed",
        "pack_run.progress",
        *["pack_run.step"] * 3,
        *["pack_run.artifact"] * 2,
        *["pack_run.log"] * 100,
    ]
    data = [data for _, data in kept]
    assert data[0]["state"] == "running"
    assert data[1]["percent"] == 70
    assert [d["state"] for d in data[2:5]] == ["succeeded", "succeeded", "running"]
    assert [d["step_index"] for d in data[2:5]] == [0, 1, 2]
    assert [d["uri"] for d in data[5:7]] == ["https://new.example/a", "https://new.example/b"]
    assert [d["line_no"] for d in data[7:]] == list(range(31, 131))


def test_a_pack_run_is_drawn_at_once(bed):
    """Also after the store was killed."""
    key = publish_pack_run(bed, "drawn")
    kept = snapshot(bed, key)
    check_pack_run(kept)
    pid = bed.kill("store")
    bed.wait_restarted("store", pid)
    assert snapshot(bed, key) == kept


def test_a_job_and_a_run_are_drawn_at_once(bed):
    """The latest state and progress, artifacts and log of a job; state and progress of a run."""
    state = {"job_id": "j", "attempt": 1}
    bed.publish(
        [
            event(
                "job:j", "job.state_changed", {**state, "state": "pending", "previous_state": None}
            ),
            event(
                "job:j",
                "job.state_changed",
                {**state, "state": "queued", "previous_state": "pending"},
            ),
            log("job:j", "job.log", 1),
            event("job:j", "job.progress", {"job_id": "j", "attempt": 1, "percent": 5}),
            artifact("job:j", "job.artifact", "report", "https://example.org/r"),
            log("job:j", "job.log", 2),
            event("job:j", "job.progress", {"job_id": "j", "attempt": 1, "percent": 50}),
        ]
    )
    kept = snapshot(bed, "job:j")
    assert [name for name, _ in kept] == [
        "job.state_changed",
        "job.progress",
        "job.artifact",
        "job.log",
        "job.log",
    ]
    assert (kept[0][1]["state"], kept[1][1]["percent"]) == ("queued", 50)
    assert [data["line_no"] for _, data in kept[3:]] == [1, 2]
    total = {"run_id": "r", "total_jobs": 3}
    pending = {**total, "state": "pending", "previous_state": None}
    running = {**total, "state": "running", "previous_state": "pending"}
    bed.publish([event("run:r", "run.state_changed", pending)])
    bed.publish([event("run:r", "run.state_changed", running)])
    bed.publish([event("run:r", "run.event", {"run_id": "r", "kind": "note"})])
    bed.publish([event("run:r", "run.progress", {**running, "previous_state": "running"})])
    kept = snapshot(bed, "run:r")
    assert [(name, data["state"]) for name, data in kept] == [
        ("run.state_changed", "running"),
        ("run.progress", "running"),
    ]


def test_an_integer_of_any_size_is_in_the_way_of_nothing(bed):
    """A member that no schema names is passed on as it is: each artifact, and derive, are seen."""
    big = {"hash": 18446744073709551616}
    names = ("one", "two")
    for name in names:
        data = {"id": name, "name": name, "uri": "https://example.org/", **big}
        bed.publish([event("job:big", "job.artifact", data)])
    assert snapshot(bed, "job:big") == [
        ("job.artifact", {"id": name, "name": name, "uri": "https://example.org/", **big})
        for name in names
    ]
    run = {"run_id": "big", "state": "running", "previous_state": "pending", "derive": True, **big}
    state = {"state": "running", "previous_state": "leased", "attempt": 1, "run_id": "big"}
    with bed.stream("run:big") as stream:
        stream.wait_joined()
        bed.publish([event("run:big", "run.state_changed", run)])
        bed.publish([event("job:of-big", "job.state_changed", {"job_id": "of-big", **state})])
        stream.read_until(lambda s: len(s.events()) == 2, 10, "its progress")
        told = stream.events()[1]["data"]
    assert (told["running"], told["previous_state"]) == (1, "pending")


@pytest.mark.slow
def test_a_job_that_was_forgotten_begins_again_as_another():
    """Broker and store agree: seq 1, and nothing kept of what it was; its history is there."""
    first = {"job_id": "again", "state": "pending", "previous_state": None, "attempt": 1}
    done = {**first, "state": "canceled", "previous_state": "pending"}
    with StoreBed({"journal": {"size": "8MiB", "segment": "2MiB"}}) as bed:
        bed.publish([event("job:again", "job.state_changed", first)])
        bed.publish([log("job:again", "job.log", 1)])
        bed.publish([artifact("job:again", "job.artifact", "x", "https://example.org/x")])
        end = bed.publish([event("job:again", "job.state_changed", done)])["last_id"]

        def forgotten():
            publish(bed, "alerts:flood", 0, 900, size=1000)
            mark = bed.publish([event("alerts:flood", "x.mark", {"n": 900})])["last_id"]
            # What leaves the journal before the store has read it would be missing there.
            wait_stored(bed, "alerts:flood", mark)
            with bed.stream("job:again", last_event_id=end, snapshot="0") as stream:
                stream.read_until(lambda s: s.status, 10, "an answer")
                if stream.status == 204:  # it is known how it ended
                    return False
                return position(stream.wait_open()["oldest"]) > position(end)

        wait_until(forgotten, 60, "the broker has forgotten the job")
        last = bed.publish([event("job:again", "job.state_changed", first)])["last_id"]
        wait_stored(bed, "job:again", last)
        stored, pages = follow(bed, "job:again")
        assert [e["seq"] for e in stored] == [1, 2, 3, 4, 1]
        assert all(one["complete"] for one in pages)
        assert snapshot(bed, "job:again") == [("job.state_changed", first)]

"""The store process on a real supervisor, broker and journal."""

import json
import os
import random
import shutil
import sqlite3
import time

import pytest

from tests.bed.net import deadline, wait_until
from tests.bed.store import DELETED, StoreBed, job, lines_of, node, resource


@pytest.fixture
def bed():
    """A running Sluice; its logs are shown when the test fails."""
    with StoreBed() as sluice:
        yield sluice


def model_of(events, positions):
    """What the store must keep: the last event per (key, subject of a node), with its position."""
    latest = {}
    for (key, event_type, subject, _, data), position in zip(events, positions, strict=True):
        slot = subject if event_type == "node_update" else ""
        latest[key, slot] = (position, data)
    return latest


def kept(events):
    """A snapshot in the form of model_of()."""
    return {
        (event["key"], event["data"].get("node_id", "")): (event["position"], event["data"])
        for event in events
    }


def mixed(count, seed):
    """COUNT events over some streams of three types, each carrying its number."""
    chance = random.Random(seed)
    make = (
        lambda i: job(f"j{chance.randrange(20)}", i),
        lambda i: node(f"w{chance.randrange(5)}", f"n{chance.randrange(10)}", i),
        lambda i: resource("c", f"p{chance.randrange(50)}", i),
    )
    return [chance.choice(make)(i) for i in range(count)]


@pytest.mark.threads
def test_a_snapshot_equals_the_model(bed):
    """Every stream's latest event, by prefix and by name, in order of the keys."""
    events = mixed(3000, 1)
    positions = bed.publish_raw(events)
    head, items = bed.snapshot("job:*", "workflow:*", "resource:*", wait=positions[-1])
    assert head["complete"] is True
    assert head["as_of"] >= positions[-1]
    assert kept(items) == model_of(events, positions)
    keys = [item["key"] for item in items]
    assert keys == sorted(keys)
    _, one = bed.snapshot("job:j3", wait=positions[-1])
    assert [item["key"] for item in one] == ["job:j3"]
    assert bed.snapshot("job:none")[1] == []


@pytest.mark.slow
@pytest.mark.threads
def test_a_killed_store_catches_up_with_the_tip(bed):
    """SIGKILL five times under load: rows equal the last event of each stream, nothing lost."""
    events = mixed(8000, 2)
    tool = bed.drive("publish", 2000)
    killed = 0
    tool.stdin.write(lines_of(events[:4000]))
    tool.stdin.flush()
    while killed < 5:
        pid = bed.pid("store")
        bed.kill("store")
        bed.wait_restarted("store", pid)
        killed += 1
    tool.stdin.write(lines_of(events[4000:]))
    out, errors = tool.communicate(timeout=deadline(60))
    assert tool.returncode == 0, errors
    positions = [int(line) for line in out.split()]
    assert positions == list(range(positions[0], positions[0] + len(events)))
    head, items = bed.snapshot("job:*", "workflow:*", "resource:*", wait=positions[-1])
    model = model_of(events, positions)
    assert head["complete"] is True
    assert kept(items) == model
    rows = bed.rows("SELECT workflow, node, position, status FROM workflow_nodes")
    assert {(f"workflow:{w}", n): (p, json.loads(s)) for w, n, p, s in rows} == {
        (key, slot): (position, data["status"])
        for (key, slot), (position, data) in model.items()
        if slot
    }
    rows = bed.rows("SELECT name, message, resource_version, position FROM resources")
    assert {(f"resource:c/pod/default/{name}", ""): (p, m, v) for name, m, v, p in rows} == {
        (key, slot): (position, data["status"]["message"], data["resource_version"])
        for (key, slot), (position, data) in model.items()
        if key.startswith("resource:")
    }


def test_a_store_that_was_away_reads_the_journal(bed):
    """Events published while the store is stopped are there after it starts."""
    first = bed.publish_raw([job("a", 1)])
    bed.wait_applied(first[-1])
    bed.stop_store()
    positions = bed.publish_raw([job("a", i) for i in range(2, 500)])
    bed.ctl("start", "store")
    _, items = bed.snapshot("job:a", wait=positions[-1])
    assert items[0]["position"] == positions[-1]
    assert items[0]["data"]["n"] == 499


@pytest.mark.slow
def test_a_store_that_has_it_all_is_ready_at_once():
    """Nothing comes any more that could tell it so: a heartbeat must do."""
    # It would give up waiting, and say READY nevertheless, after 60 % of this.
    with StoreBed({"supervise": {"ready_timeout": "60s"}}) as bed:
        bed.wait_applied(bed.publish_raw([job("a", 1)])[-1])
        for _ in range(2):
            pid = bed.kill("store")
            bed.wait_restarted("store", pid)
        assert "ready while still catching up" not in bed.log()


def test_a_deleted_object_leaves_the_prefix_and_the_table(bed):
    """It is shown to those who ask for it by name."""
    gone = ("resource:c/pod/default/a", "resource.deleted", "", DELETED, {"resource_id": "x"})
    positions = bed.publish_raw([resource("c", "a", 1), resource("c", "b", 2), gone])
    _, items = bed.snapshot("resource:c/*", wait=positions[-1])
    assert [item["key"] for item in items] == ["resource:c/pod/default/b"]
    _, items = bed.snapshot("resource:c/pod/default/a")
    assert [item["event_type"] for item in items] == ["resource.deleted"]
    assert bed.rows("SELECT name FROM resources") == [("b",)]


def test_workflows_are_kept_and_bind_nodes(bed):
    """Put, get, list, delete; a bad one is refused with its places; all survives a SIGKILL."""
    nodes = [{"id": "n", "type": "deployment", "name": "web", "namespace": "shop"}]
    status, stored = bed.ask("workflow.put", id="w1", cluster="prod", nodes=nodes)
    assert (status, stored["version"], stored["nodes"]) == (0, 1, nodes)
    assert bed.ask("workflow.put", id="w1", cluster="prod", nodes=nodes)[1]["version"] == 1
    pid = bed.kill("store")
    bed.wait_restarted("store", pid)
    status, bindings = bed.ask("bindings", cluster="prod")
    assert status == 0
    assert bindings["version"] == 1
    assert [(b["workflow"], b["node"], b["kind"], b["name"]) for b in bindings["bindings"]] == [
        ("w1", "n", "deployment", "web")
    ]
    status, answer = bed.ask("workflow.put", id="w2", cluster="prod", nodes=[{"id": "n"}])
    assert status == 422
    assert {problem["path"] for problem in answer["details"]} == {"nodes[0].type", "nodes[0].name"}
    assert [w["id"] for w in bed.ask("workflow.list")[1]["workflows"]] == ["w1"]
    assert bed.ask("workflow.delete", id="w1")[0] == 0
    assert bed.ask("workflow.get", id="w1")[0] == 404
    assert bed.ask("bindings", cluster="prod")[1] == {"version": 2, "bindings": []}


def test_streams_exist_as_long_as_an_event_of_them_is_kept(bed):
    events = [("job:there", "job.progress", "", 0, '{"done":1}')]
    position = bed.publish_raw(events)[-1]
    bed.snapshot("job:*", wait=position)
    yes = {"exists": True, "complete": True, "applied": position}
    assert bed.ask("streams.exist", keys=["job:there"]) == (0, yes)
    assert bed.ask("streams.exist", keys=["job:not", "job:there"]) == (0, yes)
    assert bed.ask("streams.exist", keys=["job:the"]) == (0, {**yes, "exists": False})
    assert bed.ask("streams.exist", tenant="t", keys=["job:there"])[1]["exists"] is False
    for bad in ([], ["job:*"], [1], "job:there", ["job:x"] * 65):
        assert bed.ask("streams.exist", keys=bad)[0] == 400, bad


def test_a_damaged_projection_is_made_again(bed):
    """The file is moved aside, with a line in the log, and made again from the journal."""
    events = [resource("c", f"p{i}", i) for i in range(300)]
    positions = bed.publish_raw(events)
    bed.wait_applied(positions[-1])
    bed.stop_store()
    with open(bed.path("projection.db"), "r+b") as file:
        file.write(b"x" * 20000)
    bed.ctl("start", "store")
    _, items = bed.snapshot("resource:c/*", wait=positions[-1])
    assert len(items) == 300
    assert any(name.startswith("projection.db.damaged-") for name in os.listdir(bed.path("")))
    assert "made again from the journal" in bed.log()


@pytest.mark.threads
def test_damage_that_only_a_question_finds_makes_it_again_too(bed):
    """A page nobody writes any more is damaged while the store runs: it leaves and starts anew."""
    filler = "x" * 2000
    events = [resource("c", f"p{i}", f"{i}-{filler}") for i in range(600)]
    positions = bed.publish_raw(events)
    bed.wait_applied(positions[-1])
    pid = bed.pid("store")
    with sqlite3.connect(bed.path("projection.db")) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    size = os.path.getsize(bed.path("projection.db"))
    with open(bed.path("projection.db"), "r+b") as file:
        file.seek(size // 4 // 4096 * 4096)
        file.write(b"x" * (size // 2 // 4096 * 4096))
    bed.drive("snapshot", 0, "resource:c/*").communicate(timeout=deadline(60))
    bed.wait_restarted("store", pid)
    _, items = bed.snapshot("resource:c/*", wait=positions[-1])
    assert kept(items) == model_of(events, positions)
    assert any(name.startswith("projection.db.damaged-") for name in os.listdir(bed.path("")))
    assert not os.path.exists(bed.path("projection.db.suspect"))


def test_a_damaged_registry_stops_the_store_and_names_the_remedy(bed):
    """Primary data is never replaced in silence: the circuit opens, the copy is named."""
    bed.ask("workflow.put", id="w1", cluster="prod", nodes=[])
    wait_until(lambda: os.path.exists(bed.path("sluice.db.daily")), deadline(10), "the daily copy")
    bed.stop_store()
    for tail in ("-wal", "-shm"):
        if os.path.exists(bed.path("sluice.db" + tail)):
            os.unlink(bed.path("sluice.db" + tail))
    shutil.copy(bed.path("sluice.db"), bed.path("good"))
    with open(bed.path("sluice.db"), "r+b") as file:
        file.write(b"x" * 4096)
    bed.ctl("start", "store", check=False)
    wait_until(lambda: bed.status()["store"]["state"] == "failed", 20, "the store given up")
    assert "sluice.db.daily" in bed.log()
    positions = bed.publish_raw([job("a", 1)])
    shutil.copy(bed.path("good"), bed.path("sluice.db"))
    bed.ctl("restart", "store")
    assert bed.snapshot("job:a", wait=positions[-1])[1][0]["data"]["n"] == 1
    assert bed.ask("workflow.get", id="w1")[0] == 0


@pytest.mark.slow
def test_a_lost_projection_asks_for_everything_again():
    """When the journal no longer has the beginning, snapshots say that they may lack something."""
    conf = {
        "journal": {"size": "8MiB", "segment": "2MiB", "retain": "1s"},
        "clusters": [],
    }
    with StoreBed(conf) as bed:
        first = bed.publish_raw([job("old", 0)])
        filler = [resource("c", "p", "x" * 2000 + str(i)) for i in range(9000)]
        positions = bed.publish_raw(filler)
        bed.wait_applied(positions[-1])
        assert bed.snapshot("job:old")[1][0]["position"] == first[0]
        bed.stop_store()
        for leaf in ("projection.db", "projection.db-wal", "projection.db-shm"):
            if os.path.exists(bed.path(leaf)):
                os.unlink(bed.path(leaf))
        bed.ctl("start", "store")
        head, items = bed.snapshot("job:old", wait=positions[-1])
        assert (head["complete"], items) == (False, [])
        head, items = bed.snapshot("resource:c/pod/default/p")
        assert (head["complete"], items[0]["position"]) == (True, positions[-1])
        assert "every watcher is asked to publish" in bed.log()
        later = bed.publish_raw([job("old", 1)])
        head, items = bed.snapshot("job:old", wait=later[-1])
        assert head["complete"] is True
        assert items[0]["data"]["n"] == 1
        # Nothing lacks any more: a store that starts again asks nobody. (A slow one may have
        # asked before, too, while the small journal turned over under it.)
        asked = bed.log().count("every watcher is asked to publish")
        pid = bed.kill("store")
        bed.wait_restarted("store", pid)
        wait_until(lambda: bed.ask("status")[1]["gapped"], 10, "the store's facts")
        assert bed.log().count("every watcher is asked to publish") == asked


def test_a_stop_waits_for_what_was_published(bed):
    """SIGTERM right after a burst: the projection has it all, and the process leaves in order."""
    positions = bed.publish_raw(mixed(3000, 3))
    began = time.monotonic()
    assert bed.stop() == 0
    assert time.monotonic() - began < deadline(5)
    assert bed.rows("SELECT position FROM checkpoint") == [(positions[-1],)]


@pytest.mark.slow
def test_a_locked_database_costs_nothing_but_time():
    """While SQLite cannot be written, events flow; what the queue cannot hold is in the journal."""
    with StoreBed({"journal": {"size": "256MiB", "segment": "16MiB"}}) as bed:
        first = bed.publish_raw([job("a", 0)])
        bed.wait_applied(first[-1])
        lock = sqlite3.connect(bed.path("projection.db"), isolation_level=None)
        lock.execute("BEGIN IMMEDIATE")
        filler = "x" * 20000
        events = [resource("c", f"p{i % 7}", f"{i}-{filler}") for i in range(3000)]
        positions = bed.publish_raw(events)
        wait_until(lambda: bed.ask("status")[1]["trouble"], 20, "the trouble told")
        assert bed.status()["store"]["state"] == "ready"
        assert bed.ask("status")[1]["queued_bytes"] <= 64 * 1024 * 1024
        assert bed.snapshot("job:a")[1][0]["position"] == first[-1]
        lock.execute("ROLLBACK")
        lock.close()
        bed.wait_applied(positions[-1], 60)
        later = bed.publish_raw([job("a", 1)])
        head, items = bed.snapshot("resource:c/*", wait=later[-1])
        assert head["complete"] is True
        assert kept(items) == model_of(events, positions)
        assert "the projection is written again" in bed.log()


@pytest.mark.slow
@pytest.mark.threads
def test_a_stop_does_not_wait_for_a_locked_database():
    """SIGTERM while the projection cannot be written: 2 s of patience, then the store leaves."""
    with StoreBed() as bed:
        first = bed.publish_raw([job("a", 0)])
        bed.wait_applied(first[-1])
        with sqlite3.connect(bed.path("projection.db"), isolation_level=None) as lock:
            lock.execute("BEGIN IMMEDIATE")
            bed.publish_raw([job("a", 1)])
            wait_until(lambda: bed.ask("status")[1]["trouble"], 20, "the trouble told")
            bed.stop_store()
            # By the supervisor's clock: the commands of the test take time, too.
            (began, _, asked, _), (ended, *last, _) = bed.changes("store")[-2:]
            assert asked == "stopping" and last == ["stopping", "stopped"]
            assert ended - began < deadline(3)


def test_the_status_line_ends_with_its_last_fact(bed):
    """No separator stands before a trouble that is not there."""
    assert bed.status()["store"]["status"].endswith("; no mongodb")


def test_a_reload_is_taken(bed):
    """A changed configuration does not disturb the store."""
    positions = bed.publish_raw([job("a", 1)])
    pid = bed.pid("store")
    bed.write_conf({"streams": {"job": {"snapshot_retention": "1s"}}})
    bed.ctl("reload")
    assert bed.snapshot("job:a", wait=positions[-1])[0]["count"] == 1
    assert bed.pid("store") == pid

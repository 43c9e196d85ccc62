"""MongoDB as a sink of statuses and a source of workflows, on a MongoDB-wire server."""

import random
import re
import sqlite3
import time

import pytest
from bson import ObjectId

from tests.bed.mongo import MongoServer
from tests.bed.net import deadline, wait_until
from tests.bed.store import StoreBed, job, lines_of, node

pytestmark = pytest.mark.mongo


@pytest.fixture
def mongo():
    """A server of the test's own, which can be killed and frozen."""
    with MongoServer(local=True) as server:
        yield server


@pytest.fixture
def bed(mongo):
    """A running Sluice that records in that server."""
    with StoreBed({"mongodb": f"{mongo.uri}{mongo.database}"}) as sluice:
        yield sluice


def status_of(document, name):
    """The status recorded for a node, without the guard."""
    found = [n for n in document["nodes"] if n["id"] == name] or [{}]
    status = dict(found[0].get("data", {}).get("_status", {}))
    status.pop("sluice", None)
    return status


def wait_node(db, workflow, name, message, timeout=30):
    """Waits until a node's recorded status carries MESSAGE; the document."""

    def there():
        document = db.workflows.find_one({"_id": workflow})
        good = document and status_of(document, name).get("message") == str(message)
        return document if good else None

    return wait_until(there, timeout, f"{workflow}/{name} = {message}")


def kube_orch(db, oid, names, **more):
    """A document as KubeOrch writes it."""
    document = {
        "_id": ObjectId(oid),
        "owner_id": ObjectId(),
        "name": "shop",
        "cluster_id": "Prod",
        "status": "published",
        "run_count": 3,
        "deleted_at": None,
        "nodes": [
            {
                "id": name,
                "type": "deployment",
                "position": {"x": i, "y": 7},
                "data": {"name": name, "namespace": "ns", "image": "nginx"},
            }
            for i, name in enumerate(names)
        ],
    }
    document.update(more)
    db.workflows.insert_one(document)
    return document


OID = "65a1b2c3d4e5f60718293a4b"


@pytest.mark.slow
def test_a_status_reaches_the_node_and_leaves_the_rest_alone(bed, mongo):
    """The whole _status by array filter, guard beside it; what KubeOrch wrote stays."""
    db = mongo.db()
    before = kube_orch(db, OID, ["web", "api"])
    positions = bed.publish_raw([node(OID, "api", 1), node(OID, "api", 2)])
    after = wait_node(db, ObjectId(OID), "api", 2)
    guard = after["nodes"][1]["data"]["_status"]["sluice"]
    assert guard["position"] == positions[-1]
    assert after["updated_at"] is not None
    del after["nodes"][1]["data"]["_status"]
    del after["updated_at"]
    assert after == before


@pytest.mark.slow
@pytest.mark.threads
def test_a_put_makes_the_document_and_its_nodes(bed, mongo):
    """An upsert with nodes[].data, and the status lands in it; a changed put follows."""
    db = mongo.db()
    nodes = [{"id": n, "type": "pod", "name": n, "namespace": "default"} for n in ("a", "b")]
    assert bed.ask("workflow.put", id="w", cluster="c", nodes=nodes)[0] == 0
    bed.publish_raw([node("w", "a", 1), node("w", "b", 1)])
    document = wait_node(db, "w", "b", 1)
    assert document["nodes"][0]["data"]["name"] == "a"
    assert (document["cluster_id"], document["run_count"]) == ("c", 1)
    nodes = [nodes[1], {"id": "new", "type": "service", "name": "s", "namespace": "x"}]
    assert bed.ask("workflow.put", id="w", cluster="c", nodes=nodes)[0] == 0
    bed.publish_raw([node("w", "new", 5)])
    document = wait_node(db, "w", "new", 5)
    assert {n["id"] for n in document["nodes"]} == {"b", "new"}
    assert status_of(document, "b")["message"] == "1"
    assert bed.ask("workflow.delete", id="w")[0] == 0
    wait_until(
        lambda: db.workflows.find_one({"_id": "w"})["deleted_at"], 20, "the mark of deletion"
    )


@pytest.mark.slow
def test_a_status_before_its_workflow_is_written_with_it(bed, mongo):
    """A missing document is counted, not retried; a later put brings the status along."""
    db = mongo.db()
    bed.publish_raw([node("late", "a", 9)])
    wait_until(
        lambda: bed.ask("status")[1]["mongodb"]["missing"] >= 1, 20, "the missing document counted"
    )
    nodes = [{"id": "a", "type": "pod", "name": "a"}]
    bed.ask("workflow.put", id="late", cluster="c", nodes=nodes)
    wait_node(db, "late", "a", 9)


@pytest.mark.slow
@pytest.mark.threads
def test_followed_workflows_become_bindings(bed, mongo):
    """run_count > 0, not deleted, not archived; the cluster's name becomes its id."""
    db = mongo.db()
    kube_orch(db, OID, ["web"])
    kube_orch(db, "65a1b2c3d4e5f60718293a4c", ["x"], run_count=0)
    kube_orch(db, "65a1b2c3d4e5f60718293a4d", ["x"], deleted_at=1)
    kube_orch(db, "65a1b2c3d4e5f60718293a4e", ["x"], status="archived")

    def bindings():
        return [
            (b["workflow"], b["node"], b["kind"], b["namespace"], b["name"])
            for b in bed.ask("bindings", cluster="prod")[1]["bindings"]
        ]

    # Two more that cannot be followed: the log says so, with the place of one.
    kube_orch(db, "65a1b2c3d4e5f60718293a4f", ["x"], cluster_id=None)
    db.workflows.insert_one({"_id": "my flow", "cluster_id": "Prod", "run_count": 1, "nodes": []})
    left_out = r"mongodb: [12] workflows cannot be followed and are left out; one is workflows, _id"
    wait_until(lambda: re.search(left_out, bed.process.tail(400)), 30, "the line in the log")
    wait_until(lambda: bindings() == [(OID, "web", "deployment", "ns", "web")], 20, "the binding")
    db.workflows.update_one({"_id": ObjectId(OID)}, {"$set": {"status": "archived"}})
    wait_until(lambda: bindings() == [], 20, "no binding")


@pytest.mark.slow
def test_followed_workflows_that_could_not_be_kept_are_kept_later(bed, mongo):
    """While sluice.db cannot be written they wait; the log says so, and not every five seconds."""
    with sqlite3.connect(bed.path("sluice.db"), isolation_level=None) as lock:
        lock.execute("BEGIN IMMEDIATE")
        kube_orch(mongo.db(), OID, ["web"])
        said = "the workflows MongoDB follows are not taken, trying again"
        wait_until(lambda: said in bed.process.tail(400), 40, "the trouble told")
        lock.execute("ROLLBACK")

    def bindings():
        return [b["node"] for b in bed.ask("bindings", cluster="prod")[1]["bindings"]]

    wait_until(lambda: bindings() == ["web"], 30, "the binding")
    assert bed.process.tail(2000).count(said) == 1


@pytest.mark.slow
def test_a_cluster_row_is_kept_by_name(bed, mongo):
    """Status, latency, time of the check, metadata; no document is made."""
    db = mongo.db()
    db.clusters.insert_one({"name": "prod", "user_id": 7, "status": "unknown"})
    health = {
        "cluster_id": "prod",
        "name": "prod",
        "status": "connected",
        "previous_status": "unknown",
        "reachable": True,
        "latency_ms": 12,
        "checked_at": "2026-11-21T20:00:00Z",
    }
    facts = {"cluster_id": "prod", "version": "v1.36.1", "node_count": 3, "namespaces": ["a"]}
    other = dict(health, cluster_id="dev", name="dev")
    bed.publish_raw(
        [
            ("cluster:prod", "cluster.health", "", 0, health),
            ("cluster:dev", "cluster.health", "", 0, other),
            ("cluster:prod", "cluster.metadata_updated", "", 0, facts),
        ]
    )

    def there():
        document = db.clusters.find_one({"name": "prod"})
        return document if "metadata" in document else None

    document = wait_until(there, 20, "the metadata")
    assert (document["status"], document["latency"]) == ("connected", 12)
    assert document["last_check"].isoformat() == "2026-11-21T20:00:00"
    assert document["metadata"] == {"version": "v1.36.1", "node_count": 3, "namespaces": ["a"]}
    assert document["user_id"] == 7
    assert db.clusters.count_documents({}) == 1
    rows = bed.ask("clusters")[1]["clusters"]
    assert [(r["id"], r["status"], r["latency_ms"]) for r in rows] == [
        ("dev", "connected", 12),
        ("prod", "connected", 12),
    ]


@pytest.mark.slow
def test_refused_documents_do_not_stop_the_others(bed, mongo):
    """nodes: null or data: null cannot take a status; the next ones are written."""
    db = mongo.db()
    db.workflows.insert_one({"_id": "bad1", "nodes": None})
    db.workflows.insert_one({"_id": "bad2", "nodes": [{"id": "a", "data": None}]})
    db.workflows.insert_one({"_id": "good", "nodes": [{"id": "a", "data": {}}]})
    bed.publish_raw([node("bad1", "a", 1), node("bad2", "a", 1), node("good", "a", 1)])
    wait_node(db, "good", "a", 1)
    bed.publish_raw([node("good", "a", 2)])
    wait_node(db, "good", "a", 2)


@pytest.mark.slow
def test_a_document_that_is_refused_is_told(bed, mongo):
    """An index of somebody else's forbids the document: a line in the log says why, once."""
    db = mongo.db()
    db.workflows.create_index("name", unique=True)
    db.workflows.insert_one({"_id": "other", "name": "twice", "nodes": []})
    assert bed.ask("workflow.put", id="twice", cluster="prod", nodes=[])[0] == 0
    wait_until(lambda: "mongodb refused writes (1 more)" in bed.process.tail(60), 20, "the refusal")
    assert bed.ask("status")[1]["mongodb"]["refused"] == 1
    assert bed.ask("workflow.put", id="w2", cluster="prod", nodes=[])[0] == 0
    wait_until(lambda: db.workflows.find_one({"_id": "w2"}), 20, "the next document")


@pytest.mark.slow
def test_a_node_that_cannot_be_put_holds_up_no_other(bed, mongo):
    """A document of KubeOrch's with a text for data: the others get what they need."""
    db = mongo.db()
    oid = ObjectId(OID)
    nodes = [{"id": "a", "data": "text"}, {"id": "b", "data": None}]
    db.workflows.insert_one({"_id": oid, "nodes": nodes})
    put = [{"id": n, "type": "pod", "name": f"p-{n}"} for n in ("a", "b", "c")]
    assert bed.ask("workflow.put", id=OID, cluster="prod", nodes=put)[0] == 0

    def names():
        found = db.workflows.find_one({"_id": oid})["nodes"]
        return {n["id"]: n["data"].get("name") for n in found if isinstance(n["data"], dict)}

    wait_until(lambda: names() == {"b": "p-b", "c": "p-c"}, 20, "the other nodes")


def outage(bed, mongo, stop, start):
    """500 events/s with MongoDB away for 10 s of it; every node's document is right afterwards.

    A stream on all of them, open from the start, tells each event once, in order.
    """
    with bed.stream(*(f"workflow:w{w}" for w in range(8)), snapshot=0) as stream:
        stream.wait_open()
        positions = publish_through_outage(bed, mongo, stop, start, stream)
        told = stream.wait_events(len(positions), 30)
        assert [int(e["id"].rpartition("-")[2]) for e in told] == positions
        assert positions == sorted(set(positions))
        assert len({e["id"].partition("-")[0] for e in told}) == 1, "one epoch"
        assert stream.ids() == [e["id"] for e in told], "the cursor of each"
        assert stream.ended is None and not stream.named("stream.gap")


def publish_through_outage(bed, mongo, stop, start, stream):
    """The events of outage(), read from STREAM meanwhile; their positions, as published."""
    db = mongo.db(serverSelectionTimeoutMS=20000)
    chance = random.Random(5)
    names = [f"n{i}" for i in range(10)]
    for w in range(8):
        nodes = [{"id": n, "data": {"name": n}} for n in names]
        db.workflows.insert_one({"_id": f"w{w}", "nodes": nodes})
    events = [node(f"w{chance.randrange(8)}", chance.choice(names), i) for i in range(7500)]
    tool = bed.drive("publish", 500)
    tool.stdin.write(lines_of(events))
    tool.stdin.close()
    tool.stdin = None
    wait_until(lambda: bed.ask("status")[1]["mongodb"]["written"] > 0, 20, "the first write")
    stop()
    stream.pump()
    before = len(stream.events())
    began = time.monotonic()
    while time.monotonic() - began < 10:
        tip = bed.publish_raw([job("live", 1)])[-1]
        head, items = bed.snapshot("job:live", wait=tip)
        assert (head["complete"], items[0]["position"]) == (True, tip)
        stream.pump()
    wait_until(
        lambda: bed.ask("status")[1]["mongodb"]["connected"] is False, 20, "it is known to be away"
    )
    assert len(stream.events()) > before, "it goes on while MongoDB is away"
    start()
    # Read on meanwhile: who takes nothing for 30 s is not served any more. It says all at its end.
    wait_until(lambda: stream.pump() or tool.poll() is not None, 60, "all is published")
    out, errors = tool.communicate(timeout=deadline(60))
    assert tool.returncode == 0, errors
    positions = [int(line) for line in out.split()]
    last = {}
    for (key, _, name, _, data), position in zip(events, positions, strict=True):
        last[key.split(":")[1], name] = (data["status"]["message"], position)

    def recorded():
        return {
            (document["_id"], n["id"]): (
                n["data"]["_status"]["message"],
                n["data"]["_status"]["sluice"]["position"],
            )
            for document in db.workflows.find({})
            for n in document["nodes"]
            if "_status" in n["data"]
        }

    wait_until(lambda: stream.pump() or recorded() == last, 30, "every node's document")
    assert bed.ask("status")[1]["mongodb"]["missing"] == 0
    return positions


@pytest.mark.slow
@pytest.mark.threads
def test_mongodb_killed_for_ten_seconds_stops_nothing(bed, mongo):
    """SIGKILL and a restart on the same storage."""
    outage(bed, mongo, mongo.kill, mongo.restart)


@pytest.mark.slow
def test_mongodb_frozen_for_ten_seconds_stops_nothing(bed, mongo):
    """SIGSTOP: calls hang until their time-out, and only in the MongoDB thread."""
    outage(bed, mongo, mongo.suspend, mongo.resume)


@pytest.mark.slow
def test_a_killed_store_writes_what_was_missing(bed, mongo):
    """The checkpoint in MongoDB is behind what it holds at worst; nothing is lost."""
    db = mongo.db()
    db.workflows.insert_one({"_id": "w", "nodes": [{"id": "a", "data": {}}]})
    for round_number in range(3):
        bed.publish_raw([node("w", "a", f"{round_number}-{i}") for i in range(300)])
        pid = bed.kill("store")
        bed.wait_restarted("store", pid)
        wait_node(db, "w", "a", f"{round_number}-299")


@pytest.mark.slow
def test_a_database_put_back_is_caught_up(bed, mongo):
    """Documents restored from an older state come with their older checkpoint."""
    db = mongo.db()
    db.workflows.insert_one({"_id": "w", "nodes": [{"id": "a", "data": {}}]})
    bed.publish_raw([node("w", "a", 1)])
    wait_node(db, "w", "a", 1)
    # Not while it runs: its checkpoint comes after the status, and would be put back in turn.
    bed.stop_store()
    db.sluice_checkpoint.delete_many({})
    db.workflows.replace_one({"_id": "w"}, {"_id": "w", "nodes": [{"id": "a", "data": {}}]})
    bed.ctl("start", "store")
    wait_node(db, "w", "a", 1)


@pytest.mark.slow
def test_an_older_status_never_replaces_a_newer_one(bed, mongo):
    """The guard: a document that is further along keeps what it has."""
    db = mongo.db()
    db.workflows.insert_one({"_id": "w", "nodes": [{"id": "a", "data": {}}]})
    bed.publish_raw([node("w", "a", 1)])
    document = wait_node(db, "w", "a", 1)
    status = document["nodes"][0]["data"]["_status"]
    status["sluice"]["position"] += 1000
    status["message"] = "newer"
    db.workflows.replace_one({"_id": "w"}, document)

    def written():
        return bed.ask("status")[1]["mongodb"]["written"]

    # The document is there before it is counted.
    before = wait_until(written, 20, "the first status counted")
    bed.publish_raw([node("w", "a", 2)])
    wait_until(lambda: written() > before, 20, "the older status sent")
    assert status_of(db.workflows.find_one({"_id": "w"}), "a")["message"] == "newer"


@pytest.mark.slow
@pytest.mark.threads
def test_a_frozen_mongodb_does_not_hold_up_the_end(bed, mongo):
    """SIGTERM while a call hangs: the store leaves in order, in time."""
    bed.publish_raw([node("w", "a", 1)])
    wait_until(lambda: bed.ask("status")[1]["mongodb"]["missing"] > 0, 20, "the first write")
    mongo.suspend()
    try:
        bed.publish_raw([node("w", "a", 2)])
        began = time.monotonic()
        assert bed.stop() == 0
        assert time.monotonic() - began < deadline(5)
    finally:
        mongo.resume()


def test_a_bad_connection_string_is_told_at_the_start():
    """It names the key and what would be right; the broker goes on."""
    sluice = StoreBed({"mongodb": "mongodb://"})
    try:
        sluice.start(ready=False)
        wait_until(
            lambda: (
                "mongodb: " in sluice.process.tail(100)
                and "mongodb://host/kubeorch" in sluice.process.tail(100)
            ),
            20,
            "a line that names the key and the form",
        )
    finally:
        sluice.close()

"""The MongoDB-wire server: it writes, survives kill -9, freezes and goes away."""

import os

import pymongo.errors
import pytest
from pymongo import UpdateOne
from pymongo.write_concern import WriteConcern

from ..mongo import MongoServer
from ..net import can_listen
from ..process import BedError

pytestmark = pytest.mark.timeout(120)
DURABLE = WriteConcern(w="majority", j=True)


def workflow(name):
    """A document as Sluice updates it: nodes with ids and data."""
    nodes = [{"id": node, "data": {"name": node}} for node in ("a", "b", "c")]
    return {"_id": name, "nodes": nodes}


def set_status(name, node, rev):
    """The guarded array filter update: only the node NODE, only when REV is newer."""
    guard = {"n.id": node, "n.data._status.rev": {"$not": {"$gte": rev}}}
    status = {"state": "healthy", "rev": rev}
    return UpdateOne(
        {"_id": name}, {"$set": {"nodes.$[n].data._status": status}}, array_filters=[guard]
    )


def statuses(collection, name):
    """Each node's status revision, None where it has none."""
    nodes = collection.find_one({"_id": name})["nodes"]
    return {node["id"]: node["data"].get("_status", {}).get("rev") for node in nodes}


def test_array_filter_update_writes_newer_only(mongo_server):
    """An array filter update reaches the one node; an older revision changes nothing."""
    collection = mongo_server.db()["workflows"]
    collection.insert_one(workflow("w1"))
    first = collection.bulk_write([set_status("w1", "b", 5)])
    assert (first.matched_count, first.modified_count) == (1, 1)
    assert statuses(collection, "w1") == {"a": None, "b": 5, "c": None}
    second = collection.bulk_write([set_status("w1", "b", 4), set_status("w1", "c", 1)])
    assert second.modified_count == 1
    assert statuses(collection, "w1") == {"a": None, "b": 5, "c": 1}


def test_acknowledged_writes_survive_kill():
    """Every acknowledged write is there after kill -9 and a restart; an index refuses still."""
    with MongoServer(local=True) as server:
        collection = server.db().get_collection("workflows", write_concern=DURABLE)
        collection.create_index("key", unique=True)
        for number in range(50):
            collection.insert_one({**workflow(number), "key": number})
        collection.bulk_write([set_status(7, "a", 1)])
        first = server.process.pid
        server.kill()
        assert can_listen(server.port)
        server.restart()
        assert server.process.pid != first
        again = server.db()["workflows"]
        assert again.count_documents({}) == 50
        assert statuses(again, 7) == {"a": 1, "b": None, "c": None}
        with pytest.raises(pymongo.errors.DuplicateKeyError):
            again.insert_one({"_id": "other", "key": 7})
        again.bulk_write([set_status(7, "a", 2)])
        assert statuses(again, 7)["a"] == 2


def test_frozen_server_answers_again_and_all_is_gone_afterwards():
    """Frozen, the server is silent; resumed, it goes on; stopped, nothing is left of it."""
    with MongoServer(local=True) as server:
        directory, port, pid = server.directory, server.port, server.process.pid
        collection = server.db(socketTimeoutMS=500, serverSelectionTimeoutMS=500)["things"]
        collection.insert_one({"_id": 1})
        server.suspend()
        with pytest.raises((pymongo.errors.NetworkTimeout, pymongo.errors.ConnectionFailure)):
            collection.find_one({"_id": 1})
        server.resume()
        assert server.db()["things"].find_one({"_id": 1}) == {"_id": 1}
    assert not os.path.exists(f"/proc/{pid}")
    assert not os.path.exists(directory)
    assert can_listen(port)


def test_failpoint_closes_a_connection_once():
    """A failpoint cuts one update's connection; the driver's retry applies it once."""
    with MongoServer(local=True) as server:
        client = server.client(heartbeatFrequencyMS=1000)
        things = client[server.database]["things"]
        things.insert_one({"_id": 1, "count": 0})
        client.admin.command(
            "configureFailPoint",
            "failCommand",
            mode={"times": 1},
            data={"failCommands": ["update"], "closeConnection": True},
        )
        things.update_one({"_id": 1}, {"$inc": {"count": 1}})
        assert things.find_one({"_id": 1})["count"] == 1


def test_a_given_server_is_used_and_left_running(mongo_server, monkeypatch):
    """SLUICE_TEST_MONGODB_URI is used instead of an own server, which then can't be killed."""
    monkeypatch.setenv("SLUICE_TEST_MONGODB_URI", mongo_server.uri)
    with MongoServer() as given:
        assert (given.external, given.uri) == (True, mongo_server.uri)
        assert given.database != mongo_server.database
        given.db()["things"].insert_one({"_id": 1})
        with pytest.raises(BedError, match="local=True"):
            given.kill()
        with MongoServer(local=True) as own:
            assert not own.external
            assert own.uri != mongo_server.uri
    names = mongo_server.client().list_database_names()
    assert given.database not in names


def test_a_failed_start_says_why_and_leaves_nothing(capsys):
    """A server that refuses its flags ends start() with its words."""
    server = MongoServer(local=True, args=("--no-such-flag",))
    with pytest.raises(BedError, match="no-such-flag"):
        server.start()
    assert server.directory is None
    assert not server.process.running()
    assert "no-such-flag" in capsys.readouterr().err

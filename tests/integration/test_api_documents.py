"""openapi.json and asyncapi.json: they say what the gateway does, and others can read them."""

import contextlib
import http.client
import json
import os
import pathlib
import re
import subprocess
import sys

import pytest

from tests.bed import tokens
from tests.bed.clients import accept_asyncapi
from tests.bed.net import deadline
from tests.bed.payloads import table
from tests.bed.sluice import REPO, Sluice

from .test_gateway_errors import ERRORS, STAGED

OPENAPI, ASYNCAPI = "/api/v1/openapi.json", "/api/v1/asyncapi.json"
CONTROL = {"stream.open", "snapshot", "heartbeat", "stream.gap", "stream.error", "stream.end"}
CONTROL |= {"stream.closing"}
# Every path answers OPTIONS; the document says so once.
METHODS = {"get", "head", "post", "put", "delete"}


@pytest.fixture(name="documents", scope="module")
def _documents():
    with Sluice() as sluice:
        yield [sluice.request("GET", path)[2] for path in (OPENAPI, ASYNCAPI)]


def source(path):
    """The text of a file of the tree."""
    return pathlib.Path(REPO, path).read_text(encoding="utf-8")


def at(document, reference):
    """What a reference of a document stands for; KeyError if there is nothing."""
    found = document
    for step in reference.removeprefix("#/").split("/"):
        found = found[step.replace("~1", "/").replace("~0", "~")]
    return found


def references(part):
    """All references in a document."""
    if isinstance(part, dict):
        for key, value in part.items():
            if key == "$ref" and isinstance(value, str):
                yield value
            else:
                yield from references(value)
    elif isinstance(part, list):
        for value in part:
            yield from references(value)


def test_both_documents_are_told_to_anybody_and_kept_by_their_tags(tmp_path):
    issuer = tokens.Issuer()
    issuer.write(f"{tmp_path}/keys.json")
    with Sluice(tokens.conf(f"{tmp_path}/keys.json")) as sluice:
        for path in (OPENAPI, ASYNCAPI):
            status, head, document = sluice.request("GET", path)
            assert (status, head["Content-Type"]) == (200, "application/json")
            assert head["Cache-Control"] == "no-cache"
            assert document["info"]["version"] == source("VERSION").strip()
            tag = head["ETag"]
            for known in (tag, f'"other", {tag}', f"W/{tag}", "*"):
                status, again, body = sluice.request("GET", path, headers={"If-None-Match": known})
                assert (status, body, again["ETag"]) == (304, "", tag)
                assert "Content-Length" not in again
            for known in ('"other"', tag.strip('"'), ""):
                answer = sluice.request("GET", path, headers={"If-None-Match": known})
                assert answer[0] == 200 and answer[2] == document
            with contextlib.closing(http.client.HTTPConnection("127.0.0.1", sluice.port)) as conn:
                conn.request("HEAD", path)
                only = conn.getresponse()
                assert (only.status, only.read(), only.headers["ETag"]) == (200, b"", tag)
                assert only.headers["Content-Length"] == head["Content-Length"]


def test_every_route_is_in_the_openapi_document_and_the_reverse(documents):
    table = source("gateway/route.c").partition("routes[] = {")[2].partition("\n};")[0]
    readers = {"READ": {"get", "head"}}
    routes = {}
    for row in re.findall(r"^\t\{ (.*?) \},$", table, re.M | re.S):
        path = re.match(r"\{ (.*?) \}", row, re.S)
        words = re.findall(r'"([^"]+)"', path.group(1)) if path else []
        methods = set()
        for both, one in re.findall(r"\b(READ)\b|\bM\((\w+)\)", row):
            methods |= readers[both] if both else {one.lower()}
        routes["/" + "/".join(words)] = methods
    told = {}
    for path, item in documents[0]["paths"].items():
        whole = at(documents[0], item["$ref"]) if "$ref" in item else item
        told[re.sub(r"\{\w+\}", "*", path)] = set(whole) & METHODS
    assert told == routes and len(routes) > 20


def test_the_openapi_document_has_every_error_of_the_contract(documents):
    told = set()
    for name, answer in documents[0]["components"]["responses"].items():
        if "application/json" in answer["content"]:
            own = answer["content"]["application/json"]["schema"]["allOf"][1]
            told |= set(own["properties"]["code"]["enum"])
            assert f"#/components/responses/{name}" in set(references(documents[0]))
    assert {code for _, code, _, _ in ERRORS} | {code for _, code in STAGED} <= told
    known = source("doc/contract.md")
    assert all(f"`{code}`" in known or f" {code}" in known for code in told)


def test_every_schema_of_the_tree_is_in_both_documents_and_every_reference_is_there(documents):
    for document in documents:
        for path in sorted(pathlib.Path(REPO, "schemas").glob("*.json")):
            text = path.read_text(encoding="utf-8")

            def inside(found, own=path.stem):
                file, _, pointer = found.group(1).partition("#")
                name = file.removesuffix(".json") or own
                return f'"$ref": "#/components/schemas/{name}{pointer}"'

            schema = json.loads(re.sub(r'"\$ref": *"([^"]*)"', inside, text))
            schema = {key: value for key, value in schema.items() if key not in ("$schema", "$id")}
            assert document["components"]["schemas"][path.stem] == schema
        for reference in references(document):
            at(document, reference)


def test_the_openapi_document_has_the_data_of_each_event_where_it_is_published(documents):
    own, told = {"$ref": "#/components/schemas/OwnEventType"}, {}
    for stream in documents[0]["components"]["schemas"]["PublishedEvent"]["anyOf"]:
        *ours, last = (one["properties"] for one in stream["anyOf"])
        names = [one["event_type"]["const"] for one in ours]
        assert [one["data"] for one in ours] == [
            {"$ref": f"#/components/schemas/{name}"} for name in names
        ]
        assert last == {"event_type": own}
        told[stream["properties"]["type"]["enum"][0]] = set(names)
    assert told == {kind: set(names) for kind, names in table().items()}


def test_the_asyncapi_document_has_every_event_type_where_it_can_be(documents):
    rows = re.findall(
        r"\[STREAM_(\w+)\] = \{ \.events = \{(.*?)\}", source("gateway/stream_kind.c"), re.S
    )
    kinds = {
        name.lower().replace("_", "-"): set(re.findall(r'[({] ?"([^"]+)"', row))
        for name, row in rows
    }
    document = documents[1]
    messages = document["components"]["messages"]
    told = {}
    for name, message in messages.items():
        if "allOf" in message["payload"] and "enum" in str(message["payload"]["allOf"][1]):
            own = message["payload"]["allOf"][1]["properties"]
            assert own["event_type"] == {"const": name} == message["headers"]["properties"]["event"]
            for kind in own["type"]["enum"]:
                told.setdefault(kind, set()).add(name)
    assert told == kinds and len(kinds) == 12
    every = set().union(*kinds.values())
    for name, channel in document["channels"].items():
        some = every if name == "streams" else kinds[name]
        assert set(channel["messages"]) == some | CONTROL | {"x", "cloud-event"}
        assert channel["address"] in documents[0]["paths"]


def test_the_asyncapi_parser_takes_the_document(documents, tmp_path):
    path = tmp_path / "asyncapi.json"
    path.write_text(json.dumps(documents[1]))
    assert accept_asyncapi(str(path)) == ""
    # It is one that looks.
    documents[1]["operations"]["job"]["action"] = "shout"
    path.write_text(json.dumps(documents[1]))
    assert "shout" in accept_asyncapi(str(path)) or "action" in accept_asyncapi(str(path))


@pytest.mark.slow
@pytest.mark.parametrize("auth", ["none", "jwt"])
def test_schemathesis_finds_nothing_that_the_openapi_document_does_not_say(auth, tmp_path):
    """From one seed: what it tries is the same each time."""
    conf, token, phases = {}, [], "examples,coverage,fuzzing,stateful"
    if auth == "jwt":
        issuer = tokens.Issuer()
        issuer.write(f"{tmp_path}/keys.json")
        conf = tokens.conf(f"{tmp_path}/keys.json")
        grants = issuer.grants(["*"], ["*"], admin=True, lasts=3600)
        phases = "examples,fuzzing,stateful"
        token = ["--header", f"Authorization: Bearer {grants}"]
    with Sluice(conf) as sluice:
        document = sluice.request("GET", OPENAPI)[2]
        if auth == "jwt":
            # Here who asks must say who it is, and without it gets 401: so it is tried, too.
            for item in document["paths"].values():
                for operation in item.values():
                    if isinstance(operation, dict) and operation.get("security"):
                        operation["security"].remove({})
        path = tmp_path / "openapi.json"
        path.write_text(json.dumps(document))
        done = subprocess.run(
            [f"{os.path.dirname(sys.executable)}/schemathesis",
             "--config-file", f"{REPO}/tests/integration/schemathesis.toml",
             "run", path, "--url", f"http://127.0.0.1:{sluice.port}", *token,
             "--phases", phases, "--seed", "1", "--max-examples", "10",
             "--request-timeout", str(deadline(20))],
            capture_output=True, text=True, timeout=deadline(240), cwd=tmp_path, check=False,
            env={**os.environ, "PYTHONPATH": REPO, "COLUMNS": "100",
                 "SCHEMATHESIS_HOOKS": "tests.integration.api_hooks"},
        )  # fmt: skip
        said = done.stdout + done.stderr
        assert done.returncode == 0, said[-6000:]
        operations = sum(len(set(item) & METHODS) for item in document["paths"].values())
        assert int(re.search(r"Tested: +(\d+)", said).group(1)) >= operations
        assert int(re.search(r"([\d,]+) generated", said).group(1).replace(",", "")) > 200
        assert sluice.status()["gateway/0"]["restarts"] == 0

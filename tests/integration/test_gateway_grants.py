"""With `auth: jwt`: what a token may read, publish and change, and what no tenant ever sees."""

import contextlib
import random

import pytest

from tests.bed.payloads import good
from tests.bed.tokens import (
    bearer,
)

from .guarded import ADMIN, Guarded, refusal
from .numbered import events


@pytest.fixture(name="guarded", scope="module")
def _guarded():
    with Guarded() as running:
        yield running


def test_a_stream_is_read_only_where_it_is_granted(guarded):
    token = guarded.issuer.grants(["job:mine", "resource:prod/*"])
    for keys in (["job:mine"], ["resource:prod/*"], ["resource:prod/pod/a/b", "job:mine"]):
        with guarded.stream(token, *keys) as stream:
            stream.wait_open()
    refused = (["job:other"], ["job:*"], ["job:mine", "job:mine2"], ["resource:prod2/*"])
    for keys in refused:
        # There or not, the answer is the same.
        for more in ({}, {"must_exist": 1}):
            with guarded.stream(token, *keys, **more) as stream:
                status, headers = refusal(stream)
                assert status == 403
                assert "insufficient_scope" in headers["www-authenticate"]
    status, _, body = guarded.get("/api/v1/orchestrator/stream/jobs/other", token)
    assert (status, body["code"]) == (403, "forbidden")


def test_an_event_is_taken_only_where_it_is_granted(guarded):
    token = guarded.issuer.grants([], ["job:a", "run:*"])
    assert guarded.post(token, events("job:a", 0, 1) + events("run:x", 0, 1))[0] == 202
    mixed = events("job:a", 0, 1) + events("job:b", 0, 1)
    for query in ("", "?atomic=0"):
        status, _, body = guarded.post(token, mixed, query)
        assert (status, body["code"]) == (403, "forbidden") and "job:b" in body["error"]
        (row,) = body["details"]
        assert (row["path"], row["code"]) == ("[1].stream_key", "forbidden")
        assert row["problem"] == "this token may not publish to job:b"
    # What else is wrong is told, too; of what is not a list there are no places.
    wrong = [{**mixed[0], "event_type": "Log"}, *events("job:c", 0, 1), *mixed]
    body = guarded.post(token, wrong, "?atomic=0")[2]
    assert [(row["path"], row["code"]) for row in body["details"]] == [
        ("[0].event_type", "schema_violation"),
        ("[1].stream_key", "forbidden"),
        ("[3].stream_key", "forbidden"),
    ]
    head = {**bearer(token), "Content-Type": "application/json"}
    body = guarded.sluice.request("POST", "/api/v1/events", mixed[1], head)[2]
    assert [row["path"] for row in body["details"]] == ["stream_key"]
    reader = guarded.issuer.grants(["*"])
    status, _, body = guarded.post(reader, events("job:a", 0, 1))
    assert status == 403 and "details" not in body
    with guarded.stream(reader, "job:a", last_event_id="-1") as stream:
        stream.wait_events(1)
        assert len(stream.events()) == 1


def log_lines(guarded, token, key, text, offset=None):
    """Publishes lines of a log; (status, headers, body)."""
    head = {"Content-Type": "text/plain"} | ({} if token is None else bearer(token))
    if offset is not None:
        head["X-Log-Offset"] = str(offset)
    path = f"/api/v1/streams/{key.replace('/', '%2F')}/logs"
    return guarded.sluice.request("POST", path, text, head)


def lines_of(guarded, key, tenant):
    """Those of a stream as a reader of this tenant is told them, up to one that is added now."""
    writer = guarded.issuer.grants([], ["*"], tenant=tenant)
    assert log_lines(guarded, writer, key, "mark\n")[0] == 202
    reader = guarded.issuer.grants(["*"], tenant=tenant)
    with guarded.stream(reader, key, last_event_id="-1") as stream:
        told = stream.read_until(
            lambda s: s.events() if "mark" in [e["data"]["line"] for e in s.events()] else None,
            20,
            "the mark",
        )
        assert {e["tenant"] for e in told} == {tenant}
        return [(e["data"]["line"], e["data"]["line_no"]) for e in told[:-1]]


def test_lines_of_a_log_are_taken_only_where_they_are_granted(guarded):
    key = "job:logged/1"
    token = guarded.issuer.grants(["*"], ["job:logged/*"])
    status, _, body = log_lines(guarded, token, key, "one\ntwo\n", offset=1)
    assert (status, body["accepted"], body["next_offset"]) == (202, 2, 3)
    # Neither another stream, nor the right to read.
    reader = guarded.issuer.grants(["*"], ["run:*"])
    for wrong, where in ((token, "job:other"), (token, "pack-run:logged/1"), (reader, key)):
        status, headers, body = log_lines(guarded, wrong, where, "not mine\n")
        assert (status, body["code"]) == (403, "forbidden") and where in body["error"]
        assert "insufficient_scope" in headers["WWW-Authenticate"]
        # Nor does it learn how long the log is.
        status, headers, body = log_lines(guarded, wrong, where, "not mine\n", offset=99)
        assert status == 403 and "expected_offset" not in body
        # Its place is the path, whatever is in the body.
        body = log_lines(guarded, wrong, where, "")[2]
        (row,) = body["details"]
        problem = f"this token may not publish to {where}"
        assert (body["code"], row) == ("forbidden", {"path": "key", "problem": problem})
        assert not {"x-log-offset"} & {name.lower() for name in headers}
    for nobody in (None, "no.token.atall"):
        status, headers, _ = log_lines(guarded, nobody, key, "not mine\n")
        assert status == 401 and "Bearer" in headers["WWW-Authenticate"]
    assert lines_of(guarded, key, "-") == [("one", 1), ("two", 2)]


def test_a_log_of_the_same_name_is_each_tenants_own(guarded):
    key, tenants = "job:each/1", ("acme", "zeta", "-")
    for turn in (1, 2):
        for tenant in tenants:
            token = guarded.issuer.grants([], ["*"], tenant=tenant)
            status, _, body = log_lines(guarded, token, key, f"{tenant} {turn}\n", offset=turn)
            # The others' lines are not counted.
            assert (status, body.get("next_offset")) == (202, turn + 1), body
            status, _, body = log_lines(guarded, token, key, "late\n", offset=turn)
            assert (status, body["expected_offset"]) == (409, turn + 1)
    for tenant in tenants:
        assert lines_of(guarded, key, tenant) == [(f"{tenant} 1", 1), (f"{tenant} 2", 2)]


def test_only_an_admin_of_the_installation_sees_and_changes_it(guarded):
    plain = guarded.issuer.grants(["*"], ["*"])
    foreign = guarded.issuer.grants(["*"], ["*"], tenant="acme", admin=True)
    for token in (plain, foreign):
        for path in ("status", "clusters", "workflows", "workflows/w1"):
            status, headers, body = guarded.get(f"/api/v1/{path}", token)
            assert (status, body["code"]) == (403, "forbidden")
            assert "insufficient_scope" in headers["WWW-Authenticate"]
        done = guarded.sluice.request("DELETE", "/api/v1/workflows/w1", headers=bearer(token))
        assert done[0] == 403
    admin = guarded.issuer.token(sluice=ADMIN)
    assert guarded.get("/api/v1/clusters", admin)[0] == 200
    assert guarded.get("/api/v1/workflows/w1", admin)[0] == 404


# --- tenants -----------------------------------------------------------------------------


TYPES = ["job", "run", "resource", "alerts"]
NAMES = ["a", "b", "a/x", "a/y", "b/x"]


def random_patterns(rng):
    """A few patterns over the keys of this test."""
    choices = ["*"] + [f"{t}:*" for t in TYPES] + [f"{t}:{n}" for t in TYPES for n in NAMES]
    choices += [f"{t}:{n}/*" for t in TYPES for n in ("a", "b")]
    return rng.sample(choices[1:], rng.randint(1, 4)) if rng.random() < 0.9 else ["*"]


def oracle(patterns, key):
    """Whether a pattern covers a key or a prefix, by the contract's words."""
    for pattern in patterns:
        if pattern in ("*", key):
            return True
        if pattern.endswith("*") and key.startswith(pattern[:-1]) and key != pattern[:-1]:
            return True
    return False


@pytest.mark.parametrize("seed", [1, 2])
def test_no_tenant_ever_sees_another_ones_events(guarded, seed):
    """Equal keys and idempotency keys in three tenants; live, by replay and by snapshot."""
    rng = random.Random(seed)
    tenants = [f"t{seed}-a", f"t{seed}-b", "-"]
    keys = [f"{t}:{n}" for t in TYPES for n in NAMES]
    selectors = keys + [f"{t}:*" for t in TYPES] + [f"{t}:a/*" for t in TYPES]
    writers = {t: guarded.issuer.grants([], ["*"], tenant=t) for t in tenants}
    readers = []
    with contextlib.ExitStack() as stack:
        for number in range(24):
            tenant, patterns = rng.choice(tenants), random_patterns(rng)
            token = guarded.issuer.grants(patterns, tenant=tenant)
            wanted = rng.sample(selectors, rng.randint(1, 3))
            mode = {"last_event_id": "-1"} if number % 2 else {}
            stream = stack.enter_context(guarded.stream(token, *wanted, **mode))
            if not all(oracle(patterns, key) for key in wanted):
                assert refusal(stream)[0] == 403, (patterns, wanted)
                continue
            stream.wait_joined()
            readers.append((tenant, wanted, stream))
        for round_ in range(3):
            for tenant in tenants:
                rows = [
                    {
                        "stream_key": key,
                        "event_type": "status_update" if key.startswith("resource") else "x.n",
                        "idempotency_key": f"{seed}-{round_}-{key}",
                        "source": "/same",
                        "data": good("status_update", key, of=tenant, round=round_, key=key),
                    }
                    for key in keys
                ]
                status, _, body = guarded.post(writers[tenant], rows)
                # The others' equal idempotency keys are not this one's.
                assert status == 202 and (body["accepted"], body["duplicates"]) == (len(keys), 0)
        for tenant, wanted, stream in readers:
            mine = {(tenant, r, k) for r in range(3) for k in keys if oracle(wanted, k)}

            def seen(stream=stream):
                rows = [
                    f.json["data"]
                    for f in stream.frames
                    if f.event in ("x.n", "status_update", "snapshot")
                ]
                return {(row["of"], row["round"], row["key"]) for row in rows if "of" in row}

            stream.read_until(lambda _, m=mine, s=seen: m <= s(), 20, f"{tenant} {wanted}")
            assert all(row[0] == tenant for row in seen())
            for frame in stream.frames:
                if frame.event in ("x.n", "status_update"):
                    assert frame.json["tenant"] == tenant and oracle(
                        wanted, frame.json["stream_key"]
                    )
        late_joiners(guarded, rng, tenants, selectors)


def late_joiners(guarded, rng, tenants, selectors):
    """Who comes later: by snapshot, and from the oldest kept."""
    for tenant in tenants:
        token = guarded.issuer.grants(["*"], tenant=tenant)
        for query in ({}, {"last_event_id": "-1"}):
            wanted = rng.sample(selectors, 8)
            with guarded.stream(token, *wanted, **query) as stream:
                # What the store did not have yet comes live, behind an empty snapshot.
                kept = stream.read_until(
                    lambda s: s.last_id() and s.named("x.n", "status_update", "snapshot"),
                    20,
                    "what there is",
                )
                # Other tests publish to the tenant - too.
                of = [frame.json["data"].get("of", "-") for frame in kept]
                assert of and set(of) == {tenant}

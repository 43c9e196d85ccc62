"""Tenants do not see each other: random grants, subscriptions and events against a model.

Equal stream keys, idempotency keys and sources in all tenants; read live, by replay from the ring
and from the journal behind it, and by snapshot; by token, cookie and ticket; over two gateways.
"""

import contextlib
import os
import random
import re
import time

import pytest

from tests.bed.net import wait_until
from tests.bed.stillness import Stillness
from tests.bed.tokens import bearer

from .crowd import SHARE, shares
from .guarded import Guarded, refusal
from .numbered import events
from .tenants import Model, granted, position

TENANTS = ["-", "acme", "acme2", "a"]
TYPES = ["job", "run", "resource", "alerts"]
# Names that begin alike: of keys, of prefixes, of keys beside a prefix.
NAMES = ["a", "ab", "a/", "a/x", "a/y", "a:x", "b/x"]
KEYS = [f"{t}:{n}" for t in TYPES for n in NAMES]
SELECTORS = KEYS + [f"{t}:{tail}" for t in TYPES for tail in ("*", "a/*", "a:*", "b/*")]
KEPT = {"status_update"}  # of the event types used here, what a snapshot tells
EVENTS = 800  # tried: about half of them are taken

pytestmark = pytest.mark.slow


def seeds():
    """SLUICE_TENANTS=17 runs that one, SLUICE_TENANTS=1-100 a range; else a few."""
    text = os.environ.get("SLUICE_TENANTS", "1-3")
    first, _, last = text.partition("-")
    return list(range(int(first), int(last or first) + 1))


class Reader:
    """A stream and what it asked for."""

    def __init__(self, tenant, selectors, cursor, stream):
        """CURSOR is a position, or None for a snapshot."""
        self.tenant, self.selectors, self.cursor = tenant, selectors, cursor
        self.stream = stream

    def __repr__(self):
        return f"{self.tenant} {self.selectors} after {self.cursor}"


class History:
    """One random history of an installation, and the model of it."""

    def __init__(self, guarded, seed, stack):
        """Nothing happened yet."""
        self.guarded = guarded
        self.rng = random.Random(seed)
        self.stack = stack
        self.model = Model()
        self.readers = []
        self.asked = self.refused = self.sent = 0

    def patterns(self, all_of_it):
        """Random grants: everything as often as ALL_OF_IT says, now and then nothing."""
        draw = self.rng.random()
        if draw < all_of_it:
            return ["*"]
        return self.rng.sample(SELECTORS, self.rng.randint(0 if draw > 0.95 else 1, 8))

    # --- writers ---

    def row(self, key):
        """A new event of this stream, that names whose it is in every text it has."""
        self.sent += 1
        mark = f"mark-{self.sent}"
        data = {"mark": mark, "pad": "p" * 900}
        if key.startswith("resource:"):
            status = {"state": "healthy", "health": "healthy", "message": mark}
            data |= {"resource_id": key.partition(":")[2], "type": "pod", "status": status}
        return {
            "stream_key": key,
            "event_type": "status_update" if key.startswith("resource:") else "x.n",
            "source": "/same",
            "correlation_id": mark,
            "data": data,
        }

    def publish(self):
        """Somebody publishes something; the answer is the model's."""
        rng = self.rng
        tenant, patterns = rng.choice(TENANTS), self.patterns(0.6)
        if self.model.kept and rng.random() < 0.3:
            # What anybody sent before, word for word: another tenant's is not this one's.
            row = rng.choice(self.model.kept)[2]
        else:
            row = self.row(rng.choice(KEYS))
            if rng.random() < 0.5:
                row["idempotency_key"] = f"key-{rng.randint(1, 12)}"
        token = self.guarded.issuer.grants([], patterns, tenant=tenant)
        status, _, said = self.guarded.post(token, [row])
        if not granted(patterns, [row["stream_key"]]):
            assert (status, said.get("code")) == (403, "forbidden"), (patterns, row)
            return
        verdict, first = self.model.judge(tenant, row)
        if verdict == "conflict":
            assert (status, said.get("code")) == (409, "idempotency_conflict"), (tenant, row, said)
            return
        counts = (status, said.get("accepted"), said.get("duplicates"))
        assert counts == (202, int(verdict == "new"), int(verdict == "again")), (tenant, row, said)
        if verdict == "again":
            assert said["first_id"] == first
        else:
            self.model.add(tenant, said["first_id"], row)

    # --- readers ---

    def credentials(self, token, patterns):
        """How a client may show its token: (header fields, query)."""
        draw = self.rng.random()
        if draw < 0.3:
            return {"Cookie": f"sluice_token={token}"}, {}
        if draw < 0.5 and patterns:
            answer = self.guarded.sluice.request("POST", "/api/v1/tickets", headers=bearer(token))
            return {}, {"ticket": answer[2]["ticket"]}
        return bearer(token), {}

    def subscribe(self):
        """Somebody subscribes; whether it may is the model's word."""
        rng = self.rng
        tenant, patterns = rng.choice(TENANTS), self.patterns(0.3)
        # Mostly something it may read: a refusal shows little.
        choice = [s for s in SELECTORS if granted(patterns, [s])] if rng.random() < 0.8 else []
        selectors = rng.sample(
            choice or SELECTORS, rng.randint(1, min(4, len(choice or SELECTORS)))
        )
        token = self.guarded.issuer.grants(patterns, tenant=tenant, admin=rng.random() < 0.2)
        headers, query = self.credentials(token, patterns)
        cursor = last_event_id = None
        if self.model.kept and rng.random() < 0.3:
            # Anybody's event: ids are of one order, and tell nothing.
            last_event_id = rng.choice(self.model.kept)[1]
            cursor = position(last_event_id)
        elif rng.random() < 0.6:
            last_event_id, cursor = "-1", 0
        stream = self.stack.enter_context(
            self.guarded.stream(
                None, *selectors, last_event_id=last_event_id, headers=headers, **query
            )
        )
        self.asked += 1
        if granted(patterns, selectors):
            stream.wait_open()
            self.readers.append(Reader(tenant, selectors, cursor, stream))
        else:
            assert refusal(stream)[0] == 403, (tenant, patterns, selectors)
            self.refused += 1

    # --- what must be true ---

    def exists(self, tenant, key):
        """must_exist tells of this tenant's streams only."""
        token = self.guarded.issuer.grants(["*"], tenant=tenant)
        expected = 200 if self.model.of(tenant, [key]) else 404
        # One opens where the store does not answer in 1.5 s: once more where this machine stood
        # still.
        with Stillness(self.guarded.directory) as still:
            for _ in range(5):
                begin = time.monotonic()
                with self.guarded.stream(token, key, must_exist=1) as stream:
                    status = refusal(stream)[0]
                end = time.monotonic()
                if status == expected or end - begin < 1.4 or not still.stood(begin, end):
                    break
        assert status == expected, (tenant, key)

    def marks(self, tenant):
        """The marks of a tenant's own events."""
        return {row["data"]["mark"] for owner, _, row in self.model.kept if owner == tenant}

    def no_leak(self, reader):
        """No frame has anything of another tenant, or of a stream that was not asked for."""
        own = self.marks(reader.tenant)
        asked = {row["stream_key"] for _, row in self.model.of(reader.tenant, reader.selectors)}
        for frame in reader.stream.frames:
            found = set(re.findall(r"mark-\d+", frame.data))
            assert found <= own, (reader, frame)
            if found:
                assert frame.json["stream_key"] in asked, (reader, frame)
                assert frame.json.get("tenant", reader.tenant) == reader.tenant, (reader, frame)

    def told(self, reader):
        """It was told all that was its, in order, once, with the ordinals of its own streams."""
        stream, cursor = reader.stream, reader.cursor
        assert not stream.named("stream.gap", "stream.error"), (reader, stream.frames[-3:])
        if cursor is None:
            sets = stream.named("snapshot")
            first = next(f for f in stream.frames if f.id)
            cursor = position(sets[0].json["as_of"] if sets else first.id)
            kept = self.model.snapshot(reader.tenant, reader.selectors, cursor, KEPT)
            got = {f.json["stream_key"]: f.json["data"] for f in sets}
            assert got == {key: row["data"] for key, row in kept.items()}, reader
            assert len(sets) == len(got)
        else:
            assert not stream.named("snapshot"), reader
        assert stream.ids() == self.model.after(reader.tenant, reader.selectors, cursor), reader
        for row in stream.events():
            assert self.model.seqs(reader.tenant, row["stream_key"])[row["id"]] == row["seq"]


def on_each(readers):
    """Whether each of two gateways serves its share of READERS."""
    counts = shares([reader.stream for reader in readers])
    return len(counts) == 2 and min(counts.values()) >= SHARE * len(readers)


def run(guarded, seed):
    """One history, from its first event to what everybody was told of it."""
    with contextlib.ExitStack() as stack:
        history = History(guarded, seed, stack)
        for n in range(EVENTS):
            history.publish()
            if n % 12 == 0:
                history.subscribe()
            # Nobody is so slow here that a stream leaves the ring.
            for reader in history.readers:
                reader.stream.pump()
        # The first of them stand only in the journal now.
        for _ in range(30):
            history.subscribe()
        for _ in range(60):
            if on_each(history.readers):
                break
            history.subscribe()
        assert on_each(history.readers)
        for tenant in TENANTS:
            for key in history.rng.sample(KEYS, 6):
                history.exists(tenant, key)
        tip = position(history.model.kept[-1][1])
        for reader in history.readers:
            reader.stream.read_until(
                lambda s: s.last_id() and position(s.last_id()) >= tip, 30, f"{reader} is level"
            )
        for reader in history.readers:
            history.no_leak(reader)
        # A store that is late is told (stream.error), and the snapshot comes behind live events.
        level = [r for r in history.readers if not r.stream.named("stream.error")]
        for reader in level:
            history.told(reader)
        assert len(level) >= 30 and history.refused >= 3, (len(level), history.refused)
        assert len(history.model.kept) > EVENTS / 3
        assert sum(len(r.stream.ids()) for r in level) > EVENTS / 4


def replayed(guarded):
    """How many events the gateways sent from the journal, as one of them says."""
    text = guarded.get("/metrics")[2]
    return int(text.split("\nsluice_gateway_events_replayed_total ")[1].split()[0])


@pytest.mark.parametrize("seed", seeds())
def test_no_tenant_is_ever_told_of_another_ones_events(seed):
    # About half of what is taken fits into a ring; the rest is in the journal alone.
    settings = {"gateway": {"processes": 2, "ring": "256KiB"}}
    with Guarded(**settings) as guarded:
        run(guarded, seed)
        wait_until(lambda: replayed(guarded) > 0, 10, "some of it came from the journal")


def test_what_left_the_journal_is_a_gap_for_its_tenant_alone():
    """Whether another tenant had events of an equal key is not told by a gap either."""
    settings = {"gateway": {"ring": "1MiB"}, "journal": {"size": "8MiB", "segment": "2MiB"}}
    with Guarded(**settings) as guarded:
        writer = {t: guarded.issuer.grants([], ["*"], tenant=t) for t in ("acme", "beta")}
        reader = {t: guarded.issuer.grants(["*"], tenant=t) for t in writer}

        def send(tenant, key, begin, end, size):
            status, _, said = guarded.post(writer[tenant], events(key, begin, end, size))
            assert status == 202, said
            return said["first_id"]

        cursor = send("acme", "job:shared", 0, 1, 10)
        mine = send("beta", "job:shared", 0, 1, 10)

        def left():
            send("beta", "job:noise", 0, 800, 1000)
            with guarded.stream(reader["acme"], "job:tip", snapshot=0) as stream:
                return position(stream.wait_open()["oldest"]) > position(mine)

        wait_until(left, 60, "the events have left the journal")
        for tenant, keys, lost in (
            ("acme", ["job:shared"], False),
            ("acme", ["job:*"], False),
            ("beta", ["job:shared"], True),
            ("beta", ["job:*"], True),
        ):
            with guarded.stream(reader[tenant], *keys, last_event_id=cursor) as stream:
                stream.read_until(lambda s: s.last_id() or s.named("stream.gap"), 10, "its state")
                assert bool(stream.named("stream.gap")) == lost, (tenant, keys)


def test_the_model_knows_a_leak_when_it_sees_one():
    model = Model()
    row = {"stream_key": "job:a", "event_type": "x.n", "source": "/s", "idempotency_key": "k"}
    model.add("acme", "00000001-1", row)
    assert model.of("acme", ["job:*"]) and not model.of("acme2", ["job:*"])
    assert model.judge("acme", row) == ("again", "00000001-1")
    assert model.judge("acme", {**row, "subject": "x"}) == ("conflict", None)
    assert model.judge("acme2", row) == ("new", None)
    assert granted(["job:a/*"], ["job:a/x", "job:a/*", "job:a/b/*"])
    for patterns, selector in (
        (["job:a/*"], "job:a"),
        (["job:a/*"], "job:ab/*"),
        (["job:a"], "job:a/*"),
        (["job:a/x", "job:a/y"], "job:a/*"),
        (["job:a"], "job:ab"),
        ([], "job:a"),
    ):
        assert not granted(patterns, [selector]), (patterns, selector)

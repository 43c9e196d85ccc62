"""libsluice (lib/sluice.h): what it makes of answers: refusals, tokens, and what is no Sluice's."""

import pytest

from tests.bed.certs import Authority
from tests.bed.net import wait_until
from tests.bed.sluice import Sluice

from .guarded import Guarded
from .handing_over import LOST, TIMEOUT, Publisher, arrived, row, url_of
from .scripted import BUSY, TAKEN, Scripted


@pytest.fixture(name="sluice")
def _sluice():
    with Sluice() as running:
        yield running


def test_each_refused_event_is_told_with_details_and_the_others_arrive(sluice):
    with Publisher(url_of(sluice)) as pub:
        for n in range(300):
            text = row("job:r", n) if n % 3 else row("job:r", n, version=0, bogus=1)
            assert pub.ask("json " + text, r"json (-?\d+)")[1] == "0"
        assert pub.flush(20000) == 0
        rc, stats = pub.close()
        assert rc == 0 and (stats["accepted"], stats["refused"]) == (200, 100)
        refusals = pub.refusals()
    assert [event["data"]["n"] for _, _, event, _ in refusals] == list(range(0, 300, 3))
    assert {(status, code) for status, code, _, _ in refusals} == {(422, "schema_violation")}
    assert {d["path"] for _, _, _, details in refusals for d in details} == {"version", "bogus"}
    assert arrived(sluice, "job:r", 200) == [n for n in range(300) if n % 3]


LIFE = ("pending", "queued", "leased", "running", "succeeded")


def move(job, n):
    """The N-th event of the job's life, as text: a state, and progress before its end."""
    data = {"job_id": job, "attempt": 1}
    if n == 4:
        return row(f"job:{job}", n, event_type="job.progress", data={**data, "percent": 50})
    n = min(n, 4)
    data |= {"state": LIFE[n], "previous_state": LIFE[n - 1] if n else None}
    return row(f"job:{job}", n, event_type="job.state_changed", data=data)


def told(sluice, job):
    """The states of the job's events, as the store has them; None for progress."""
    path = f"/api/v1/streams/job:{job}/events"
    return [e["data"].get("state") for e in sluice.request("GET", path)[2]["events"]]


def test_what_is_refused_in_its_turn_is_not_taken_behind_what_came_after_it(sluice):
    """Asked about again, the step that was skipped would be a legal one."""
    sluice.stop()
    with Publisher(url_of(sluice)) as pub:
        for n in (0, 2, 1):
            pub.ask("json " + move("a", n), "json 0")
        pub.lines.wait("state away")
        sluice.start()
        assert pub.flush(30000) == 0
        stats = pub.close()[1]
        assert (stats["accepted"], stats["refused"]) == (2, 1)
        ((status, code, event, details),) = pub.refusals()
        assert (status, code, event["data"]["state"]) == (409, "illegal_transition", "leased")
        assert [d["path"] for d in details] == ["data.state"]
        assert "the current state is pending" in details[0]["problem"]
    wait_until(lambda: told(sluice, "a") == ["pending", "queued"], 20, "the two that are legal")


@pytest.mark.slow
def test_whole_lives_of_jobs_in_one_batch_after_an_outage(sluice):
    """As many transitions as a batch can have, and the ends of their streams in it."""
    sluice.stop()
    jobs = [f"j{i}" for i in range(166)]
    with Publisher(url_of(sluice)) as pub:
        for n in range(6):
            for job in jobs:
                pub.lines.tell("json " + move(job, n))
        wait_until(lambda: pub.stats()["handed"] == 6 * len(jobs), 60, "all is handed over")
        sluice.start()
        assert pub.flush(60000) == 0
        stats = pub.close()[1]
        assert (stats["accepted"], stats["refused"]) == (6 * len(jobs), 0)
        assert stats["requests"] - stats["failures"] <= 3
    life = [*LIFE[:4], None, LIFE[4]]
    wait_until(lambda: told(sluice, jobs[-1]) == life, 20, "the store has the last one's")
    for job in jobs:
        assert told(sluice, job) == life, job


def test_a_key_used_for_another_event_is_refused_and_a_repeat_is_not(sluice):
    with Publisher(url_of(sluice), source="/worker/w1") as pub:
        for n in (1, 1, 2):
            text = row("job:i", n, idempotency_key="k", timestamp="2026-01-01T00:00:00Z")
            pub.ask("json " + text, r"json 0")
            assert pub.flush(20000) == 0
        stats = pub.close()[1]
        assert (stats["accepted"], stats["duplicates"], stats["refused"]) == (2, 1, 1)
        assert [r[:2] for r in pub.refusals()] == [(409, "idempotency_conflict")]


@pytest.mark.parametrize(
    ("text", "result"),
    [("[]", -2), ("{}", -2), ("{", -2), ('{"a":1} x', -2), ('{"a":"%s"}' % ("x" * 49152), -3)],
)
def test_what_is_no_event_is_not_taken(sluice, text, result):
    with Publisher(url_of(sluice)) as pub:
        assert int(pub.ask("json " + text, r"json (-?\d+)")[1]) == result
        assert pub.stats()["handed"] == 0


def test_a_stream_that_is_not_granted_is_refused_and_the_others_arrive():
    with Guarded() as guarded:
        token = guarded.issuer.grants(publish=["job:yes"], sub="w")
        with Publisher(url_of(guarded.sluice), token=token) as pub:
            for n in range(100):
                pub.ask("json " + row("job:no" if n % 10 == 5 else "job:yes", n), "json 0")
            stats = pub.close()[1]
            assert (stats["accepted"], stats["refused"]) == (90, 10)
            assert {r[:2] for r in pub.refusals()} == {(403, "forbidden")}
            assert [r[2]["data"]["n"] for r in pub.refusals()] == list(range(5, 100, 10))


def test_a_token_file_is_read_again_and_nothing_is_lost_meanwhile(tmp_path):
    path = tmp_path / "token"
    with Guarded() as guarded:
        path.write_text(guarded.issuer.grants(publish=["*"], sub="w", lasts=-60) + "\n")
        with Publisher(url_of(guarded.sluice), token_file=path, source="/w") as pub:
            pub.hand("job:t", 0, 50)
            pub.lines.wait("state unauthorized")
            assert pub.flush(0) == TIMEOUT
            path.write_text(guarded.issuer.grants(publish=["*"], sub="w") + "\n")
            assert pub.flush(20000) == 0
            assert pub.close()[1]["accepted"] == 50
            assert pub.states() == ["unauthorized", "back"]


def test_a_fixed_token_that_is_refused_refuses_its_events():
    with Guarded() as guarded:
        token = guarded.issuer.grants(publish=["*"], sub="w", lasts=-60)
        with Publisher(url_of(guarded.sluice), token=token) as pub:
            pub.hand("job:t", 0, 5)
            assert pub.close()[1]["refused"] == 5
            assert {r[:2] for r in pub.refusals()} == {(401, "invalid_token")}


# --- a service that misbehaves -----------------------------------------------------------------


@pytest.mark.parametrize("word", ["flush", "close"])
def test_to_wait_for_ever_is_to_wait(word):
    with Scripted(BUSY, TAKEN) as service, Publisher(url_of(service)) as pub:
        pub.hand("job:a", 0, 1)
        assert pub.ask(f"{word} {(1 << 63) - 1}", r"(flushed|closed) (-?\d+)")[2] == "0"


def test_retry_after_is_kept_to():
    with Scripted(BUSY, TAKEN) as service, Publisher(url_of(service)) as pub:
        pub.hand("job:a", 0, 1)
        assert pub.flush(20000) == 0
        first, second = (at for at, *_ in service.requests)
        assert second - first >= 2
        assert pub.close()[0] == 0


@pytest.mark.parametrize(
    "answer",
    [
        (404, {"Content-Type": "text/html"}, "<html>no such site</html>"),
        (403, {}, "a proxy's page"),
        (403, {}, '{"error":"not this machine","code":"forbidden_host"}'),
        (401, {}, "a captive portal's page"),
        (200, {}, "{}"),
        (202, {}, '{"message":"queued"}'),
        (202, {}, '{"accepted":2,"duplicates":0}'),
        (302, {"Location": "http://127.0.0.1:1/"}, ""),
        (500, {}, ""),
    ],
)
def test_an_answer_that_is_not_sluices_gives_nothing_up(answer):
    with Scripted(answer, TAKEN) as service, Publisher(url_of(service)) as pub:
        pub.hand("job:a", 0, 1)
        assert pub.flush(20000) == 0
        stats = pub.close()[1]
        assert (stats["accepted"], stats["refused"], stats["failures"]) == (1, 0, 1)
        assert pub.states() == ["away", "back"]
        bodies = [body for _, _, _, body in service.requests]
        assert bodies[0] == bodies[1], "the repeat is the same, byte for byte"
        assert {path for _, path, *_ in service.requests} == {"/api/v1/events?atomic=0"}


def test_a_proxy_is_not_asked_for_this_machine():
    """And for others it is, as libcurl reads the environment."""
    with Scripted(TAKEN) as service, Scripted(TAKEN) as proxy:
        env = ["env", *(f"{x}_proxy={url_of(proxy)}" for x in ("http", "https", "all"))]
        for host in ("127.0.0.1", "localhost"):
            with Publisher(f"http://{host}:{service.port}", before=env) as pub:
                pub.hand("job:a", 0, 1)
                assert pub.flush(20000) == 0
        assert proxy.requests == [] and len(service.requests) == 2
        with Publisher("http://sluice.invalid", before=env) as pub:
            pub.hand("job:a", 0, 1)
            assert pub.flush(20000) == 0
        ((_, path, _, _),) = proxy.requests
        assert path == "http://sluice.invalid/api/v1/events?atomic=0"


def test_by_tls_the_service_must_show_a_certificate_of_the_ca_file(tmp_path):
    """One that another signed: nothing is sent to it, the token neither, and nothing is lost."""
    trusted, other = (Authority(tmp_path, name) for name in ("trusted", "other"))
    pairs = [
        ca.issue(f"by-{i}", "/CN=x", ["IP:127.0.0.1"]) for i, ca in enumerate((trusted, other))
    ]
    for pair, good in zip(pairs, (True, False), strict=True):
        with Scripted(TAKEN, pair=pair) as service:
            url = f"https://127.0.0.1:{service.port}/"
            with Publisher(url, ca=trusted.cert, token="t") as pub:
                pub.hand("job:a", 0, 1)
                if good:
                    assert pub.flush(20000) == 0
                    assert service.requests[0][2]["Authorization"] == "Bearer t"
                else:
                    pub.lines.wait("state away .*certificate")
                    assert pub.close(0)[0] == LOST
                    assert service.requests == []

"""`sluicectl publish`: from arguments and from standard input; what it says and how it ends."""

import json
import re
import shutil
import subprocess
import tempfile

import pytest

from tests.bed.net import deadline, free_port
from tests.bed.sluice import Sluice, binary

from .guarded import Guarded
from .numbered import events, numbers


@pytest.fixture(name="sluice")
def _sluice():
    with Sluice() as running:
        yield running


def publish(sluice, *words, given="", before=()):
    """Runs it on this installation."""
    return subprocess.run(
        [binary("sluicectl"), "-c", sluice.conf_file, *before, "publish", *map(str, words)],
        input=given, capture_output=True, text=True, timeout=deadline(60), env=sluice.env,
        check=False,
    )  # fmt: skip


def lines(rows):
    """ROWS as standard input."""
    return "".join(json.dumps(row) + "\n" for row in rows)


def kept(sluice, key, count):
    """The numbers of the stream's events."""
    with sluice.stream("job:none") as stream:
        begin = stream.wait_open()["epoch"] + "-0"
    with sluice.stream(key, last_event_id=begin, snapshot="0") as stream:
        stream.wait_events(count, 20)
        return numbers(stream)


def test_one_event_from_the_arguments(sluice):
    one = ("--stream", "job:a", "--type", "x.n", "--data", '{"n":7}', "--subject", "s")
    done = publish(sluice, *one)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "accepted 1 (0 of them were there already), refused 0\n"
    with sluice.stream("job:a") as stream:
        stream.wait_open()
    assert kept(sluice, "job:a", 1) == [7]


def test_lines_of_standard_input_in_order(sluice):
    rows = lines(events("job:a", 0, 3000)) + "\n  \n" + json.dumps(events("job:a", 3000, 3001)[0])
    done = publish(sluice, given=rows, before=["--json"])
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "accepted": 3001, "duplicates": 0, "refused": 0, "spooled": 0, "lost": 0,
    }  # fmt: skip
    assert kept(sluice, "job:a", 3001) == list(range(3001))


def test_a_refused_event_is_printed_with_the_reason_and_the_others_are_taken(sluice):
    rows = events("job:a", 0, 3)
    rows[1]["version"] = 0
    done = publish(sluice, given=lines(rows))
    assert done.returncode == 1
    assert "refused: schema_violation" in done.stderr and '"path":"version"' in done.stderr
    assert '"n": 1' in done.stderr and '"n": 2' not in done.stderr
    assert kept(sluice, "job:a", 2) == [0, 2]


def test_a_line_that_is_no_event_is_named_and_the_others_are_taken(sluice):
    good = lines(events("job:a", 0, 1))
    long = '{"a":"' + "x" * 60000 + '"}\n'
    far = " " * 60000 + good
    done = publish(sluice, given=good + "nonsense\n" + long + far + lines(events("job:a", 1, 2)))
    assert done.returncode == 65
    assert "line 2: not an event" in done.stderr
    assert re.findall(r"line (\d+): the event is larger", done.stderr) == ["3", "4"]
    assert kept(sluice, "job:a", 2) == [0, 1]


def test_a_line_with_a_nul_is_named_and_the_next_one_is_taken(sluice):
    good = lines(events("job:a", 0, 3)).splitlines(keepends=True)
    given = good[0] + '{"a":\0}\n' + good[1] + "\0\n" + "nonsense\n" + good[2]
    done = publish(sluice, given=given)
    assert done.returncode == 65
    assert re.findall(r"line (\d+): not an event", done.stderr) == ["2", "4", "5"]
    assert kept(sluice, "job:a", 3) == [0, 1, 2]


def test_the_same_key_twice_is_taken_once(sluice):
    one = {**events("job:a", 0, 1)[0], "idempotency_key": "k", "timestamp": "2026-01-01T00:00:00Z"}
    for known in (0, 1):
        done = publish(sluice, "--source", "/w", given=lines([one]), before=["--json"])
        assert json.loads(done.stdout)["duplicates"] == known


def test_a_service_that_is_away_is_said_with_what_was_not_taken(sluice):
    away = ("--url", f"http://127.0.0.1:{free_port()}", "--timeout", 3)
    done = publish(sluice, *away, given=lines(events("job:a", 0, 5)))
    assert done.returncode == 69
    assert "waiting for the service" in done.stderr
    assert "5 events were not taken in 3 s and are gone" in done.stderr


def test_a_spool_keeps_them_for_the_next_time(sluice):
    directory = tempfile.mkdtemp(prefix="sl-", dir="/tmp")
    spool = ("--spool", f"{directory}/s")
    try:
        away = ("--url", f"http://127.0.0.1:{free_port()}", "--timeout", 3, *spool)
        done = publish(sluice, *away, given=lines(events("job:a", 0, 5)))
        assert done.returncode == 75 and "5 events wait in the spool" in done.stderr
        done = publish(sluice, *spool, given=lines(events("job:a", 5, 7)), before=["--json"])
        assert done.returncode == 0 and json.loads(done.stdout)["accepted"] == 7
        assert kept(sluice, "job:a", 7) == list(range(7))
    finally:
        shutil.rmtree(directory)


def test_a_token_file_is_sent(tmp_path):
    path = tmp_path / "token"
    one = ("--stream", "job:a", "--type", "x.n", "--data", '{"n":1}')
    with Guarded() as guarded:
        path.write_text(guarded.issuer.grants(publish=["job:a"], sub="w") + "\n")
        assert publish(guarded.sluice, "--token-file", path, *one).returncode == 0
        done = publish(guarded.sluice, *one)
        assert done.returncode == 1 and "refused: unauthorized" in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["--stream", "job:a"],
        ["--type", "x.n", "--data", "{}"],
        ["--timeout", "soon"],
        ["--timeout", "999999"],
        ["--bogus", "1"],
        ["job:a"],
    ],
)
def test_wrong_words_are_answered_with_the_usage(sluice, words):
    done = publish(sluice, *words)
    assert done.returncode == 64 and done.stderr.startswith("usage: sluicectl")


def test_an_option_of_no_use_is_said(sluice):
    done = publish(sluice, "--spool", "/nonexistent/a/b")
    assert done.returncode == 78 and "/nonexistent/a/b" in done.stderr
    done = publish(sluice, "--url", "ftp://x")
    assert done.returncode == 78 and "url must begin with" in done.stderr

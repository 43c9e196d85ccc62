"""`sluicectl publish`: from arguments and from standard input; what it says and how it ends."""

import json
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile

import pytest

from tests.bed.net import deadline, free_port, wait_until
from tests.bed.sluice import Sluice, binary

from .guarded import Guarded
from .numbered import events, numbers
from .scripted import BUSY, Scripted


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
    assert done.stdout == (
        "accepted 1 (0 of them were there already), refused 0, in the spool 0, lost 0, damaged 0\n"
    )
    with sluice.stream("job:a") as stream:
        stream.wait_open()
    assert kept(sluice, "job:a", 1) == [7]


def test_lines_of_standard_input_in_order(sluice):
    rows = lines(events("job:a", 0, 3000)) + "\n  \n" + json.dumps(events("job:a", 3000, 3001)[0])
    done = publish(sluice, given=rows, before=["--json"])
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "accepted": 3001, "duplicates": 0, "refused": 0, "spooled": 0, "lost": 0, "damaged": 0,
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


def test_the_same_command_with_a_key_is_taken_once(sluice):
    one = ("--stream", "job:a", "--type", "x.n", "--data", '{"n":1}', "--key", "k")
    for known in (0, 1):
        done = publish(sluice, *one, "--timestamp", "2026-01-01T00:00:00Z", before=["--json"])
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["duplicates"] == known
    done = publish(sluice, *one)
    assert done.returncode == 64 and "--key needs --timestamp" in done.stderr


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


def test_what_a_damaged_spool_did_not_send_is_said(sluice, tmp_path):
    spool = ("--spool", f"{tmp_path}/s")
    away = ("--url", f"http://127.0.0.1:{free_port()}", "--timeout", 1, *spool)
    assert publish(sluice, *away, given=lines(events("job:a", 0, 5))).returncode == 75
    (segment,) = tmp_path.glob("s/*.spool")
    segment.write_bytes(segment.read_bytes().replace(b'"n": 3', b'"n": 4'))
    done = publish(sluice, *spool, given=lines(events("job:a", 5, 7)), before=["--json"])
    assert done.returncode == 74, done.stderr
    assert "1 events at least are not sent, since the spool is damaged" in done.stderr
    assert f"they are kept in {spool[1]}/*.damaged" in done.stderr
    said = json.loads(done.stdout)
    assert (said["accepted"], said["damaged"], said["lost"]) == (5, 1, 0)
    assert kept(sluice, "job:a", 5) == [0, 1, 2, 5, 6]
    assert publish(sluice, *spool, given="").returncode == 0


def test_what_waits_in_the_spool_is_said_whatever_else_is_wrong(tmp_path):
    """Of some lines that are no events, and of a refusal, too: 75 is what there is to do."""
    refusal = (422, {}, '{"error":"no","code":"schema_violation"}')
    with Scripted(refusal, BUSY) as service:
        spool = ("--spool", f"{tmp_path}/s", "--timeout", 3)
        argv = [binary("sluicectl"), "publish", "--url", f"http://127.0.0.1:{service.port}"]
        with subprocess.Popen(
            [*argv, *map(str, spool)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        ) as program:  # fmt: skip
            program.stdin.write(lines(events("job:a", 0, 1)))
            program.stdin.flush()
            wait_until(lambda: service.requests, 20, "the first is refused")
            program.stdin.write("nonsense\n" + lines(events("job:a", 1, 5)))
            out, said = program.communicate(timeout=deadline(60))
    assert program.returncode == 75, said
    assert "refused: schema_violation" in said and "line 2: not an event" in said
    assert "4 events wait in the spool" in said
    assert "refused 1, in the spool 4, lost 0, damaged 0\n" in out


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_ends_it_and_what_was_handed_over_is_kept(tmp_path, name):
    """In the first second, when nothing is on the disk by itself."""
    url = f"http://127.0.0.1:{free_port()}"
    argv = [binary("sluicectl"), "publish", "--url", url, "--spool", f"{tmp_path}/s"]
    # Who runs the tests in the background of a script has SIGINT ignored.
    default = ["env", f"--default-signal={name}"]
    with subprocess.Popen(
        default + argv,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as program:
        program.stdin.write(lines(events("job:a", 0, 3)) + '{"half')
        program.stdin.flush()
        assert "waiting for the service" in program.stderr.readline()
        program.send_signal(getattr(signal, name))
        out, said = program.communicate(timeout=deadline(20))
    assert program.returncode == 75, said
    assert "asked to end: standard input is read up to line 3" in said
    assert "refused 0, in the spool 3, lost 0" in out


def test_a_signal_that_was_ignored_ends_nothing(tmp_path):
    """As by nohup."""
    url = f"http://127.0.0.1:{free_port()}"
    argv = [binary("sluicectl"), "publish", "--url", url, "--spool", f"{tmp_path}/s"]
    with subprocess.Popen(
        ["env", "--ignore-signal=HUP", *argv, "--timeout", "1"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as program:  # fmt: skip
        program.stdin.write(lines(events("job:a", 0, 1)))
        program.stdin.flush()
        assert "waiting for the service" in program.stderr.readline()
        program.send_signal(signal.SIGHUP)
        program.stdin.write(lines(events("job:a", 1, 3)))
        out, said = program.communicate(timeout=deadline(20))
    assert program.returncode == 75 and "asked to end" not in said, said
    assert "refused 0, in the spool 3, lost 0" in out


def test_a_signal_ends_the_wait_for_the_service():
    argv = [binary("sluicectl"), "publish", "--url", f"http://127.0.0.1:{free_port()}"]
    argv += ["--stream", "job:a", "--type", "x.n", "--data", "{}", "--timeout", "3600"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        assert "waiting for the service" in run.stderr.readline()
        run.send_signal(signal.SIGTERM)
        out, said = run.communicate(timeout=deadline(20))
    assert run.returncode == 69 and "are gone" in said and "lost 1" in out


def test_a_signal_while_the_queue_is_full_is_said_as_such(tmp_path):
    """The queue has 16,384 places: no word of a service that is too slow."""
    argv = [binary("sluicectl"), "publish", "--url", f"http://127.0.0.1:{free_port()}"]
    path = tmp_path / "events"
    rows = lines(events("job:a", 0, 20000))
    path.write_text(rows)
    over = len("".join(rows.splitlines(keepends=True)[:16385]))
    with (
        path.open() as given,
        subprocess.Popen(
            [*argv, "--timeout", "3600"],
            stdin=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        ) as run,
    ):  # fmt: skip
        info = pathlib.Path(f"/proc/{run.pid}/fdinfo/0")
        wait_until(lambda: int(info.read_text().split()[1]) >= over, 60, "it has read so far")
        run.send_signal(signal.SIGTERM)
        out, said = run.communicate(timeout=deadline(20))
    assert run.returncode == 69 and "lost 16384" in out
    assert "asked to end: standard input is read up to line 16384" in said
    assert "16384 events were not taken until it was asked to end, and are gone" in said
    assert "fast enough" not in said


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
        ["--timestamp", "2026-01-01T00:00:00Z"],
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

"""The programs of doc/examples, as they stand: each publishes the life of a job, and again."""

import json
import os
import pathlib
import re
import subprocess
import sys
import time

import pytest

from tests.bed import tokens
from tests.bed.clients import NODE
from tests.bed.net import deadline, wait_until
from tests.bed.sluice import REPO, Sluice, binary

from .scripted import TAKEN, Scripted

EXAMPLES = pathlib.Path(REPO, "doc/examples")
LIFE = ["job.state_changed", "job.progress", "job.progress", "job.log", "job.log"]
LIFE += ["job.state_changed"]


def go():
    """A Go command that is new enough, as tests/cluster/go.sh finds one."""
    find = [f"{REPO}/tests/cluster/build.sh", "--go"]
    env = {**os.environ, "SLUICE_VENV": sys.prefix}
    done = subprocess.run(find, capture_output=True, text=True, timeout=deadline(240),
                          env=env, check=False)  # fmt: skip
    assert done.returncode == 0, f"{done.stderr}setup/setup.sh check gets one"
    return done.stdout.strip()


def built(path, program):
    """A PROGRAM of one Go file; its path."""
    env = {**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local"}
    build = [go(), "build", "-trimpath", "-o", program, path]
    subprocess.run(build, check=True, timeout=deadline(240), env=env)
    return program


@pytest.fixture(name="sluice", scope="module")
def _sluice(tmp_path_factory):
    keys = tmp_path_factory.mktemp("keys") / "keys.json"
    issuer = tokens.Issuer()
    issuer.write(str(keys))
    with Sluice(tokens.conf(str(keys))) as running:
        running.token = issuer.grants(["job:*"], ["job:*"], lasts=3600)
        yield running


def compiled(path, program):
    """A PROGRAM of one C file with the library of this build; its path."""
    archive = binary("libsluice.a")
    flags = subprocess.run(["pkg-config", "--libs", "libcurl", "jansson"],
                           capture_output=True, text=True, check=True).stdout.split()  # fmt: skip
    symbols = subprocess.run(["nm", archive], capture_output=True, text=True, check=True).stdout
    argv = ["gcc", "-Wall", "-Wextra", "-Werror", f"-I{REPO}/lib", path, archive, "-o", program]
    if "__asan_init" in symbols:
        argv.append("-fsanitize=address,undefined")
    subprocess.run([*argv, "-pthread", *flags], check=True, timeout=deadline(60))
    return program


PROGRAMS = ["publish.sh", "publish.py", "publish.mjs", "publish.go", "publish.c"]


@pytest.fixture(name="command")
def _command(request, tmp_path):
    """What is put in front of URL and JOB, and what behind them."""
    path, end = str(EXAMPLES / request.param), os.path.splitext(request.param)[1]
    if end == ".go":
        return [built(path, f"{tmp_path}/publish")], []
    if end == ".c":
        began = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        return [compiled(path, f"{tmp_path}/publish")], [began]
    return {".sh": [path], ".py": [sys.executable, path], ".mjs": [NODE, path]}[end], []


def run(command, url, job, **env):
    """One run of an example, with the variables of ENV."""
    before, behind = command
    return subprocess.run(
        [*before, url, job, *behind], capture_output=True, text=True, timeout=deadline(120),
        env={**os.environ, **env}, check=False,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("command", PROGRAMS, indirect=True)
def test_an_example_publishes_a_job_and_repeats_it_without_harm(sluice, command, request):
    job = "some/" + re.sub(r"\W", "-", request.node.callspec.id)
    for _ in range(2):
        done = run(command, f"http://127.0.0.1:{sluice.port}", job, SLUICE_TOKEN=sluice.token)
        assert done.returncode == 0, done.stdout + done.stderr
    head = tokens.bearer(sluice.token)

    def stored():
        path = f"/api/v1/streams/job:{job.replace('/', '%2F')}/events"
        status, _, page = sluice.request("GET", path, headers=head)
        assert (status, page["complete"]) == (200, True)
        return page if len(page["events"]) >= len(LIFE) else None

    page = wait_until(stored, 20, "the store has all events")
    assert [event["event_type"] for event in page["events"]] == LIFE
    assert [e["data"]["line"] for e in page["events"][3:5]] == ["fetching", "done"]


@pytest.mark.slow
@pytest.mark.parametrize("command", PROGRAMS, indirect=True)
def test_an_example_repeats_what_nobody_knows_the_fate_of(command, request):
    """A balancer's page, an early hint, a drain: Retry-After is kept to, and the reason said."""
    later = (429, {"Retry-After": "2"}, '{"error":"e","code":"overloaded"}')
    page = (502, {"Content-Type": "text/html"}, "<html>bad gateway</html>")
    with Scripted(page, (408, {}, ""), later, TAKEN) as service:
        done = run(command, f"http://127.0.0.1:{service.port}", "x")
        assert done.returncode == 0, done.stdout + done.stderr
        first = [body for _, _, _, body in service.requests[:4]]
        assert first == first[:1] * 4, "the repeats are the same"
        assert service.requests[3][0] - service.requests[2][0] >= 2
        # curl says nothing of what it repeats.
        assert "502" in done.stderr or "publish.sh" in request.node.callspec.id


@pytest.mark.parametrize(("status", "code"), [(409, "log_offset"), (413, "too_large")])
def test_the_shell_ends_where_the_log_is_not_taken(status, code):
    """Only 409 says that the log has the lines; else the job is not told to have succeeded."""
    refusal = (status, {}, json.dumps({"error": "no", "code": code}))
    with Scripted(TAKEN, TAKEN, refusal, TAKEN) as service:
        done = subprocess.run(
            [str(EXAMPLES / "publish.sh"), f"http://127.0.0.1:{service.port}", "x"],
            capture_output=True, text=True, timeout=deadline(60), check=False,
        )  # fmt: skip
        assert f'"code": "{code}"' in done.stdout
        assert (done.returncode, len(service.requests)) == ((0, 4) if status == 409 else (1, 3))


def test_a_go_that_is_too_old_is_passed_over(monkeypatch, tmp_path):
    """Debian's stands on PATH, and compiles none of the examples."""
    old = tmp_path / "go"
    old.write_text("#!/bin/sh\necho go1.19\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    said = subprocess.run([go(), "env", "GOVERSION"], capture_output=True, text=True, check=True)
    major, minor = re.match(r"go(\d+)\.(\d+)", said.stdout).groups()
    assert (int(major), int(minor)) >= (1, 26)


@pytest.mark.parametrize(("document", "count"), [("publishing.md", 5), ("subscribing.md", 7)])
def test_a_document_shows_the_examples_as_they_are(document, count):
    text = pathlib.Path(REPO, "doc", document).read_text(encoding="utf-8")
    shown = re.findall(r"^\[(\S+)\]\(examples/\1\)\n```\w+\n(.*?)^```$", text, re.M | re.S)
    assert len(shown) == count
    for name, block in shown:
        assert block == (EXAMPLES / name).read_text(encoding="utf-8"), name

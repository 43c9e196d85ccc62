"""The programs of doc/examples, as they stand: each publishes the life of a job, and again."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

from tests.bed import tokens
from tests.bed.clients import NODE
from tests.bed.net import deadline, wait_until
from tests.bed.sluice import REPO, Sluice

from .test_libsluice import TAKEN, Scripted

EXAMPLES = pathlib.Path(REPO, "doc/examples")
LIFE = ["job.state_changed", "job.progress", "job.progress", "job.log", "job.log"]
LIFE += ["job.state_changed"]


def go():
    """A Go command, as tests/cluster/go.sh finds one."""
    here = pathlib.Path(sys.executable).parent
    for path in (shutil.which("go"), "/usr/local/go/bin/go", f"{here}/go"):
        if path and os.access(path, os.X_OK):
            return path
    raise AssertionError("there is no Go: setup/setup.sh check installs one")


@pytest.fixture(name="sluice", scope="module")
def _sluice(tmp_path_factory):
    keys = tmp_path_factory.mktemp("keys") / "keys.json"
    issuer = tokens.Issuer()
    issuer.write(str(keys))
    with Sluice(tokens.conf(str(keys))) as running:
        running.token = issuer.grants(["job:*"], ["job:*"], lasts=3600)
        yield running


@pytest.mark.slow
@pytest.mark.parametrize("name", ["publish.sh", "publish.py", "publish.mjs", "publish.go"])
def test_an_example_publishes_a_job_and_repeats_it_without_harm(sluice, name, tmp_path):
    path, job = str(EXAMPLES / name), name.replace(".", "-")
    env = {**os.environ, "SLUICE_TOKEN": sluice.token}
    command = {".sh": [path], ".py": [sys.executable, path], ".mjs": [NODE, path]}
    if name.endswith(".go"):
        build = [go(), "build", "-trimpath", "-o", f"{tmp_path}/publish", path]
        subprocess.run(build, check=True, timeout=deadline(240),
                       env={**env, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local"})  # fmt: skip
        command[".go"] = [f"{tmp_path}/publish"]
    url = f"http://127.0.0.1:{sluice.port}"
    for _ in range(2):
        done = subprocess.run(
            [*command[os.path.splitext(name)[1]], url, job],
            capture_output=True, text=True, timeout=deadline(120), env=env, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
    head = tokens.bearer(sluice.token)

    def stored():
        status, _, page = sluice.request("GET", f"/api/v1/streams/job:{job}/events", headers=head)
        assert (status, page["complete"]) == (200, True)
        return page if len(page["events"]) >= len(LIFE) else None

    page = wait_until(stored, 20, "the store has all events")
    assert [event["event_type"] for event in page["events"]] == LIFE
    assert [e["data"]["line"] for e in page["events"][3:5]] == ["fetching", "done"]


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


def test_the_document_shows_the_examples_as_they_are():
    text = pathlib.Path(REPO, "doc/publishing.md").read_text(encoding="utf-8")
    shown = re.findall(r"^\[(\S+)\]\(examples/\1\)\n```\w+\n(.*?)^```$", text, re.M | re.S)
    assert len(shown) == 4
    for name, block in shown:
        assert block == (EXAMPLES / name).read_text(encoding="utf-8"), name

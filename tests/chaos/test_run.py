"""A run that breaks off says so, and leaves what is known of it."""

import os
import subprocess
import types

import pytest

from tests.bed.sluice import Sluice

from . import run as runs
from .faults import Faults

ROWS = {"gateway/0": {"pid": 5, "state": "ready", "incarnation": 1}}


class Silent:
    """In place of an installation: none of it answers."""

    port = 1
    conf = {"state_directory": "/nowhere"}

    def __init__(self, *_, **__):
        """Nothing is started."""
        self.env = {}
        self.process = types.SimpleNamespace(save_log=lambda path: open(path, "w").close())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def status(self):
        """As a supervisor that says nothing."""
        raise AssertionError("no answer")

    def ctl(self, *_, check=True):
        """As a supervisor that says nothing."""
        raise AssertionError(f"no answer, {check}")


def test_a_run_that_breaks_off_is_saved(tmp_path, monkeypatch):
    def broken(self):
        self.problem("seen before")
        raise OSError("no more")

    monkeypatch.setattr(runs, "Sluice", Silent)
    monkeypatch.setattr(runs.Run, "run", broken)
    reports = tmp_path / "reports"
    with pytest.raises(OSError, match="no more"):
        runs.run(1, 1, reports=str(reports))
    assert sorted(os.listdir(reports)) == ["history.jsonl", "problems.txt", "sluiced.log"]
    assert "seen before" in (reports / "history.jsonl").read_text()
    assert "broke off: OSError" in (reports / "problems.txt").read_text()


def test_a_run_nobody_acknowledged_says_so(monkeypatch):
    monkeypatch.setattr(Silent, "wait_ready", lambda *_: None, raising=False)
    history = runs.Run(1, 1, Silent())
    history.publishers = []
    with pytest.raises(runs.DeadlineError, match="ever acknowledged"):
        history._settle()


def test_a_fault_whose_order_nobody_answers_is_a_fault(monkeypatch):
    records = []
    monkeypatch.setattr(Silent, "status", lambda _: ROWS)
    faults = Faults(Silent(), [(0, "restart", "gateway/0", 0)], None, records.append)
    faults.step(0)
    assert [record["kind"] for record in records] == ["restart"]


def test_a_control_command_that_never_ends_is_an_answer_that_did_not_come(monkeypatch):
    def late(argv, **_):
        raise subprocess.TimeoutExpired(argv, 20)

    sluice = Sluice()
    try:
        monkeypatch.setattr(subprocess, "run", late)
        with pytest.raises(AssertionError, match="not ended after"):
            sluice.status()
    finally:
        sluice.close()

"""What happens to the processes: a plan made of the seed, and its execution step by step."""

import bisect
import contextlib
import os
import signal
import time

from tests.bed.power import cut_journal, lose_power, pretend_reboot

VICTIMS = ("broker", "store", "gateway/0", "gateway/1")
# A process that stands still for longer than this is ended by the supervisor.
PAUSE_MAX_S = 2.2
MEAN_S = 1.2
# A process to be killed that is not there at the time is killed when it is.
AGAIN_S = 0.25


def plan(random, seconds):
    """[(second, kind, who, length)], in order; in every plan one reboot, and a kill of each."""
    steps = []
    reboot = random.uniform(0.4, 0.65) * seconds
    at = 2.0
    while at < seconds - 1:
        kind = random.choice(("kill", "kill", "kill", "pause", "pause", "pause", "hang", "restart"))
        who = random.choice(VICTIMS)
        if kind == "restart":
            who = random.choice(VICTIMS[2:])
        # Nothing else while all is down, and a while after it.
        if abs(at - reboot) > 2.5:
            steps.append((at, kind, who, random.uniform(0.1, PAUSE_MAX_S)))
        at += random.expovariate(1 / MEAN_S)
    killed = {who for _, kind, who, _ in steps if kind == "kill"}
    for who in VICTIMS:
        if who not in killed:
            steps.append((random.uniform(2.0, reboot - 2.5), "kill", who, 0))
    steps.append((reboot, "reboot", "all", random.choice((0, 0, 4096))))
    return sorted(steps)


class Faults:
    """Executes a plan on one Sluice."""

    def __init__(self, sluice, steps, journal, record):
        """JOURNAL is the run's Journal; `record` is called with each fault's record."""
        self.sluice = sluice
        self.steps = list(steps)
        self.journal = journal
        self.record = record
        self._paused = []  # (until, pid, record)

    def step(self, second):
        """What is due by this second of the run."""
        for paused in [p for p in self._paused if p[0] <= second]:
            self._resume(paused)
        while self.steps and self.steps[0][0] <= second:
            _, kind, who, length = self.steps.pop(0)
            if not self._do(second, kind, who, length) and kind == "kill":
                bisect.insort(self.steps, (second + AGAIN_S, kind, who, length))

    def end(self):
        """No fault any more."""
        for paused in list(self._paused):
            self._resume(paused)

    def _resume(self, paused):
        self._paused.remove(paused)
        with contextlib.suppress(ProcessLookupError):
            os.kill(paused[1], signal.SIGCONT)
        paused[2]["until"] = time.time()

    def _row(self, who):
        """The row of a process that is ready and not stopped by us; None while there is none."""
        try:
            row = self.sluice.status().get(who, {})
        except (AssertionError, ValueError):
            return None
        there = row.get("state") == "ready" and row["pid"] not in [p[1] for p in self._paused]
        return row if there else None

    def _do(self, second, kind, who, length):
        """False: the process is not there."""
        fault = {"what": "fault", "kind": kind, "who": who, "at": time.time()}
        if kind == "reboot":
            self._reboot(fault, length)
            return True
        row = self._row(who)
        if not row:
            return False
        pid, fault["incarnation"] = row["pid"], row["incarnation"]
        fault["until"] = fault["at"]
        with contextlib.suppress(ProcessLookupError):
            if kind == "kill":
                os.kill(pid, signal.SIGKILL)
            elif kind == "restart":
                # An order nobody answers is a fault like any other.
                with contextlib.suppress(AssertionError):
                    self.sluice.ctl("restart", who, check=False)
            else:
                os.kill(pid, signal.SIGSTOP)
        if kind == "pause":
            self._paused.append((second + length, pid, fault))
        elif kind == "hang":
            # Never woken by us: found, aborted and replaced by the supervisor.
            fault["until"] += 8
        self.record(fault)
        return True

    # --- a machine that lost power ---------------------------------------------------------------

    def _reboot(self, fault, lose_bytes):
        """All processes die, the journal loses its end (or nothing), another boot_id."""
        self.end()
        lose_power(self.sluice)
        self.journal.read()
        before = set(self.journal.kept)
        directory = self.journal.directory
        if lose_bytes:
            cut_journal(directory, lose_bytes)
        pretend_reboot(directory)
        self.journal.read()
        kept = set(self.journal.kept)
        fault["lost"] = [i for i in self.journal.ids if i in before - kept]
        fault["until"] = time.time()
        self.record(fault)
        self.sluice.start(ready=False)

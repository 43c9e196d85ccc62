"""One run of chaos: load and faults made of a seed on a Sluice of its own, then the checker.

    python -m tests.chaos.run --seed 1 --seconds 30

On failure the record of the run, the log and the problems stay in build/reports/chaos/seed-N, and
the last line is the command that repeats it. Only the moments at which the faults meet the
processes differ from run to run.
"""

import argparse
import datetime
import json
import os
import random
import re
import subprocess
import sys
import time

from tests.bed.hooked import Hooked
from tests.bed.net import DeadlineError, deadline, wait_until
from tests.bed.sluice import REPO, Sluice

from .checker import check, figures
from .faults import Faults, plan
from .history import split_id
from .publishers import JOBS, LOG_GRACE_S, Publisher, Volume
from .subscribers import ASKED, Subscriber

PUBLISHERS = 3
JOURNAL_EVERY_S = 1.0
# The journal below keeps 4 MiB at least, two of its four segments.
UNREAD_BYTES = 2_500_000
TICK_S = 0.015
SETTLE_S = 40
# How often it is looked whether a run that is over has met enough, and for how long.
ENOUGH_EVERY_S = 1.0
ENOUGH_S = 120
UNANSWERED = re.compile(r"^(\S+) .*the broker was asked what a cursor missed", re.MULTILINE)
# Every end that is not ours: ours are by signal 9 or by command, and who hangs is ended, too.
CRASHED = re.compile(
    r"^.*(?:Assertion .* failed|ERROR: \w+Sanitizer"
    r"|state: .*(?:killed by signal (?!9 )|exit status [1-9])).*$",
    re.MULTILINE,
)
STRUCK = re.compile(r"the bug \S+ of a test strikes")
# Which gateway an incarnation is of: ids of connections begin with it.
SERVED = re.compile(r"^\S+ \S+ (gateway/\d): stream ended connection=([0-9a-f]+) ", re.MULTILINE)
STATE = re.compile(r"^(\S+) .*state: (gateway/\d): \w+ -> (\w+) ", re.MULTILINE)
HUNG = re.compile(r"^(\S+) .*state: (gateway/\d): \w+ -> hung", re.MULTILINE)


def configuration(chance):
    """The configuration of one run."""
    return {
        "gateway": {"ring": chance.choice(["256KiB", "256KiB", "512KiB"])},
        "journal": {"size": "8MiB", "segment": "2MiB"},
        "streams": {
            "default": {
                "heartbeat_interval": "300ms",
                "retry": "100ms",
                "log_grace": f"{LOG_GRACE_S * 1000:.0f}ms",
                "on_overflow": chance.choice(["gap", "gap", "gap", "journal"]),
            }
        },
        "supervise": {"circuit_deaths": 1000, "base": "100ms", "max": "300ms"},
    }


class Journal:
    """Readings of the journal: `ids` is all it ever had, `kept` what the last reading had."""

    def __init__(self, sluice, record):
        """Reads nothing yet."""
        self.directory = f"{sluice.conf['state_directory']}/journal"
        self.sluice = sluice
        self.record = record
        self.ids = {}
        self.kept = []
        self.volume = Volume(UNREAD_BYTES)
        self.due = 0

    def read(self):
        """Reads it as it is now; what is just being written may be missing, or seem damaged."""
        begun, surely = time.time(), self.volume.mark()
        argv = [self.sluice.program("sluicectl"), "journal", "dump", self.directory]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
        self.kept, new = [], []
        for line in done.stdout.splitlines():
            event_id, _, key, seq, event_type, _ = line.split(" ")
            self.kept.append(event_id)
            if event_id not in self.ids:
                self.ids[event_id] = True
                new.append([event_id, key, int(seq), event_type])
        self.due = time.monotonic() + JOURNAL_EVERY_S
        self.record(
            {
                "what": "journal",
                "begun": begun,
                "at": time.time(),
                "oldest": self.kept[0] if self.kept else None,
                "newest": self.kept[-1] if self.kept else None,
                "events": new,
            }
        )
        self.volume.seen(surely)


class Run:
    """One run; `records` is its history."""

    def __init__(self, seed, seconds, sluice, enough=None):
        """SLUICE is not started yet. ENOUGH(figures): whether it may end, once its time is over."""
        self.seed = seed
        self.seconds = seconds
        self.enough = enough
        self.sluice = sluice
        self.records = []
        record = self.records.append
        self.journal = Journal(sluice, record)
        self.publishers = [
            Publisher(
                f"p{i}",
                sluice.port,
                self._random(f"p{i}"),
                JOBS[i::PUBLISHERS],
                record,
                self.journal.volume,
                0.1,
            )
            for i in range(PUBLISHERS)
        ]
        self.subscribers = [
            Subscriber(i, sluice.port, self._random(f"s{i}"), record, self._ends)
            for i in range(len(ASKED))
        ]
        steps = plan(self._random("faults"), seconds)
        self.faults = Faults(sluice, steps, self.journal, record)

    def _ends(self):
        """Keys of streams that ended of late, or will."""
        return [key for publisher in self.publishers for key in publisher.ends()]

    def _ended(self):
        """Those whose end all can be told of: the journal has it, and a reboot took nothing."""
        kept, lost, taken = set(self.journal.kept), set(), {}
        for record in self.records:
            if record["what"] == "fault" and record["kind"] == "reboot":
                lost.update(record["lost"])
            elif record["what"] == "journal":
                taken.update((event[0], event[1]) for event in record["events"])
        robbed = {taken[event_id] for event_id in lost}
        ended = {r["key"] for r in self.records if r["what"] == "ended"}
        return sorted(ended.intersection(taken[i] for i in kept) - robbed)

    def _random(self, name):
        """A source of chance for one part, whatever the others do with theirs."""
        return random.Random(f"{self.seed} {name}")

    def problem(self, text):
        """Puts on record what must not happen."""
        self.records.append({"what": "problem", "text": text})

    def run(self):
        """The whole of it; afterwards the record is complete."""
        for publisher in self.publishers:
            publisher.start()
        begin = time.monotonic()
        while (second := time.monotonic() - begin) < self.seconds:
            self.faults.step(second)
            self._moment()
        self._go_on(begin)
        self.records.append({"what": "load", "seconds": round(time.monotonic() - begin)})
        self.faults.end()
        try:
            self._settle()
        except DeadlineError as error:
            self.problem(str(error))
        for publisher in self.publishers:
            if publisher.problem:
                self.problem(publisher.problem)
        self.journal.read()
        self._read_log()

    def _go_on(self, begin):
        """The same load until it has met enough: how much it does in a second, the machine decides.

        Who is still to be killed, is.
        """
        limit = time.monotonic() + deadline(ENOUGH_S)
        while self.enough is not None and time.monotonic() < limit:
            known = [*self.records, *self._of_log(self.sluice.log())]
            if self.enough(figures(known)):
                return
            again = time.monotonic() + ENOUGH_EVERY_S
            while time.monotonic() < again:
                self.faults.step(time.monotonic() - begin)
                self._moment()

    def _moment(self):
        """All subscribers once, and the journal if it is due."""
        for subscriber in self.subscribers:
            subscriber.step()
        if time.monotonic() >= self.journal.due:
            self.journal.read()
        time.sleep(TICK_S)

    def _until(self, cond, what):
        """Goes on until COND is true."""
        limit = time.monotonic() + deadline(SETTLE_S)
        while not cond():
            if time.monotonic() > limit:
                raise DeadlineError(f"{what}: not within {SETTLE_S} s")
            self._moment()

    def _settle(self):
        """Peace: all processes are there, all is published, every client reads to the end."""
        for publisher in self.publishers:
            publisher.stop()
        self._until(
            lambda: not any(p.is_alive() for p in self.publishers), "the publishers acknowledged"
        )
        self.sluice.wait_ready(40)
        told = [p.last_id for p in self.publishers if p.last_id]
        if not told:
            raise DeadlineError("no publisher was ever acknowledged")
        tip = max(told, key=lambda i: split_id(i)[1])
        self.records.append({"what": "end", "tip": tip})
        self.journal.read()
        ended = self._ended()
        for fresh in (False, True):
            for subscriber in self.subscribers:
                wait_until(
                    lambda s=subscriber, fresh=fresh: s.last_words(fresh, ended),
                    10,
                    "a listening gateway",
                )
            self._finish(split_id(tip)[1])

    def _finish(self, number):
        """Reads the last connections until all are there; who is not is the checker's matter."""
        limit = time.monotonic() + deadline(SETTLE_S)
        left = list(self.subscribers)
        while left and time.monotonic() < limit:
            # One that was ended comes no further.
            left = [s for s in left if not s.reached(number) and s.stream.ended is None]
            if time.monotonic() >= self.journal.due:
                self.journal.read()
            time.sleep(TICK_S)

    @staticmethod
    def _of_log(text):
        """Which gateway had which incarnation, was ready when, and where a seeded bug struck."""
        served = {int(number, 16) >> 32: who for who, number in SERVED.findall(text)}
        for incarnation, who in served.items():
            yield {"what": "gateway", "who": who, "incarnation": incarnation}
        for at, who, state in STATE.findall(text):
            seconds = datetime.datetime.fromisoformat(at).timestamp()
            yield {"what": "state", "who": who, "at": seconds, "state": state}
        yield from ({"what": "struck"} for _ in STRUCK.findall(text))

    def _read_log(self):
        """What of the log the checker must know."""
        text = self.sluice.log()
        for at in UNANSWERED.findall(text):
            seconds = datetime.datetime.fromisoformat(at).timestamp()
            self.records.append({"what": "log", "at": seconds, "text": "no answer of the broker"})
        for at, who in HUNG.findall(text):
            seconds = datetime.datetime.fromisoformat(at).timestamp()
            fault = {"what": "fault", "kind": "hung", "who": who, "at": seconds, "until": seconds}
            self.records.append(fault)
        self.records += self._of_log(text)
        for line in CRASHED.findall(text)[:5]:
            self.problem(f"in the log: {line[:300]}")


def run(seed, seconds, *, hooks=False, bug=None, reports=None, enough=None):
    """Runs a seed; (figures, problems). With problems, all that is known of them is in REPORTS.

    HOOKS: with the gateway of build/hooks, and one of its seeded bugs. ENOUGH: see Run.
    """
    kind = Hooked if hooks else Sluice
    sluice = kind(configuration(random.Random(f"{seed} configuration")), gateways=2)
    if bug:
        sluice.env["SLUICE_TEST_BUG"] = bug
    with sluice:
        history, problems = Run(seed, seconds, sluice, enough), []
        try:
            history.run()
            problems = check(history.records)
        except BaseException as error:
            problems = [f"the run broke off: {error!r}"]
            raise
        finally:
            if problems and reports:
                save(reports, history, problems)
    return figures(history.records), problems


def save(directory, history, problems):
    """Keeps the record, the log and the problems of a run."""
    os.makedirs(directory, exist_ok=True)
    with open(f"{directory}/history.jsonl", "w", encoding="utf-8") as file:
        for record in history.records:
            file.write(json.dumps(record) + "\n")
    history.sluice.process.save_log(f"{directory}/sluiced.log")
    with open(f"{directory}/problems.txt", "w", encoding="utf-8") as file:
        file.write("\n".join(problems) + "\n")


def reports_of(name):
    """Where what is known of a failed run goes."""
    base = os.environ.get("SLUICE_REPORTS", os.path.join(REPO, "build", "reports", "chaos"))
    return os.path.join(base, name)


def verdict(seed, seconds, found, problems, directory):
    """What is said of a run."""
    lines = [f"seed {seed}, {seconds} s: {found}"]
    if problems:
        lines += problems[:20]
        lines += [f"... {len(problems) - 20} more"] if len(problems) > 20 else []
        lines += [f"history and log: {directory}"]
        lines += [f"again: make chaos SEED={seed} SECONDS={seconds}"]
    else:
        lines += ["no loss, no duplicate, all in order, every gap announced and exact"]
    return "\n".join(lines)


def main():
    """One seed from the command line."""
    parser = argparse.ArgumentParser(prog="tests.chaos.run")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--hooks", action="store_true", help="the gateway of build/hooks")
    parser.add_argument("--bug", help="a seeded bug of that gateway")
    given = parser.parse_args()
    directory = reports_of(f"seed-{given.seed}")
    found, problems = run(
        given.seed,
        given.seconds,
        hooks=given.hooks or bool(given.bug),
        bug=given.bug,
        reports=directory,
    )
    print(verdict(given.seed, given.seconds, found, problems, directory))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())

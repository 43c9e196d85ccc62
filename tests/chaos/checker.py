"""The checker of histories: a record of a run in, what is wrong with it out.

Pure: no clock, no socket, no process. `python -m tests.chaos.checker FILE` judges a record again.

What it holds a run to, by the contract's words: nothing that was acknowledged is lost, nothing
stands twice, the order of each stream and of all; every connection gets exactly what follows its
cursor, or a stream.gap that says truly what it missed, and why, and then a snapshot that is the
fold of the history up to its position; bookmarks from which nothing is missing; the end of each
stream, once, behind all of it, and to each client that names it and has the time; and no connection
that ends, or is refused, for no reason.
"""

import math
import sys

from .history import Truth, load
from .session_rules import Session

GATEWAYS = ("gateway/0", "gateway/1")
# An end may be noticed, and a process come back, so much later than the fault.
FAULT_S = 8.0
# Who connects so shortly before a gateway goes away, or after it came back, may find only one.
APART_S = 0.1


def _incarnation(session):
    """Which gateway's process served it; None when it has not said."""
    for _, event, _, info in session["frames"]:
        if event == "stream.open":
            return int(info["connection_id"], 16) >> 32
    return None


def _excuses(fault, session, gateways):
    """Whether a fault may have cut a connection: it befell the very process that served it.

    GATEWAYS: {incarnation: name}. A pause ends nothing; one that the supervisor found too long is
    a fault of its own ("hung").
    """
    who, at = fault["who"], _incarnation(session)
    if fault["kind"] == "pause" or who not in ("all", *GATEWAYS):
        return False
    # What comes back after a reboot has nothing of it.
    late = 0 if who == "all" else FAULT_S
    if not (fault["at"] - 1 <= session["until"] and session["at"] <= fault["until"] + late):
        return False
    if who == "all" or at is None:
        return True
    # What the log tells of a process names no incarnation.
    return fault.get("incarnation", at) == at and gateways.get(at, who) == who


def _ends(session, faults, gateways, ended):
    """Whether the connection ended, if the server ended it, because something happened to it.

    ENDED: the keys of the streams that did.
    """
    over = all(selector in ended for selector in session["selectors"])
    if session["status"] not in (None, 200) and not (over and session["status"] == 204):
        yield f"client {session['client']} from {session['cursor']}: status {session['status']}"
    if session["ended"] is None or session["status"] in (None, 204):
        return
    closing = session["frames"] and session["frames"][-1][1] == "stream.closing"
    # Whether that was the last of several streams only the broker can say; while it does not,
    # heartbeats may follow. With the end of an only one the connection ends at once.
    several = len(set(session["selectors"])) > 1
    names = [frame[1] for frame in session["frames"]]
    while several and names and names[-1] == "heartbeat":
        names.pop()
    told = names and names[-1] == "stream.end"
    if session["ended"] == "clean" and not closing and not (over and told):
        yield f"client {session['client']}: a clean end without stream.closing"
    excused = any(_excuses(fault, session, gateways) for fault in faults)
    if session["ended"] == "cut" and not closing and not excused:
        yield (
            f"client {session['client']}, opened {session['at']:.3f}: cut at "
            f"{session['until']:.3f}, and nothing had happened to its gateway"
        )


def check(records):
    """The problems of a run, as texts."""
    truth = Truth(records)
    problems = [r["text"] for r in records if r["what"] == "problem"] + truth.problems
    faults = [r for r in records if r["what"] == "fault"]
    gateways = {r["incarnation"]: r["who"] for r in records if r["what"] == "gateway"}
    sessions = [r for r in records if r["what"] == "session"]
    for session in sessions:
        problems += Session(truth, session).check()
        problems += _ends(session, faults, gateways, truth.ended)
    return problems


def _away(records):
    """[(from, to)]: when not both gateways were there, as the supervisor and the faults say."""
    found = []
    since = dict.fromkeys(GATEWAYS, 0)
    known = [r for r in records if r["what"] in ("fault", "state")]
    for r in sorted(known, key=lambda r: r["at"]):
        # One that hangs is away until it was replaced.
        left = r["kind"] == "hang" if r["what"] == "fault" else r["state"] != "ready"
        if left and r["who"] in GATEWAYS:
            since.setdefault(r["who"], r["at"])
        elif r["what"] == "state" and r["who"] in since:
            found.append((since.pop(r["who"]), r["at"]))
        elif r["what"] == "fault" and r["who"] in ("all", *GATEWAYS):
            found.append((r["at"], r["until"]))
    return found + [(at, math.inf) for at in since.values()]


def figures(records):
    """What a run consisted of, so that an empty one is not taken for a good one."""
    sessions = [r for r in records if r["what"] == "session"]
    frames = [frame for s in sessions for frame in s["frames"]]
    counts = {
        "events": sum(len(r["events"]) for r in records if r["what"] == "journal"),
        "sessions": len(sessions),
        "frames": len(frames),
        "resumed": sum(1 for s in sessions if s["cursor"] not in (None, "-1", "now")),
        "snapshots": sum(1 for f in frames if f[1] == "snapshot" and f[3]["i"] == f[3]["n"]),
        "blind": sum(1 for f in frames if f[1] == "stream.error"),
        "faults": sum(1 for r in records if r["what"] == "fault"),
        "ends": sum(1 for frame in frames if frame[1] == "stream.end"),
        "over": sum(1 for s in sessions if s["status"] == 204),
        "struck": sum(1 for r in records if r["what"] == "struck"),
        "seconds": sum(r["seconds"] for r in records if r["what"] == "load"),
    }
    gateways = {r["incarnation"]: r["who"] for r in records if r["what"] == "gateway"}
    served = [gateways.get(_incarnation(s)) for s in sessions]
    away = _away(records)
    # The kernel gives each half of them, give or take what chance does.
    either = [
        who
        for who, s in zip(served, sessions, strict=True)
        if who and not any(a - APART_S <= s["at"] <= b + APART_S for a, b in away)
    ]
    counts["served by either"] = len(either)
    for name in (
        *(f"gap {frame[3]['reason']}" for frame in frames if frame[1] == "stream.gap"),
        *(f"kill {r['who']}" for r in records if r["what"] == "fault" and r["kind"] == "kill"),
        *(f"served by {who}" for who in served if who),
        *(f"served by {who} of either" for who in either),
    ):
        counts[name] = counts.get(name, 0) + 1
    return counts


def main():
    """Judges the record whose name is given."""
    records = load(sys.argv[1])
    print(figures(records))
    problems = check(records)
    print("\n".join(problems) or "nothing is wrong with it")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())

"""What sanitizers wrote into the logs of programs under test."""

import os

MARKS = (
    "ERROR: AddressSanitizer",
    "ERROR: LeakSanitizer",
    "runtime error: ",
    "WARNING: ThreadSanitizer",
    "UndefinedBehaviorSanitizer",
)
LINES = 60


def reports(log):
    """The first report in the file LOG, up to 60 lines of it; nothing when there is none.

    A child that dies of it would just be restarted, and one that is killed says nothing more.
    """
    if not os.path.exists(log):
        return []
    with open(log, encoding="utf-8", errors="replace") as file:
        lines = file.read().splitlines()
    first = next((i for i, x in enumerate(lines) if any(m in x for m in MARKS)), None)
    return [] if first is None else lines[first : first + LINES]


def refuse(logs):
    """Raises AssertionError with what the LOGS hold of reports."""
    found = [line for log in logs for line in reports(log)]
    if found:
        raise AssertionError("a sanitizer reported:\n" + "\n".join(found))

"""How long a second `make run` takes: set-up, build and simulator included, until it is of use.

From the call to the line that names the page, and to the first answer of the page and of /readyz.
The aim: a second `make run` does no set-up work again and shows its page within 2 s. (That the page
*moves* within 5 s of the first start is a test, in test_show_page.py.) What is built must be up to
date (`make bench` sees to that). `--short`, as in `make check`: one start, and only that it comes
up; the figure is printed.
"""

import http.client
import os
import sys
import tempfile
import time

sys.path.insert(0, __file__.rsplit("/tests/", 1)[0])

from tests.bed.net import free_port, wait_until
from tests.bed.process import Process, plain_environment
from tests.bed.sluice import REPO
from tests.bench import report

STARTS = 5
PATIENCE = 60


def answers(port, path):
    """True when the service says 200."""
    conn = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        conn.request("GET", path)
        return conn.getresponse().status == 200
    except OSError:
        return False
    finally:
        conn.close()


def start_once(directory):
    """One `make run` from its call on: seconds until it was (named, shown, ready)."""
    port = free_port()
    env = plain_environment(directory)
    env |= {"PORT": str(port), "STATE": f"{directory}/state"}
    process = Process("run", ["make", "-C", REPO, "run"], directory, env)
    begin = time.monotonic()
    process.start()

    def seen(cond, what):
        def true():
            process.check()
            return cond()

        wait_until(true, PATIENCE, what, interval=0.005)
        return time.monotonic() - begin

    def named():
        with open(process.log, encoding="utf-8", errors="replace") as file:
            return "run: open http" in file.read()

    try:
        return (
            seen(named, "the page is named"),
            seen(lambda: answers(port, "/"), "the page is shown"),
            seen(lambda: answers(port, "/readyz"), "it is ready"),
        )
    finally:
        process.stop()


def main():
    """The figures of several starts, or one start with --short."""
    count = 1 if "--short" in sys.argv[1:] else STARTS
    times = []
    for _ in range(count):
        with tempfile.TemporaryDirectory(prefix="sl-start-", dir="/tmp") as directory:
            os.mkdir(f"{directory}/state", 0o700)
            times.append(start_once(directory))
    if count == 1:
        print(f"start: comes up; page shown after {times[0][1]:.2f} s (aim: 2 s)")
        return
    middle = [report.percentile(column, 0.5) for column in zip(*times, strict=True)]
    figures = [
        report.figure("make run: page named, median", middle[0], "s"),
        report.figure("make run: page shown, median", middle[1], "s", aim="2 s"),
        report.figure("make run: /readyz, median", middle[2], "s"),
    ]
    report.show("start", figures)
    report.write("start", figures)


if __name__ == "__main__":
    main()

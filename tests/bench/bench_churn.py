"""A million pods created and deleted: what that leaves in the watcher's memory.

A day of a cluster with some ten pods a second. 10,000 objects stay, 10,000 pods at a time come, are
published, go, and the going is published. No peer: the figure is the watcher against itself.

It grew by 1.8 % (8.26 to 8.41 MB) on a busy machine. What that took: a watcher without malloc's
cache of each thread and without a second heap for nanomsg's thread (supervisor/spawn.c: they were
all of the 12.6 % before), free pages given back behind the last byte too, and a publisher that
gives back the buffers of its largest batch.

`--short`: 6,000 pods, and only that the watcher followed.
"""

import sys

sys.path.insert(0, __file__.rsplit("/tests/", 1)[0])

from tests.bench import churn, report

STANDING, STANDING_SHORT = 10000, 500
PODS, PODS_SHORT = 1000000, 6000
AT_ONCE, AT_ONCE_SHORT = 10000, 2000
MB = 1000000


def main():
    """Runs it: `bench_churn.py [--short] [PODS]`."""
    words = [word for word in sys.argv[1:] if word != "--short"]
    if "--short" in sys.argv[1:]:
        before, after, pods = churn.run(STANDING_SHORT, PODS_SHORT, AT_ONCE_SHORT)
    else:
        before, after, pods = churn.run(STANDING, int(words[0]) if words else PODS, AT_ONCE)
    figures = [
        report.figure("pods created and deleted", pods, "pods"),
        report.figure("memory (RSS) before", before / MB, "MB"),
        report.figure("memory (RSS) after", after / MB, "MB"),
        report.figure("growth", (after / before - 1) * 100, "%", aim=5),
    ]
    report.show("churn", figures)
    if "--short" not in sys.argv[1:]:
        print(f"wrote {report.write('churn', figures)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

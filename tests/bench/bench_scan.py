"""The scanner on pods of 10 KB, one core: from the bytes of a watch or list to slices of objects.

The peer in the same run is jansson, which makes a tree of the same events. Every way of reading
bytes that this machine has is measured (build/bench/bench_scan). `--short`: only that all of them
find what jansson finds.
"""

import re
import subprocess
import sys

sys.path.insert(0, __file__.rsplit("/tests/", 1)[0])

from tests.bed.sluice import binary
from tests.bench import report

AIM = 500  # MB/s, of the way that is chosen: the last one that this machine has
PATIENCE = 300  # seconds
WAYS = ("scalar", "sse2", "avx2", "neon")


def run(*arguments):
    """{NAME: (MB per s, us per object)} of what the program prints; it fails at a difference."""
    done = subprocess.run(
        [binary("bench/bench_scan"), *arguments],
        stdout=subprocess.PIPE,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    assert done.stdout.rstrip().endswith("differences=0"), done.stdout
    found = re.findall(r"name=(\S+) mb_s=(\S+) us=(\S+)", done.stdout)
    return {name: (float(speed), float(took)) for name, speed, took in found}


def main():
    """Runs it."""
    if "--short" in sys.argv[1:]:
        run("--short")
        print("scan: every way finds what jansson finds")
        return 0
    values = run()
    peer_speed, peer_took = values["jansson_event"]
    ways = [way for way in WAYS if f"{way}_event" in values]
    figures = []
    for way in ways:
        aim = AIM if way == ways[-1] else None
        for what in ("event", "item"):
            speed, took = values[f"{way}_{what}"]
            title = f"{what} of 10 KB, {way}"
            figures.append(report.figure(title, speed, "MB/s", peer=peer_speed, aim=aim))
            figures.append(report.figure(f"{title}, CPU", took, "us", peer=peer_took))
    report.show("scan", figures)
    print(f"wrote {report.write('scan', figures)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

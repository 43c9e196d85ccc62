"""The end of every benchmark in Python: figures printed, and stored beside the machine's facts."""

import json
import os
import platform

REPO = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def machine():
    """The facts without which a figure says nothing: cores, cpu, kernel, memory (bytes)."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        models = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    return {
        "cores": len(os.sched_getaffinity(0)),
        "cpu": models[0] if models else platform.machine(),
        "kernel": platform.release(),
        "memory": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
    }


def figure(name, value, unit, *, peer=None, aim=None):
    """One figure: VALUE of Sluice, that of the PEER in the same run, and what is aimed at."""
    ratio = float(f"{value / peer:.3g}") if peer else None
    return {
        "name": name,
        "value": round(value, 3),
        "unit": unit,
        "peer": None if peer is None else round(peer, 3),
        "ratio": ratio,
        "aim": aim,
    }


def percentile(values, share):
    """The value below or at which SHARE (0..1) of VALUES lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def show(name, figures):
    """Prints FIGURES and the machine's facts."""
    facts = machine()
    memory = facts["memory"] / (1 << 30)
    print(f"{name}: {facts['cores']} x {facts['cpu']}, {memory:.1f} GiB, Linux {facts['kernel']}")
    for one in figures:
        peer = "" if one["peer"] is None else f"  peer {one['peer']:10.3f}"
        ratio = "" if one["ratio"] is None else f"  x{one['ratio']}"
        aim = "" if one["aim"] is None else f"  (aim {one['aim']})"
        print(f"  {one['name']:<40} {one['value']:10.3f} {one['unit']:<8}{peer}{ratio}{aim}")


def write(name, figures):
    """Stores FIGURES and the machine's facts as BUILD/bench/NAME.json; the path."""
    build = os.environ.get("SLUICE_BUILD", os.path.join(REPO, "build"))
    path = os.path.join(os.path.abspath(build), "bench", f"{name}.json")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"figures": figures, "machine": machine()}, file, indent=1)
        file.write("\n")
    return path

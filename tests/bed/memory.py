"""What a process has in its memory, read from outside (as root, or as its parent's user)."""

import re

# A mapping larger than this is a sanitizer's own, address space rather than memory.
SHADOW = 1 << 32


def writable_memory(pid):
    """What a process may have written: (name of the mapping, its bytes), region by region."""
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps, open(f"/proc/{pid}/mem", "rb") as mem:
        for line in maps:
            found = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw.. .*?(\S*)$", line)
            if found is None or found[3] == "[vvar]":
                continue
            low, high = int(found[1], 16), int(found[2], 16)
            if high - low > SHADOW:
                continue
            mem.seek(low)
            try:
                yield found[3], mem.read(high - low)
            except OSError:
                continue


def holds(pid, word):
    """The mappings of a process that hold WORD (bytes)."""
    return [name for name, region in writable_memory(pid) if word in region]

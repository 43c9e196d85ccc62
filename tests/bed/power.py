"""What a machine that lost its power leaves of a journal."""

import glob
import uuid


def cut_journal(directory, length):
    """Zeroes the last LENGTH bytes that were written to the newest segment, as a power cut may.

    False, and nothing, where so little was written that its header might be among them.
    """
    newest = max(glob.glob(f"{directory}/*.seg"))
    with open(newest, "r+b") as segment:
        size = len(segment.read().rstrip(b"\0"))
        if size <= 4 * length:
            return False
        segment.seek(size - length)
        segment.write(b"\0" * length)
    return True


def pretend_reboot(directory):
    """Gives the journal's history another boot_id, as if it was written before a reboot."""
    with open(f"{directory}/epochs", encoding="utf-8") as file:
        text = file.read()
    with open("/proc/sys/kernel/random/boot_id", encoding="utf-8") as file:
        boot_id = file.read().strip()
    if boot_id not in text:
        raise AssertionError(f"no {boot_id} in the history of epochs: {text!r}")
    with open(f"{directory}/epochs", "w", encoding="utf-8") as file:
        file.write(text.replace(boot_id, str(uuid.uuid4())))

"""What the running kernel can do, asked by its system calls."""

import ctypes

_LANDLOCK_CREATE_RULESET = 444
_VERSION = 1


def landlock():
    """The version of landlock; 0 where there is none, or the kernel was started without."""
    libc = ctypes.CDLL(None, use_errno=True)
    return max(0, libc.syscall(_LANDLOCK_CREATE_RULESET, None, 0, _VERSION))

"""An installation with the hooks of tests (gateway/test_hooks.h, broker/test_room.h)."""

import os
import shutil

from .sluice import Sluice, binary

PROGRAMS = (
    *("sluiced", "sluicectl", "sluice-store", "sluice-watcher", "sluice-health", "sluice-exec"),
    *("hooks/sluice-broker", "hooks/sluice-gateway"),
)


class Hooked(Sluice):
    """As Sluice, with copies of all programs of its own, so that a test may change them."""

    def __init__(self, conf=None, **more):
        """As Sluice."""
        super().__init__(conf, **more)
        self.bin = f"{self.directory}/bin"
        os.mkdir(self.bin)
        for name in PROGRAMS:
            shutil.copy(binary(name), self.bin)

    def limit_files(self, soft, hard):
        """RLIMIT_NOFILE of every gateway at its start."""
        program = self.program("sluice-gateway")
        os.rename(program, f"{program}.real")
        with open(program, "w", encoding="utf-8") as file:
            file.write(f'#!/bin/sh\nexec prlimit --nofile={soft}:{hard} "$0.real" "$@"\n')
        os.chmod(program, 0o755)
        return self

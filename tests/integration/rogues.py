"""A supervisor whose children are all tests/tools/rogue, which does what a script says."""

import os
import shutil

from tests.bed.sluice import Sluice, binary

ROLES = ("broker", "store", "health", "gateway", "watcher")


class Rogues(Sluice):
    """An installation whose every child is tests/tools/rogue."""

    def __init__(self, conf=None, *, gateways=2, roles=ROLES, clusters=("prod", "dev")):
        super().__init__({"clusters": list(clusters), **(conf or {})}, gateways=gateways)
        self.bin = f"{self.directory}/bin"
        self.scripts = f"{self.directory}/rogue"
        os.mkdir(self.bin)
        os.mkdir(self.scripts)
        for name in ("sluiced", "sluicectl"):
            shutil.copy(binary(name), self.bin)
        for role in roles:
            shutil.copy(binary("tools/rogue"), f"{self.bin}/sluice-{role}")
        self.env["ROGUE"] = self.scripts

    def script(self, who, *lines):
        """What the child WHO ("store", "watcher-dev") does at its next start."""
        with open(f"{self.scripts}/{who}", "w", encoding="utf-8") as file:
            file.write("".join(f"{line}\n" for line in lines))
        return self

    def limit_files(self, soft, hard):
        """RLIMIT_NOFILE of sluiced at its start."""
        return self.wrap(f'#!/bin/sh\nexec prlimit --nofile={soft}:{hard} "$0.real" "$@"\n')

    def wrap(self, script):
        """SCRIPT stands for sluiced and executes it, as sluiced.real beside it."""
        program = self.program("sluiced")
        os.rename(program, f"{program}.real")
        with open(program, "w", encoding="utf-8") as file:
            file.write(script)
        os.chmod(program, 0o755)
        return self

    def notes(self, name):
        """The lines the children wrote into a file of theirs."""
        try:
            with open(f"{self.scripts}/{name}", encoding="utf-8") as file:
                return file.read().splitlines()
        except FileNotFoundError:
            return []

    def family(self):
        """Pids of all living processes that belong to this installation."""
        mark = f"ROGUE={self.scripts}".encode()
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/environ", "rb") as file:
                    if mark in file.read().split(b"\0"):
                        found.append(int(pid))
            except OSError:
                continue
        return found

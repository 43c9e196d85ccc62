#!/usr/bin/env python3
"""The rules of CONTRIBUTING.md that a script can keep; prints `file:line: rule: what`."""

import os
import re
import subprocess
import sys

FOLDERS = ("supervisor", "watcher", "health", "broker", "store", "gateway", "exec", "ctl")
FUNCTION_MAX = 100
COLUMNS_MAX = 80
FILE_MAX = 800

# What each program may be linked with beyond libc (ARCHITECTURE.md, the processes).
LINKS = {
    "sluiced": {"libevent", "libyaml"},
    "sluicectl": {"libjansson", "libyaml", "libcurl"},
    "libsluice.so": {"libjansson", "libcurl"},
    "sluice-watcher": {"libevent", "libcurl", "libjansson", "libyaml", "libnanomsg", "libcrypto"},
    "sluice-health": {"libevent", "libcurl", "libjansson", "libyaml", "libnanomsg", "libcrypto"},
    "sluice-exec": {"libjansson", "libyaml", "libcrypto"},
    "sluice-broker": {"libevent", "libnanomsg"},
    "sluice-store": {
        "libevent",
        "libsqlite3",
        "libmongoc",
        "libbson",
        "libjansson",
        "libnanomsg",
    },
    "sluice-gateway": {
        "libevent",
        "libjansson",
        "libnanomsg",
        "libcrypto",
        "libjose",
        "libseccomp",
    },
}
LIBC = {"libc", "libm", "libpthread", "ld-linux-x86-64", "ld-linux-aarch64", "libgcc_s"}

BANNED = {
    "strcpy": "use snprintf or buf",
    "strcat": "use snprintf or buf",
    "strncpy": "use snprintf",
    "strncat": "use snprintf or buf",
    "sprintf": "use snprintf or buf_addf",
    "vsprintf": "use vsnprintf",
    "strtok": "cut with memchr",
    "atoi": "parse with a check of range and rest",
    "atol": "parse with a check of range and rest",
    "gets": "never",
    "system": "fork and exec",
    "popen": "fork and exec",
    "signal": "use sigaction or evsignal",
    "usleep": "use a timer",
    "localtime": "use gmtime_r",
    "gmtime": "use gmtime_r",
    "alloca": "bound it and use xmalloc",
    "malloc": "use xmalloc",
    "calloc": "use xcalloc",
    "realloc": "use xreallocarray",
    "strdup": "use xstrdup",
}
# Tests may take exact sizes, so that a sanitizer sees the byte after the end.
XMALLOC = {"malloc", "calloc", "realloc", "strdup"}
ALLOWED_IN = {("common/xmalloc.c", name) for name in ("malloc", "calloc")}

UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|\b(not implemented|unimplemented|for now)\b")
# Where this checkout happens to lie.
MACHINE = re.compile(r"(?<![\w.}])" + re.escape(os.getcwd()) + "/")
SKIPPED = re.compile(r"pytest\.(skip|xfail|importorskip)|mark\.(skip|skipif|xfail)|#if 0|DISABLED_")

problems = []


def problem(path, line, rule, what):
    """Notes one finding."""
    problems.append(f"{path}:{line}: {rule}: {what}")


def tracked():
    """The files of the tree: tracked, and new ones that are not ignored."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return sorted(p for p in set(out.splitlines()) if os.path.isfile(p))


def code_only(text):
    """C text with comments, strings and characters blanked, lines kept."""
    pattern = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
    return pattern.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), text)


def check_includes(path, text):
    """common/ and lib/ include no process folder; process folders never include each other."""
    top = path.split("/")[0]
    for number, line in enumerate(text.splitlines(), 1):
        found = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
        if not found:
            continue
        other = found.group(1).split("/")[0]
        if "/" not in found.group(1):
            problem(path, number, "include", 'name the folder: "folder/file.h"')
        elif top == "common" and other != "common":
            problem(path, number, "dependency", f"common/ may not include {other}/")
        elif top == "lib" and other not in ("lib", "common"):
            problem(path, number, "dependency", f"lib/ may not include {other}/")
        elif top in FOLDERS and other == "lib" and found.group(1) != "lib/sluice.h":
            problem(path, number, "dependency", "of lib/ only sluice.h is for others")
        elif top in FOLDERS and other in FOLDERS and other != top:
            problem(path, number, "dependency", f"{top}/ may not include {other}/")


def check_banned(path, code):
    """Functions that must not be called."""
    for number, line in enumerate(code.splitlines(), 1):
        for name in re.findall(r"(?<![\w.>])(\w+)\s*\(", line):
            own = path.startswith("tests/") and name in XMALLOC
            if name in BANNED and not own and (path, name) not in ALLOWED_IN:
                problem(path, number, "banned", f"{name}: {BANNED[name]}")


def check_functions(path, code):
    """No function is longer than FUNCTION_MAX lines (KNF: body between braces at column 0)."""
    begin = None
    for number, line in enumerate(code.splitlines(), 1):
        if line.startswith("{"):
            begin = number
        elif line.startswith("}") and begin is not None:
            if number - begin + 1 > FUNCTION_MAX:
                problem(path, begin, "length", f"function of {number - begin + 1} lines")
            begin = None


def check_columns(path, text):
    """No line of C is wider than the page; one word alone, such as a test's name, cannot be cut."""
    for number, line in enumerate(text.splitlines(), 1):
        columns = len(line.expandtabs(8))
        if columns > COLUMNS_MAX and (" " in line.strip() or '"' in line):
            problem(path, number, "columns", f"line of {columns} columns: cut it")


def check_header(path, text):
    """A header begins with its contract and is guarded by its name."""
    comment = re.match(r"/\*.*?\*/", text, re.S)
    if not comment or comment.group().count("\n") < 2:
        problem(path, 1, "header", "begin with a comment of three lines or more: the contract")
    name = re.sub(r"\W", "_", os.path.basename(path)[:-2]).upper() + "_H"
    prefix = r"\w*" if path.startswith("tests/") else "SLUICE_"
    if not re.search(rf"#ifndef ({prefix}{name})\n#define \1\n", text):
        problem(path, 1, "header", f"guard it by SLUICE_{name}")


def check_python(path, text):
    """No Python function is longer than FUNCTION_MAX lines."""
    begin = None
    lines = text.splitlines()
    for number, line in enumerate([*lines, "end"], 1):
        if begin and line and not line.startswith((begin[1] + " ", ")", "#")):
            if number - begin[0] > FUNCTION_MAX:
                problem(path, begin[0], "length", f"function of {number - begin[0]} lines")
            begin = None
        found = re.match(r"(\s*)def \w+", line)
        if found:
            begin = (number, found.group(1))


def check_text(path, text):
    """What no file of the project may hold."""
    if path.startswith(("tests/lint/", ".ci/")) or path in ("LICENSE", "CONTRIBUTING.md"):
        return
    for number, line in enumerate(text.splitlines(), 1):
        if UNFINISHED.search(line) and path.endswith((".c", ".h", ".py", ".sh", ".js", "Makefile")):
            problem(path, number, "unfinished", line.strip()[:80])
        if MACHINE.search(line):
            problem(path, number, "machine", "a path of one machine")
        if SKIPPED.search(line) and path.startswith("tests/"):
            problem(path, number, "skipped", "a test that may not run")


def check_tests(path, text):
    """A test file holds at least one test."""
    name = os.path.basename(path)
    if name.startswith("test_") and not re.search(r"\b(def|static void\s+)\s*test_\w+", text):
        problem(path, 1, "tests", "no test in it")


def check_links(build):
    """Each program is linked with what its process may use."""
    for program, allowed in LINKS.items():
        path = os.path.join(build, program)
        if not os.path.exists(path):
            problem(path, 0, "link", "not built: run `make all` first")
            continue
        out = subprocess.run(["readelf", "-d", path], capture_output=True, text=True, check=True)
        for needed in re.findall(r"NEEDED.*\[([^\]]+)\]", out.stdout):
            library = re.split(r"[-.]\d|\.so", needed)[0]
            if library not in allowed and library not in LIBC:
                problem(path, 0, "link", f"{needed} is not for this process")


def main():
    """Checks the whole tree; the exit status."""
    names = {}
    for path in tracked():
        if path.startswith("tests/fuzz/corpus/") or path.endswith((".sum", ".png")):
            continue
        with open(path, encoding="utf-8") as file:
            text = file.read()
        check_text(path, text)
        if path.endswith((".c", ".h", ".py")) and text.count("\n") > FILE_MAX:
            problem(path, FILE_MAX, "length", f"file of {text.count(chr(10))} lines")
        if path.endswith((".c", ".h")):
            code = code_only(text)
            check_includes(path, text)
            check_banned(path, code)
            check_functions(path, code)
            check_columns(path, text)
            base = os.path.basename(path)
            # An example is read by people, and is a program of nobody's debugger.
            if base in names and not path.startswith("doc/examples/"):
                problem(path, 1, "name", f"stands already at {names[base]}")
            names[base] = path
        if path.endswith(".h"):
            check_header(path, text)
        if path.endswith(".py"):
            check_python(path, text)
        if path.startswith("tests/"):
            check_tests(path, text)
    check_links(os.environ.get("BUILD", "build"))
    print("\n".join(problems))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())

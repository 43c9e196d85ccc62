#!/usr/bin/env python3
"""What documents say of the tree is checked against the tree; prints `file:line: rule: what`.

Names of modules and files in ARCHITECTURE.md, links between documents, documents that comments
name, and in the manual pages every option, command, configuration key (with its default and its
sentence) and variable of the environment: what is named exists, and what exists is named.
"""

import os
import re
import sys

from lint import problem, problems, tracked

FOLDERS = ("common", "lib", "supervisor", "broker", "watcher", "health", "exec", "store")
FOLDERS += ("gateway", "ctl")
MANUALS = {
    "supervisor/sluiced.8": ("supervisor/supervisor.c",),
    "ctl/sluicectl.8": tuple(
        f"ctl/{name}.c" for name in ("sluicectl", "journal_cmd", "connections_cmd", "publish_cmd")
    ),
}
KEYS = ("supervisor/sluice.yaml.5", "common/conf_table.c")
# Where people and processes live; not a setting.
PLAIN_ENVIRONMENT = {"HOME", "PATH"}
# Read by what is built for tests alone; no release knows a name that begins so.
HOOKS = "SLUICE_TEST_"


def read(path):
    """The text of a file of the tree."""
    with open(path, encoding="utf-8") as file:
        return file.read()


def strings(code):
    """The C strings in a piece of code, joined."""
    return "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', code))


def squeezed(text):
    """Words with one space between them."""
    return " ".join(text.split())


# --- ARCHITECTURE.md ------------------------------------------------------------------------


def modules(folder, files):
    """The modules of a folder (a .c with a .h); all names a paragraph of the tour may use."""
    names = {f[len(folder) + 1 :] for f in files if f.startswith(folder + "/")}
    stems = {os.path.basename(n).rpartition(".")[0] for n in names if n.endswith((".c", ".h"))}
    pairs = {n[:-2] for n in names if n.endswith(".c") and n[:-2] + ".h" in names}
    return {os.path.basename(p) for p in pairs} - {folder}, stems


def check_tour(path, files):
    """Each folder's paragraph names each of its modules, and no other."""
    text = read(path)
    for folder in FOLDERS:
        found = re.search(rf"^\*\*{folder}/\*\*.*?(?= \*\*\w+/\*\*|$)", text, re.M)
        if not found:
            problem(path, 1, "tour", f"no paragraph **{folder}/**")
            continue
        line = text.count("\n", 0, found.start()) + 1
        named = set(re.findall(r"`([a-z0-9_]+)`", found.group()))
        have, known = modules(folder, files)
        for name in sorted(named - known):
            problem(path, line, "tour", f"{folder}/ has no `{name}`")
        for name in sorted(have - named):
            problem(path, line, "tour", f"{folder}/{name} is not named")


def check_paths(path):
    """`folder/name`, with or without its ending, is there."""
    for number, line in enumerate(read(path).splitlines(), 1):
        for name in re.findall(r"`([a-z]+/[a-z0-9_./]+)`", line):
            if name != "x/x.c" and not any(
                os.path.exists(name + end) for end in ("", ".c", ".h", ".py", ".sh")
            ):
                problem(path, number, "path", f"there is no {name}")


def check_links(path):
    """What a document links to is there."""
    for number, line in enumerate(read(path).splitlines(), 1):
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", line):
            place = os.path.join(os.path.dirname(path), target)
            if "://" not in target and not os.path.exists(place):
                problem(path, number, "link", f"there is no {target}")


def check_named_documents(path, documents):
    """A document that a comment names is one of the tree."""
    for number, line in enumerate(read(path).splitlines(), 1):
        for name in re.findall(r"\b[\w./-]+\.md\b", line):
            if name not in documents and os.path.basename(name) not in documents:
                problem(path, number, "document", f"there is no {name}")


# --- manual pages ---------------------------------------------------------------------------


def manual_options(text):
    """The options a page names, as they are typed."""
    options = set()
    for line in text.splitlines():
        words, after = line.lstrip(".").split(), False
        for word in words if line.startswith(".") else ():
            if word == "Fl":
                after = True
            elif re.fullmatch(r"[A-Z][a-z]", word):
                after = False
            elif after and re.fullmatch(r"-?\w[\w-]*", word):
                options.add("-" + word)
    return options


def check_options(path, sources):
    """The options of a page are those the program takes."""
    page = manual_options(read(path))
    code = set(re.findall(r'strcmp\(argv\[\w+\], "(-[\w-]+)"\)', "".join(map(read, sources))))
    for option in sorted(code - page):
        problem(path, 1, "option", f"{option} is not described")
    for option in sorted(page - code):
        problem(path, 1, "option", f"{option} is not taken by {sources[0]}")


def check_commands(path, source):
    """The commands of sluicectl's own usage are those of its page."""
    page = set(re.findall(r"^\.It Cm (\w+)", read(path), re.M))
    usage = set(re.findall(r'^\s*"  (\w+)', read(source), re.M))
    for command in sorted(usage ^ page):
        problem(
            path,
            1,
            "command",
            f"{command} stands only in {'usage' if command in usage else 'the page'}",
        )


def check_keys(page, table):
    """Every configuration key, with the sentence and the default of the table."""
    entries = dict(re.findall(r"^\.It Ic (\S+)\n(.*?)(?=^\.(?:It|El))", read(page), re.M | re.S))
    entries = {key: squeezed(text) for key, text in entries.items()}
    keys = set()
    for entry in read(table).split("{ .path = ")[1:]:
        key = strings(entry[: entry.index(",")])
        keys.add(key)
        if key not in entries:
            problem(page, 1, "key", f"{key} is not described")
            continue
        said = re.search(r"\.help\s*=((?:\s*\"(?:[^\"\\]|\\.)*\")+)", entry)
        default = re.search(r"\.def\s*=((?:\s*\"(?:[^\"\\]|\\.)*\")+)", entry)
        if squeezed(strings(said.group(1))).rstrip(".") not in entries[key]:
            problem(
                page, 1, "key", f"{key}: not the sentence of the table: {strings(said.group(1))}"
            )
        if default and f"Default: {strings(default.group(1))}" not in entries[key]:
            problem(page, 1, "key", f"{key}: not the default of the table")
    for key in sorted(set(entries) - keys):
        problem(page, 1, "key", f"{key} is no key")


def check_environment(files):
    """What the programs read of the environment stands in a page."""
    pages = "".join(read(page) for page in [*MANUALS, KEYS[0]])
    for path in files:
        if path.split("/")[0] in FOLDERS and path.endswith(".c"):
            for name in re.findall(r'\b(?:getenv|either_env|directory_from)\("(\w+)"', read(path)):
                plain = name in PLAIN_ENVIRONMENT or name.startswith(HOOKS)
                if not plain and not re.search(rf"\b{name}\b", pages):
                    problem(path, 1, "environment", f"{name} stands in no manual page")


def main():
    """Checks all documents; the exit status."""
    files = tracked()
    documents = {f for f in files if f.endswith(".md")}
    documents |= {os.path.basename(f) for f in documents}
    check_tour("ARCHITECTURE.md", files)
    check_paths("ARCHITECTURE.md")
    for path in files:
        if path.endswith(".md"):
            check_links(path)
        elif path.endswith((".c", ".h", ".py", ".sh")) and not path.startswith("tests/lint/"):
            check_named_documents(path, documents)
    for page, sources in MANUALS.items():
        check_options(page, sources)
    check_commands("ctl/sluicectl.8", "ctl/sluicectl.c")
    check_keys(*KEYS)
    check_environment(files)
    print("\n".join(problems))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())

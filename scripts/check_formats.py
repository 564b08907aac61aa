"""docs/formats.md names tests: do they exist?

A word in backquotes is a path below tests/ where it ends in .cc or .py; what follows it, up to the next path, stands in
that file: SUITE.CASE as a test, anything else as it is. Every format that formats/formats.def lists as readable has a
row, and every row a test. Usage: check_formats.py, in the project's root.
"""

import pathlib
import re
import sys

TABLE = pathlib.Path("docs/formats.md")
TEST = re.compile(r"[A-Z]\w*\.[A-Z]\w*")
LONE_SCRIPTS = pathlib.Path("tests/platter/CMakeLists.txt")


def faults_of_word(word, path):
    text = path.read_text()
    if TEST.fullmatch(word):
        suite, case = word.split(".")
        if not re.search(rf"^TEST(_P|_F)?\({suite}, {case}\)", text, re.M):
            yield f"{path}: no test {word}"
    elif word not in text:
        yield f"{path}: nothing called {word}"


def faults_of_line(number, line):
    path = None
    for word in re.findall(r"`([^`]+)`", line):
        if not word.endswith((".cc", ".py")):
            if path is not None:
                yield from (f"{TABLE}:{number}: {fault}" for fault in faults_of_word(word, path))
            elif TEST.fullmatch(word):
                yield f"{TABLE}:{number}: {word} stands without a file"
            continue
        found = pathlib.Path("tests", word)
        path = found if found.exists() else None
        if found.exists() and word.endswith(".py") and f"platter_script({found.stem}" not in LONE_SCRIPTS.read_text():
            yield f"{TABLE}:{number}: {found} is not run"
        if path is None and not word.startswith("scripts/"):
            yield f"{TABLE}:{number}: no file {found}"


def main():
    lines = TABLE.read_text().splitlines()
    faults = [fault for number, line in enumerate(lines, 1) for fault in faults_of_line(number, line)]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")]
    rows = [row for row in rows if row[0] not in ("format", "container", "---")]
    faults += [f"{TABLE}: {row[0]}, {row[1]}: no test" for row in rows if ".cc`" not in "".join(row[2:])
               and ".py`" not in "".join(row[2:])]
    named = {row[0] for row in rows}
    formats = re.findall(r"^PLATTER_FORMAT\((\w+)\)", pathlib.Path("formats/formats.def").read_text(), re.M)
    faults += [f"{TABLE}: no row for {name}" for name in formats if name not in named]
    print("\n".join(faults), end="\n" if faults else "")
    return 1 if faults else 0


sys.exit(main())

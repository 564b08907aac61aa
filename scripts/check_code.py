"""clang-tidy over every source file, and every header compiled alone, with clang's warnings as errors. A header that its
own source file includes first needs no look of its own: the build compiles it so.

A file that passed is not looked at again until it changes, a project header that it sees changes, or the rules do. The
stamps that say so lie beside the compiler cache's files, in ~/.cache/platter-style (PLATTER_STYLE_CACHE), so that every
checkout has them; none older than a month is kept. Usage: check_code.py COMPILE_COMMANDS FILE...
"""

import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import time

CLANG = "clang++-14"
TIDY = "clang-tidy-14"
CACHE = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
STAMPS = pathlib.Path(os.environ.get("PLATTER_STYLE_CACHE") or f"{CACHE}/platter-style")
MONTH = 30 * 24 * 3600
WARNINGS = ["-Wall", "-Wextra", "-Wconversion", "-Wno-sign-conversion", "-Wshadow", "-Werror",
            "-Wno-pragma-once-outside-header"]
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)


def seen_files(path, seen=None):
    """`path` and the project's files that it includes, however deep."""
    seen = {} if seen is None else seen
    if path in seen:
        return seen
    text = pathlib.Path(path).read_text()
    seen[path] = text
    for included in INCLUDE.findall(text):
        if pathlib.Path(included).exists():
            seen_files(included, seen)
    return seen


class Check:
    """One command on one file, and the stamp that says that it passed."""

    def __init__(self, path, command, rules):
        self.path = path
        self.command = command
        parts = [rules, shlex.join(command).replace(os.getcwd(), ".")]
        for name, text in sorted(seen_files(path).items()):
            parts += [name, text]
        digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()
        self.stamp = STAMPS / f"{path.replace('/', '_')}.{digest[:32]}"

    def run(self):
        """What is wrong, as text; empty when nothing is."""
        if self.stamp.exists():
            self.stamp.touch()
            return ""
        done = subprocess.run(self.command, capture_output=True, text=True, check=False)
        if done.returncode != 0 or "Error parsing" in done.stderr:  # clang-tidy ignores rules that it cannot read
            return f"{done.stdout}{done.stderr}"
        self.stamp.touch()
        return ""


def forget_old_stamps():
    for stamp in STAMPS.iterdir():
        if stamp.stat().st_mtime < time.time() - MONTH:
            stamp.unlink(missing_ok=True)


def rules_text():
    versions = [subprocess.run([tool, "--version"], capture_output=True, text=True, check=True).stdout
                for tool in (CLANG, TIDY)]
    return "\0".join(versions + [pathlib.Path(".clang-tidy").read_text()])


def compile_flags(database):
    """The flags of each source file, from CMake's compile_commands.json, without its output and its precompiled header:
    each file has to include what it uses."""
    flags = {}
    for entry in json.loads(pathlib.Path(database).read_text()):
        words = shlex.split(entry["command"])
        words = iter(words[words.index(next(w for w in words if "clang" in w)) + 1:])
        kept = []
        for word in words:
            if word in ("-o", "-c", "-MT", "-MF", "-Xclang"):
                next(words)
            elif word not in ("-MD", "-Winvalid-pch", "-fpch-instantiate-templates"):
                kept.append(word)
        flags[os.path.relpath(os.path.join(entry["directory"], entry["file"]))] = kept
    return flags


def opens_its_source(header):
    """Whether the first include of the source file beside `header` is `header`."""
    source = pathlib.Path(header).with_suffix(".cc")
    includes = re.findall(r"^\s*#\s*include\s+(\S+)", source.read_text(), re.M) if source.exists() else []
    return includes[:1] == [f'"{header}"']


def checks_of(database, paths):
    rules = rules_text()
    flags = compile_flags(database)
    for path in paths:
        if path.endswith(".h"):
            if not opens_its_source(path):
                yield Check(path, [CLANG, "-std=c++20", "-fsyntax-only", "-I.", *WARNINGS, "-x", "c++", path], rules)
        elif path in flags:
            yield Check(path, [TIDY, "--quiet", path, "--", *flags[path], "-Wzero-as-null-pointer-constant"], rules)
        else:
            print(f"{path}: is not part of the build")
            yield Check(path, ["false"], rules)


def main():
    STAMPS.mkdir(parents=True, exist_ok=True)
    forget_old_stamps()
    checks = list(checks_of(sys.argv[1], sys.argv[2:]))
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for check, text in zip(checks, pool.map(Check.run, checks)):
            if text:
                failed += 1
                print(f"== {check.path}\n{text}")
    return 1 if failed else 0


sys.exit(main())

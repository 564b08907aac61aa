"""The plugin alone, with hooks that answer badly, late or never: nothing but a clear answer lets an image in.

usage: plugin_answers.py PLUGIN_FOLDER FOLDER   (with a Python that has Glance's modules)
"""

import json
import os
import shutil
import sys
import time

PLUGIN, FOLDER = sys.argv[1:3]
sys.path.insert(0, PLUGIN)
sys.dont_write_bytecode = True

from platter_glance import plugin  # noqa: E402
from platter_glance import verdict as verdicts  # noqa: E402

failures = []


def expect(what, condition, detail=""):
    if not condition:
        failures.append(f"{what}: {detail}")


def answer(verdict="accepted", **changes):
    return json.dumps({"schema": verdicts.SCHEMA, "verdict": verdict, "findings": [], "virtual_size": 512} | changes)


def finding(code, severity="unsafe"):
    return {"code": code, "severity": severity, "message": "\x1b[31mtext out of the image"}


# What the hook writes, its exit code, and the verdict and message that come of it.
ANSWERS = [
    (answer(), 0, "accepted", ""),
    (answer("refused", findings=[finding("a.b"), finding("c", "info")]), 1, "refused", "refused the image: a.b"),
    (answer("refused", findings=[finding("a.b"), finding("a.b"), finding("c_1", "corrupt")]), 1, "refused", ": a.b, c_1"),
    (answer("refused", findings=[finding("w", "warning")]), 1, "refused", ": w"),
    (answer("refused", findings=[finding("/etc/passwd"), finding("<b>"), finding(7), "x"]), 1, "refused", "no reason given"),
    (answer("refused", findings=None), 1, "refused", "no reason given"),
    (answer("undecided", findings=[finding("a", "info")]), 2, "undecided", "could not judge the image: a"),
    (answer("undecided", error="cannot open '\x1b[31m'"), 2, "undecided", "could not judge the image: an error, named in"),
    (answer("refused"), 0, "undecided", "disagree"),
    (answer("accepted"), 1, "undecided", "disagree"),
    (answer("accepted"), 3, "undecided", "exit code 3"),
    (answer("accepted"), -9, "undecided", "exit code -9"),
    (answer("wonderful"), 0, "undecided", "disagree"),
    (answer(schema="platter-inspection/2"), 0, "undecided", "schema"),
    ("[]", 0, "undecided", "schema"),
    ("[" * 100_000, 0, "undecided", "JSON"),
    ("", 0, "undecided", "JSON"),
    ("\udcff", 0, "undecided", "JSON"),
    (answer() + answer(), 0, "undecided", "JSON"),
]

SIZES = [(512, 512), (0, 0), (None, None), (True, None), (-1, None), (1 << 63, None), ("512", None), (1.5, None)]

# Shell scripts in the place of the hook, and what the plugin makes of them.
HOOKS = [
    ("exit 0", "JSON"),
    ("kill -SEGV $$", "exit code -11"),
    ("exec sleep 1000", "no verdict within 1 s"),
    ("exec >&-; exec sleep 1000", "no verdict within 1 s"),
    ("trap '' TERM; while :; do echo text; done", ""),
    ("exec cat /dev/zero", ""),
]


def check_answers():
    for output, exit_code, verdict, message in ANSWERS:
        got = verdicts.parse(output.encode(errors="surrogateescape"), exit_code)
        where = f"{output[:60]} with {exit_code}"
        expect(where, got.verdict == verdict and got.accepted == (verdict == "accepted"), got)
        expect(where, message in got.message(), got.message())
    for size, taken in SIZES:
        got = verdicts.parse(answer(virtual_size=size).encode(), 0).virtual_size
        expect(f"virtual size {size!r}", got == taken and type(got) is type(taken), got)
    many = verdicts.parse(answer("refused", findings=[finding(f"c{i}") for i in range(1000)]).encode(), 1)
    expect("1000 findings", len(many.codes) == verdicts.MAX_CODES, many)


def hook(text):
    path = os.path.join(FOLDER, "hook")
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"#!/bin/sh\n{text}\n")
    os.chmod(path, 0o755)
    plugin.CONF.set_override("hook", path, plugin.GROUP)


def check_hooks():
    plugin.CONF.set_override("timeout", 1, plugin.GROUP)
    for text, reason in HOOKS:
        hook(text)
        begin = time.monotonic()
        got = plugin.inspect("/dev/null", "raw", "bare")
        expect(text, got.verdict == "undecided" and reason in got.reason, got)
        expect(text, time.monotonic() - begin < 30, "takes too long")
    plugin.CONF.set_override("hook", "/nowhere/platter-hook", plugin.GROUP)
    expect("no hook", plugin.inspect("/dev/null", "raw", "bare").reason == "the hook did not run")


def check_command():
    """What the hook is called with."""
    seen = os.path.join(FOLDER, "arguments")
    hook(f'printf "%s\\n" "$@" >"{seen}"')
    plugin.CONF.set_override("policy", "/a policy", plugin.GROUP)
    plugin.CONF.set_override("options", ["--require-sandbox", "--max-ratio=9"], plugin.GROUP)
    plugin.inspect("/an image", "qcow2", None)
    with open(seen, encoding="utf-8") as file:
        lines = file.read().splitlines()
    wanted = ["--depth", "full", "--policy", "/a policy", "--expect-disk", "qcow2", "--require-sandbox", "--max-ratio=9"]
    expect("arguments", lines == [*wanted, "/an image"], lines)


def main():
    shutil.rmtree(FOLDER, ignore_errors=True)
    os.makedirs(FOLDER)
    plugin.CONF([], project="glance", default_config_files=[])
    check_answers()
    check_hooks()
    check_command()
    print("\n".join(failures) or "all as expected")
    shutil.rmtree(FOLDER)
    return 1 if failures else 0


sys.exit(main())

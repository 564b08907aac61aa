"""Signals to a job that runs: what ends it, what does not, and what becomes of its files.

usage: signals.py PLATTER FOLDER
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time

MIB = 1 << 20
failures = []


def expect(what, condition, detail=""):
    if not condition:
        failures.append(f"{what}: {detail}")


class Job:
    """A command that takes some seconds, once it has made its target."""

    def __init__(self, words, target):
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        deadline = time.monotonic() + 30
        while not os.path.exists(target) and time.monotonic() < deadline:
            time.sleep(0.01)

    def send(self, number):
        self.process.send_signal(number)

    def end(self):
        out, err = self.process.communicate(timeout=120)
        return self.process.returncode, out, err


def conversion(platter, *before):
    """A job in the middle of its copy."""
    job = Job([*before, platter, "convert", "-r", "4M", "source.raw", "target.raw"], "target.raw")
    time.sleep(0.3)
    return job


def content(name):
    with open(name, "rb") as file:
        return file.read()


def remove_target():
    if os.path.exists("target.raw"):
        os.remove("target.raw")


def tells_how_far_it_is(platter):
    job = conversion(platter)
    job.send(signal.SIGUSR1)
    code, out, err = job.end()
    expect("SIGUSR1", code == 0 and content("target.raw") == content("source.raw"), (code, err))
    expect("SIGUSR1: what is said", not out and re.fullmatch(rb" {4}\(\d+\.\d\d/100%\)\n", err), (out, err))
    remove_target()


def ends(platter):
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        job = conversion(platter)
        job.send(number)
        code, _, err = job.end()
        expect(f"{number.name}", code == 1 and not os.path.exists("target.raw"), (code, err))
        remove_target()


def ends_preallocation(platter):
    """Zeros that take seconds to write, in what create makes and in what convert does."""
    for name, *words in (("raw", "-f", "raw", "-o", "preallocation=full"), ("qcow2", "-f", "qcow2", "-o", "preallocation=full"),
                         ("ploop", "-f", "ploop", "-o", "preallocation=full")):
        job = Job([platter, "create", *words, f"new.{name}", "6G"], f"new.{name}")
        job.send(signal.SIGINT)
        code, _, err = job.end()
        expect(f"preallocation of {name}", code == 1 and b"cancelled" in err and not os.path.exists(f"new.{name}"),
               (code, err))


def ends_compare(platter):
    """Without an answer: neither that the disks are equal nor that they differ."""
    with open("empty.raw", "wb") as file:
        file.truncate(1 << 40)
    process = subprocess.Popen([platter, "compare", "--digest", "sha512", "--block-size", "512", "-f", "raw", "empty.raw",
                                "empty.raw"], stderr=subprocess.PIPE)
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=120)
    expect("compare", process.returncode == 4 and b"cancelled" in err, (process.returncode, err))


def goes_on(platter):
    """As nohup starts a program, and a shell one in the background."""
    for name in ("HUP", "INT", "TERM"):
        job = conversion(platter, "sh", "-c", f"trap '' {name}; exec \"$@\"", "sh")
        job.send(getattr(signal, f"SIG{name}"))
        code, _, err = job.end()
        expect(f"ignored SIG{name}", code == 0 and content("target.raw") == content("source.raw"), (code, err))
        remove_target()


def leaves_others_alone(platter):
    """Somebody has put another file in the target's place."""
    job = conversion(platter)
    os.remove("target.raw")
    with open("target.raw", "wb") as file:
        file.write(b"another's")
    job.send(signal.SIGTERM)
    code, _, err = job.end()
    expect("another's file", code == 1 and content("target.raw") == b"another's", (code, err))
    remove_target()


def main():
    platter, folder = os.path.abspath(sys.argv[1]), sys.argv[2]
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    os.chdir(folder)
    with open("source.raw", "wb") as file:
        file.write(os.urandom(8 * MIB))
    for check in (tells_how_far_it_is, ends, ends_preallocation, ends_compare, goes_on, leaves_others_alone):
        check(platter)
    print("\n".join(failures) or "all as expected")
    os.chdir("/")
    shutil.rmtree(folder)
    return 1 if failures else 0


sys.exit(main())

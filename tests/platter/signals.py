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
    """A conversion that takes some seconds, once it has made its target."""

    def __init__(self, platter, *before, words=()):
        self.process = subprocess.Popen([*before, platter, "convert", "-r", "4M", *words, "source.raw", "target.raw"],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        deadline = time.monotonic() + 30
        while not os.path.exists("target.raw") and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.3)

    def send(self, number):
        self.process.send_signal(number)

    def end(self):
        out, err = self.process.communicate(timeout=120)
        return self.process.returncode, out, err


def content(name):
    with open(name, "rb") as file:
        return file.read()


def remove_target():
    if os.path.exists("target.raw"):
        os.remove("target.raw")


def tells_how_far_it_is(platter):
    job = Job(platter)
    job.send(signal.SIGUSR1)
    code, out, err = job.end()
    expect("SIGUSR1", code == 0 and content("target.raw") == content("source.raw"), (code, err))
    expect("SIGUSR1: what is said", not out and re.fullmatch(rb" {4}\(\d+\.\d\d/100%\)\n", err), (out, err))
    remove_target()


def ends(platter):
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        job = Job(platter)
        job.send(number)
        code, _, err = job.end()
        expect(f"{number.name}", code == 1 and not os.path.exists("target.raw"), (code, err))
        remove_target()


def goes_on(platter):
    """As nohup starts a program, and a shell one in the background."""
    for name in ("HUP", "INT", "TERM"):
        job = Job(platter, "sh", "-c", f"trap '' {name}; exec \"$@\"", "sh")
        job.send(getattr(signal, f"SIG{name}"))
        code, _, err = job.end()
        expect(f"ignored SIG{name}", code == 0 and content("target.raw") == content("source.raw"), (code, err))
        remove_target()


def leaves_others_alone(platter):
    """Somebody has put another file in the target's place."""
    job = Job(platter)
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
    for check in (tells_how_far_it_is, ends, goes_on, leaves_others_alone):
        check(platter)
    print("\n".join(failures) or "all as expected")
    os.chdir("/")
    shutil.rmtree(folder)
    return 1 if failures else 0


sys.exit(main())

"""The README's command lines, run: each prints what stands below it there.

usage: tour.py PLATTER FOLDER

Numbers and digests may differ, since Debian's boot images change with their package; line breaks may, since the README's
lines are short. Those that make a machine of a container image (web.*) are tested, with their ramdisk, by tests/docker/start_test.cc.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys

README = pathlib.Path(__file__).parents[2] / "README.md"
PROMPT = "    $ "
EXAMPLES = ("web.",)


def command_lines():
    """[command, what it prints]."""
    found, open_block = [], False
    for line in README.read_text().splitlines():
        if line.startswith(PROMPT):
            found.append([line[len(PROMPT):], ""])
            open_block = True
        elif open_block and line.startswith("    "):
            found[-1][1] += line + "\n"
        else:
            open_block = False
    return [line for line in found if not any(example in line[0] for example in EXAMPLES)]


def shape(text):
    return re.sub(r"\b[0-9a-f]{64}\b|\d+(\.\d+)?", "#", " ".join(text.split()))


def make_files(platter):
    """What the command lines start from."""
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "bad.qcow2", "1M"], check=True)
    with open("bad.qcow2", "r+b") as file:
        file.seek(0x14)
        file.write((7).to_bytes(4, "big"))
    layer = ["create", "-q", "-u", "-f", "qcow2", "-b", "/etc/passwd", "-F", "raw"]
    subprocess.run(["qemu-img", *layer, "upload.img", "64M"], check=True)
    subprocess.run(["qemu-img", "create", "-q", "-f", "raw", "disk.raw", "1M"], check=True)
    subprocess.run([platter, "convert", "-f", "raw", "-O", "ova", "disk.raw", "appliance.ova"], check=True)


def main():
    platter, folder = os.path.abspath(sys.argv[1]), sys.argv[2]
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(os.path.join(folder, "bin"))
    os.chdir(folder)
    os.symlink(platter, "bin/platter")
    make_files(platter)
    environment = dict(os.environ, PATH=f"{os.path.abspath('bin')}:{os.environ['PATH']}")
    lines, failures = command_lines(), 0
    for command, expected in lines:
        done = subprocess.run(["bash", "-c", command], env=environment, stdin=subprocess.DEVNULL, timeout=120,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if shape(done.stdout) != shape(expected):
            failures += 1
            print(f"{command}\n--- README\n{expected}--- printed, exit code {done.returncode}\n{done.stdout}---")
    os.chdir("/")
    shutil.rmtree(folder)
    print(f"{len(lines) - failures} command lines print what the README says, {failures} do not")
    return 1 if failures or not lines else 0


sys.exit(main())

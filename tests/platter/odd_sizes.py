"""Converts disks whose size is no multiple of a sector: every byte arrives, whatever the target.

usage: odd_sizes.py PLATTER FOLDER
"""

import os
import random
import shutil
import struct
import subprocess
import sys

SIZES = (1000, 65536 + 1, 100000, 3 * 65536 - 1)
# Options of the target, and what raw files beside the source go behind it.
TARGETS = [
    (["-O", "qcow2"], []),
    (["-O", "qcow2"], ["more.raw"]),
    (["-c", "-O", "qcow2"], []),
    (["-O", "qcow2", "-o", "extended_l2=on"], []),
    (["-O", "qcow2", "-o", "cluster_size=512"], []),
    (["-O", "qcow2", "-o", "preallocation=metadata"], []),
    (["-O", "qcow2", "-o", "preallocation=full"], []),
    (["-O", "qcow2", "-o", "compat=0.10"], []),
    (["-O", "qcow2", "-o", "data_file=target.data"], []),
    (["-O", "raw"], []),
    (["-O", "vdi"], []),
    (["-O", "vpc", "-o", "force_size=on"], []),
    (["-O", "vhdx"], []),
    (["-O", "vmdk"], []),
    (["-O", "vmdk", "-o", "subformat=streamOptimized"], []),
    (["-O", "ploop"], []),
    (["-O", "compressed", "-o", "codec=zstd"], []),
]


def run(*words):
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(words)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")


def make_odd(platter, size):
    """disk.bin, and odd.qcow2 with the same bytes: its header alone has a size that is no multiple of 512."""
    with open("disk.bin", "wb") as file:
        file.write(random.Random(size).randbytes(size))
    shutil.copy("disk.bin", "whole.raw")
    os.truncate("whole.raw", (size + 511) // 512 * 512)
    run(platter, "convert", "-f", "raw", "-O", "qcow2", "whole.raw", "odd.qcow2")
    with open("odd.qcow2", "r+b") as file:
        file.seek(24)
        file.write(struct.pack(">Q", size))


def content(path):
    with open(path, "rb") as file:
        return file.read()


def try_out(platter, options, more, size):
    for name in ("target", "target.data", "back.raw"):
        if os.path.exists(name):
            os.remove(name)
    run(platter, "convert", *options, "odd.qcow2", *more, "target")
    run(platter, "convert", "-O", "raw", "target", "back.raw")
    wanted = content("disk.bin")
    if more:
        # The next disk begins with a whole sector.
        wanted += bytes(-len(wanted) % 512) + b"".join(content(name) for name in more)
    back = content("back.raw")
    if back[:len(wanted)] != wanted or any(back[len(wanted):]):
        raise RuntimeError(f"{' '.join(options)} of {size} bytes: {len(back)} bytes came back, and others")
    if "qcow2" in options:
        run("qemu-img", "check", "-q", "target")


def main():
    platter, folder = os.path.abspath(sys.argv[1]), sys.argv[2]
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    os.chdir(folder)
    with open("more.raw", "wb") as file:
        file.write(random.Random(1).randbytes(70000 // 512 * 512))
    for size in SIZES:
        make_odd(platter, size)
        for options, more in TARGETS:
            try_out(platter, options, more, size)
    for cluster in ("512", "64k"):
        for preallocation in ("falloc", "full"):
            run(platter, "create", "-f", "qcow2", "-o", f"cluster_size={cluster},preallocation={preallocation}", "tiny",
                "512")
    print(f"{len(SIZES)} sizes into {len(TARGETS)} kinds of targets")
    os.chdir("/")
    shutil.rmtree(folder)


main()

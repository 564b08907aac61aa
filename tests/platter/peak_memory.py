"""The memory that platter takes at most for a disk of twice its size: under 64 MiB on every path.

usage: peak_memory.py PLATTER FOLDER
"""

import os
import random
import shutil
import subprocess
import sys

MIB = 1 << 20
SIZE, MOST = 128 * MIB, 64 * MIB

# Options of convert by the name of what it makes.
KINDS = {
    "raw": ["-O", "raw"],
    "qcow2": ["-O", "qcow2"],
    "zlib.qcow2": ["-c", "-O", "qcow2"],
    "zstd.qcow2": ["-c", "-O", "qcow2", "-o", "compression_type=zstd"],
    "vhd": ["-O", "vpc"],
    "vhdx": ["-O", "vhdx"],
    "vmdk": ["-O", "vmdk"],
    "stream.vmdk": ["-O", "vmdk", "-o", "subformat=streamOptimized"],
    "vdi": ["-O", "vdi"],
    "ploop": ["-O", "parallels"],
}


def peak(platter, *words):
    """Bytes; what the kernel says of a child is no less than what this process holds."""
    child = subprocess.Popen([platter, *words], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        raise RuntimeError(f"{' '.join(words)}: exit code {child.returncode}")
    return usage.ru_maxrss * 1024


def make_disk():
    rng = random.Random(3)
    words = [rng.randbytes(12) for _ in range(200)]
    with open("disk.raw", "wb") as disk:
        for _ in range(SIZE // (2 * MIB)):
            disk.write(b"".join(rng.choice(words) for _ in range(MIB // 12 + 1))[:MIB] + rng.randbytes(MIB))


def commands():
    for name, options in KINDS.items():
        yield ["convert", "-f", "raw", *options, "disk.raw", name]
        yield ["convert", "-O", "raw", name, "back.raw"]
        yield ["compare", "-F", "raw", name, "disk.raw"]
        if "." in name:
            yield ["convert", *options, name, "again"]  # handed through
    yield ["convert", "-O", "qcow2", "vhdx", "again"]
    yield ["check", "qcow2"]
    yield ["map", "--output=json", "qcow2"]
    yield ["info", "qcow2"]
    yield ["hash", "--block", "qcow2"]


def main():
    platter, folder = sys.argv[1:3]
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    os.chdir(folder)
    make_disk()
    largest = 0
    for words in commands():
        taken = peak(platter, *words)
        if taken >= MOST:
            raise RuntimeError(f"{' '.join(words)}: {taken / MIB:.1f} MiB")
        largest = max(largest, taken)
    print(f"at most {largest / MIB:.1f} MiB")
    os.chdir("/")
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()

"""A split vmdk of more files than a process may have open by default.

usage: many_extents.py PLATTER FOLDER

The extents are made by hand; what the guest reads is known, and qemu-img is asked, too.
"""

import hashlib
import os
import random
import resource
import shutil
import struct
import subprocess
import sys

EXTENTS = 1500
DEFAULT_LIMIT = 1024
SECTOR, GRAIN = 512, 4096
LINE_ENDS = b"\n \r\n"


def sparse_extent(content):
    """A hosted sparse extent of one grain: header, directory, table, grain."""
    header = struct.pack("<4sIIQQQQIQQQB4sH", b"KDMV", 1, 1, GRAIN // SECTOR, GRAIN // SECTOR, 0, 0, 512, 0, 1,
                         GRAIN // SECTOR, 0,
                         LINE_ENDS, 0)
    directory = struct.pack("<I", 2)
    table = struct.pack("<I", GRAIN // SECTOR)
    metadata = header.ljust(SECTOR, b"\0") + directory.ljust(SECTOR, b"\0") + table
    return metadata.ljust(GRAIN, b"\0") + content


def make_image(path):
    """Returns what the guest reads."""
    lines, guest = [], b""
    chooser = random.Random(1)
    for number in range(EXTENTS):
        name = f"disk-s{number + 1:03}.vmdk"
        content = chooser.randbytes(GRAIN)
        with open(name, "wb") as file:
            file.write(sparse_extent(content))
        lines.append(f'RW {GRAIN // SECTOR} SPARSE "{name}"\n')
        guest += content
    with open(path, "w", encoding="ascii") as file:
        file.write("# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\n"
                   'createType="twoGbMaxExtentSparse"\n\n# Extent description\n' + "".join(lines))
    return guest


def run(*words, limit=DEFAULT_LIMIT):
    def restrict():
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))

    done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False, preexec_fn=restrict)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(words)}: exit code {done.returncode}\n{done.stdout[-500:]}{done.stderr}")
    return done.stdout


def digest(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def try_many_extents(platter):
    guest = hashlib.sha256(make_image("disk.vmdk")).hexdigest()
    for verb in ("info", "check", "map"):
        run(platter, verb, "disk.vmdk")
    run(platter, "convert", "-O", "raw", "disk.vmdk", "ours.raw")
    run("qemu-img", "convert", "-O", "raw", "disk.vmdk", "theirs.raw", limit=2 * EXTENTS)
    for name in ("ours.raw", "theirs.raw"):
        if digest(name) != guest:
            raise RuntimeError(f"{name} is not what was put into the extents")
    with open("new.raw", "wb") as file:
        file.write(random.Random(2).randbytes(len(guest)).ljust(EXTENTS * GRAIN, b"\0"))
    run(platter, "convert", "-n", "-f", "raw", "-O", "vmdk", "new.raw", "disk.vmdk")
    run("qemu-img", "compare", "-f", "raw", "-F", "vmdk", "new.raw", "disk.vmdk", limit=2 * EXTENTS)


def main():
    platter, folder = os.path.abspath(sys.argv[1]), sys.argv[2]
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    os.chdir(folder)
    try:
        try_many_extents(platter)
    except RuntimeError as failure:
        print(failure)
        return 1
    os.chdir("/")
    shutil.rmtree(folder)
    return 0


sys.exit(main())

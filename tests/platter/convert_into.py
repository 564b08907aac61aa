"""Converts into images that are there (convert -n), and compares the guest disks with qemu-img.

usage: convert_into.py PLATTER FOLDER

For each kind of image: qemu-img makes it and fills it, platter writes another disk into it, qemu-img compares; and the
other way round. What platter refuses must be refused by name and stay as it was.
"""

import hashlib
import os
import random
import shutil
import subprocess
import sys

SIZE = 6 << 20
KINDS = [
    ("raw", "disk.raw", ""),
    ("qcow2", "disk.qcow2", ""),
    ("qcow2", "disk.qcow2", "data_file=disk.bin"),
    ("vpc", "disk.vhd", "force_size=on"),
    ("vpc", "disk.vhd", "subformat=fixed,force_size=on"),
    ("vhdx", "disk.vhdx", "block_size=1M"),
    ("vhdx", "disk.vhdx", "subformat=fixed"),
    ("vdi", "disk.vdi", ""),
    ("vdi", "disk.vdi", "static=on"),
    ("parallels", "disk.hdd", ""),
    ("vmdk", "disk.vmdk", "subformat=monolithicSparse"),
    ("vmdk", "disk.vmdk", "subformat=monolithicFlat"),
    ("vmdk", "disk.vmdk", "subformat=twoGbMaxExtentSparse"),
    ("vmdk", "disk.vmdk", "subformat=twoGbMaxExtentFlat"),
]
REFUSED = [
    ("vmdk", "disk.vmdk", "subformat=streamOptimized", "existing extents of the kind streamOptimized cannot be written"),
    ("ploop", "disk.hdd", "bundle=on", "bundles are read, and made anew"),
]


def run(*words):
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(words)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")


def make_disk(path, seed):
    chooser = random.Random(seed)
    with open(path, "wb") as file:
        for _ in range(SIZE // 65536):
            kind = chooser.randrange(3)
            file.write(chooser.randbytes(65536) if kind == 0 else
                       chooser.randbytes(4096) + bytes(61440) if kind == 1 else bytes(65536))


def create(program, kind):
    name, path, options = kind[:3]
    words = ["-o", options] if options else []
    run(program, "create", "-q", "-f", name, *words, path, str(SIZE))


def try_out(platter, kind):
    name, path = kind[:2]
    for maker, updater in (("qemu-img", platter), (platter, "qemu-img")):
        create(maker, kind)
        for source in ("a.raw", "b.raw"):
            run(updater, "convert", "-n", "-f", "raw", "-O", name, source, path)
            run("qemu-img", "compare", "-f", "raw", "-F", name, source, path)
            run(platter, "compare", "-f", "raw", "-F", name, source, path)


def files_here():
    found = {}
    for folder, _, names in os.walk("."):
        for name in names:
            with open(os.path.join(folder, name), "rb") as file:
                found[os.path.join(folder, name)] = hashlib.sha256(file.read()).hexdigest()
    return found


def try_refusal(platter, kind):
    name, path, _, reason = kind
    create(platter, kind)
    before = files_here()
    done = subprocess.run([platter, "convert", "-n", "-f", "raw", "-O", name, "a.raw", path], capture_output=True,
                          text=True, timeout=120, check=False)
    if done.returncode != 1 or reason not in done.stderr:
        raise RuntimeError(f"exit code {done.returncode}: {done.stderr}")
    if files_here() != before:
        raise RuntimeError("it is refused, and changed all the same")


def main():
    platter, folder = os.path.abspath(sys.argv[1]), sys.argv[2]
    failures = 0
    for number, kind in enumerate(KINDS + REFUSED):
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        os.chdir(folder)
        try:
            make_disk("a.raw", number)
            make_disk("b.raw", number + 1000)
            (try_out if len(kind) == 3 else try_refusal)(platter, kind)
        except RuntimeError as failure:
            failures += 1
            print(f"{' '.join(kind)}: {failure}")
        os.chdir("/")
    shutil.rmtree(folder)
    print(f"{len(KINDS) + len(REFUSED) - failures} kinds of images passed, {failures} failed")
    return 1 if failures else 0


sys.exit(main())

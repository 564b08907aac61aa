"""Converts into images that are there (convert -n), and compares the guest disks with qemu-img.

usage: convert_into.py PLATTER FOLDER

For each kind of image: qemu-img makes it and fills it, platter writes another disk into it, qemu-img compares; and the
other way round. What platter refuses must be refused by name and stay as it was.
"""

import hashlib
import os
import random
import shutil
import struct
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


# Refused where the disk does not fit: not even a mark may say that somebody was there.
TOO_SMALL = [
    ("qcow2", "disk.qcow2", ""),
    ("vpc", "disk.vhd", "force_size=on"),
    ("vhdx", "disk.vhdx", ""),
    ("vdi", "disk.vdi", ""),
    ("parallels", "disk.hdd", ""),
    ("vmdk", "disk.vmdk", ""),
]


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


def refuse(reason, *words):
    before = files_here()
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode != 1 or reason not in done.stderr:
        raise RuntimeError(f"{' '.join(words)}: exit code {done.returncode}: {done.stderr}")
    if files_here() != before:
        raise RuntimeError(f"{' '.join(words)}: it is refused, and changed all the same")


def try_refusal(platter, kind):
    name, path, _, reason = kind
    create(platter, kind)
    refuse(reason, platter, "convert", "-n", "-f", "raw", "-O", name, "a.raw", path)


def try_too_small(platter, kind):
    name, path = kind[:2]
    create(platter, kind)
    if name == "qcow2":
        run("qemu-img", "bitmap", "--add", path, "records")
    os.truncate("a.raw", 2 * SIZE)
    refuse("output file is smaller", platter, "convert", "-n", "-f", "raw", "-O", name, "a.raw", path)


def shrink_blocks(path, block):
    """An empty VHD with blocks of another size: 2 MiB is what everybody makes, and not what the specification wants."""
    with open(path, "rb") as file:
        data = bytearray(file.read())
    footer = data[-512:]
    size, = struct.unpack_from(">Q", footer, 48)
    at, = struct.unpack_from(">Q", footer, 16)
    table, = struct.unpack_from(">Q", data, at + 16)
    count = -(-size // block)
    struct.pack_into(">III", data, at + 28, count, block, 0)
    struct.pack_into(">I", data, at + 36, ~sum(data[at:at + 1024]) & 0xffffffff)
    with open(path, "wb") as file:
        file.write(data[:table] + b"\xff" * (-(-4 * count // 512) * 512) + footer)


def try_small_blocks(platter):
    """Of a bitmap's sector a small block uses the first bits alone."""
    for block in (4096, 65536, 512 << 10):
        run(platter, "convert", "-f", "raw", "-O", "vpc", "-o", "force_size=on", "a.raw", "parent.vhd")
        run(platter, "create", "-f", "vpc", "-b", "parent.vhd", "-F", "vpc", "child.vhd")
        shrink_blocks("child.vhd", block)
        for source in ("b.raw", "a.raw"):
            run(platter, "convert", "-n", "-f", "raw", "-O", "vpc", source, "child.vhd")
            run(platter, "compare", "-f", "raw", "-F", "vpc", source, "child.vhd")


def try_own_backing(platter):
    run(platter, "convert", "-f", "raw", "-O", "qcow2", "a.raw", "base.qcow2")
    words = [platter, "convert", "-U", "-B", "base.qcow2", "-F", "qcow2", "-f", "raw", "-O", "qcow2"]
    refuse("Is another process using the image", *words, "b.raw", "base.qcow2")
    refuse("Is another process using the image", *words, "-o", "data_file=base.qcow2", "b.raw", "new.qcow2")


def main():
    platter, folder = os.path.abspath(sys.argv[1]), sys.argv[2]
    failures = 0
    jobs = [(try_out, kind) for kind in KINDS] + [(try_refusal, kind) for kind in REFUSED]
    jobs += [(try_too_small, kind) for kind in TOO_SMALL] + [(try_small_blocks, None), (try_own_backing, None)]
    for number, (job, kind) in enumerate(jobs):
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        os.chdir(folder)
        try:
            make_disk("a.raw", number)
            make_disk("b.raw", number + 1000)
            job(platter, *([kind] if kind else []))
        except RuntimeError as failure:
            failures += 1
            print(f"{job.__name__} {' '.join(kind or [])}: {failure}")
        os.chdir("/")
    shutil.rmtree(folder)
    print(f"{len(jobs) - failures} kinds of images passed, {failures} failed")
    return 1 if failures else 0


sys.exit(main())

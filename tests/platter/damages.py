"""Damaged images: what check and inspect say of them, what repairs leave alone, what --salvage saves.

usage: damages.py PLATTER FOLDER
"""

import json
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import time

import qemu_images

KIB, MIB = 1 << 10, 1 << 20
VHDX_TABLE = 3 * MIB  # where our writer puts the block allocation table


def main():
    platter, folder = os.path.abspath(sys.argv[1]), sys.argv[2]
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    os.chdir(folder)
    failures = []
    for check in (vhdx_blocks_before_a_wrong_one, vhdx_bitmaps, ploop_data_of_a_wrong_entry, ploop_parent, qcow2_cut,
                  qcow2_counts_of_one_bit, qcow2_reserved_bits, qcow2_tables_over_each_other, vmdk_of_nothing):
        failures += [f"{check.__name__}: {fault}" for fault in check(platter)]
    print("\n".join(failures + [f"{len(failures)} failures"]))
    os.chdir("/")
    shutil.rmtree(folder)
    return 1 if failures else 0


def call(platter, *words):
    return subprocess.run([platter, *words], capture_output=True, timeout=300, check=False)


def content(name):
    with open(name, "rb") as file:
        return file.read()


def patch(name, at, data):
    with open(name, "r+b") as file:
        file.seek(at)
        file.write(data)


def number(name, at, form):
    return struct.unpack_from(form, content(name), at)[0]


def raw(name, size, byte):
    with open(name, "wb") as file:
        file.write(bytes([byte]) * size)


def vhdx_blocks_before_a_wrong_one(platter):
    raw("a.raw", 16 * MIB, 0x55)
    call(platter, "convert", "-O", "vhdx", "-o", "block_size=1M", "a.raw", "a.vhdx")
    patch("a.vhdx", VHDX_TABLE + 10 * 8, struct.pack("<Q", 0x7FFF << 20 | 6))
    call(platter, "convert", "--salvage", "-O", "raw", "a.vhdx", "saved.raw")
    if content("saved.raw") != bytes([0x55]) * 10 * MIB + bytes(MIB) + bytes([0x55]) * 5 * MIB:
        yield f"lost {content('saved.raw').count(0)} bytes"


def differencing(platter, block_size):
    raw("a.raw", 64 * MIB, 0x55)
    options = ["-O", "vhdx", "-o", f"block_size={block_size}"]
    call(platter, "convert", *options, "a.raw", "base.vhdx")
    qemu_images.create("child.qcow2", None, "", ("base.vhdx", "vhdx"))
    qemu_images.write("child.qcow2", "write -P 0x66 64k 64k")
    call(platter, "convert", *options, "-B", "base.vhdx", "-F", "vhdx", "child.qcow2", "child.vhdx")


def vhdx_bitmaps(platter):
    differencing(platter, "32M")
    verdict = call(platter, "inspect", "--allow-references", "child.vhdx")
    if verdict.returncode != 0:
        yield f"a sound differencing disk: {verdict.stdout}"
    differencing(platter, "1M")
    chunk_ratio = (1 << 23) * 512 // MIB
    patch("child.vhdx", VHDX_TABLE + chunk_ratio * 8, bytes(8))
    checked = call(platter, "check", "child.vhdx")
    if checked.returncode != 2 or b"no sector bitmap" not in checked.stdout + checked.stderr:
        yield f"no sector bitmap: exit {checked.returncode} {checked.stderr}"


def ploop_data_of_a_wrong_entry(platter):
    qemu_images.create("a.hds", "1M", "cluster_size=64k", kind="parallels")
    qemu_images.write("a.hds", "write -P 0x22 0 128k", kind="parallels")
    patch("a.hds", 64 + 4, struct.pack("<I", number("a.hds", 64 + 4, "<I") | 0x400))
    for repair in ("leaks", "all"):
        call(platter, "check", "-r", repair, "a.hds")
        if content("a.hds").count(0x22) < 128 * KIB:
            yield f"-r {repair} has cut off data"


def ploop_parent(platter):
    """What an image of a bundle lacks is its parent's: a wrong entry dropped would show the parent's old data."""
    raw("a.raw", MIB, 0x11)
    call(platter, "convert", "-O", "ploop", "-o", "bundle=on", "a.raw", "bundle")
    descriptor = os.path.join("bundle", "DiskDescriptor.xml")
    text = content(descriptor).decode()
    top = text[text.index("<TopGUID>") + 9:text.index("</TopGUID>")]
    child = "{11111111-2222-3333-4444-555555555555}"
    first = text[text.index("<Image>"):text.index("</Image>") + 8]
    name = first[first.index("<File>") + 6:first.index("</File>")]
    shutil.copy(os.path.join("bundle", name), os.path.join("bundle", "child.hds"))
    second = first.replace(top, child).replace(name, "child.hds")
    shot = f"<Shot><GUID>{child}</GUID><ParentGUID>{top}</ParentGUID></Shot>"
    text = text.replace(first, first + second).replace(f"<TopGUID>{top}", f"<TopGUID>{child}")
    text = text.replace("<Snapshots>", "<Snapshots>" + shot) if "<Snapshots>" in text else text
    text = text.replace("</TopGUID>", "</TopGUID>" + shot) if shot not in text else text
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    image = os.path.join("bundle", "child.hds")
    if call(platter, "check", descriptor).returncode != 0:
        yield f"not sound to begin with: {call(platter, 'check', descriptor).stderr}"
    patch(image, 64, struct.pack("<I", number(image, 64, "<I") | 0x400000))
    before = content(image)
    done = call(platter, "check", "-r", "all", descriptor)
    if done.returncode != 2 or content(image)[64:68] != before[64:68]:
        yield f"exit {done.returncode} {done.stderr}"


def qcow2_cut(platter):
    """What no reader takes is no sound image."""
    rng = random.Random(3)
    with open("text.raw", "wb") as file:
        file.write(bytes(rng.choices(b"abcdefgh", k=4 * MIB)))
    qemu_images.run("qemu-img", "convert", "-c", "-O", "qcow2", "text.raw", "packed.qcow2")
    os.truncate("packed.qcow2", os.path.getsize("packed.qcow2") - 40000)
    qemu_images.create("tables.qcow2", "64M", "cluster_size=2M")
    qemu_images.write("tables.qcow2", "write -P 1 0 8M")
    os.truncate("tables.qcow2", 5 * MIB)
    for name in ("packed.qcow2", "tables.qcow2"):
        checked = call(platter, "check", name).returncode
        inspected = call(platter, "inspect", "--depth", "full", name).returncode
        converted = call(platter, "convert", "-O", "raw", name, "out.raw").returncode
        if (checked, inspected, converted) != (2, 1, 1):
            yield f"{name}: check {checked}, inspect {inspected}, convert {converted}"


def qcow2_counts_of_one_bit(platter):
    qemu_images.create("bits.qcow2", "1M", "cluster_size=4096,refcount_bits=1")
    qemu_images.write("bits.qcow2", "write -P 255 0 4k", "write -P 17 4k 64k")
    before = guest(platter, "bits.qcow2")
    table = number("bits.qcow2", 48, ">Q")
    entries = number("bits.qcow2", number("bits.qcow2", 40, ">Q"), ">Q") & 0x00FFFFFFFFFFFE00
    patch("bits.qcow2", table, struct.pack(">Q", number("bits.qcow2", entries, ">Q") & 0x00FFFFFFFFFFFE00))
    for repair in ("leaks", "all"):
        call(platter, "check", "-r", repair, "bits.qcow2")
        if guest(platter, "bits.qcow2") != before:
            yield f"-r {repair} has changed the guest's data"


def guest(platter, name):
    call(platter, "convert", "-O", "raw", name, "guest.raw")
    return content("guest.raw")


def qcow2_reserved_bits(platter):
    for options in ("compat=0.10", "extended_l2=on"):
        qemu_images.create("bits.qcow2", "1M", options)
        qemu_images.write("bits.qcow2", "write -P 1 0 1M")
        entries = number("bits.qcow2", number("bits.qcow2", 40, ">Q"), ">Q") & 0x00FFFFFFFFFFFE00
        patch("bits.qcow2", entries, struct.pack(">Q", number("bits.qcow2", entries, ">Q") | 1))
        codes = call(platter, "check", "bits.qcow2").returncode, call(platter, "convert", "bits.qcow2", "o").returncode
        if codes != (2, 1):
            yield f"{options}: check, convert: {codes}"


def qcow2_tables_over_each_other(platter):
    """L1 entries at every sector of a large table: each of them is a table to be walked."""
    cluster, entries = 2 * MIB, 4096
    with open("over.qcow2", "wb") as file:
        file.write(struct.pack(">4sIQIIQIIQQIIQ", b"QFI\xfb", 3, 0, 0, 21, entries << 39, 0, entries, cluster, 2 * cluster, 1,
                               0, 0) + struct.pack(">QQQII", 0, 0, 0, 4, 104))
        file.seek(cluster)
        file.write(b"".join(struct.pack(">Q", 1 << 63 | 3 * cluster + 512 * (i + 1)) for i in range(entries)))
        file.seek(3 * cluster)
        file.write(struct.pack(">Q", 1 << 63 | 4 * cluster) * (cluster // 8))
        file.truncate(6 * cluster)
    begun = time.monotonic()
    done = call(platter, "check", "over.qcow2")
    if done.returncode != 1 or time.monotonic() - begun > 60:
        yield f"exit {done.returncode} after {time.monotonic() - begun:.1f} s: {done.stderr[-200:]}"


def vmdk_of_nothing(platter):
    # Where a file may be that large.
    with tempfile.TemporaryDirectory(dir="/dev/shm") as memory:
        name = os.path.join(memory, "a.vmdk")
        qemu_images.create(name, "64M", kind="vmdk")
        os.truncate(name, 7 << 60)
        begun = time.monotonic()
        done = call(platter, "check", "--output", "json", name)
    if time.monotonic() - begun > 20 or "check-errors" not in json.loads(done.stdout):
        yield f"exit {done.returncode} after {time.monotonic() - begun:.1f} s"


if __name__ == "__main__":
    sys.exit(main())

"""Conversions on file systems that can share blocks: XFS and btrfs, made in files and mounted for this test alone.

usage: reflinks.py PLATTER FOLDER

What is shared is counted with FIEMAP; what the guest reads is compared by qemu-img.
"""

import ctypes
import fcntl
import os
import random
import shutil
import struct
import subprocess
import sys

from cut_sources import cut, disturbed

MIB = 1 << 20
FS_IOC_FIEMAP, FIEMAP_FLAG_SYNC, FIEMAP_EXTENT_LAST, FIEMAP_EXTENT_SHARED = 0xC020660B, 1, 1, 0x2000
HOSTS = {"xfs": ["mkfs.xfs", "-q"], "btrfs": ["mkfs.btrfs", "-q"]}
DATA = 24 * MIB

# Name, format, options of the target, and whether its payload can lie on whole blocks.
TARGETS = [
    ("raw", "raw", [], True),
    ("raw_reserved", "raw", ["-o", "preallocation=falloc"], False),
    ("qcow2", "qcow2", [], True),
    ("qcow2_small_clusters", "qcow2", ["-o", "cluster_size=512"], False),
    ("qcow2_subclusters", "qcow2", ["-o", "extended_l2=on,cluster_size=128k"], True),
    ("qcow2_data_file", "qcow2", ["-o", "data_file=qcow2_data_file.raw"], True),
    ("qcow2_compressed", "qcow2", ["-c"], False),
    ("vhd", "vhd", [], False),
    ("vhd_fixed", "vhd", ["-o", "subformat=fixed,force_size=on"], True),
    ("vhdx", "vhdx", [], True),
    ("vhdx_fixed", "vhdx", ["-o", "subformat=fixed"], True),
    ("vmdk", "vmdk", [], True),
    ("vmdk_flat", "vmdk", ["-o", "subformat=monolithicFlat"], True),
    ("vmdk_stream", "vmdk", ["-o", "subformat=streamOptimized"], False),
    ("vdi", "vdi", [], True),
    ("ploop", "ploop", [], True),
]
# Options with which nothing is shared.
COPIES = [["--no-reflink"], ["-S", "4k"], ["-S", "0"], ["-r", "1G"], ["--salvage"], ["--digest", "md5"]]
# Targets of whose bytes platter has to see some or all: an ISO's descriptor, what is compressed. No row of TARGETS, since
# no qemu-img reads them.
LOOKED_AT = [("iso", "image.iso"), ("compressed", "image.gz"), ("ova", "image.ova"), ("ovf", "image.ovf")]
# As qemu-img calls them.
QEMU_NAMES = {"vhd": "vpc", "ploop": "parallels"}


def run(*words):
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(words)}: exit code {done.returncode}\n{done.stdout[-500:]}{done.stderr}")
    return done.stdout


def shared_bytes(path):
    """Bytes of the file on blocks that another file has, too."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        size, shared, at = os.fstat(file.fileno()).st_size, 0, 0
        while at < size:
            request = ctypes.create_string_buffer(struct.pack("=QQLLLL", at, size - at, FIEMAP_FLAG_SYNC, 0, 64, 0),
                                                  32 + 64 * 56)
            fcntl.ioctl(file.fileno(), FS_IOC_FIEMAP, request)
            count = struct.unpack_from("=L", request, 20)[0]
            for index in range(count):
                logical, _, length, flags = struct.unpack_from("=QQQ16xL", request, 32 + 56 * index)
                shared += length if flags & FIEMAP_EXTENT_SHARED else 0
                at = size if flags & FIEMAP_EXTENT_LAST else logical + length
            if count == 0:
                break
    return shared


def payload_file(name):
    """Where the guest's bytes lie."""
    beside = {"qcow2_data_file": "qcow2_data_file.raw", "vmdk_flat": "vmdk_flat-flat.img"}
    return beside.get(name, f"{name}.img")


def make_source():
    """A disk with data, stored zeros and holes, of which a part does not lie on whole blocks' bounds."""
    chooser = random.Random(7)
    with open("source.raw", "wb") as file:
        for start in range(0, DATA, 3 * MIB):
            file.seek(start)
            file.write(chooser.randbytes(2 * MIB) + bytes(MIB // 2))
        file.truncate(DATA + 13 * 512)


def convert(platter, name, options, source="source.raw", source_format="raw"):
    row = next(target for target in TARGETS if target[0] == name)
    run(platter, "convert", "-f", source_format, "-O", row[1], *row[2], *options, source, f"{name}.img")
    shared = shared_bytes(payload_file(name))
    run("qemu-img", "compare", "-f", "raw", "-F", QEMU_NAMES.get(row[1], row[1]), "source.raw", f"{name}.img")
    return shared


def expect(truth, message):
    if not truth:
        raise RuntimeError(message)


def test_targets(platter):
    for name, _, _, aligned in TARGETS:
        shared = convert(platter, name, [])
        expect((shared > DATA // 2) == aligned, f"{name}: {shared} bytes are shared")


def test_options_that_copy(platter):
    for options in COPIES:
        shared = convert(platter, "qcow2", options)
        expect(shared == 0, f"{options}: {shared} bytes are shared")


def test_copies_in_host(platter):
    """-C, beside blocks that are shared and on its own, into every target."""
    for name, _, _, _ in TARGETS:
        if name != "qcow2_compressed":  # -c -C is refused
            convert(platter, name, ["-C"])
            convert(platter, name, ["-C", "--no-reflink"])  # these hosts share then, too
    run("xorriso", "-as", "mkisofs", "-quiet", "-o", "volume.iso", "source.raw")
    for output_format, name in LOOKED_AT:
        run(platter, "convert", "-C", "-f", "raw", "-O", output_format, "volume.iso", name)
        run(platter, "compare", "-f", "raw", "-F", output_format, "volume.iso", name)


def test_chain(platter):
    """Two layers become one image; a layer of its own shares what it has."""
    convert(platter, "qcow2", [])
    run("qemu-img", "create", "-q", "-f", "qcow2", "-b", "qcow2.img", "-F", "qcow2", "top.qcow2")
    run("qemu-io", "-f", "qcow2", "-c", "write -P 7 1M 4M", "-c", "write -z 8M 1M", "top.qcow2")
    run(platter, "convert", "-O", "vhdx", "top.qcow2", "flat.vhdx")
    run("qemu-img", "compare", "top.qcow2", "flat.vhdx")
    expect(shared_bytes("flat.vhdx") > DATA // 2, "a chain is not shared")
    run(platter, "convert", "-O", "qcow2", "-B", "qcow2.img", "-F", "qcow2", "top.qcow2", "again.qcow2")
    run("qemu-img", "compare", "top.qcow2", "again.qcow2")
    expect(shared_bytes("again.qcow2") >= 4 * MIB, "a layer is not shared")


def test_independence(platter):
    """Writing to one of two files that share leaves the other alone."""
    convert(platter, "raw", [])
    with open("raw.img", "r+b") as file:
        file.write(b"changed" * 1000)
    with open("raw.img", "rb") as copy, open("source.raw", "rb") as source:
        expect(copy.read(7000) != source.read(7000) and copy.read() == source.read(), "a write shows in both")


def test_elsewhere(platter, outside):
    """From another file system everything is copied."""
    shutil.copy("source.raw", os.path.join(outside, "source.raw"))
    expect(convert(platter, "raw", [], os.path.join(outside, "source.raw")) == 0, "blocks of another host are shared")
    os.unlink(os.path.join(outside, "source.raw"))


def test_cut_source(platter):
    """A source that is cut short between two pieces that share its blocks."""
    code, said = disturbed(platter, ["convert", "-f", "raw", "-O", "qcow2", "{}", "cut.qcow2"], "source.raw", cut)
    expect(code == 1 and "shrank" in said, f"a source that was cut short: {code} {said}")


def as_qemu_img(platter):
    os.symlink(platter, "qemu-img")
    run("./qemu-img", "convert", "-O", "qcow2", "source.raw", "as_qemu.qcow2")
    expect(shared_bytes("as_qemu.qcow2") == 0, "called as qemu-img files share blocks")
    done = subprocess.run(["./qemu-img", "convert", "--no-reflink", "source.raw", "x.raw"], capture_output=True,
                          check=False)
    expect(done.returncode == 1 and b"no-reflink" in done.stderr, "qemu-img knows --no-reflink")


def inside(platter, folder, host):
    """Runs in a mount namespace of its own, which takes its mounts along when it ends."""
    image, mounted = os.path.join(folder, f"{host}.host"), os.path.join(folder, host)
    os.makedirs(mounted)
    with open(image, "wb") as file:
        file.truncate(512 * MIB)
    run(*HOSTS[host], image)
    run("mount", "-o", "loop", image, mounted)
    os.chdir(mounted)
    make_source()
    test_targets(platter)
    test_options_that_copy(platter)
    test_copies_in_host(platter)
    test_chain(platter)
    test_independence(platter)
    test_elsewhere(platter, folder)
    test_cut_source(platter)
    as_qemu_img(platter)


def main():
    platter, folder = sys.argv[1:3]
    if len(sys.argv) > 3:
        inside(platter, folder, sys.argv[3])
        return
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    for host in HOSTS:
        print(run(*root, "unshare", "--mount", sys.executable, "-B", os.path.abspath(__file__), platter, folder, host),
              end="")
        print(f"{host}: {len(TARGETS)} targets, {len(COPIES)} options that copy, chains")
    subprocess.run([*root, "rm", "-rf", folder], check=True)


if __name__ == "__main__":
    main()

"""Makes the images of the comparison with qemu-img: one for each feature of the formats, written by qemu's own tools."""

import os
import shutil
import struct
import subprocess

KIB = 1024
MIB = 1024 * KIB


def run(*words):
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)


def run_measured(*words):
    """As run, for what measures how fast the machine derives keys: qemu-img says so when on a busy machine the clock of
    its thread has not moved meanwhile."""
    for _ in range(30):
        done = subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
        if "Unable to get accurate CPU usage" not in done.stderr:
            break
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr}")


def create(name, size="1M", options="", backing=None, kind="qcow2"):
    words = ["qemu-img", "create", "-q", "-f", kind]
    if options:
        words += ["-o", options]
    if backing:
        words += ["-b", backing[0], "-F", backing[1]]
    run(*words, name, *([size] if size else []))


def write(name, *commands, kind="qcow2"):
    words = ["qemu-io", "-f", kind]
    for command in commands:
        words += ["-c", command]
    run(*words, name)


def noise(size, seed=1):
    """Bytes that do not compress, the same on every run."""
    state, out = seed, bytearray()
    while len(out) < size:
        state = (state * 6364136223846793005 + 1442695040888963407) & (2**64 - 1)
        out += struct.pack("<Q", state ^ state >> 29)
    return bytes(out[:size])


def patch(name, offset, data):
    with open(name, "r+b") as file:
        file.seek(offset)
        file.write(data)


def field(name, offset, form):
    with open(name, "rb") as file:
        file.seek(offset)
        return struct.unpack(form, file.read(struct.calcsize(form)))[0]


def refcount_block(name):
    return field(name, field(name, 48, ">Q"), ">Q")


def first_l2(name):
    return field(name, field(name, 40, ">Q"), ">Q") & 0x00FFFFFFFFFFFE00


def add_extension(name, kind, data):
    """Puts a header extension in front of the others."""
    start = field(name, 100, ">I")
    with open(name, "rb") as file:
        head = bytearray(file.read(4096))
    padded = data + bytes(-len(data) % 8)
    head[start:start] = struct.pack(">II", kind, len(data)) + padded
    patch(name, 0, head[:4096])


def raw_images():
    with open("sparse.raw", "wb") as file:
        file.truncate(3 * MIB)
        file.seek(1 * MIB)
        file.write(noise(256 * KIB))
    with open("odd.raw", "wb") as file:
        file.write(noise(70001))
    with open("odd-hole.raw", "wb") as file:
        file.write(noise(4096))
        file.truncate(100001)
    open("empty.raw", "wb").close()


def plain_qcow2():
    create("v3.qcow2", "4M")
    write("v3.qcow2", "write -P 1 0 100k", "write -z 1M 200k", "write -P 2 2M 64k", "write -P 3 3000k 1k")
    create("v2.qcow2", "4M", "compat=0.10")
    write("v2.qcow2", "write -P 1 64k 192k", "write -z 1M 64k")
    create("empty.qcow2", "1G")
    create("zero-size.qcow2", "0")
    create("odd-size.qcow2", "1000001")
    for size in ("512", "4k", "2M"):
        create(f"cluster-{size}.qcow2", "3M", f"cluster_size={size}")
        write(f"cluster-{size}.qcow2", "write -P 1 5k 300k", "write -z 2M 100k")
    for bits in (1, 2, 4, 8, 32, 64):
        create(f"refcount-{bits}.qcow2", "1M", f"refcount_bits={bits}")
        write(f"refcount-{bits}.qcow2", "write -P 1 128k 256k")
    for mode in ("metadata", "falloc", "full"):
        create(f"prealloc-{mode}.qcow2", "2M", f"preallocation={mode}")
    write("prealloc-metadata.qcow2", "write -P 1 512k 64k")
    create("lazy.qcow2", "1M", "lazy_refcounts=on")
    create("fragmented.qcow2", "1M")
    write("fragmented.qcow2", "write 128k 64k", "write 0 64k", "write 256k 64k", "write 192k 64k")
    create("zero-allocated.qcow2", "1M")
    write("zero-allocated.qcow2", "write 128k 128k", "write -z 128k 64k", "discard 192k 64k")


def compressed_qcow2():
    with open("text.raw", "wb") as file:
        file.write(b"all work and no play makes a dull disk\n" * 20000)
        file.write(noise(128 * KIB))
        file.truncate(2 * MIB)
    for kind in ("zlib", "zstd"):
        run("qemu-img", "convert", "-c", "-f", "raw", "-O", "qcow2", "-o", f"compression_type={kind}", "text.raw",
            f"{kind}.qcow2")
    create("extended-l2.qcow2", "2M", "extended_l2=on,cluster_size=128k")
    write("extended-l2.qcow2", "write -P 1 4k 8k", "write -z 64k 16k", "write -P 2 256k 128k", "discard 300k 12k",
          "write -P 4 1M 500k")
    create("extended-l2-prealloc.qcow2", "1M", "extended_l2=on,preallocation=metadata")


def chains():
    with open("base.raw", "wb") as file:
        file.write(noise(300 * KIB))
        file.truncate(1 * MIB)
    create("middle.qcow2", None, "", ("base.raw", "raw"))
    write("middle.qcow2", "write -P 1 64k 64k", "write -z 128k 64k")
    create("top.qcow2", "2M", "cluster_size=4k", ("middle.qcow2", "qcow2"))
    write("top.qcow2", "write -P 2 96k 20k", "write -z 512k 32k")
    os.mkdir("sub")
    create("sub/relative.qcow2", None, "", ("../middle.qcow2", "qcow2"))
    create("sub/absolute.qcow2", None, "", (os.path.abspath("base.raw"), "raw"))
    create("over-odd.qcow2", "512k", "", ("odd.raw", "raw"))
    create("short-middle.qcow2", "2M", "", ("over-odd.qcow2", "qcow2"))
    write("short-middle.qcow2", "write 1M 64k")
    create("over-compressed.qcow2", None, "", ("zlib.qcow2", "qcow2"))
    create("over-extended.qcow2", None, "extended_l2=on", ("extended-l2.qcow2", "qcow2"))
    write("over-extended.qcow2", "write -P 9 6k 2k", "write -z 1100k 8k")
    create("base.qcow", "1M", kind="qcow")
    write("base.qcow", "write -P 7 64k 128k", kind="qcow")
    create("over-qcow1.qcow2", None, "", ("base.qcow", "qcow"))
    create("missing-base.qcow2", "1M")
    run("qemu-img", "rebase", "-u", "-b", "nowhere.raw", "-F", "raw", "missing-base.qcow2")
    create("loop-a.qcow2", "1M")
    create("loop-b.qcow2", None, "", ("loop-a.qcow2", "qcow2"))
    run("qemu-img", "rebase", "-u", "-b", "loop-b.qcow2", "-F", "qcow2", "loop-a.qcow2")
    create("network-base.qcow2", "1M")
    run("qemu-img", "rebase", "-u", "-b", "nbd://nowhere.invalid/x", "-F", "raw", "network-base.qcow2")
    create("file-base.qcow2", "1M")
    run("qemu-img", "rebase", "-u", "-b", "file:base.raw", "-F", "raw", "file-base.qcow2")


def data_files():
    create("data.qcow2", "1M", "data_file=data.bin")
    write("data.qcow2", "write -P 1 128k 64k", "write -z 256k 64k")
    create("data-raw.qcow2", "1M", "data_file=data-raw.bin,data_file_raw=on")
    write("data-raw.qcow2", "write -P 1 128k 64k")
    create("lost-data.qcow2", "1M", "data_file=lost.bin")
    os.remove("lost.bin")


def snapshots_and_bitmaps():
    create("snapshots.qcow2", "1M")
    write("snapshots.qcow2", "write -P 1 0 128k")
    run("qemu-img", "snapshot", "-c", "first", "snapshots.qcow2")
    write("snapshots.qcow2", "write -P 2 64k 128k")
    run("qemu-img", "snapshot", "-c", "a name that is longer than its column", "snapshots.qcow2")
    run("qemu-img", "snapshot", "-c", "3", "snapshots.qcow2")
    create("bitmaps.qcow2", "4M")
    run("qemu-img", "bitmap", "--add", "-g", "32k", "bitmaps.qcow2", "daily")
    run("qemu-img", "bitmap", "--add", "--disable", "bitmaps.qcow2", "off \u00e9")
    write("bitmaps.qcow2", "write -P 1 1M 100k")


def marked_headers():
    for name, byte, bit in (("dirty", 79, 1), ("corrupt", 79, 2), ("lazy-dirty", 79, 1)):
        create(f"{name}.qcow2", "1M", "lazy_refcounts=on" if name == "lazy-dirty" else "")
        write(f"{name}.qcow2", "write 0 64k")
        patch(f"{name}.qcow2", byte, bytes([bit]))
    create("unknown-extension.qcow2", "1M")
    add_extension("unknown-extension.qcow2", 0x12345678, b"hello, world")
    create("unknown-incompatible.qcow2", "1M")
    patch("unknown-incompatible.qcow2", 72, b"\x80")
    create("unknown-compatible.qcow2", "1M")
    patch("unknown-compatible.qcow2", 80, b"\x80")
    create("unknown-autoclear.qcow2", "1M")
    patch("unknown-autoclear.qcow2", 88, b"\x80")


def encrypted():
    secret = ["--object", "secret,id=s,data=geheim"]
    run_measured("qemu-img", "create", "-q", "-f", "qcow2", *secret, "-o",
                 "encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10", "luks.qcow2", "1M")
    run("qemu-img", "create", "-q", "-f", "qcow2", *secret, "-o", "encrypt.format=aes,encrypt.key-secret=s",
        "aes.qcow2", "1M")


def broken():
    def sound(name):
        create(name, "1M")
        write(name, "write -P 1 0 256k", "write -P 2 512k 64k")
        return name

    name = sound("leaked.qcow2")
    clusters = os.path.getsize(name) // (64 * KIB)
    patch(name, refcount_block(name) + 2 * clusters, b"\0\1\0\1")
    patch(name, (clusters + 2) * 64 * KIB - 1, b"\0")
    name = sound("low-refcount.qcow2")
    patch(name, refcount_block(name) + 2 * 6, b"\0\0")
    name = sound("high-refcount.qcow2")
    patch(name, refcount_block(name) + 2 * 6, b"\0\3")
    name = sound("double-use.qcow2")
    patch(name, first_l2(name) + 8, struct.pack(">Q", field(name, first_l2(name), ">Q")))
    name = sound("outside.qcow2")
    patch(name, first_l2(name), struct.pack(">Q", 1 << 63 | 1 << 40))
    name = sound("misaligned.qcow2")
    patch(name, first_l2(name), struct.pack(">Q", field(name, first_l2(name), ">Q") | 0x200))
    name = sound("no-copied-flag.qcow2")
    patch(name, first_l2(name), struct.pack(">Q", field(name, first_l2(name), ">Q") & ~(1 << 63)))
    name = sound("overlap-l1.qcow2")
    patch(name, first_l2(name), struct.pack(">Q", 1 << 63 | field(name, 40, ">Q")))
    name = sound("bad-refcount-table.qcow2")
    patch(name, field(name, 48, ">Q"), struct.pack(">Q", 0x10001))
    name = sound("cut.qcow2")
    os.truncate(name, 6 * 64 * KIB)


def vhd():
    # A size that needs no rounding by geometry, and one that does.
    for name, options in (("dynamic.vhd", "force_size=on"), ("rounded.vhd", ""), ("fixed.vpc", "subformat=fixed")):
        create(name, "9M", options, kind="vpc")
        write(name, "write -P 1 0 64k", "write -P 2 5M 512", "write -z 3M 1M", kind="vpc")
    create("empty.vhd", "3G", kind="vpc")
    create("torn-end.vhd", "9M", kind="vpc")
    patch("torn-end.vhd", os.path.getsize("torn-end.vhd") - 300, b"x")


def vhdx():
    for name, options in (("dynamic.vhdx", ""), ("fixed.vhdx", "subformat=fixed,block_size=1M"),
                          ("small-blocks.vhdx", "block_size=1M,block_state_zero=off,log_size=2M")):
        create(name, "20M", options, kind="vhdx")
        write(name, "write -P 1 0 64k", "write -P 2 9M 512", "write -P 3 19M 1M", kind="vhdx")
    create("empty.vhdx", "1T", kind="vhdx")
    create("odd-size.vhdx", "1000448", kind="vhdx")
    shutil.copyfile("dynamic.vhdx", "no-identifier.vhdx")
    patch("no-identifier.vhdx", 0, b"vhdxfilx")
    # The header that counts less, and the one that counts.
    for header, offset in (("first", 64 * KIB), ("second", 128 * KIB)):
        shutil.copyfile("dynamic.vhdx", f"no-{header}-header.vhdx")
        patch(f"no-{header}-header.vhdx", offset + 8, b"\xff")
        run("sync", f"no-{header}-header.vhdx")  # what it takes on the host is settled


def vmdk_text(name, kind, lines, ends="\n"):
    text = ["# Disk DescriptorFile", "version=1", "CID=fffffffe", "parentCID=ffffffff", f'createType="{kind}"', *lines]
    with open(name, "w", newline="", encoding="utf-8") as file:
        file.write(ends.join(text) + ends)


def vmdk():
    with open("vmdk-source.raw", "wb") as file:
        file.write(noise(100 * KIB, 7) + bytes(300 * KIB) + b"text " * 40000)
        file.truncate(MIB + 3 * 512)
    for kind in ("monolithicSparse", "monolithicFlat", "twoGbMaxExtentSparse", "twoGbMaxExtentFlat", "streamOptimized"):
        run("qemu-img", "convert", "-O", "vmdk", "-o", f"subformat={kind}", "vmdk-source.raw", f"{kind}.vmdk")
    create("zeroed.vmdk", "1M", "zeroed_grain=on", kind="vmdk")
    write("zeroed.vmdk", "write -P 1 0 300k", "write -z 64k 128k", kind="vmdk")
    create("split.vmdk", "5G", "subformat=twoGbMaxExtentSparse", kind="vmdk")
    write("split.vmdk", "write -P 1 2047M 2M", kind="vmdk")
    create("child.vmdk", None, "", ("monolithicSparse.vmdk", "vmdk"), kind="vmdk")
    write("child.vmdk", "write -P 9 64k 100k", kind="vmdk")
    os.mkdir("extents")
    run("cp", "twoGbMaxExtentFlat-f001.vmdk", "extents/part.bin")
    vmdk_text("windows-lines.vmdk", "vmfs", ['RW 100 VMFS "extents/part.bin"'], "\r\n")
    vmdk_text("offsets.vmdk", "monolithicFlat", ['RW 8 FLAT "extents/part.bin" 3', 'RW 16 FLAT "extents/part.bin" 100'])
    vmdk_text("zeros.vmdk", "monolithicFlat", ['RW 8 FLAT "extents/part.bin" 0', "RW 8 ZERO"])
    vmdk_text("custom.vmdk", "custom", ['RW 8 FLAT "extents/part.bin" 0'])
    vmdk_text("lost-extent.vmdk", "monolithicFlat", ['RW 8 FLAT "nowhere.bin" 0'])
    run("cp", "monolithicSparse.vmdk", "grain-outside.vmdk")
    directory = field("grain-outside.vmdk", 56, "<Q") * 512
    patch("grain-outside.vmdk", field("grain-outside.vmdk", directory, "<I") * 512, struct.pack("<I", 0x7fffffff))
    run("cp", "monolithicSparse.vmdk", "version4.vmdk")
    patch("version4.vmdk", 4, struct.pack("<I", 4))


def no_images():
    with open("short-header.qcow2", "wb") as file:
        file.write(b"QFI\xfb\0\0\0\3")
    create("bad-cluster-bits.qcow2", "1M")
    patch("bad-cluster-bits.qcow2", 20, struct.pack(">I", 40))
    create("bad-version.qcow2", "1M")
    patch("bad-version.qcow2", 4, struct.pack(">I", 9))


def vdi_images():
    for name, options in (("dynamic.vdi", ""), ("static.vdi", "static=on")):
        create(name, "5M", options, kind="vdi")
        write(name, "write -P 1 1M 64k", "write -P 2 10k 64k", "write -P 3 4M 1M", kind="vdi")
    create("odd-size.vdi", "1000001", kind="vdi")
    create("zero-size.vdi", "0", kind="vdi")

    def changed(name, offset, form, value):
        shutil.copyfile("dynamic.vdi", name)
        patch(name, offset, struct.pack(form, value))

    for name, offset, form, value in (
            ("version-1.0", 68, "<I", 0x10000), ("version-1.2", 68, "<I", 0x10002), ("signature", 64, "<I", 1),
            ("unaligned-map", 340, "<I", 513), ("unaligned-data", 344, "<I", 1025), ("sector-size", 360, "<I", 4096),
            ("block-size", 376, "<I", 2 * MIB), ("size-beyond-map", 368, "<Q", 6 * MIB), ("size-huge", 368, "<Q", 1 << 50),
            ("size-smaller", 368, "<Q", 1000001), ("parent", 424, "<Q", 1), ("parent-changed", 440, "<Q", 1),
            ("few-allocated", 388, "<I", 1), ("twice", 516, "<I", 1), ("beyond-map", 520, "<I", 9),
            ("discarded", 512, "<I", 0xFFFFFFFE)):
        changed(name + ".vdi", offset, form, value)


def ploop_images():
    for name, options in (("plain.hdd", ""), ("small.hdd", "cluster_size=64k"), ("odd.hdd", "cluster_size=100k")):
        create(name, "3M", options, kind="parallels")
        write(name, "write -P 1 1M 64k", "write -P 2 10k 64k", kind="parallels")
    create("odd-size.hdd", "1000001", kind="parallels")
    create("zero-size.hdd", "0", kind="parallels")

    def changed(name, *changes):
        shutil.copyfile("small.hdd", name)
        for offset, form, value in changes:
            patch(name, offset, struct.pack(form, value))

    changed("magic.hdd", (0, "<I", 1))
    changed("no-tracks.hdd", (28, "<I", 0))
    changed("huge-tracks.hdd", (28, "<I", 0xFFFFFFFF))
    changed("huge-table.hdd", (32, "<I", 0xFFFFFFFF))
    changed("huge-size.hdd", (36, "<Q", 2**64 - 1))
    changed("bad-extension.hdd", (56, "<Q", 128))
    changed("open.hdd", (44, "<I", 0x746F6E59))
    changed("open-outside.hdd", (44, "<I", 0x746F6E59), (64, "<I", 100))
    changed("beyond-end.hdd", (68, "<I", 100))
    changed("shared.hdd", (64, "<I", 3))
    changed("tail.hdd")
    os.truncate("tail.hdd", os.path.getsize("tail.hdd") + 37888)


ENDINGS = (".raw", ".qcow2", ".qcow", ".vhd", ".vhdx", ".vdi", ".hdd", ".vmdk")


def make_all():
    raw_images()
    plain_qcow2()
    compressed_qcow2()
    chains()
    data_files()
    snapshots_and_bitmaps()
    marked_headers()
    encrypted()
    broken()
    vhd()
    vhdx()
    no_images()
    vdi_images()
    ploop_images()
    vmdk()
    images = [os.path.join(folder, name)[2:] for folder, _, names in os.walk(".") for name in names]
    return sorted(name for name in images if name.endswith(ENDINGS))

"""Backing chains: what must not be overwritten, and what shows in a copy where layers end or share a cluster.

usage: chains.py PLATTER FOLDER
"""

import json
import os
import shutil
import subprocess
import sys

import qemu_images

KIB, MIB = 1 << 10, 1 << 20

# Name, what is to be kept, words of a create that would be made on it.
KEPT = [
    ("the backing file", "base.raw", ["-f", "qcow2", "-b", "base.raw", "-F", "raw", "file:base.raw"]),
    ("the backing file, linked", "base.raw", ["-f", "qcow2", "-b", "base.raw", "-F", "raw", "link.raw"]),
    ("the backing file, not opened", "base.raw", ["-u", "-f", "qcow2", "-b", "./base.raw", "-F", "raw", "base.raw", "1M"]),
    ("its data file", "data.raw", ["-f", "qcow2", "-b", "external.qcow2", "-F", "qcow2", "data.raw"]),
    ("its extent", "flat-flat.vmdk", ["-f", "vmdk", "-b", "flat.vmdk", "-F", "vmdk", "flat-flat.vmdk"]),
    ("it, as a data file", "data.raw",
     ["-f", "qcow2", "-b", "external.qcow2", "-F", "qcow2", "-o", "data_file=data.raw", "new.qcow2"]),
]


def main():
    platter, folder = os.path.abspath(sys.argv[1]), sys.argv[2]
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    os.chdir(folder)
    with open("base.raw", "wb") as file:
        file.write(bytes([0x11]) * MIB)
    failures = []
    for check in (keeps_chain, keeps_content_beside_data, shows_nothing_behind_the_base, keeps_all_above_another_file, salvages_small_clusters,
                  standard_output_by_other_names, writes_behind_what_is_there, joins_whole_sectors,
                  names_formats_as_qemu_does, leaves_nothing_behind_a_link, reads_what_is_not_looked_into,
                  goes_above_what_is_in_use):
        failures += [f"{check.__name__}: {fault}" for fault in check(platter)]
    print("\n".join(failures + [f"{len(failures)} failures"]))
    os.chdir("/")
    shutil.rmtree(folder)
    return 1 if failures else 0


def content(name):
    with open(name, "rb") as file:
        return file.read()


def guest(name, kind="qcow2"):
    qemu_images.run("qemu-img", "convert", "-f", kind, "-O", "raw", name, "guest.raw")
    return content("guest.raw")


def call(platter, *words, **options):
    return subprocess.run([platter, *words], capture_output=True, timeout=120, check=False, **options)


def keeps_chain(platter):
    os.symlink("base.raw", "link.raw")
    qemu_images.create("external.qcow2", options="data_file=data.raw")
    qemu_images.write("external.qcow2", "write -P 7 0 1M")
    qemu_images.run("qemu-img", "convert", "-O", "vmdk", "-o", "subformat=monolithicFlat", "base.raw", "flat.vmdk")
    for name, path, words in KEPT:
        before = content(path)
        done = call(platter, "create", *words)
        if done.returncode != 1 or content(path) != before:
            yield f"{name}: exit {done.returncode} {done.stderr}"


def keeps_content_beside_data(platter):
    """Half of a cluster comes from the source, the other half is the target's own."""
    qemu_images.create("target.qcow2", "1M", "cluster_size=64k", ("base.raw", "raw"))
    qemu_images.write("target.qcow2", "write -P 0x33 32k 32k")
    qemu_images.create("source.qcow2", "1M", "cluster_size=4k", ("base.raw", "raw"))
    qemu_images.write("source.qcow2", "write -P 0x22 0 4k")
    done = call(platter, "convert", "-n", "-B", "base.raw", "-F", "raw", "-O", "qcow2", "source.qcow2", "target.qcow2")
    wanted = bytes([0x22]) * 4096 + bytes([0x11]) * 28 * KIB + bytes([0x33]) * 32 * KIB + bytes([0x11]) * (MIB - 64 * KIB)
    if done.returncode != 0 or guest("target.qcow2") != wanted:
        yield f"exit {done.returncode} {done.stderr}"


def shows_nothing_behind_the_base(platter):
    """The source reads as zero behind its own base, whatever a longer backing file holds there."""
    with open("short.raw", "wb") as file:
        file.write(bytes([0x44]) * 70001)
    qemu_images.create("over.qcow2", "300k", "", ("short.raw", "raw"))
    qemu_images.write("over.qcow2", "write -P 5 100k 1k", "write -z 128k 64k", "write -P 6 64k 512")
    done = call(platter, "convert", "-O", "qcow2", "-B", "base.raw", "-F", "raw", "over.qcow2", "made.qcow2")
    if done.returncode != 0 or guest("made.qcow2") != guest("over.qcow2"):
        yield f"exit {done.returncode} {done.stderr}"


def keeps_all_above_another_file(platter):
    """Layers between the source's top and the new backing file, and backing files that the source has nothing to do with."""
    qemu_images.create("middle.qcow2", "1M", "", ("base.raw", "raw"))
    qemu_images.write("middle.qcow2", "write -P 2 512k 128k", "write -z 768k 64k")
    qemu_images.create("top.qcow2", "1M", "", ("middle.qcow2", "qcow2"))
    qemu_images.write("top.qcow2", "write -P 3 0 64k")
    qemu_images.run("qemu-img", "convert", "-O", "vmdk", "base.raw", "base.vmdk")
    with open("other.raw", "wb") as file:
        file.write(bytes([2]) * 600 * KIB)
    wanted = guest("top.qcow2")
    # The backing file, its format, and that of the target; the most that the target may hold.
    rows = (("base.raw", "raw", "qcow2", 256 * KIB), ("middle.qcow2", "qcow2", "qcow2", 64 * KIB),
            ("base.vmdk", "vmdk", "qcow2", 256 * KIB), ("base.vmdk", "vmdk", "vmdk", 256 * KIB),
            ("other.raw", "raw", "qcow2", 960 * KIB), ("top.qcow2", "qcow2", "qcow2", 0), ("top.qcow2", "raw", "qcow2", MIB))
    for backing, kind, target, most in rows:
        for options in ([], ["-C"], ["-S", "0"], ["-m", "1"]):
            done = call(platter, "convert", *options, "-O", target, "-B", backing, "-F", kind, "top.qcow2", "new")
            info = json.loads(call(platter, "map", "--output=json", "-f", target, "new").stdout or "[]")
            stored = sum(part["length"] for part in info if part["depth"] == 0 and part["data"])
            if done.returncode != 0 or guest("new", target) != wanted or stored > most:
                yield f"{target} above {backing} as {kind} {options}: exit {done.returncode} {done.stderr}, {stored} bytes"


def salvages_small_clusters(platter):
    """A damaged entry of a layer with small clusters costs one of those, below one with large ones."""
    qemu_images.run("qemu-img", "convert", "-O", "qcow2", "-o", "cluster_size=4k", "base.raw", "small.qcow2")
    with open("small.qcow2", "r+b") as file:
        table = int.from_bytes(file.read(48)[40:], "big")
        file.seek(table)
        entries = int.from_bytes(file.read(8), "big") & 0x00FFFFFFFFFFFE00
        file.seek(entries + 10 * 8)
        file.write((1 << 63 | 1 << 40).to_bytes(8, "big"))
    qemu_images.create("large.qcow2", None, "cluster_size=2M", ("small.qcow2", "qcow2"))
    done = call(platter, "convert", "--salvage", "large.qcow2", "saved.raw")
    lost = content("saved.raw").count(0)
    if done.returncode != 0 or lost != 4096:
        yield f"exit {done.returncode}, lost {lost} bytes: {done.stderr}"


def standard_output_by_other_names(platter):
    for target in ("/dev/stdout", "file:/dev/stdout", "/proc/self/fd/1"):
        for options in (["-p"], ["--digest", "md5"]):
            done = call(platter, "convert", *options, "-f", "raw", "base.raw", target)
            if done.returncode != 0 or done.stdout != content("base.raw"):
                yield f"{options} {target}: exit {done.returncode}, {len(done.stdout)} bytes"
    shutil.copy("base.raw", "into.raw")
    with open("into.raw", "r+b") as file:
        words = ["convert", "-n", "-p", "--target-image-opts", "-f", "raw", "base.raw",
                 "driver=raw,file.filename=/proc/self/fd/1"]
        done = subprocess.run([platter, *words], stdout=file, stderr=subprocess.PIPE, timeout=120, check=False)
    if done.returncode != 0 or content("into.raw") != content("base.raw"):
        yield f"-n: exit {done.returncode} {done.stderr}"


def writes_behind_what_is_there(platter):
    """The standard output as a shell hands it over."""
    raw = content("base.raw")
    here = f"'{platter}' convert -f raw base.raw"
    for script, wanted in ((f"echo before >out; {here} - >>out", b"before\n" + raw),
                           (f"(echo before; {here} /dev/stdout; echo behind) >out", b"before\n" + raw + b"behind\n"),
                           (f"({here} -; {here} -; echo behind) >out", raw + raw + b"behind\n"),
                           (f"({here} -) >>out", raw), (f"exec 6>>out; echo before >&6; {here} /dev/fd/6", b"before\n" + raw),
                           (f"echo longer than it >out; {here} - 1<>out", raw)):
        if os.path.exists("out"):
            os.remove("out")
        done = subprocess.run(["bash", "-ec", script], capture_output=True, timeout=120, check=False)
        if done.returncode != 0 or content("out") != wanted:
            yield f"{script}: exit {done.returncode} {done.stderr}, {len(content('out'))} bytes"
    done = subprocess.run(["bash", "-c", f"echo before >out; {here} -O qcow2 - >>out"], capture_output=True, check=False)
    if done.returncode != 1 or content("out") != b"before\n":
        yield f"out of order: exit {done.returncode} {done.stderr}"


def joins_whole_sectors(platter):
    for name, byte in (("odd1.qcow2", "1"), ("odd2.qcow2", "2")):
        call(platter, "create", "-q", "-f", "qcow2", name, "100100")
        qemu_images.write(name, f"write -P {byte} 0 99840")
    done = call(platter, "convert", "odd1.qcow2", "odd2.qcow2", "joined.raw")
    wanted = bytes([1]) * 99840 + bytes(512) + bytes([2]) * 99840
    if done.returncode != 0 or content("joined.raw")[:len(wanted)] != wanted:
        yield f"exit {done.returncode} {done.stderr}"


def names_formats_as_qemu_does(platter):
    qemu_images.run("qemu-img", "convert", "-O", "vpc", "-o", "force_size=on", "base.raw", "base.vhd")
    qemu_images.run("qemu-img", "convert", "-O", "parallels", "base.raw", "base.hds")
    for backing, kind in (("base.vhd", "vhd"), ("base.vhd", "vpc"), ("base.hds", "ploop"), ("base.raw", "raw")):
        for words in (["create", "-q", "-f", "qcow2", "-b", backing, "-F", kind, "over"],
                      ["convert", "-O", "qcow2", "-B", backing, "-F", kind, "base.raw", "over"],
                      ["create", "-q", "-f", "qcow2", "-o", f"backing_file={backing},backing_fmt={kind}", "over"]):
            done = call(platter, *words)
            if done.returncode != 0 or guest("over") != content("base.raw"):
                yield f"{words}: exit {done.returncode} {done.stderr}"
    done = call(platter, "create", "-q", "-f", "qcow2", "-b", "base.raw", "-F", "iso", "never")
    if done.returncode != 1 or b"iso" not in done.stderr or os.path.exists("never"):
        yield f"iso: exit {done.returncode} {done.stderr}"


def reads_what_is_not_looked_into(platter):
    """qemu's names for a file without a format: a backing file that is a qcow2 image is read as bytes."""
    qemu_images.create("looks.qcow2", "1M")
    for name in ("file", "raw"):
        qemu_images.create(f"above-{name}.qcow2", None, "", ("looks.qcow2", name))
        done = call(platter, "convert", f"above-{name}.qcow2", "as.raw")
        if done.returncode != 0 or content("as.raw")[:4] != b"QFI\xfb":
            yield f"{name}: exit {done.returncode} {done.stderr}"
    done = call(platter, "create", "-q", "-f", "qcow2", "-b", "looks.qcow2", "-F", "file", "above.qcow2")
    if done.returncode != 0 or guest("above.qcow2") != content("as.raw"):
        yield f"create: exit {done.returncode} {done.stderr}"


def goes_above_what_is_in_use(platter):
    """A machine that runs has the backing file open for writing."""
    qemu_images.create("used.qcow2", "1M")
    with subprocess.Popen(["qemu-io", "used.qcow2"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as machine:
        machine.stdin.write(b"read 0 512\n")
        machine.stdin.flush()
        machine.stdout.readline()
        done = call(platter, "create", "-f", "qcow2", "-b", "used.qcow2", "-F", "qcow2", "overlay.qcow2")
        refused = call(platter, "create", "-f", "qcow2", "used.qcow2", "1M")
        machine.communicate(b"quit\n")
    if done.returncode != 0:
        yield f"exit {done.returncode} {done.stderr}"
    if refused.returncode != 1 or b'Failed to get "write" lock' not in refused.stderr:
        yield f"in its place: exit {refused.returncode} {refused.stderr}"


def leaves_nothing_behind_a_link(platter):
    os.symlink("behind.raw", "dangling.raw")
    done = call(platter, "convert", "small.qcow2", "dangling.raw")
    if done.returncode != 1:
        yield f"exit {done.returncode} {done.stderr}"
    if os.path.exists("behind.raw") or not os.path.islink("dangling.raw"):
        yield "an empty file, or no link"


if __name__ == "__main__":
    sys.exit(main())

"""Backing chains: what must not be overwritten, and what shows in a copy where layers end or share a cluster.

usage: chains.py PLATTER FOLDER
"""

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
    for check in (keeps_chain, keeps_content_beside_data, shows_nothing_behind_the_base, salvages_small_clusters,
                  standard_output_by_other_names, leaves_nothing_behind_a_link, reads_what_is_not_looked_into,
                  goes_above_what_is_in_use):
        failures += [f"{check.__name__}: {fault}" for fault in check(platter)]
    print("\n".join(failures + [f"{len(failures)} failures"]))
    os.chdir("/")
    shutil.rmtree(folder)
    return 1 if failures else 0


def content(name):
    with open(name, "rb") as file:
        return file.read()


def guest(name):
    qemu_images.run("qemu-img", "convert", "-O", "raw", name, "guest.raw")
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
    source, made = guest("over.qcow2"), guest("made.qcow2")
    # Within the base the target's backing file stands for it: that is what -B says.
    if done.returncode != 0 or made[70144:] != source[70144:]:
        yield f"exit {done.returncode} {done.stderr}"


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

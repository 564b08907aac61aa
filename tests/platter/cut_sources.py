"""Sources that are cut short or overwritten while platter reads them: an error that says so, never a crash.

usage: cut_sources.py PLATTER FOLDER

Progress goes into a pipe that is all but full, so that platter stops early in its work and goes on when the source is no
longer what it was.
"""

import fcntl
import os
import pathlib
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
import time

KIB, MIB = 1 << 10, 1 << 20
SIZE = 48 * MIB
# Progress takes about 16 bytes a time: there is room for the first.
PIPE, FULL = 4 * KIB, 4 * KIB - 24

# Name, source, words of the command; {} stands for the source.
CASES = [
    ("read", "disk.raw", ["convert", "-f", "raw", "-O", "qcow2", "{}", "made.img"]),
    ("copied by the host", "disk.raw", ["convert", "-C", "-f", "raw", "-O", "raw", "{}", "made.img"]),
    ("read from qcow2", "disk.qcow2", ["convert", "-O", "raw", "{}", "made.img"]),
    ("compressed", "disk.raw", ["convert", "-c", "-f", "raw", "-O", "qcow2", "{}", "made.img"]),
    ("inflated", "zlib.qcow2", ["convert", "-O", "raw", "{}", "made.img"]),
    ("handed through", "zlib.qcow2", ["convert", "-c", "-O", "qcow2", "{}", "made.img"]),
    ("handed through, zstd", "zstd.qcow2", ["convert", "-c", "-O", "qcow2", "-o", "compression_type=zstd", "{}", "made.img"]),
    ("handed through, vmdk", "stream.vmdk", ["convert", "-O", "vmdk", "-o", "subformat=streamOptimized", "{}", "made.img"]),
    ("compared", "disk.qcow2", ["compare", "-F", "raw", "{}", "same.raw"]),
    ("compared by digest", "disk.qcow2", ["compare", "--digest", "sha256", "{}", "same.raw"]),
    ("hashed", "disk.raw", ["hash", "--guest", "-f", "raw", "{}"]),
    ("hashed by blocks", "disk.qcow2", ["hash", "--block", "{}"]),
]
# Sources whose bytes are taken as they are.
PLAIN = ("disk.raw", "disk.qcow2")
# What images of these cases are when they are made, with -U, of a source that was overwritten.
MADE = {"read": "qcow2", "handed through": "qcow2", "handed through, zstd": "qcow2", "handed through, vmdk": "vmdk"}

# Name, source, words of the command, what it makes.
TOUCHED = [
    ("cat", "volume.iso", ["cat", "source.img", "file"], "nothing"),
    ("extract", "volume.iso", ["extract", "-C", "made", "source.img"], "made"),
    ("wrap", "volume.ext4", ["docker", "wrap", "--platform", "linux/amd64", "source.img", "made.tar"], "made.tar"),
    ("split", "volume.ext4", ["amazon", "split", "-d", "made", "source.img"], "made.ami"),
]


def run(*words):
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(words)}: exit code {done.returncode}\n{done.stdout[-500:]}{done.stderr}")


def expect(truth, what):
    if not truth:
        raise RuntimeError(what)


def make_sources(platter):
    rng = random.Random(11)
    words = [rng.randbytes(12) for _ in range(200)]
    with open("disk.raw", "wb") as disk:
        for _ in range(SIZE // (2 * MIB)):
            disk.write(b"".join(rng.choice(words) for _ in range(MIB // 12 + 1))[:MIB] + rng.randbytes(MIB))
    for name, *options in (("disk.qcow2", "-O", "qcow2"), ("zlib.qcow2", "-c", "-O", "qcow2"),
                           ("zstd.qcow2", "-c", "-O", "qcow2", "-o", "compression_type=zstd"),
                           ("stream.vmdk", "-O", "vmdk", "-o", "subformat=streamOptimized")):
        run(platter, "convert", "-f", "raw", *options, "disk.raw", name)
    shutil.copy("disk.raw", "same.raw")


def bytes_in(pipe):
    return struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)))[0]


def disturbed(platter, words, source, disturb):
    """(exit code, what was said) of a run during which `disturb` changes the source."""
    shutil.copy(source, "source.img")
    read, write = os.pipe()
    fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, PIPE)
    os.write(write, bytes(FULL))
    words = [word.replace("{}", "source.img") for word in words]
    said = b""
    with subprocess.Popen([platter, words[0], "-p", *words[1:]], stdout=write, stderr=write) as child:
        while bytes_in(read) == FULL:
            expect(child.poll() is None, f"{words}: ended before it was disturbed")
            time.sleep(0.002)
        disturb("source.img")
        os.close(write)
        while part := os.read(read, 1 << 16):
            said += part
    os.close(read)
    return child.returncode, said.decode()


def cut(path):
    os.truncate(path, MIB)


def overwrite(path):
    """Other bytes in the second half, tables of compressed images and markers of streams among them."""
    size = os.path.getsize(path)
    with open(path, "r+b") as file:
        file.seek(size // 2)
        file.write(random.Random(5).randbytes(size - size // 2))


def remove(path):
    if os.path.isdir(path):
        shutil.rmtree(path)
    else:
        pathlib.Path(path).unlink(missing_ok=True)


def make_volumes(platter):
    os.mkdir("tree")
    with open("tree/file", "wb") as file:
        file.write(random.Random(6).randbytes(SIZE))
    run(platter, "create", "-q", "--from", "tree", "volume.iso")
    with open("volume.ext4", "wb") as file:
        file.truncate(2 * SIZE)
    run("mke2fs", "-q", "-F", "-t", "ext4", "-d", "tree", "volume.ext4")


def touched(platter, words, source):
    """(exit code, what was said) of a run while somebody keeps writing to the source."""
    shutil.copy(source, "source.img")
    with tempfile.TemporaryFile() as said, open(os.devnull, "wb") as nowhere:
        with subprocess.Popen([platter, *words], stdout=nowhere, stderr=said) as child:
            while child.poll() is None:
                os.utime("source.img")
        said.seek(0)
        return child.returncode, said.read().decode()


def notice_touches(platter):
    for name, source, words, made in TOUCHED:
        # The last touch of a run may come before it has opened the file.
        for _ in range(50):
            code, said = touched(platter, words, source)
            if code != 0:
                break
            remove(made)
        expect(code == 1 and "changed while it was read" in said, f"{name}, touched: {code} {said}")
        expect(name == "extract" or not os.path.exists(made), f"{name}, touched: {made} is left")
        remove(made)
        code, said = touched(platter, [*words, "-U"], source)
        # An ext4 file system alone has no kernel, which split says when it has written the rest.
        expect(code == (1 if name == "split" else 0) and "changed while" not in said, f"{name}, -U: {code} {said}")
        remove(made)


def main():
    platter, folder = sys.argv[1:3]
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    os.chdir(folder)
    make_sources(platter)
    for name, source, words in CASES:
        remove("made.img")  # of the case before
        code, said = disturbed(platter, words, source, cut)
        expect(code in (1, 4) and ("shrank" in said or "reading" in said), f"{name}, cut: {code} {said}")
        code, said = disturbed(platter, words, source, overwrite)
        expect(code in (1, 4) and not os.path.exists("made.img"), f"{name}, overwritten: {code} {said}")
        # What was compressed may also turn out to be damaged.
        expect("changed while it was read" in said or source not in PLAIN, f"{name}, overwritten: {said}")
        code, said = disturbed(platter, [words[0], "-U", *words[1:]], source, overwrite)
        expect(code in (0, 1, 4) and "changed while" not in said, f"{name}, overwritten, -U: {code} {said}")
        if code == 0 and name in MADE:
            run(platter, "check", "-f", MADE[name], "made.img")
    shared = ["convert", "--image-opts", "-O", "qcow2", "driver=raw,file.filename={},force-share=on", "made.img"]
    code, said = disturbed(platter, shared, "disk.raw", overwrite)
    expect(code == 0, f"overwritten, force-share=on: {code} {said}")
    make_volumes(platter)
    notice_touches(platter)
    print(f"{len(CASES)} ways of reading, each cut short and overwritten, {len(TOUCHED)} touched")
    os.chdir("/")
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()

"""Compressed images into compressed images: what `convert` moves without inflating it, and --compression-level.

usage: packed.py PLATTER FOLDER
"""

import os
import random
import shutil
import subprocess
import sys

KIB, MIB = 1 << 10, 1 << 20
SIZE = 9 * MIB + 5 * 512

# Name, how qemu-img makes the source, and the words by which convert makes the same kind again.
KINDS = [
    ("zlib", ["-c", "-O", "qcow2"], ["-c", "-O", "qcow2"]),
    ("zstd", ["-c", "-O", "qcow2", "-o", "compression_type=zstd"], ["-c", "-O", "qcow2", "-o", "compression_type=zstd"]),
    ("stream", ["-O", "vmdk", "-o", "subformat=streamOptimized"], ["-O", "vmdk", "-o", "subformat=streamOptimized"]),
]
# A file ends with a whole cluster: small ones show what larger ones hide of the little between zlib's levels.
LEVELS = [(["-c", "-O", "qcow2", "-o", "cluster_size=4k"], [1, 2, 3, 4, 6, 9], [0, 10, -1]),
          (["-c", "-O", "qcow2", "-o", "compression_type=zstd"], [1, 3, 19, 22], [0, 23]),
          (["-O", "vmdk", "-o", "subformat=streamOptimized"], [1, 2, 3, 5, 9], [0, 10]),
          (["-O", "ova"], [1, 9], [10])]


def run(*words, code=0):
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode != code:
        raise RuntimeError(f"{' '.join(words)}: exit code {done.returncode}\n{done.stdout[-500:]}{done.stderr}")
    return done.stdout + done.stderr


def expect(truth, what):
    if not truth:
        raise RuntimeError(what)


def content(path):
    with open(path, "rb") as file:
        return file.read()


def alike(first, second):
    """Made the same way; of a VMDK, whose id is drawn by lot, the size has to do."""
    if first.endswith(".vmdk"):
        return os.path.getsize(first) == os.path.getsize(second)
    return content(first) == content(second)


def make_disk():
    rng = random.Random(7)
    words = [rng.randbytes(6) for _ in range(300)]
    with open("disk.raw", "wb") as disk:
        disk.truncate(SIZE)
        for at in range(0, SIZE - 700 * KIB, 900 * KIB):
            disk.seek(at + rng.randrange(8) * 4096)
            disk.write(b"".join(rng.choice(words) for _ in range(50000)))
            disk.write(rng.randbytes(150 * KIB))


def same(path, *words):
    run("./platter", "compare", *words, "disk.raw", path)


def sound(path):
    run("./platter", "check", path)
    if path.endswith(".qcow2"):
        run("qemu-img", "check", path)
        run("qemu-img", "compare", "disk.raw", path)


def test_moved(name, qemu_words, words):
    suffix = "qcow2" if "qcow2" in words else "vmdk"
    source, passed, again = (f"{name}.{kind}.{suffix}" for kind in ("source", "passed", "again"))
    run("qemu-img", "convert", "-f", "raw", *qemu_words, "disk.raw", source)
    run("./platter", "convert", *words, source, passed)
    sound(passed)
    same(passed)
    # Other levels than ours leave their mark in the bytes: they have come as they were.
    recompressed = f"{name}.recompressed.{suffix}"
    run("./platter", "convert", "--recompress", *words, source, recompressed)
    same(recompressed)
    expect(not alike(passed, recompressed), f"{name}: --recompress changes nothing")
    expect(os.path.getsize(passed) < 1.05 * os.path.getsize(source) + 128 * KIB, f"{name}: grows")
    run("./platter", "convert", *words, passed, again)
    expect(os.path.getsize(again) == os.path.getsize(passed), f"{name}: grows again")
    for workers in ("1", "3", "16"):
        run("./platter", "convert", "-m", workers, *words, source, again)
        same(again)
        expect(alike(again, passed), f"{name}: -m {workers} gives other bytes")
    # Who sees every byte gets what --recompress makes.
    for option in (["--digest", "sha256"], ["-S", "4k"], ["--salvage"]):
        run("./platter", "convert", *option, *words, source, again)
        expect(alike(again, recompressed), f"{name}: {option[0]} does not inflate")


def test_appliances():
    run("./platter", "convert", "-O", "ova", "--compression-level", "9", "disk.raw", "one.ova")
    run("./platter", "convert", "-O", "ova", "one.ova", "two.ova")
    run("./platter", "convert", "-O", "ova", "--recompress", "one.ova", "three.ova")
    for name in ("one.ova", "two.ova", "three.ova"):
        same(name)
        run("./platter", "inspect", "--expect-container", "ova", "--depth", "full", name)
    expect(os.path.getsize("two.ova") == os.path.getsize("one.ova"), "an OVA is not passed through")
    expect(os.path.getsize("three.ova") > os.path.getsize("one.ova"), "--recompress does nothing to an OVA")


def test_damage():
    """Of damage that hides until it is inflated the new image has no more and no less than the old one."""
    source = bytearray(content("zlib.source.qcow2"))
    at = 5 * 65536 + 100  # behind the tables
    source[at:at + 40] = bytes(40)
    with open("damaged.qcow2", "wb") as file:
        file.write(source)
    for option in (["--recompress"], ["--digest", "md5"], []):
        done = subprocess.run(["./platter", "convert", *option, "-c", "-O", "qcow2", "damaged.qcow2", "made.qcow2"],
                              capture_output=True, text=True, check=False)
        before = subprocess.run(["./platter", "hash", "--guest", "damaged.qcow2"], capture_output=True, text=True,
                                check=False)
        if option:
            expect(done.returncode == before.returncode, f"{option}: {done.stderr}")
        else:
            expect(done.returncode == 0, f"moved: {done.stderr}")
            after = subprocess.run(["./platter", "hash", "--guest", "made.qcow2"], capture_output=True, text=True,
                                   check=False)
            expect(after.returncode == before.returncode, f"damage: {before.stderr} {after.stderr}")
            expect(after.stdout.split()[:1] == before.stdout.split()[:1], "damage reads differently")
    with open("cut.qcow2", "wb") as file:
        file.write(content("zlib.source.qcow2")[:len(source) // 2])
    run("./platter", "convert", "-c", "-O", "qcow2", "cut.qcow2", "made.qcow2", code=1)


def test_levels():
    for words, good, bad in LEVELS:
        sizes = []
        for level in good:
            run("./platter", "convert", "--compression-level", str(level), *words, "disk.raw", "level.img")
            same("level.img")
            sizes.append(os.path.getsize("level.img"))
        expect(sizes[-1] < sizes[0], f"{words}: {sizes}")
        for level in bad:
            text = run("./platter", "convert", "--compression-level", str(level), *words, "disk.raw", "bad.img", code=1)
            expect("level" in text and not os.path.exists("bad.img"), f"{words}, level {level}: {text}")
    run("./platter", "convert", "-O", "qcow2", "-c", "zlib.source.qcow2", "plain.qcow2")
    run("./platter", "convert", "-O", "qcow2", "-c", "--compression-level", "9", "zlib.source.qcow2", "nine.qcow2")
    same("nine.qcow2")
    for words in (["-O", "qcow2"], ["-O", "raw"], ["-O", "vmdk"]):
        text = run("./platter", "convert", "--compression-level", "3", *words, "disk.raw", "bad.img", code=1)
        expect("--compression-level" in text and not os.path.exists("bad.img"), f"{words}: {text}")
    text = run("./platter", "convert", "--compression-level", "much", "-c", "-O", "qcow2", "disk.raw", "x", code=1)
    expect("much" in text, text)
    done = subprocess.run(["./qemu-img", "convert", "--recompress", "disk.raw", "x"], capture_output=True, check=False)
    expect(done.returncode == 1, "qemu-img knows --recompress")


def main():
    platter, folder = os.path.abspath(sys.argv[1]), sys.argv[2]
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    os.chdir(folder)
    os.symlink(platter, "platter")
    os.symlink(platter, "qemu-img")
    make_disk()
    for kind in KINDS:
        test_moved(*kind)
    test_appliances()
    test_damage()
    test_levels()
    os.chdir("/")
    shutil.rmtree(folder)
    print("ok")


if __name__ == "__main__":
    main()

"""Converts real boot images with every combination of qcow2 options and compares with qemu-img.

usage: convert_combinations.py PLATTER FOLDER [SHARE]   (one combination in SHARE only)

For each combination: qemu-img reads the same bytes from our image and finds nothing wrong with it; our image takes at
most the space that qemu-img's does, to a page (compressed: at most 10 % more); we read the same bytes from qemu-img's.
"""

import concurrent.futures
import os
import shutil
import subprocess
import sys
import tempfile

SOURCES = ["/usr/lib/grub-rescue/grub-rescue-floppy.img", "/usr/lib/grub-rescue/grub-rescue-cdrom.iso"]
COMPRESSED_MARGIN = 1.10
# Where holes and data share a page of the host, the order of the writes decides which pages stay sparse.
PAGE = 4096


def combinations():
    """Words of convert, without the formats and the files."""
    for size in ("512", "4k", "64k", "2M"):
        cluster = f"cluster_size={size}"
        for compat in ("0.10", "1.1"):
            yield ["-o", f"compat={compat},{cluster}"]
            yield ["-c", "-o", f"compat={compat},{cluster}"]
        for bits in (1, 8, 64):
            yield ["-o", f"refcount_bits={bits},{cluster}"]
        yield ["-o", f"lazy_refcounts=on,{cluster}"]
        yield ["-c", "-o", f"compression_type=zstd,{cluster}"]
        for mode in ("metadata", "falloc", "full"):
            yield ["-o", f"preallocation={mode},{cluster}"]
    for size in ("16k", "64k", "2M"):
        yield ["-o", f"extended_l2=on,cluster_size={size}"]
        yield ["-c", "-o", f"extended_l2=on,cluster_size={size}"]
        yield ["-o", f"extended_l2=on,preallocation=metadata,cluster_size={size}"]
    for coroutines in ("1", "4", "16"):
        yield ["-m", coroutines]
        yield ["-c", "-m", coroutines]
        yield ["-W", "-m", coroutines]
    for sparse in ("0", "4k", "64k"):
        yield ["-S", sparse]


def run(*words):
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(words)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")


def space(path):
    return os.stat(path).st_blocks * 512


def try_out(platter, folder, source, words):
    """Raises when platter and qemu-img disagree."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        ours, theirs, back = (os.path.join(place, name) for name in ("ours.qcow2", "theirs.qcow2", "back.raw"))
        run(platter, "convert", "-f", "raw", "-O", "qcow2", *words, source, ours)
        run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", *words, source, theirs)
        run("qemu-img", "check", "-f", "qcow2", ours)
        run("qemu-img", "compare", "-f", "raw", "-F", "qcow2", source, ours)
        run(platter, "convert", "-f", "qcow2", "-O", "raw", theirs, back)
        run("cmp", source, back)
        allowed = space(theirs) * (COMPRESSED_MARGIN if "-c" in words else 1) + PAGE
        if space(ours) > allowed:
            raise RuntimeError(f"our image takes {space(ours)} bytes, allowed are {allowed:.0f}")


def main():
    platter, folder = sys.argv[1:3]
    share = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    failures = 0
    cases = [(source, words) for source in SOURCES for words in combinations()][::share]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        running = [(case, pool.submit(try_out, platter, folder, *case)) for case in cases]
        for (source, words), future in running:
            try:
                future.result()
            except Exception as failure:  # every kind of failure is a finding
                failures += 1
                print(f"convert {' '.join(words)} {source}: {failure}")
    print(f"{len(cases) - failures} passed, {failures} failed")
    return 1 if failures else 0


sys.exit(main())

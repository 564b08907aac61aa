"""Converts a disk between every pair of formats and variants, and has qemu-img compare each result with the disk.

usage: convert_matrix.py PLATTER FOLDER [SHARE [DISK.raw]]

SHARE: of so many pairs one is converted; every variant is a source and a target still. Without DISK.raw: a bootable CD
image. A large disk takes a while: 4 GiB about half an hour. The formats that qemu-img does not read are compared by
platter itself. Formats that hold no arbitrary disk must be refused as targets.
"""

import concurrent.futures
import os
import shutil
import subprocess
import sys
import tempfile

DISK = "/usr/lib/grub-rescue/grub-rescue-cdrom.iso"

# Name, format, words of convert, the peer's word for the format ("": it cannot read this).
VARIANTS = [
    ("raw", "raw", [], "raw"),
    ("qcow2", "qcow2", [], "qcow2"),
    ("qcow2-v2-512", "qcow2", ["-o", "compat=0.10,cluster_size=512"], "qcow2"),
    ("qcow2-zlib", "qcow2", ["-c"], "qcow2"),
    ("qcow2-zstd", "qcow2", ["-c", "-o", "compression_type=zstd"], "qcow2"),
    ("qcow2-subclusters", "qcow2", ["-o", "extended_l2=on"], "qcow2"),
    ("vhd-dynamic", "vhd", [], "vpc"),
    ("vhd-fixed", "vhd", ["-o", "subformat=fixed"], "vpc"),
    ("vhd-azure", "vhd", ["-o", "azure=on"], "vpc"),
    ("vhdx-dynamic", "vhdx", [], "vhdx"),
    ("vhdx-fixed", "vhdx", ["-o", "subformat=fixed"], "vhdx"),
    ("vmdk-sparse", "vmdk", [], "vmdk"),
    ("vmdk-flat", "vmdk", ["-o", "subformat=monolithicFlat"], "vmdk"),
    ("vmdk-2gb-sparse", "vmdk", ["-o", "subformat=twoGbMaxExtentSparse"], "vmdk"),
    ("vmdk-2gb-flat", "vmdk", ["-o", "subformat=twoGbMaxExtentFlat"], "vmdk"),
    ("vmdk-stream", "vmdk", ["-o", "subformat=streamOptimized"], "vmdk"),
    ("vdi-dynamic", "vdi", [], "vdi"),
    ("vdi-static", "vdi", ["-o", "static=on"], "vdi"),
    ("ploop", "ploop", [], "parallels"),
    ("ploop-bundle", "ploop", ["-o", "bundle=on"], ""),
]
REFUSED = ["iso", "qcow", "luks", "dmg"]


def run(*words):
    done = subprocess.run(words, capture_output=True, text=True, timeout=3600, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(words)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")


class Matrix:
    """One disk, and a folder for its images."""

    def __init__(self, platter, folder, disk):
        self.platter = platter
        self.folder = folder
        self.disk = disk

    def source(self, name):
        """The path of the disk as variant `name`."""
        return os.path.join(self.folder, f"source-{name}")

    def convert(self, source, source_format, variant, target):
        """Converts, and compares the result with the disk."""
        _, target_format, words, peer = variant
        run(self.platter, "convert", "-f", source_format, "-O", target_format, *words, source, target)
        compare = ["qemu-img", "compare", "-F", peer] if peer else [self.platter, "compare", "-F", target_format]
        run(*compare, "-f", "raw", self.disk, target)

    def pair(self, source, variant):
        """Converts variant `source` to `variant` in a folder that is gone afterwards."""
        with tempfile.TemporaryDirectory(dir=self.folder) as place:
            self.convert(self.source(source[0]), source[1], variant, os.path.join(place, "out"))

    def refuse(self, target_format):
        """No disk can become a `target_format`, and nothing is left of the attempt."""
        target = os.path.join(self.folder, f"refused-{target_format}")
        words = [self.platter, "convert", "-f", "raw", "-O", target_format, self.source("raw-disk"), target]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode != 1 or not done.stderr or os.path.exists(target):
            raise RuntimeError(f"{' '.join(words)}: exit code {done.returncode}, {done.stderr}")


def attempt(cases):
    """Runs [(text, function, arguments)]; the number of failures."""
    failures = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        running = [(text, pool.submit(function, *arguments)) for text, function, *arguments in cases]
        for text, future in running:
            try:
                future.result()
            except (RuntimeError, subprocess.TimeoutExpired) as error:
                failures += 1
                print(f"FAILED {text}\n{error}", flush=True)
    return failures


def main():
    platter, folder = sys.argv[1:3]
    share = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    disk = sys.argv[4] if len(sys.argv) > 4 else DISK
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    matrix = Matrix(platter, folder, disk)
    # Not an ISO at its beginning, whatever the disk is.
    with open(matrix.source("raw-disk"), "wb") as file:
        file.truncate(1 << 20)
    cases = [(f"to {name}", matrix.convert, disk, "raw", variant, matrix.source(name))
             for variant in VARIANTS for name in variant[:1]]
    cases += [(f"{name} is refused", matrix.refuse, name) for name in REFUSED]
    failures = attempt(cases)
    count = len(cases)
    if failures == 0:
        pairs = [(f"{source[0]} to {variant[0]}", matrix.pair, source, variant)
                 for row, source in enumerate(VARIANTS) for column, variant in enumerate(VARIANTS)
                 if (row + column) % share == 0]
        failures = attempt(pairs)
        count += len(pairs)
    shutil.rmtree(folder, ignore_errors=True)
    print(f"{count - failures} conversions as expected, {failures} not")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())

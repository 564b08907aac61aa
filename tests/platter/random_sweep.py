"""Converts random disks with random options between all formats, beside qemu-img.

usage: random_sweep.py PLATTER FOLDER [SHARE [FIRST [ROUNDS]]]   (one round in SHARE only)

Each round has a seed: a disk of noise, text, zeros and holes of random lengths, and a kind of image with random options.
Platter writes it and qemu-img reads it back; qemu-img writes it and platter reads it back; platter converts qemu-img's
image to another random kind, which qemu-img reads back. Each time the guest disk has the SHA-256 of the first. A
failure names its seed: FIRST is the seed to begin with.
"""

import concurrent.futures
import hashlib
import os
import random
import shutil
import subprocess
import sys
import tempfile

ROUNDS = 120
LARGEST = 5 << 20
SECTOR = 512


def run(*words):
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(words)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")


def make_disk(path, chooser, size):
    """The SHA-256 of what it holds."""
    content = bytearray()
    longest = chooser.choice((4 << 10, 64 << 10, 1 << 20))
    with open(path, "wb") as file:
        while len(content) < size:
            length = min(size - len(content), SECTOR * (1 + chooser.randrange(longest // SECTOR)))
            kind = chooser.choice(("noise", "text", "zeros", "hole", "hole"))
            piece = {"noise": chooser.randbytes, "text": lambda count: (b"%016x " % chooser.randrange(1 << 40)
                     * (count // 17 + 1))[:count]}.get(kind, bytes)(length)
            if kind == "hole":
                file.seek(length, os.SEEK_CUR)
            else:
                file.write(piece)
            content += piece
        file.truncate(size)
    return hashlib.sha256(content).hexdigest()


def qcow2(chooser):
    """Options and further words of convert."""
    size = chooser.choice((9, 10, 12, 14, 16, 18, 21))
    options = [f"cluster_size={1 << size}"]
    if chooser.randrange(4) == 0:
        options.append("compat=0.10")
    else:
        options.append(f"refcount_bits={1 << chooser.randrange(7)}")
        options += ["lazy_refcounts=on"] * chooser.randrange(2)
        options += ["extended_l2=on"] * (size >= 14 and chooser.randrange(2))
        if chooser.randrange(3) == 0:
            return [*options, f"compression_type={chooser.choice(('zlib', 'zstd'))}"], ["-c"]
    if chooser.randrange(4) == 0:
        return options, ["-c"]
    return [*options, f"preallocation={chooser.choice(('off', 'off', 'off', 'metadata', 'falloc', 'full'))}"], []


def vmdk(chooser):
    subformat = chooser.choice(("monolithicSparse", "monolithicFlat", "twoGbMaxExtentSparse", "twoGbMaxExtentFlat",
                                "streamOptimized"))
    options = [f"subformat={subformat}", f"adapter_type={chooser.choice(('ide', 'lsilogic', 'buslogic'))}"]
    options += ["zeroed_grain=on"] * (subformat.endswith("Sparse") and chooser.randrange(2))
    return options, ["-c"] if subformat == "streamOptimized" else []


def vhdx(chooser):
    options = [f"subformat={chooser.choice(('dynamic', 'fixed'))}", f"block_size={chooser.choice((1, 2, 8))}M"]
    return [*options, f"block_state_zero={chooser.choice(('on', 'off'))}", f"log_size={chooser.choice((1, 2))}M"], []


KINDS = {
    "raw": lambda chooser: ([f"preallocation={chooser.choice(('off', 'falloc', 'full'))}"], []),
    "qcow2": qcow2,
    "vpc": lambda chooser: (["force_size=on", f"subformat={chooser.choice(('dynamic', 'fixed'))}"], []),
    "vhdx": vhdx,
    "vmdk": vmdk,
    "vdi": lambda chooser: ([f"static={chooser.choice(('on', 'off'))}"], []),
    "parallels": lambda chooser: ([f"cluster_size={chooser.choice((64, 100, 512, 1024))}k"], []),
}
# Half of the rounds are about qcow2, which has the most options.
CHOICES = [*KINDS, *["qcow2"] * (len(KINDS) - 2)]


class Round:
    def __init__(self, platter, folder, seed):
        self.platter = platter
        self.folder = folder
        self.chooser = random.Random(seed)
        self.size = SECTOR * (1 + self.chooser.randrange(LARGEST // SECTOR))
        self.disk = self.path("disk.raw")
        self.digest = make_disk(self.disk, self.chooser, self.size)

    def path(self, name):
        return os.path.join(self.folder, name)

    def words(self, kind):
        """Of convert, to an image of the kind."""
        options, words = KINDS[kind](self.chooser)
        words = ["-O", kind, "-o", ",".join(options), *words, "-m", str(1 + self.chooser.randrange(16))]
        words += ["-W"] * self.chooser.randrange(2)
        return words + self.chooser.choice(([], [], ["-S", "0"], ["-S", "4k"], ["-S", "64k"]))

    def expect(self, reader, kind, image):
        """The reader finds the disk in the image. Some formats round its size up."""
        back = self.path("back.raw")
        run(reader, "convert", "-f", kind, "-O", "raw", image, back)
        with open(back, "rb") as file:
            same = hashlib.sha256(file.read(self.size)).hexdigest() == self.digest and not file.read().strip(b"\0")
        os.remove(back)
        if not same:
            raise RuntimeError(f"{reader} reads another disk from {image}")

    def over_a_base(self):
        """Platter writes a child of another disk, and hides all of that."""
        base = self.path("base.qcow2")
        make_disk(self.path("base.raw"), self.chooser, SECTOR * (1 + self.chooser.randrange(LARGEST // SECTOR)))
        run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", self.path("base.raw"), base)
        image = self.path("child")
        options = [option for option in qcow2(self.chooser)[0] if not option.startswith("preallocation")]
        run(self.platter, "convert", "-f", "raw", "-O", "qcow2", "-B", base, "-F", "qcow2", "-o", ",".join(options),
            self.disk, image)
        self.expect("qemu-img", "qcow2", image)

    def play(self):
        kind, other = self.chooser.choice(CHOICES), self.chooser.choice(CHOICES)
        words = self.words(kind)
        ours, theirs, converted = self.path("ours"), self.path("theirs"), self.path("converted")
        run(self.platter, "convert", "-f", "raw", *words, self.disk, ours)
        self.expect("qemu-img", kind, ours)
        run("qemu-img", "convert", "-f", "raw", *words, self.disk, theirs)
        self.expect(self.platter, kind, theirs)
        run(self.platter, "convert", "-f", kind, *self.words(other), theirs, converted)
        self.expect("qemu-img", other, converted)
        if self.chooser.randrange(4) == 0:
            self.over_a_base()


def play(platter, folder, seed):
    with tempfile.TemporaryDirectory(dir=folder) as place:
        Round(platter, place, seed).play()


def main():
    platter, folder = sys.argv[1:3]
    share, first, rounds = [int(word) for word in sys.argv[3:]] + [1, 1, ROUNDS][len(sys.argv) - 3:]
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    seeds = range(first, first + rounds)[::share]
    failures = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        running = [(seed, pool.submit(play, platter, folder, seed)) for seed in seeds]
        for seed, future in running:
            try:
                future.result()
            except (RuntimeError, subprocess.TimeoutExpired) as failure:
                failures += 1
                print(f"seed {seed}: {failure}")
    shutil.rmtree(folder, ignore_errors=True)
    print(f"{len(seeds) - failures} rounds passed, {failures} failed")
    return 1 if failures else 0


sys.exit(main())

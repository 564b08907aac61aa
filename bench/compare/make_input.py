#!/usr/bin/env python3
"""Makes the input of run.sh: a sparse raw disk with mixed data, the same for one seed and one distribution's files.

usage: make_input.py FILE [VIRTUAL_MIB [DATA_MIB [SEED]]]

Of the data a quarter is random bytes, half is files of the distribution (programs, libraries, texts), a quarter is
zeros that are written, not left out. The stretches are 64 KiB to 4 MiB long and lie scattered over the disk.
"""
import os
import random
import sys

MIB = 1 << 20
LONGEST = 4 * MIB


def distribution_files():
    """The bytes of the distribution's files, one after another, in a fixed order."""
    for folder in ("/usr/bin", "/usr/lib/x86_64-linux-gnu", "/usr/share/doc", "/usr/share/perl"):
        for path, folders, names in os.walk(folder):
            folders.sort()
            for name in sorted(names):
                file = os.path.join(path, name)
                if os.path.isfile(file) and not os.path.islink(file):
                    with open(file, "rb") as stream:
                        yield stream.read()


class Files:
    def __init__(self):
        self.source = distribution_files()
        self.rest = b""

    def take(self, length):
        parts = [self.rest]
        have = len(self.rest)
        while have < length:
            part = next(self.source, None)
            if part is None:
                self.source = distribution_files()
                continue
            parts.append(part)
            have += len(part)
        joined = b"".join(parts)
        self.rest = joined[length:]
        return joined[:length]


def stretches(rng, virtual, data):
    """(offset, length, kind) of stretches that do not overlap, in ascending order."""
    lengths = []
    while sum(lengths) < data:
        lengths.append(min(rng.randrange(1, LONGEST // 65536 + 1) * 65536, data - sum(lengths)))
    gaps = sorted(rng.randrange(0, (virtual - data) // 4096 + 1) * 4096 for _ in lengths)
    kinds = (["noise", "files", "files", "zero"] * (len(lengths) // 4 + 1))[: len(lengths)]
    rng.shuffle(kinds)
    done = 0
    for gap, length, kind in zip(gaps, lengths, kinds):
        yield gap + done, length, kind
        done += length


def main():
    path = sys.argv[1]
    virtual, data, seed = (int(sys.argv[i]) if len(sys.argv) > i else v for i, v in ((2, 4096), (3, 1024), (4, 1)))
    rng = random.Random(seed)
    files = Files()
    with open(path, "wb") as out:
        out.truncate(virtual * MIB)
        for offset, length, kind in stretches(rng, virtual * MIB, data * MIB):
            out.seek(offset)
            out.write(rng.randbytes(length) if kind == "noise" else
                      files.take(length) if kind == "files" else bytes(length))


if __name__ == "__main__":
    main()

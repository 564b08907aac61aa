"""Runs platter and qemu-img side by side on one image per feature and compares standard output and exit codes.

usage: compare_with_qemu.py PLATTER FOLDER [SHARE]   (one command line in SHARE only)

Called as qemu-img, platter must print the same bytes; called as platter, the same but for the differences listed in
qemu_differences.txt, each of which must occur.
"""

import concurrent.futures
import json
import os
import shutil
import subprocess
import sys

import qemu_images


def call(program, words, folder="."):
    environment = dict(os.environ, TZ="Europe/Berlin")
    result = subprocess.run([program, *words], cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                            capture_output=True, timeout=60, check=False)
    return result.returncode, result.stdout, result.stderr


# A backing chain that is a ring: qemu-img follows it until it has no memory left, unless it is asked for info only.
ENDLESS_FOR_QEMU = ("loop-a.qcow2", "loop-b.qcow2")


DRIVERS = {"raw": "raw", "vhd": "vpc", "vhdx": "vhdx", "vdi": "vdi", "hdd": "parallels", "vmdk": "vmdk"}


def command_lines(image):
    """What every image is asked."""
    yield ["info", image]
    yield ["info", "--output=json", image]
    yield ["info", "--output=json", "--backing-chain", image]
    if image in ENDLESS_FOR_QEMU:
        return
    yield ["info", "--backing-chain", image]
    for verb in ("check", "map"):
        yield [verb, image]
        yield [verb, "--output=json", image]
    yield ["map", "--output=json", "--start-offset=5000", "--max-length=70001", image]
    yield ["measure", "--output=json", "-O", "qcow2", image]
    yield ["measure", "-O", "qcow2", "-o", "cluster_size=4k,refcount_bits=8", image]
    yield ["measure", image]
    driver = DRIVERS.get(image.rpartition(".")[2], "qcow2")
    yield ["info", "-U", "--image-opts", f"driver={driver},file.filename={image}"]



EXTRA_COMMAND_LINES = [
    ["measure", "-l", "first", "-O", "qcow2", "snapshots.qcow2"],
    ["measure", "-l", "snapshot.name=3", "-O", "raw", "snapshots.qcow2"],
    ["measure", "-l", "2", "--output=json", "-O", "qcow2", "snapshots.qcow2"],
    ["measure", "--size", "1T", "-O", "qcow2"],
    ["measure", "--size", "1000001", "-O", "raw", "--output=json"],
    ["measure", "--size", "10G", "-O", "qcow2", "-o", "cluster_size=2M,preallocation=full"],
    ["info", "--image-opts", "driver=raw,file.driver=file,file.filename=sparse.raw,offset=64k,size=1M"],
    ["map", "--output=json", "--image-opts", "driver=raw,file.filename=sparse.raw,offset=64k,size=1M"],
    ["map", "--image-opts", "driver=raw,file.filename=sparse.raw,offset=900k,size=1M"],
    ["map", "--output=json", "--image-opts",
     "driver=qcow2,file.filename=missing-base.qcow2,backing.driver=raw,backing.file.filename=sparse.raw"],
    ["map", "--output=json", "--image-opts",
     "driver=qcow2,file.filename=missing-base.qcow2,backing.driver=qcow2,backing.file.filename=middle.qcow2,"
     "backing.backing.driver=raw,backing.backing.file.filename=sparse.raw"],
    ["map", "--output=json", "--start-offset=7M", "v3.qcow2"],
    ["map", "--output=json", "--max-length=0", "v3.qcow2"],
    ["info", "-f", "vpc", "fixed.vpc"],
    ["info", "--output=json", "-f", "vpc", "fixed.vpc"],
    ["map", "--output=json", "-f", "vpc", "fixed.vpc"],
    ["map", "-f", "vpc", "fixed.vpc"],
    ["check", "-f", "vpc", "fixed.vpc"],
    ["measure", "-f", "vpc", "-O", "qcow2", "fixed.vpc"],
    ["measure", "--size", "1G", "-O", "vpc"],
    ["info", "file:sparse.raw"],
    ["info", "-f", "raw", "v3.qcow2"],
    ["map", "-f", "raw", "--output=json", "v3.qcow2"],
    ["check", "-q", "leaked.qcow2"],
    ["check", "-q", "v3.qcow2"],
    ["info", "--output=json", "./sub/../sparse.raw"],
    ["create", "-f", "raw", "-o", "help"],
    ["create", "-f", "qcow2", "-o", "help"],
    ["create", "-f", "raw", "-o", "help", "new.raw"],
    *[["create", "-o", "help", "-f", name] for name in ("vdi", "parallels", "vmdk", "vhdx", "vpc")],
]

CREATIONS = [
    ["-f", "raw", "new.raw", "1M"],
    ["-f", "raw", "-o", "preallocation=full", "new.raw", "1000001"],
    ["-f", "raw", "-o", "nocow=on,extent_size_hint=1M,preallocation=off", "new.raw", "1k"],
    ["new.raw", "1.5G"],
    ["-f", "qcow2", "new.qcow2", "10M"],
    ["-f", "qcow2", "new.qcow2", "1000"],
    ["-f", "qcow2", "-o", "size=5M", "new.qcow2"],
    ["-q", "-f", "qcow2", "new.qcow2", "10M"],
    ["-f", "qcow2", "-o", "compat=0.10", "new.qcow2", "10M"],
    ["-f", "qcow2", "-o", "cluster_size=2M", "-o", "refcount_bits=64,lazy_refcounts", "new.qcow2", "100G"],
    ["-f", "qcow2", "-o", "cluster_size=512,extended_l2=off,compat=v3", "new.qcow2", "64M"],
    ["-f", "qcow2", "-o", "extended_l2=on,preallocation=metadata,compression_type=zstd", "new.qcow2", "64M"],
    ["-f", "qcow2", "-o", "preallocation=full", "new.qcow2", "3M"],
    ["-f", "qcow2", "-o", "preallocation=falloc", "new.qcow2", "3M"],
    ["-f", "qcow2", "-o", "data_file=new.bin,data_file_raw=on", "new.qcow2", "3M"],
    ["-f", "vpc", "new.vhd", "10M"],
    ["-f", "vpc", "-o", "force_size=on", "new.vhd", "10M"],
    ["-f", "vpc", "-o", "subformat=fixed", "new.vhd", "1000"],
    ["-f", "vpc", "-o", "subformat=dynamic,force_size=off", "new.vhd", "127G"],
    ["-f", "vdi", "new.vdi", "10M"],
    ["-f", "vdi", "-o", "static=on", "new.vdi", "1000"],
    ["-f", "vdi", "-o", "preallocation=bogus", "new.vdi", "1M"],
    ["-f", "parallels", "new.hdd", "10M"],
    ["-f", "parallels", "-o", "cluster_size=64k", "new.hdd", "1000000"],
    ["-f", "vhdx", "new.vhdx", "10M"],
    ["-f", "vhdx", "-o", "subformat=fixed,block_size=1M", "new.vhdx", "3M"],
    ["-f", "vhdx", "-o", "log_size=2M,block_state_zero=off", "new.vhdx", "100G"],
    ["-f", "qcow2", "-b", "base.raw", "-F", "raw", "new.qcow2"],
    ["-f", "qcow2", "-b", "middle.qcow2", "-F", "qcow2", "new.qcow2", "7M"],
    ["-f", "qcow2", "-o", "backing_file=top.qcow2,backing_fmt=qcow2,encryption=off", "new.qcow2"],
    ["-f", "qcow2", "-u", "-b", "nowhere,x.raw", "-F", "raw", "new.qcow2", "1M"],
]
NEW_IMAGES = ("new.raw", "new.qcow2", "new.vhd", "new.vdi", "new.hdd", "new.vhdx")
REPAIRS = ["leaked.qcow2", "low-refcount.qcow2", "high-refcount.qcow2", "double-use.qcow2", "outside.qcow2",
           "misaligned.qcow2", "no-copied-flag.qcow2", "lazy-dirty.qcow2", "dirty.qcow2", "v3.qcow2", "open.hdd",
           "open-outside.hdd", "beyond-end.hdd", "tail.hdd", "small.hdd", "dynamic.vdi",
           "dynamic.vhdx"]


def read_differences(path):
    keys, lines, verbs = set(), set(), set()
    with open(path, encoding="utf-8") as file:
        for line in file:
            kind, _, rest = line.strip().partition(" ")
            if kind == "json":
                keys.add(rest.strip())
            elif kind == "text":
                lines.add(rest.strip().strip('"'))
            elif kind and not kind.startswith("#"):
                verbs.add((kind, *rest.split()))
    return keys, lines, verbs


SPECIFIC = "Format specific information:\n"


class Comparison:
    def __init__(self, platter, folder, differences):
        self.as_qemu = os.path.join(folder, "qemu-img")
        self.as_platter = os.path.join(folder, "platter")
        for link in (self.as_qemu, self.as_platter):
            os.symlink(os.path.abspath(platter), link)
        self.keys, self.lines, self.verbs = differences
        self.used = set()
        self.failures = 0
        self.compared = 0

    def without_keys(self, value):
        if isinstance(value, list):
            return [self.without_keys(member) for member in value]
        if not isinstance(value, dict):
            return value
        self.used |= self.keys & value.keys()
        kept = {key: self.without_keys(member) for key, member in value.items() if key not in self.keys}
        # Of a format about which qemu says nothing at all.
        if kept.get("format-specific", {}).get("data", True) == {}:
            del kept["format-specific"]
        return kept

    def without_lines(self, text):
        kept, skipping = [], None
        for line in text.splitlines(keepends=True):
            depth = len(line) - len(line.lstrip())
            if skipping is not None and depth > skipping:
                continue
            skipping = None
            listed = line.strip() if line.strip() in self.lines else line.partition(":")[0].strip() + ": *"
            if listed in self.lines:
                self.used.add(listed)
                skipping = depth
                continue
            if kept and kept[-1] == SPECIFIC and depth == 0:
                kept.pop()
            kept.append(line)
        if kept and kept[-1] == SPECIFIC:
            kept.pop()
        return "".join(kept)

    def plain(self, words, out):
        """What platter printed, without its additions."""
        text = out.decode()
        if words[0] == "info" and "--output=json" in words and text:
            return json.dumps(self.without_keys(json.loads(text)), indent=4).encode()
        return self.without_lines(text).encode()

    def report(self, words, program, theirs, ours):
        self.failures += 1
        print(f"DIFFERENT as {os.path.basename(program)}: {' '.join(words)}")
        print(f"  qemu-img: exit {theirs[0]}, error: {theirs[2].decode(errors='replace').strip()}")
        print(f"  platter:  exit {ours[0]}, error: {ours[2].decode(errors='replace').strip()}")
        if theirs[1] != ours[1]:
            print("--- qemu-img\n" + theirs[1].decode(errors="replace") + "--- platter\n" +
                  ours[1].decode(errors="replace") + "---")

    def compare(self, words, before=lambda: None):
        self.compared += 1
        listed = (words[0], words[-1].rpartition("=")[2])
        before()
        theirs = call("qemu-img", words)
        before()
        ours = call(self.as_qemu, words)
        if theirs[:2] != ours[:2] and ("always", *listed) in self.verbs:
            self.used.add(("always", *listed))
        elif theirs[:2] != ours[:2]:
            self.report(words, self.as_qemu, theirs, ours)
        before()
        ours = call(self.as_platter, words)
        same = theirs[0] == ours[0]
        if same and theirs[1] != ours[1]:
            same = self.plain(words, theirs[1]) == self.plain(words, ours[1])
        if not same and ({listed, ("always", *listed)} & self.verbs):
            self.used |= {listed, ("always", *listed)} & self.verbs
        elif not same:
            self.report(words, self.as_platter, theirs, ours)

    def unused(self):
        return (self.keys | self.lines | self.verbs) - self.used


def same_on_both_sides(name):
    """The new image as qemu sees it: description, map and check."""
    if not os.path.exists(name):
        return None
    # What the host answers about the holes of a file that was just written varies.
    subprocess.run(["sync", name], check=True)
    seen = [call("qemu-img", ["info", "--output=json", name]), call("qemu-img", ["map", "--output=json", "-U", name]),
            call("qemu-img", ["check", "--output=json", name])]
    described = json.loads(seen[0][1] or b"{}")
    described.pop("actual-size", None)
    checked = json.loads(seen[2][1] or b"{}")
    checked.pop("image-end-offset", None)
    # Where a preallocated cluster lies is the writer's choice.
    mapped = [{key: entry[key] for key in entry if key != "offset"} for entry in json.loads(seen[1][1] or b"[]")]
    # A static VDI's blocks begin in the middle of a page by qemu, and are data there because the header is.
    if os.path.exists("new.bin") or name == "new.vdi":
        # Whether qemu takes written zeros for a hole here depends on how much space the image file has.
        mapped = [{key: entry[key] for key in entry if key != "zero"} for entry in mapped]
    # qemu writes the first block of a raw file, to find the file system's alignment later.
    mapped = mapped if described.get("format") != "raw" else None
    return described, mapped, checked, seen[2][0]


def compare_creations(comparison, share):
    for words in CREATIONS[::share]:
        made = []

        def fresh():
            made.append([same_on_both_sides(name) for name in NEW_IMAGES])
            for name in (*NEW_IMAGES, "new.bin"):
                if os.path.exists(name):
                    os.remove(name)

        comparison.compare(["create", *words], fresh)
        fresh()
        results = made[1:]
        if not results[0] == results[1] == results[2]:
            comparison.failures += 1
            print(f"DIFFERENT images: create {' '.join(words)}\n  {results}")


def compare_repairs(comparison, share):
    for mode in ("leaks", "all"):
        for image in REPAIRS[::share]:
            repaired = f"repaired-{image}"
            copy = lambda: shutil.copyfile(image, repaired)
            for output in ("human", "json"):
                comparison.compare(["check", f"--output={output}", "-r", mode, repaired], copy)


def main():
    platter, folder = sys.argv[1:3]
    share = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    here = os.path.dirname(os.path.abspath(__file__))
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(os.path.join(folder, "images"))
    folder = os.path.abspath(folder)
    comparison = Comparison(platter, folder, read_differences(os.path.join(here, "qemu_differences.txt")))
    os.chdir(os.path.join(folder, "images"))
    images = qemu_images.make_all()
    questions = [words for image in images for words in command_lines(image)] + EXTRA_COMMAND_LINES
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(comparison.compare, questions[::share]))
    compare_creations(comparison, share)
    compare_repairs(comparison, share)
    for entry in comparison.unused() if share == 1 else ():
        comparison.failures += 1
        print(f"listed in qemu_differences.txt, but no longer different: {entry}")
    print(f"{comparison.compared} command lines on {len(images)} images compared, {comparison.failures} differences")
    os.chdir("/")
    shutil.rmtree(folder)
    return 1 if comparison.failures else 0


if __name__ == "__main__":
    sys.exit(main())

"""What run.sh measures: the tasks, their peers, and what the ratios are meant to reach.

Words in braces are files: {raw} and the other inputs of INPUTS, {out} what a task makes. {ova} is the disk in an appliance,
{image} an image layout of one gzip layer with its data in files, {layer} that layer.
"""
import dataclasses

# How qemu-img can be told to go about a conversion: workers, order of writes, cache modes. The best counts.
QEMU_WAYS = [[], ["-W"], ["-m", "16", "-W"], ["-m", "16"], ["-t", "writeback", "-m", "16", "-W"],
             ["-T", "none", "-t", "none", "-m", "16", "-W"]]


@dataclasses.dataclass
class Task:
    name: str
    words: str  # platter's, and qemu-img's
    kind: str | None = None  # the output's format; None: there is none
    wall: float = 1.5  # the ratio to reach; 0: none is asked for
    cpu: float = 0
    peer: str = "qemu-img"
    peer_words: str | None = None  # of another peer than qemu-img
    peer_script: str | None = None  # in this folder: what runs the peer, and is given platter in front of the words
    peer_kind: str | None = "raw"  # what another peer than qemu-img makes; None: nothing that can be compared
    section: str = "main"  # "xfs": on XFS, where files share blocks
    ways: bool = True  # qemu-img's ways make a difference

    @property
    def key(self):
        return self.name if self.section == "main" else f"{self.name} ({self.section})"


# What qemu-img makes of the disk for the tasks to read: kind, words of convert.
INPUTS = {
    "qcow2": ["-O", "qcow2"],
    "zlib": ["-c", "-O", "qcow2"],
    "zstd": ["-c", "-O", "qcow2", "-o", "compression_type=zstd"],
    "vpc": ["-O", "vpc"],
    "fixed": ["-O", "vpc", "-o", "subformat=fixed"],
    "vhdx": ["-O", "vhdx"],
    "fixedvhdx": ["-O", "vhdx", "-o", "subformat=fixed"],
    "vmdk": ["-O", "vmdk"],
    "vdi": ["-O", "vdi"],
    "parallels": ["-O", "parallels"],
    "flat": ["-O", "vmdk", "-o", "subformat=monolithicFlat"],
    "stream": ["-O", "vmdk", "-o", "subformat=streamOptimized"],
}


def conversion(name, source, target, input_name=None, options="", **more):
    words = f"convert {options} -f {source} -O {target} {{{input_name or source}}} {{out}}"
    return Task(name, " ".join(words.split()), target, **more)


def both_ways(label, kind, options="", input_name=None, **more):
    return [conversion(f"raw to {label}", "raw", kind, options=options, **more),
            conversion(f"{label} to raw", kind, "raw", input_name, **more)]


PLAIN = [("qcow2", "qcow2"), ("vhdx", "vhdx"), ("vdi", "vdi"), ("vhd", "vpc"), ("vmdk", "vmdk"), ("ploop", "parallels")]

TASKS = [
    *[task for label, kind in PLAIN for task in both_ways(label, kind, cpu=1.5)],
    conversion("qcow2 to qcow2", "qcow2", "qcow2", wall=0),
    *both_ways("fixed vhd", "vpc", "-o subformat=fixed", "fixed", wall=0),
    *both_ways("fixed vhdx", "vhdx", "-o subformat=fixed", "fixedvhdx", wall=0),
    *both_ways("flat vmdk", "vmdk", "-o subformat=monolithicFlat", "flat", wall=0),
    conversion("raw to qcow2 -c (zlib)", "raw", "qcow2", options="-c", wall=10),
    conversion("raw to qcow2 -c (zstd)", "raw", "qcow2", options="-c -o compression_type=zstd", wall=2),
    conversion("qcow2 -c (zlib) to raw", "qcow2", "raw", "zlib", wall=2.5),
    conversion("qcow2 -c (zstd) to raw", "qcow2", "raw", "zstd", wall=0),
    conversion("qcow2 -c to qcow2 -c", "qcow2", "qcow2", "zlib", "-c", wall=20),
    conversion("raw to streamOptimized vmdk", "raw", "vmdk", options="-o subformat=streamOptimized", wall=12),
    conversion("streamOptimized vmdk to raw", "vmdk", "raw", "stream", wall=3),
    conversion("raw to raw", "raw", "raw", wall=0),
    Task("raw to raw: cp", "convert -f raw -O raw {raw} {out}", "raw", 1.3, 0, "cp", "--sparse=always {raw} {out}"),
    Task("raw to raw: nbdcopy", "convert -f raw -O raw {raw} {out}", "raw", 1.3, 0, "nbdcopy", "{raw} {out}"),
    Task("raw to qcow2: cp", "convert -f raw -O qcow2 {raw} {out}", "qcow2", 1, 0, "cp", "--sparse=auto {raw} {out}"),
    Task("compare vmdk, qcow2", "compare -f vmdk -F qcow2 {vmdk} {qcow2}", wall=3, ways=False),
    Task("compare raw, qcow2", "compare -f raw -F qcow2 {raw} {qcow2}", wall=3, ways=False),
    Task("check 1 TiB, 64 GiB allocated", "check -f qcow2 {large}", wall=5, ways=False),
    Task("map fragmented 1 TiB", "map --output=json -f qcow2 {fragmented}", wall=10, ways=False),
    Task("info", "info -f qcow2 {qcow2}", wall=2, ways=False),
    Task("ova to qcow2", "convert -O qcow2 {ova} {out}", "qcow2", 1, 0, "tar, convert", "{ova} {out}",
         "tar_then_convert.sh", "qcow2"),
    Task("flatten, gzip", "docker flatten -q {image} {out}", None, 1, 0, "gzip -dc", "{layer} {out}", "gunzip.sh", None),
    *[dataclasses.replace(task, section="xfs", wall=20, cpu=0)
      for label, kind in PLAIN for task in both_ways(label, kind)],
    conversion("raw to raw", "raw", "raw", wall=20, section="xfs"),
]

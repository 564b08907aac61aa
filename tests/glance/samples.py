"""Images that an image service is offered: harmless ones of many formats, and one for each attack that has a CVE number.

qemu-img and xorriso make the harmless ones; the others are those with what a forger would change, changed.
"""

import dataclasses
import pathlib
import random
import struct
import subprocess
from typing import Optional

SIZE = 3 << 20
# The file that the attacks reach for. Whatever takes the bait reads bytes that the test finds again.
SECRET = b"the service's own secret " * 64


@dataclasses.dataclass(frozen=True)
class Sample:
    """`refused_for` is a finding code, None for an image that has to become active."""

    name: str
    data: bytes
    disk_format: str
    refused_for: Optional[str] = None
    virtual_size: Optional[int] = None
    container_format: str = "bare"


def _run(*command):
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{command}: {done.stderr.decode(errors='replace')}")


def _made(folder, name, *arguments):
    """The bytes of a file that `arguments`, a command with FILE in the place of its name, makes."""
    path = folder / name
    _run(*(str(path) if argument == "FILE" else str(argument) for argument in arguments))
    return path.read_bytes()


def _raw_disk(folder):
    """A disk with some data and much emptiness."""
    noise = random.Random(4).randbytes(200_000)
    data = b"no boot sector".ljust(512, b"\0") + noise
    path = folder / "disk.raw"
    path.write_bytes(data.ljust(SIZE, b"\0"))
    return path


def _iso(folder):
    (folder / "tree").mkdir()
    (folder / "tree/file.txt").write_text("a file\n")
    return _made(folder, "disc.iso", "xorriso", "-as", "mkisofs", "-quiet", "-R", "-o", "FILE", folder / "tree")


def _converted(folder, name, *options):
    return _made(folder, name, "qemu-img", "convert", "-f", "raw", *options, folder / "disk.raw", "FILE")


def harmless(folder):
    raw = _raw_disk(folder).read_bytes()
    iso = _iso(folder)
    for name, disk_format, options in (
        ("qcow2", "qcow2", ["-O", "qcow2"]),
        ("compressed qcow2", "qcow2", ["-c", "-O", "qcow2"]),
        ("sparse VMDK", "vmdk", ["-O", "vmdk"]),
        ("stream-optimised VMDK", "vmdk", ["-O", "vmdk", "-o", "subformat=streamOptimized"]),
        ("VDI", "vdi", ["-O", "vdi"]),
        ("VHDX", "vhdx", ["-O", "vhdx"]),
        ("dynamic VHD", "vhd", ["-O", "vpc", "-o", "force_size=on"]),
        ("fixed VHD", "vhd", ["-O", "vpc", "-o", "subformat=fixed,force_size=on"]),
    ):
        yield Sample(name, _converted(folder, name.replace(" ", "-"), *options), disk_format, virtual_size=SIZE)
    yield Sample("raw disk", raw, "raw", virtual_size=len(raw))
    yield Sample("ISO", iso, "iso", virtual_size=len(iso))


def _qcow2_data_file(folder, secret):
    """qemu-img makes the data file beside the image; the name in the header is then the secret's, of the same length."""
    own = folder / ("d" * (len(secret) - len(str(folder)) - 1))
    image = _made(folder, "data-file.qcow2", "qemu-img", "create", "-q", "-f", "qcow2", "-o",
                  f"data_file={own},data_file_raw=on", "FILE", SIZE)
    assert image.count(str(own).encode()) == 1
    return image.replace(str(own).encode(), secret.encode())


def _flat_vmdk(secret):
    return f"""# Disk DescriptorFile
version=1
CID=12345678
parentCID=ffffffff
createType="monolithicFlat"

# Extent description
RW {SIZE // 512} FLAT "{secret}" 0

# The Disk Data Base
ddb.virtualHWVersion = "4"
ddb.geometry.cylinders = "6"
ddb.geometry.heads = "16"
ddb.geometry.sectors = "63"
ddb.adapterType = "ide"
""".encode()


def _sparse_vmdk_with_foreign_extent(folder, secret):
    """A sparse VMDK whose embedded descriptor says that the disk is another file."""
    image = bytearray(_converted(folder, "foreign.vmdk", "-O", "vmdk"))
    offset, sectors = struct.unpack_from("<QQ", image, 28)
    descriptor = _flat_vmdk(secret)
    room = sectors * 512
    assert len(descriptor) <= room
    image[offset * 512:offset * 512 + room] = descriptor.ljust(room, b"\0")
    return bytes(image)


def hostile(folder):
    secret_file = folder / "secret-of-the-image-service"
    secret_file.write_bytes(SECRET)
    secret = str(secret_file)
    iso = (folder / "disc.iso").read_bytes()
    qcow2 = (folder / "qcow2").read_bytes()
    yield Sample("CVE-2015-5163 backing file", _made(
        folder, "backing.qcow2", "qemu-img", "create", "-q", "-u", "-f", "qcow2", "-b", secret, "-F", "raw", "FILE", SIZE,
    ), "qcow2", "qcow2.backing_file")
    yield Sample("CVE-2024-32498 data file", _qcow2_data_file(folder, secret), "qcow2", "qcow2.data_file")
    yield Sample("CVE-2022-47951 flat VMDK", _flat_vmdk(secret), "vmdk", "vmdk.extent_path")
    yield Sample("CVE-2022-47951 sparse VMDK", _sparse_vmdk_with_foreign_extent(folder, secret), "vmdk", "vmdk.extent_path")
    yield Sample("CVE-2024-44082 qcow2 said to be raw", qcow2, "raw", "policy.format")
    yield Sample("CVE-2024-44082 qcow2 with a backing file said to be raw", (folder / "backing.qcow2").read_bytes(), "raw",
                 "qcow2.backing_file")
    yield Sample("VMDK said to be qcow2", (folder / "sparse-VMDK").read_bytes(), "qcow2", "policy.format")
    yield Sample("noise said to be qcow2", random.Random(5).randbytes(100_000), "qcow2", "policy.format")
    # The first 32 KiB of an ISO belong to nobody: there is room for a header of any other format.
    yield Sample("polyglot: an ISO that is a qcow2", qcow2[:32768] + iso[32768:], "iso", "content.ambiguous")
    yield Sample("truncated VHDX", (folder / "VHDX").read_bytes()[:-(1 << 20)], "vhdx", "vhdx.truncated")
    yield Sample("bare disk said to be an OVA", qcow2, "qcow2", "policy.container", container_format="ova")


def make(folder):
    folder = pathlib.Path(folder)
    folder.mkdir()
    return [*harmless(folder), *hostile(folder)]

"""Every format and container uploaded: what is declared rightly becomes active with its true virtual_size and comes back
byte for byte; what is declared wrongly, or is not safe, is refused, and leaves nothing behind.

usage: uploads.py PLATTERD PLATTER FOLDER SOURCE
"""

import gzip
import io
import os
import pathlib
import shutil
import sys
import tarfile

from platterd import Checks, Platterd, run

PLATTERD, PLATTER, FOLDER, SOURCE = (pathlib.Path(word).resolve() for word in sys.argv[1:])
MIB = 1 << 20
SIZE = 8 * MIB
checks = Checks()
expect, failures = checks.expect, checks.failures


def make_disk():
    """A guest disk with a file system and a partition table, so that it is a disk beyond doubt."""
    run("truncate", "-s", str(SIZE - MIB), "part.raw")
    run("mke2fs", "-q", "-F", "-t", "ext4", "-d", SOURCE / "docs", "part.raw")
    run("truncate", "-s", str(SIZE), "disk.raw")
    with open("disk.raw", "r+b") as disk, open("part.raw", "rb") as part:
        disk.seek(446)
        disk.write(bytes([0x80, 0, 0, 0, 0x83, 0, 0, 0]) + (MIB // 512).to_bytes(4, "little")
                   + ((SIZE - MIB) // 512).to_bytes(4, "little"))
        disk.seek(510)
        disk.write(b"\x55\xaa")
        disk.seek(MIB)
        shutil.copyfileobj(part, disk)


OVF = """<?xml version="1.0"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1">
 <References>{files}</References>
 <DiskSection><Info/>{disks}</DiskSection>
 <VirtualSystem ovf:id="vm"><Info/></VirtualSystem>
</Envelope>
"""


def make_appliance_of_two():
    names = ["one.vmdk", "two.vmdk"]
    files = "".join(f'<File ovf:id="f{n}" ovf:href="{name}"/>' for n, name in enumerate(names))
    disks = "".join(f'<Disk ovf:diskId="d{n}" ovf:fileRef="f{n}" ovf:capacity="{SIZE}" '
                    'ovf:format="http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"/>'
                    for n in range(2))
    descriptor = OVF.format(files=files, disks=disks).encode()
    with tarfile.open("two.ova", "w", format=tarfile.USTAR_FORMAT) as archive:
        member = tarfile.TarInfo("vm.ovf")
        member.size = len(descriptor)
        archive.addfile(member, io.BytesIO(descriptor))
        for name in names:
            archive.add("disk.vmdk", name)


def layer_bytes(archive):
    """Of all layers, as they are once they are unpacked."""
    with tarfile.open(archive) as outer:
        total = 0
        for member in outer:
            if member.isfile() and not member.name.endswith(".json"):
                content = outer.extractfile(member).read()
                total += len(gzip.decompress(content)) if content[:2] == b"\x1f\x8b" else 0
                total += len(content) if content[257:262] == b"ustar" else 0
        return total


def make_images():
    """[file, disk_format, container_format, virtual_size]"""
    make_disk()
    for target, name, options in (
            ("qcow2", "disk.qcow2", ()), ("vpc", "disk.vhd", ("-o", "force_size=on")),
            ("vpc", "fixed.vhd", ("-o", "subformat=fixed,force_size=on")), ("vhdx", "disk.vhdx", ()),
            ("vmdk", "disk.vmdk", ("-o", "subformat=streamOptimized")), ("vmdk", "sparse.vmdk", ()),
            ("vdi", "disk.vdi", ()), ("parallels", "disk.hdd", ())):
        run("qemu-img", "convert", "-f", "raw", "-O", target, *options, "disk.raw", name)
    run("xorriso", "-as", "mkisofs", "-quiet", "-o", "disk.iso", SOURCE / "docs")
    (kernel,) = (SOURCE / "build" / "images" / "linux-image-cloud-amd64" / "boot").glob("vmlinuz-*")
    shutil.copyfile(kernel, "kernel")
    run("sh", "-c", f"cd '{SOURCE}/docs' && find . | cpio -o -H newc --quiet | gzip -n >'{FOLDER}/ramdisk'")
    run(PLATTER, "convert", "-f", "raw", "-O", "ova", "disk.raw", "disk.ova")
    make_appliance_of_two()
    run(PLATTER, "docker", "wrap", "part.raw", "-t", "tree:1", "--platform", "linux/amd64", "tree.tar")
    with open("disk.qcow2", "rb") as plain, gzip.open("disk.qcow2.gz", "wb") as packed:
        shutil.copyfileobj(plain, packed)
    size = {name: pathlib.Path(name).stat().st_size for name in ("disk.iso", "kernel", "ramdisk", "part.raw")}
    sector = 512
    whole = {name: -(-bytes_ // sector) * sector for name, bytes_ in size.items()}
    return [
        ("disk.raw", "raw", "bare", SIZE), ("disk.qcow2", "qcow2", "bare", SIZE), ("disk.vhd", "vhd", "bare", SIZE),
        ("fixed.vhd", "vhd", "bare", SIZE), ("disk.vhdx", "vhdx", "bare", SIZE), ("disk.vmdk", "vmdk", "bare", SIZE),
        ("sparse.vmdk", "vmdk", "bare", SIZE), ("disk.vdi", "vdi", "bare", SIZE), ("disk.hdd", "ploop", "bare", SIZE),
        ("disk.iso", "iso", "bare", whole["disk.iso"]), ("kernel", "aki", "aki", size["kernel"]),
        ("ramdisk", "ari", "ari", size["ramdisk"]), ("part.raw", "ami", "ami", whole["part.raw"]),
        ("disk.ova", "vmdk", "ova", SIZE), ("two.ova", "vmdk", "ova", 2 * SIZE),
        ("tree.tar", "raw", "docker", layer_bytes("tree.tar")), ("disk.qcow2.gz", "qcow2", "compressed", SIZE),
    ]


def check_accepted(server, rows):
    for name, disk, container, virtual_size in rows:
        content = pathlib.Path(name).read_bytes()
        image = server.make(name=name, disk_format=disk, container_format=container)
        status, text = server.upload(image, content)
        expect(f"{name} as {disk} in {container}", (status, text), (204, ""))
        record = server.show(image)
        expect(f"{name}: what the record says",
               [record[key] for key in ("status", "size", "virtual_size")], ["active", len(content), virtual_size])
        expect(f"{name}: downloaded", server.download(image)[1] == content, True)
        expect(f"{name}: deleted", server.call("DELETE", f"/v2/images/{image}")[0], 204)


# What is a disk of one format is none of another. A raw disk may hold anything that is no image format; an ami is a
# disk or a file system; what is no image is no kernel either.
SAME = {("raw", "ami"), ("ami", "raw"), ("raw", "raw"), ("aki", "raw"), ("ari", "raw")}


def check_declared_wrongly(server, rows):
    plain = [(name, disk) for name, disk, container, _ in rows if container in ("bare", "aki", "ari", "ami")]
    for name, found in plain:
        content = pathlib.Path(name).read_bytes()
        for declared in ("raw", "qcow2", "vhd", "vhdx", "vmdk", "vdi", "ploop", "iso", "aki", "ari"):
            if declared == found or (found, declared) in SAME:
                continue
            container = declared if declared in ("aki", "ari") else "bare"
            image = server.make(disk_format=declared, container_format=container)
            status, text = server.upload(image, content)
            expect(f"{name} declared as {declared}: {text}", (status, server.show(image)["status"]), (415, "queued"))
            server.call("DELETE", f"/v2/images/{image}")


def check_unsafe(server):
    """Rightly declared, and refused all the same: (file, format, finding's code)."""
    run("qemu-img", "create", "-q", "-u", "-f", "qcow2", "-b", "/etc/passwd", "-F", "raw", "layer.qcow2", "1M")
    run("qemu-img", "create", "-q", "-f", "qcow2", "-o", "data_file=data.raw", "outside.qcow2", "1M")
    run("qemu-img", "create", "-q", "-f", "vmdk", "-o", "subformat=monolithicFlat", "flat.vmdk", "1M")
    with open("disk.qcow2", "rb") as whole, open("cut.qcow2", "wb") as cut:
        cut.write(whole.read()[:-100000])
    for name, disk, code in (("layer.qcow2", "qcow2", "qcow2.backing_file"), ("outside.qcow2", "qcow2", "qcow2.data_file"),
                             ("flat.vmdk", "vmdk", "vmdk.extent_file"), ("cut.qcow2", "qcow2", "")):
        for container in ("bare", "compressed"):
            content = pathlib.Path(name).read_bytes()
            content = gzip.compress(content) if container == "compressed" else content
            image = server.make(disk_format=disk, container_format=container)
            status, text = server.upload(image, content)
            expect(f"{name} in {container}: {text}", (status, code in text), (415, True))
            expect(f"{name} in {container}", server.show(image)["status"], "queued")


def check_without_bytes(server):
    """As Nova makes the snapshot of a server whose disks are volumes active."""
    for body in (b"", iter(())):
        image = server.make(disk_format="qcow2", container_format="bare", block_device_mapping="[]")
        expect("an upload without bytes", server.upload(image, body), (204, ""))
        record = server.show(image)
        expect("an image without bytes", [record[key] for key in ("status", "size", "virtual_size")], ["active", 0, 0])
        expect("an image without bytes, downloaded", server.download(image)[1], b"")
        server.call("DELETE", f"/v2/images/{image}")


def main():
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    os.chdir(FOLDER)
    rows = make_images()
    with Platterd(PLATTERD, FOLDER / "server") as server:
        check_accepted(server, rows)
        check_declared_wrongly(server, rows)
        check_unsafe(server)
        check_without_bytes(server)
        expect("left in the store", server.stored(), [])
    return checks.conclude()


if __name__ == "__main__":
    sys.exit(main())

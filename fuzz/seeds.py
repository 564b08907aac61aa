"""Makes a small seed corpus for every harness, out of every writer at hand: platter, qemu-img, 7zip, xorriso, mke2fs and
others. A tool that is not there is passed over.

usage: seeds.py PLATTER FOLDER     makes FOLDER/NAME/ for every harness NAME
       seeds.py --pack IN OUT      the file IN as a fuzzer's input (SparseStorage::FromInput)
"""

import bz2
import gzip
import hashlib
import lzma
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib

SECTOR = 512
PIECE = 8192
LARGEST = 64 << 20
ENVIRONMENT = dict(os.environ, LC_ALL="C", SOURCE_DATE_EPOCH="1700000000", TZ="UTC")


def pack(data):
    """What SparseStorage::FromInput unpacks to `data`; the bytes themselves where that is not longer."""
    parts = [b"PLTRPACK", struct.pack("<I", (len(data) + SECTOR - 1) // SECTOR)]
    at = 0
    zeros = bytes(SECTOR)
    while at < len(data):
        if data[at:at + SECTOR] == zeros[:len(data) - at]:
            at += SECTOR
            continue
        end = at
        while end < len(data) and end - at < PIECE and data[end:end + SECTOR].strip(b"\0"):
            end += SECTOR
        piece = data[at:end].rstrip(b"\0")
        parts.append(struct.pack("<IH", at // SECTOR, len(piece)) + piece)
        at = end
    packed = b"".join(parts)
    return packed if len(packed) < len(data) or data.startswith(b"PLTRPACK") else data


def run(folder, *command, stdin=None):
    """False when the tool is missing or fails: a seed less."""
    try:
        done = subprocess.run([str(word) for word in command], cwd=folder, env=ENVIRONMENT, input=stdin,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False, timeout=60)
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


class Seeds:
    """The folder of all corpora, and a folder to work in."""

    def __init__(self, platter, target, work):
        self.platter = platter
        self.target = pathlib.Path(target)
        self.work = pathlib.Path(work)
        self.count = 0

    def add(self, data, *harnesses, prefix=b""):
        for harness in harnesses:
            folder = self.target / harness
            folder.mkdir(parents=True, exist_ok=True)
            seed = prefix + data
            (folder / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed)

    def add_file(self, name, *harnesses, prefix=b""):
        path = self.work / name
        if path.is_file() and path.stat().st_size <= LARGEST:
            if "recognised" in harnesses:
                self.add(pack(path.read_bytes()), "inspect", prefix=bytes([self.count % 128, 1, self.count % 251, 3, 0, 0]))
                self.count += 1
            self.add(pack(path.read_bytes()), *harnesses, prefix=prefix)

    def run(self, *command, stdin=None):
        return run(self.work, *command, stdin=stdin)

    def fresh(self):
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir(parents=True)


def guest_disk(size):
    """Text, noise and holes."""
    disk = bytearray(size)
    noise = b"".join(hashlib.sha256(bytes([count])).digest() for count in range(64))
    for at in range(0, size - 4096, size // 5):
        disk[at:at + 1500] = b"the quick brown fox " * 75
        disk[at + 2048:at + 2048 + len(noise)] = noise
    return bytes(disk)


QCOW2 = ["", "compat=0.10", "cluster_size=512", "cluster_size=4k,refcount_bits=1", "cluster_size=1k,refcount_bits=64",
         "cluster_size=16k,extended_l2=on", "lazy_refcounts=on", "cluster_size=512,preallocation=metadata",
         "cluster_size=2k,data_file=other.raw", "cluster_size=512,data_file=other.raw,data_file_raw=on"]
MADE = [("qcow2", "qcow2", option, ["qcow2", "qcow2_peer", "recognised"]) for option in QCOW2]
MADE += [("qcow", "qcow", "", ["qcow", "qcow_peer", "recognised"])]
MADE += [("vhd", "vpc", option, ["vhd", "vhd_peer", "recognised"])
         for option in ("", "force_size=on", "subformat=fixed", "subformat=fixed,force_size=on")]
MADE += [("vhdx", "vhdx", option, ["vhdx", "vhdx_peer", "recognised"])
         for option in ("block_size=1M", "subformat=fixed,block_size=1M", "block_state_zero=off,block_size=1M")]
MADE += [("vmdk", "vmdk", option, ["vmdk", "vmdk_peer", "recognised"])
         for option in ("", "zeroed_grain=on", "subformat=streamOptimized", "subformat=monolithicFlat",
                        "subformat=twoGbMaxExtentSparse", "subformat=twoGbMaxExtentFlat", "adapter_type=lsilogic")]
MADE += [("vdi", "vdi", option, ["vdi", "recognised"]) for option in ("", "static=on", "preallocation=metadata")]
MADE += [("ploop", "parallels", option, ["ploop", "recognised"])
         for option in ("", "cluster_size=64k", "cluster_size=512", "cluster_size=100k")]


def images(seeds):
    """Every format through platter and through qemu-img."""
    for size in (8192, 393216):
        seeds.fresh()
        (seeds.work / "disk.raw").write_bytes(guest_disk(size))
        seeds.add_file("disk.raw", "raw", "recognised")
        for ours, theirs, options, harnesses in MADE:
            for tool, name in ((seeds.platter, ours), ("qemu-img", theirs)):
                option = ["-o", options] if options else []
                if seeds.run(tool, "convert", "-f", "raw", "-O", name, *option, "disk.raw", "image"):
                    seeds.add_file("image", *harnesses)
                (seeds.work / "image").unlink(missing_ok=True)
    seeds.fresh()
    (seeds.work / "disk.raw").write_bytes(guest_disk(65536))
    compressed = [("qcow2", ""), ("qcow2", "cluster_size=4k,compression_type=zstd"), ("qcow2", "cluster_size=512"),
                  ("qcow", "")]
    for name, options in compressed:
        option = ["-o", options] if options else []
        if seeds.run("qemu-img", "convert", "-c", "-O", name, *option, "disk.raw", "image"):
            seeds.add_file("image", name, name + "_peer", "recognised")


def qcow2_extras(seeds):
    """Snapshots, bitmaps, backing files, encryption, and other features of qcow2."""
    seeds.fresh()
    seeds.run("qemu-img", "create", "-f", "qcow2", "-o", "cluster_size=512", "a.qcow2", "64k")
    seeds.run("qemu-io", "-c", "write -P 1 0 8k", "a.qcow2")
    seeds.run("qemu-img", "snapshot", "-c", "one", "a.qcow2")
    seeds.run("qemu-io", "-c", "write -P 2 4k 8k", "a.qcow2")
    seeds.add_file("a.qcow2", "qcow2", "qcow2_peer")
    seeds.run("qemu-img", "bitmap", "--add", "-g", "512", "a.qcow2", "bits")
    seeds.run("qemu-io", "-c", "write -P 3 16k 8k", "a.qcow2")
    seeds.run("qemu-img", "snapshot", "-c", "two", "a.qcow2")
    seeds.add_file("a.qcow2", "qcow2", "qcow2_peer")
    for name, options in (("qcow2", "cluster_size=512"), ("qed", ""), ("qcow", ""), ("vmdk", "")):
        option = ["-o", options] if options else []
        seeds.run("qemu-img", "create", "-f", name, *option, "-b", "a.qcow2", "-F", "qcow2", "over")
        seeds.add_file("over", "recognised", "qcow2" if name == "qed" else name)
    for options in ("encrypt.format=luks,encrypt.iter-time=10", "encrypt.format=aes"):
        seeds.run("qemu-img", "create", "-f", "qcow2", "--object", "secret,id=s,data=abc", "-o",
                  options + ",encrypt.key-secret=s", "secret.qcow2", "64k")
        seeds.add_file("secret.qcow2", "qcow2")
    seeds.run("qemu-img", "create", "-f", "luks", "--object", "secret,id=s,data=abc", "-o",
              "key-secret=s,iter-time=10", "a.luks", "64k")
    seeds.add_file("a.luks", "recognised")


def differencing(seeds):
    """Children of vhd and vdi disks that platter makes, and vmdk children."""
    seeds.fresh()
    for name, suffix in (("vhd", "vhd"), ("vhdx", "vhdx"), ("vdi", "vdi"), ("vmdk", "vmdk")):
        seeds.run(seeds.platter, "create", "-f", name, "base." + suffix, "1M")
        seeds.run(seeds.platter, "create", "-f", name, "-b", "base." + suffix, "-F", name, "child." + suffix)
        seeds.add_file("child." + suffix, name, "recognised")


RECOGNISED = [
    b"QED\0" + struct.pack("<IIIQQQQQ", 65536, 4, 1, 0, 0, 0, 65536, 1 << 20),
    b"Bochs Virtual HD Image".ljust(32, b"\0") + b"Redolog".ljust(16, b"\0") + b"Growing".ljust(16, b"\0")
    + struct.pack("<IIIIIIQ", 0x20000, 512, 4, 512, 65536, 0, 1 << 20) + bytes(512 + 64),
    b"#!/bin/sh\n#V2.0 Format\nmodprobe cloop file=$0 && mount -r -t iso9660 /dev/cloop $1\n".ljust(128, b"\0")
    + struct.pack(">IIQQ", 65536, 1, 144, 200) + bytes(60),
    b"OOOM" + struct.pack(">I", 2) + b"backing".ljust(1024, b"\0") + struct.pack(">IQI", 0, 1 << 20, 512),
    b"OOOM" + struct.pack(">IIQIII", 3, 0, 1 << 20, 512, 4096, 0) + b"backing".ljust(4096, b"\0"),
    b"MOOO" + struct.pack("<I", 1) + b"backing".ljust(256, b"\0") + struct.pack("<IQI", 0, 1 << 20, 512),
    b"composite_disk\x1d\x08\x01\x12\x0a\x0a\x08disk.img\x18\x80\x08",
    bytes(16384) + (b"SKUL\xba\xbe\0\2".ljust(256, b"\0") + struct.pack(">Q", 16384)).ljust(4096, b"\0"),
    b"\n--iprt-iso-maker-file-marker-ms 11111111-2222-3333-4444-555555555555 -o a",
    b'REM x\nTITLE "a"\nFILE "a b" BINARY\n  TRACK 01 MODE1/2048\n    INDEX 01 00:00:00\n',
    bytes(600) + b"koly" + struct.pack(">III", 4, 512, 1) + bytes(492),
    bytes(600) + b"koly" + struct.pack(">III", 4, 512, 1) + bytes(495),
]

# What the inspector takes for an archive or a stream, by their first or their last bytes.
WRAPPED = [
    b"\x5d\0\0\x80\0" + b"\xff" * 8 + b"\0" + bytes(20), b"\x1f\x9d\x90" + bytes(20),
    b"\x89LZO\0\r\n\x1a\n" + bytes(20),
    b"070707" + b"1" * 70 + b"a\0",
    b"\xc7\x71" + struct.pack("<HHHHHHHHHHHH", 0, 0, 0o100644, 0, 0, 1, 0, 0, 0, 2, 0, 0) + b"a\0",
    b"\x24\x53-lh5-" + bytes(30), b"xar!\0\x1c\0\1" + bytes(20), b"!<arch>\n" + bytes(60),
    b"\x3a\xff\x26\xed\1\0\0\0\x1c\0\x0c\0" + bytes(16),
    bytes(4096) + b"PK\1\2" + bytes(42) + b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 1, 1, 46, 0, 3) + b"end",
]


def iso_images(seeds):
    seeds.fresh()
    tree = seeds.work / "tree"
    (tree / "a folder" / "deep").mkdir(parents=True)
    (tree / "readme.txt").write_text("hello\n")
    (tree / "a folder" / "file with a long name.dat").write_bytes(b"x" * 3000)
    (tree / "a folder" / "deep" / "link").symlink_to("../../readme.txt")
    (tree / "boot.img").write_bytes(b"\xeb\xfe" + bytes(508) + b"\x55\xaa")
    makers = [
        ("xorriso", "-as", "mkisofs", "-quiet", "-o", "image", "-J", "-R", "tree"),
        ("xorriso", "-as", "mkisofs", "-quiet", "-o", "image", "-b", "boot.img", "-no-emul-boot", "tree"),
        ("genisoimage", "-quiet", "-o", "image", "-udf", "-J", "-R", "tree"),
        ("genisoimage", "-quiet", "-o", "image", "-iso-level", "4", "tree"),
        ("genisoimage", "-quiet", "-o", "image", "-l", "-r", "-b", "boot.img", "-c", "boot.cat", "-no-emul-boot",
         "tree"),
        (seeds.platter, "create", "-f", "iso", "--from", "tree", "image"),
        ("mkudffs", "--media-type=hd", "--blocksize=2048", "--new-file", "image", "600"),
        ("mkudffs", "--media-type=cdr", "--new-file", "image", "400"),
    ]
    for command in makers:
        (seeds.work / "image").unlink(missing_ok=True)
        if seeds.run(*command):
            seeds.add_file("image", "iso", "recognised")
            for kind in range(6):
                seeds.add_file("image", "iso_tree", prefix=bytes([kind]))


def file_systems(seeds):
    seeds.fresh()
    tree = seeds.work / "tree"
    for folder in ("etc", "boot", "bin"):
        (tree / folder).mkdir(parents=True)
    (tree / "etc" / "fstab").write_text("/dev/sda1 / ext4 defaults 0 1\n")
    (tree / "boot" / "vmlinuz-6.1.0-1-amd64").write_bytes(kernel())
    (tree / "boot" / "initrd.img-6.1.0-1-amd64").write_bytes(ramdisk())
    (tree / "boot" / "vmlinuz").symlink_to("vmlinuz-6.1.0-1-amd64")
    for kind, extra in (("ext2", ()), ("ext4", ()), ("ext4", ("-O", "^metadata_csum,inline_data")),
                        ("ext3", ("-b", "1024"))):
        if seeds.run("mke2fs", "-q", "-F", "-t", kind, *extra, "-d", "tree", "volume", "1M"):
            seeds.add_file("volume", "ext", "content", "raw")
        (seeds.work / "volume").unlink(missing_ok=True)
    makers = [(("mksquashfs", "tree", "volume", "-quiet", "-no-progress"), 0),
              (("mkfs.fat", "-C", "volume", "128"), 0),
              (("mkfs.btrfs", "-q", "-m", "single", "volume"), 17 << 20)]
    for command, size in makers:
        if size:
            with open(seeds.work / "volume", "wb") as volume:
                volume.truncate(size)
        if seeds.run(*command):
            seeds.add_file("volume", "content")
        (seeds.work / "volume").unlink(missing_ok=True)


def kernel():
    head = bytearray(2048)
    head[0x1F1] = 2
    head[0x1FE:0x200] = b"\x55\xaa"
    head[0x202:0x206] = b"HdrS"
    head[0x206:0x208] = b"\x0f\x02"
    head[0x20E:0x210] = struct.pack("<H", 0x300)
    head[0x211] = 1
    head[0x500:0x510] = b"6.1.0-1-amd64 #1"
    return bytes(head)


def ramdisk():
    def entry(name, data):
        fields = [1, 0o100644, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0]
        head = b"070701" + b"".join(b"%08X" % field for field in fields) + name + b"\0"
        head += bytes(-len(head) % 4)
        return head + data + bytes(-len(data) % 4)
    return entry(b"init", b"#!/bin/sh\n") + entry(b"TRAILER!!!", b"")


def contents(seeds):
    for data in (kernel(), ramdisk()):
        seeds.add(data, "content", "raw")
        seeds.add(gzip.compress(data, mtime=0), "content")
        seeds.add(lzma.compress(data), "content")
        seeds.add(lzma.compress(data, format=lzma.FORMAT_ALONE), "content")
        for tool in (("bzip2", "-c"), ("zstd", "-c", "-q"), ("lz4", "-c", "-q"), ("lz4", "-l", "-c", "-q")):
            try:
                done = subprocess.run(tool, input=data, capture_output=True, check=False)
            except FileNotFoundError:
                continue
            seeds.add(done.stdout, "content")
    seeds.add(ramdisk() + bytes(512) + gzip.compress(ramdisk(), mtime=0), "content")
    for machine, bits in ((62, 2), (183, 2), (3, 1)):
        elf = b"\x7fELF" + bytes([bits, 1, 1]) + bytes(9) + struct.pack("<HHI", 2, machine, 1) + bytes(44)
        seeds.add(elf + bytes(128), "content")
    seeds.add(b"\x27\x05\x19\x56" + bytes(24) + b"\x05\x02\x02\x01" + b"Linux-6.1".ljust(32, b"\0"), "content")
    arm64 = bytearray(64)
    arm64[56:60] = b"ARM\x64"
    seeds.add(bytes(arm64) + bytes(64), "content")
    zboot = b"MZ\0\0zimg" + struct.pack("<II", 64, 64) + bytes(8) + b"gzip" + bytes(36)
    seeds.add(zboot + gzip.compress(bytes(arm64), mtime=0), "content")


def partitions(seeds):
    seeds.fresh()
    scripts = [b"label: dos\n,100,83,*\n,100,82\n,200,5\n,50,83\n,50,83\n", b"label: gpt\n,100,L\n,100,U\n",
               b"label: gpt\ntable-length: 8\n,100,L,*\n"]
    for script in scripts:
        with open(seeds.work / "disk", "wb") as disk:
            disk.truncate(1 << 20)
        if seeds.run("sfdisk", "-q", "--no-tell-kernel", "disk", stdin=script):
            seeds.add_file("disk", "partition", "content", "raw")
        (seeds.work / "disk").unlink()
    with open(seeds.work / "disk", "wb") as disk:
        disk.truncate(1 << 20)
    if seeds.run("sgdisk", "-o", "-n", "1:64:+64K", "-n", "2:256:+64K", "-h", "1:2", "disk"):
        seeds.add_file("disk", "partition", "content")


VMDK = """# Disk DescriptorFile
version=1
encoding="UTF-8"
CID=fffffffe
parentCID=%s
isNativeSnapshot="no"
createType="%s"
%s
# Extent description
%s

# The Disk Data Base
#DDB

ddb.adapterType = "lsilogic"
ddb.geometry.cylinders = "130"
ddb.uuid = "60 00 C2 9e 00 01 02 03-04 05 06 07 08 09 0a 0b"
"""
VMDK_TEXTS = [
    VMDK % ("ffffffff", "monolithicFlat", "", 'RW 128 FLAT "disk-flat.vmdk" 0'),
    VMDK % ("ffffffff", "twoGbMaxExtentSparse", "", 'RW 64 SPARSE "a-s001.vmdk"\nRW 64 SPARSE "a-s002.vmdk"'),
    VMDK % ("ffffffff", "vmfs", "changeTrackPath=\"disk-ctk.vmdk\"", 'RW 128 VMFS "disk-flat.vmdk"'),
    VMDK % ("0badcafe", "vmfsSparse", 'parentFileNameHint="parent.vmdk"', 'RW 128 VMFSSPARSE "delta.vmdk"'),
    VMDK % ("ffffffff", "custom", "", 'RW 64 ZERO\nRDONLY 64 FLAT "/etc/passwd" 1\nNOACCESS 2 FLAT "x y.vmdk" 7'),
    VMDK % ("ffffffff", "seSparse", "", 'RW 128 SESPARSE "disk-sesparse.vmdk"'),
]
VMDK_TEXTS.append(VMDK_TEXTS[0].replace("# Disk DescriptorFile", "# x\ry"))
VMDK_TEXTS.append(VMDK_TEXTS[0].replace("# Disk DescriptorFile", '#Disk Descriptor File\n# parentFileNameHint="a"'))
for TEXT in list(VMDK_TEXTS[:1]):
    VMDK_TEXTS.append(TEXT.replace("\n", "\r\n").replace("UTF-8", "windows-1252").replace("disk-", "d\x7fsk-"))

PLOOP = """<?xml version="1.0" encoding="UTF-8"?>
<Parallels_disk_image Version="1.0"><Disk_Parameters><Disk_size>2048</Disk_size><Cylinders>4</Cylinders><Heads>16</Heads>
<Sectors>32</Sectors><Padding>0</Padding><Encryption><Engine>{00000000-0000-0000-0000-000000000000}</Engine><Data/>
</Encryption><UID>{11111111-2222-3333-4444-555555555555}</UID><Name>disk &amp; co</Name></Disk_Parameters>
<StorageData><Storage><Start>0</Start><End>2048</End><Blocksize>%s</Blocksize>%s</Storage></StorageData>
<Snapshots>%s</Snapshots></Parallels_disk_image>
"""
PLOOP_IMAGE = "<Image><GUID>{%s}</GUID><Type>%s</Type><File>%s</File></Image>"
PLOOP_SHOT = "<Shot><GUID>{%s}</GUID><ParentGUID>{%s}</ParentGUID></Shot>"
TOP = "5fbaabe3-6958-40ff-92a7-860e329aab41"
OLD = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
NONE = "00000000-0000-0000-0000-000000000000"
PLOOP_TEXTS = [
    PLOOP % (128, PLOOP_IMAGE % (TOP, "Compressed", "root.hds"), PLOOP_SHOT % (TOP, NONE)),
    PLOOP % (1, PLOOP_IMAGE % (TOP, "Plain", "harddisk.hdd"), PLOOP_SHOT % (TOP, NONE)),
    PLOOP % (2048, PLOOP_IMAGE % (TOP, "Compressed", "a") + PLOOP_IMAGE % (OLD, "Compressed", "b"),
             PLOOP_SHOT % (TOP, OLD) + PLOOP_SHOT % (OLD, NONE)),
]


def texts(seeds):
    for text in VMDK_TEXTS:
        seeds.add(text.encode("latin-1"), "vmdk_descriptor", "vmdk", "recognised")
    for text in PLOOP_TEXTS:
        seeds.add(text.encode(), "ploop_descriptor", "ploop", "recognised")
    options = ["cluster_size=64k,lazy_refcounts=on", "size=1.5G,backing_file=a,,b", "nolazy_refcounts", "refcount_bits=16",
               "subformat=fixed,force_size", "block_size=1M,log_size=2M", "adapter_type=ide,hwversion=4", "tree=udf",
               "offset=512,size=1M"]
    for number, text in enumerate(options):
        for driver in range(15):
            seeds.add(text.encode(), "options", prefix=bytes([driver * 5 + number % 2]))
    for text in ("512", "64k", "1.5G", "0x200", "8E", "1e3", "4095.999T", "-1"):
        seeds.add(text.encode(), "options", prefix=b"\x03")
    for text in ("[policy]\nexpect_disk = qcow2\nmax_virtual_size=10G ; comment\nallow_references = yes\n",
                 "allow_formats = raw, vpc,iso\nmax_ratio: 50\n# nothing\nexpect_container=bare\nallow_truncated=no\n"):
        seeds.add(text.encode(), "policy")
    for text in ("GET /v2/images?limit=2&name=a%20b+c HTTP/1.1\r\nHost: a:1\r\n\r\n",
                 "PUT /v2/images/x/file HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
                 "PUT /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nT: 1\r\n\r\n",
                 "\r\nGET http://a/b/ HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"):
        seeds.add(text.encode(), "http_request")
    for text in ("[DEFAULT]\nbind_port = 9292\ndebug: yes\n[database]\nconnection = sqlite:///x\n",
                 "[DEFAULT]\nenabled_backends = a:file, b:http\n[glance_store]\ndefault_backend = a\n[a]\n"
                 "filesystem_store_datadirs = /x:1\nfilesystem_store_datadirs = /y\n",
                 "[paste_deploy]\nflavor = keystone\n[keystone_authtoken]\nauth_url = http://k$DEFAULT.bind_port/\n"
                 "password = a$$b\n# c\n"):
        seeds.add(text.encode(), "platterd_config")
    for text in ("sqlite:////var/lib/glance/glance.sqlite", "mysql+pymysql://glance:a%40b@[::1]:3306/glance?charset=utf8",
                 "mysql://u@/g?unix_socket=/run/mysqld/mysqld.sock&connect_timeout=5&read_timeout=60",
                 "postgresql+psycopg2://u:p@h:5432/g?sslmode=verify-full&sslrootcert=/ca.pem", "postgres:///g?host=/run/pg"):
        seeds.add(text.encode(), "database_url")
    for text in ("http://example.org/disk.img?a=b#c", "https://EXAMPLE.org.:443/", "http://8.8.8.8:8080/a@b",
                 "http://[2606:2800:220:1::1]/", "http://user:password@example.org/", "http://0x7f.1/",
                 "http://2130706433/", "http://[::ffff:127.0.0.1]/", "http://[fe80::1%25eth0]/",
                 "http://example.org\\@127.0.0.1/", "http://localhost:1/"):
        for rules in range(8):
            seeds.add(text.encode(), "web_url", prefix=bytes([rules]))
    for text in ("driver=qcow2,file.filename=a.qcow2,backing.driver=raw,backing.file.filename=b.raw",
                 "file.driver=file,file.filename=x,,y,file.locking=off", "driver=raw,offset=512,size=1k,file.filename=d",
                 "driver=qcow2,file=a,backing=", "filename=x,cache.direct=on,read-only=on,force-share=on"):
        seeds.add(text.encode(), "options", prefix=b"\x04")


def archives(seeds):
    seeds.fresh()
    long = "n" * 120
    (seeds.work / long).mkdir()
    (seeds.work / "small").write_bytes(b"content")
    (seeds.work / long / long).write_bytes(b"x" * 600)
    (seeds.work / "link").symlink_to("small")
    with open(seeds.work / "sparse", "wb") as file:
        for count in range(6):
            file.seek(count << 16)
            file.write(b"y")
    for words in (["--format=gnu"], ["--format=pax"], ["--format=gnu", "-S"], ["--format=pax", "-S"],
                  ["--format=ustar", "--exclude=n*"], ["--format=v7", "--exclude=n*"]):
        if seeds.run("tar", *words, "-b1", "-cf", "a.tar", "small", "link", long, *(["sparse"] if "-S" in words else [])):
            seeds.add_file("a.tar", "tar")
            (seeds.work / "a.tar").unlink()


OVF = """<?xml version="1.0"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"
 xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData">
<References>%s</References><DiskSection><Info/>%s</DiskSection>
<NetworkSection><Info/><Network ovf:name="net"><Description>a net</Description></Network></NetworkSection>
<VirtualSystem ovf:id="box"><Info/><Name>box</Name><OperatingSystemSection ovf:id="94"><Info/></OperatingSystemSection>
<VirtualHardwareSection><Info/><Item><rasd:ResourceType>3</rasd:ResourceType><rasd:VirtualQuantity>2</rasd:VirtualQuantity>
</Item><Item><rasd:AllocationUnits>byte * 2^20</rasd:AllocationUnits><rasd:ResourceType>4</rasd:ResourceType>
<rasd:VirtualQuantity>512</rasd:VirtualQuantity></Item></VirtualHardwareSection>
<ProductSection><Info/><Product>p</Product><Property ovf:key="size" ovf:value="1048576"/></ProductSection>
<EulaSection><Info/><License>l</License></EulaSection></VirtualSystem></Envelope>
"""
OVF_FILE = '<File ovf:id="f%d" ovf:href="%s"%s/>'
OVF_DISK = '<Disk ovf:diskId="d%d" ovf:fileRef="f%d" ovf:capacity="%s" ovf:format="%s"%s/>'
OVF_TEXTS = [
    OVF % (OVF_FILE % (1, "disk.vmdk", ""), OVF_DISK % (1, 1, "1048576", "vmdk", "")),
    OVF % (OVF_FILE % (1, "disk.vmdk", ' ovf:compression="gzip" ovf:size="7"'),
           OVF_DISK % (1, 1, "1", "vmdk", ' ovf:capacityAllocationUnits="byte * 2^20" ovf:populatedSize="5"')),
    OVF % (OVF_FILE % (1, "a%20b", ' ovf:chunkSize="512"') + OVF_FILE % (2, "c", ""),
           OVF_DISK % (1, 1, "${size}", "qcow", "") + OVF_DISK % (2, 2, "9", "x", ' ovf:parentRef="d1"')),
]


def appliances(seeds):
    seeds.fresh()
    for text in OVF_TEXTS:
        seeds.add(b"\0" + text.encode(), "ovf")
        seeds.add(text.encode(), "inspect", prefix=b"\x80\0\0")
    seeds.add(b"\0" + OVF_TEXTS[0].encode("utf-16"), "ovf")
    for text in (f"SHA1(a)= {'0' * 40}\n", f"SHA256(a b)= {'a' * 64}\r\nSHA512 (c) = {'F' * 128}\n"):
        seeds.add(b"\1" + text.encode(), "ovf")
    for key in (["genrsa", "1024"], ["ecparam", "-name", "prime256v1", "-genkey", "-noout"]):
        if seeds.run("openssl", *key, "-out", "key.pem") and seeds.run(
                "openssl", "req", "-x509", "-new", "-key", "key.pem", "-subj", "/CN=box", "-out", "x509.pem"):
            text = (seeds.work / "x509.pem").read_bytes()
            seeds.add(b"\3SHA256(box.mf)= " + b"00" * 128 + b"\n" + text, "ovf")
    for text in ("byte * 2^30", "byte*10^9", "MegaBytes", "byte * 1024", "../a%2fb", "http://host/a"):
        seeds.add(b"\2" + text.encode(), "ovf")
    for words in ([], ["-o", "subformat=streamOptimized"]):
        (seeds.work / "box.ovf").write_text(OVF_TEXTS[0])
        if not seeds.run("qemu-img", "create", "-q", "-f", "raw", "disk.raw", "1M"):
            continue
        if not seeds.run("qemu-img", "convert", "-O", "vmdk", *words, "disk.raw", "disk.vmdk"):
            continue
        digest = hashlib.sha1((seeds.work / "disk.vmdk").read_bytes()).hexdigest()
        (seeds.work / "box.mf").write_text(f"SHA1(disk.vmdk)= {digest}\n")
        for form in ("ustar", "pax", "gnu"):
            if seeds.run("tar", f"--format={form}", "-b1", "-cf", "a.ova", "box.ovf", "box.mf", "disk.vmdk"):
                seeds.add_file("a.ova", "ova", "tar")
                seeds.add((seeds.work / "a.ova").read_bytes(), "inspect", prefix=b"\x80\0\0")
    # Divided, and in layers.
    data = (seeds.work / "disk.vmdk").read_bytes() if (seeds.work / "disk.vmdk").is_file() else b"disk"
    (seeds.work / "box.ovf").write_text(
        OVF % (OVF_FILE % (1, "disk.vmdk", f' ovf:chunkSize="60000" ovf:size="{len(data)}"'),
               OVF_DISK % (1, 1, "1048576", "vmdk", "")))
    for at in range(0, len(data), 60000):
        (seeds.work / f"disk.vmdk.{at // 60000:09}").write_bytes(data[at:at + 60000])
    chunks = sorted(path.name for path in seeds.work.glob("disk.vmdk.0*"))
    if seeds.run("tar", "--format=ustar", "-b1", "-cf", "a.ova", "box.ovf", *chunks):
        seeds.add_file("a.ova", "ova")
    (seeds.work / "box.ovf").write_text(
        OVF % (OVF_FILE % (1, "child", "") + OVF_FILE % (2, "disk.vmdk", ""),
               OVF_DISK % (1, 1, "1048576", "vmdk", ' ovf:parentRef="d2"') + OVF_DISK % (2, 2, "1048576", "vmdk", "")))
    if seeds.run("qemu-img", "create", "-q", "-f", "vmdk", "-b", "disk.vmdk", "-F", "vmdk", "child"):
        if seeds.run("tar", "--format=ustar", "-b1", "-cf", "a.ova", "box.ovf", "child", "disk.vmdk"):
            seeds.add_file("a.ova", "ova")


def tar_member(name, content=b"", kind=b"0", link=b"", size=None, magic=b"ustar\00000", prefix=b""):
    """A member as it stands in an archive; `size`: the field's bytes where they lie."""
    header = bytearray(512)
    size = size or b"%011o\0" % len(content)
    for at, field in ((0, name), (100, b"0000644\0"), (108, b"0000000\0"), (116, b"0000000\0"), (124, size),
                      (136, b"00000000000\0"), (148, b" " * 8), (156, kind), (157, link), (257, magic), (345, prefix)):
        header[at:at + len(field)] = field
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + content + bytes(-len(content) % 512)


def tar_pax(*records, kind=b"x"):
    text = b""
    for record in records:
        length = next(size for size in range(len(record) + 3, len(record) + 8) if size == len(b"%d %s\n" % (size, record)))
        text += b"%d %s\n" % (length, record)
    return tar_member(b"pax", text, kind)


def hostile_archives(seeds):
    """docs/security.md, "Hostile archives, by the trick"."""
    descriptor = OVF % (OVF_FILE % (1, "disk", ""), OVF_DISK % (1, 1, "512", "byte", ""))
    start = tar_member(b"box.ovf", descriptor.encode()) + tar_member(b"disk", b"x" * 512)
    end = bytes(1024)
    tricks = [tar_member(b"/etc/passwd"), tar_member(b"a/../../b"), tar_member(b"a", kind=b"2", link=b"/etc/passwd"),
              tar_member(b"a", kind=b"1", link=b"../../etc/passwd"), tar_member(b"sda", kind=b"4"),
              tar_member(b"pipe", kind=b"6"), tar_member(b"./disk", b"other"), tar_member(b"a", b"y" * 512, b"S"),
              tar_pax(b"size=512") + tar_member(b"a") + tar_member(b"hidden"),
              tar_pax(b"path=../../etc/cron.d/a") + tar_member(b"a"),
              tar_pax(b"GNU.sparse.major=1", b"GNU.sparse.minor=0", b"GNU.sparse.name=a") + tar_member(b"b", b"y" * 512),
              tar_member(b"x", b"99 path=a\n", b"x"), tar_member(b"a", size=b"77777777777\0"),
              tar_member(b"a", size=b"\0001000"), tar_pax(b"path=disk\0x") + tar_member(b"a"),
              tar_member(b"L", b"../b", b"L") + tar_pax(b"path=a") + tar_member(b"b"),
              tar_member(b"a", magic=b"ustar  \0", prefix=b"../b"), tar_pax(b"path=disk", kind=b"X") + tar_member(b"a"),
              tar_member(b"a", b"y" * 512, magic=b"ustar  \0", prefix=bytes(41) + b"00000001000\0" + b"00000001000"),
              tar_member(b"a", magic=b"ustar  \0", prefix=b"14612462517\00014612462517"),
              tar_pax(b"path=disk") + tar_member(b"a", b"y" * 512), tar_member(b"DISK. ", b"y" * 512), end + bytes(20480) + start,
              tar_pax(b"SUN.holesdata= 0 512 1024") + tar_member(b"a", b"y" * 512),
              tar_pax(b"path=a") + tar_pax(b"comment=x", kind=b"g") + tar_member(b"disk"),
              tar_member(b"a", size=b"\xff" * 11 + b"\xfe"), end + start, bytes(512) + tar_member(b"a"),
              tar_member(b"other.ovf", descriptor.encode()), tar_member(b"box.mf", b"SHA256(disk)= " + b"a" * 64 + b"\n"),
              tar_member(b"box.mf", b"SHA256(nothing)= " + b"a" * 64 + b"\n"), tar_member(b"box.cert", b"SHA256(box.mf)= 00\n")]
    archives = [start + trick + end for trick in tricks]
    laughs = "".join(f'<!ENTITY {name} "{f"&{before};" * 10}">' for before, name in zip("abcdefghij", "bcdefghijk"))
    bomb = gzip.compress(bytes(8 << 20), 9, mtime=0)
    for text in (descriptor.replace("<Envelope", f'<!DOCTYPE Envelope [<!ENTITY a "ha">{laughs}]><Envelope'),
                 descriptor.replace("<EulaSection>", "<a>" * 3000 + "</a>" * 3000 + "<EulaSection>"),
                 descriptor.replace('href="disk"', 'href="/etc/passwd"'), descriptor.replace('href="disk"', 'href="http://a/b"'),
                 descriptor.replace('capacity="512"', 'capacity="17179869184" ovf:capacityAllocationUnits="byte * 2^30"')):
        archives.append(tar_member(b"box.ovf", text.encode()) + tar_member(b"disk", b"x" * 512) + end)
        seeds.add(b"\0" + text.encode(), "ovf")
    text = descriptor.replace('href="disk"', 'href="disk" ovf:compression="gzip"')
    archives.append(tar_member(b"box.ovf", text.encode()) + tar_member(b"disk", bomb) + end)
    archives.append(tar_member(b"disk", b"x" * 512) + tar_member(b"box.ovf", descriptor.encode()) + end)
    chunked = descriptor.replace('href="disk"', 'href="disk" ovf:chunkSize="512" ovf:size="1024"')
    chunks = [tar_member(b"disk.%09d" % number, b"x" * 512) for number in (0, 1, 1, 2)]
    for count in (1, 2, 3, 4):
        archives.append(tar_member(b"box.ovf", chunked.encode()) + b"".join(chunks[:count]) + end)
    for text, name in ((descriptor.replace('href="disk"', 'href="%64isk"'), b"%64isk"),
                       (descriptor.replace("</References>", OVF_FILE % (2, "other", "") + "</References>"), b"other"),
                       (descriptor.replace('capacity="512"', 'capacity="1" ovf:capacityAllocationUnits="byte * 2^50"'), b"a")):
        archives.append(tar_member(b"box.ovf", text.encode()) + tar_member(b"disk", b"x" * 512)
                        + tar_member(name, b"QFI\xfb\0\0\0\3" + bytes(504)) + end)
    for archive in archives:
        seeds.add(pack(archive), "tar", "ova")
        seeds.add(archive, "inspect", prefix=b"\x80\0\0")
        seeds.add(b"\3" + pack(archive), "docker")


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def container_images(seeds):
    """Documents, layers and archives of container images."""
    seeds.fresh()
    (seeds.work / "a").write_text("hello")
    (seeds.work / ".wh.b").write_text("")
    (seeds.work / "link").symlink_to("/a")
    if not seeds.run("tar", "--format=ustar", "-b1", "-cf", "layer.tar", "a", ".wh.b", "link"):
        return
    layer = (seeds.work / "layer.tar").read_bytes()
    seeds.run("zstd", "-q", "layer.tar")
    stored = [layer, gzip.compress(layer, mtime=0)]
    stored += [path.read_bytes() for path in seeds.work.glob("layer.tar.zst")]
    for data in stored:
        seeds.add(b"\1" + data, "docker")
    seeds.add(b"\1" + stored[1] + gzip.compress(b"more", mtime=0), "docker")
    seeds.add(b"\2" + pack(layer), "docker")
    trees(seeds, layer)
    config = ('{"architecture":"amd64","os":"linux","config":{"Entrypoint":["/bin/sh"],"Env":["A=B"],"Labels":{"k":"v"},'
              '"ExposedPorts":{"80/tcp":{}}},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]},'
              '"history":[{"created_by":"COPY","empty_layer":false}]}' % sha256(layer)).encode()
    for data in stored:
        blobs = {"blobs/sha256/" + sha256(data): data, "blobs/sha256/" + sha256(config): config}
        manifest = ('{"schemaVersion":2,"config":{"mediaType":"application/vnd.oci.image.config.v1+json",'
                    '"digest":"sha256:%s","size":%d},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar",'
                    '"digest":"sha256:%s","size":%d}]}' % (sha256(config), len(config), sha256(data), len(data))).encode()
        index = ('{"schemaVersion":2,"manifests":[{"digest":"sha256:%s","size":%d,"annotations":'
                 '{"org.opencontainers.image.ref.name":"v1"}}]}' % (sha256(manifest), len(manifest))).encode()
        blobs["blobs/sha256/" + sha256(manifest)] = manifest
        saved = ('[{"Config":"blobs/sha256/%s","RepoTags":["a:b"],"Layers":["blobs/sha256/%s"]}]'
                 % (sha256(config), sha256(data))).encode()
        plain = b'[{"Config":"config","RepoTags":null,"Layers":["layer"]}]'
        layout = b'{"imageLayoutVersion":"1.0.0"}'
        for text in (config, manifest, index, saved, layout):
            seeds.add(b"\0" + text, "docker")
        for files in ({**blobs, "index.json": index, "oci-layout": layout},
                      {**blobs, "index.json": index, "manifest.json": saved},
                      {"manifest.json": plain, "config": config, "layer": data}):
            archive(seeds, files)


def trees(seeds, upper):
    """Layers one behind the other: all a file can be, and what takes it away again."""
    seeds.add(b"\0" + pack(upper), "docker_tree")
    folder = seeds.work / "tree"
    (folder / "d" / "e").mkdir(parents=True)
    (folder / "d" / "a").write_bytes(bytes(range(256)) * 20)
    os.link(folder / "d" / "a", folder / "d" / "hard")
    (folder / "to").symlink_to("d")
    (folder / "far").symlink_to("x" * 100)
    os.mkfifo(folder / "pipe")
    for form in ("ustar", "gnu", "pax"):
        if not seeds.run("tar", f"--format={form}", "-b1", "-cf", f"{form}.tar", "-C", "tree", "d", "to", "far", "pipe"):
            continue
        lower = (seeds.work / f"{form}.tar").read_bytes()
        lower += bytes(-len(lower) % max(len(lower), len(upper)))
        seeds.add(b"\0" + pack(lower), "docker_tree")
        seeds.add(b"\1" + pack(lower + upper + bytes(len(lower) - len(upper))), "docker_tree")
        seeds.add(b"\2" + pack(lower * 3), "docker_tree")
    (folder / "d" / ".wh..wh..opq").write_text("")
    (folder / ".wh.pipe").write_text("")
    if seeds.run("tar", "--format=ustar", "-b1", "-cf", "opaque.tar", "-C", "tree", "d", ".wh.pipe"):
        seeds.add(b"\1" + pack((seeds.work / "opaque.tar").read_bytes() * 2), "docker_tree")


def streams(seeds):
    """Compressed disks, whole, in a row, with something behind them, and cut."""
    seeds.fresh()
    (seeds.work / "a").write_bytes(b"".join(hashlib.sha256(bytes([n])).digest() for n in range(100)) + bytes(20000))
    for words, end in ((["gzip", "-k", "a"], "gz"), (["bzip2", "-k", "a"], "bz2"), (["xz", "-k", "a"], "xz"),
                       (["zstd", "-q", "a"], "zst")):
        if not seeds.run(*words):
            continue
        data = (seeds.work / ("a." + end)).read_bytes()
        for text in (data, data + data, data + bytes(8), data + b"rest", data[:-5], data[:-4] + b"zzzz"):
            seeds.add(text, "compressed")
            seeds.add(text, "inspect", prefix=b"\x80\1\0")


def cpio(name, data):
    """One member of a newc archive."""
    name = name.encode() + b"\0"
    numbers = (1, 0o100644, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name), 0)
    head = b"070701" + b"".join(b"%08x" % number for number in numbers) + name
    return head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4)


def late(seeds):
    """What is known of a stream's beginning late, or taken back at its end."""
    seeds.fresh()
    noise = b"".join(hashlib.sha256(bytes([n % 256, n // 256])).digest() for n in range(3000))
    end = cpio("TRAILER!!!", b"")
    large = cpio("init", noise) + end
    many = b"".join(cpio(f"file{n}", b"x") for n in range(300)) + end
    stored = zlib.compressobj(0, zlib.DEFLATED, 31)
    ramdisks = [large, many, stored.compress(large) + stored.flush(), bz2.compress(large), lzma.compress(large),
                gzip.compress(many, mtime=0), gzip.compress(large, mtime=0) + many]
    (seeds.work / "a").write_bytes(large)
    for words, name in ((["zstd", "-q", "a"], "a.zst"), (["lz4", "-q", "a", "a.lz4"], "a.lz4")):
        if seeds.run(*words):
            ramdisks.append((seeds.work / name).read_bytes())
    for text in ramdisks:
        for prefix in (b"\0\0", b"\x40\2\0", b"\xc0\2\6\1\0\0\0\0"):
            seeds.add(text, "inspect", prefix=prefix)
    if seeds.run("qemu-img", "create", "-q", "-f", "vpc", "-o", "subformat=fixed,force_size=on", "a.vhd", "1M"):
        data = bytearray((seeds.work / "a.vhd").read_bytes())
        data[4096:4104] = b"QFI\xfb\0\0\0\3"
        seeds.add(pack(bytes(data)), "inspect", prefix=b"\0\0")
    if seeds.run("genisoimage", "-quiet", "-udf", "-o", "a.iso", "a"):
        data = bytearray((seeds.work / "a.iso").read_bytes())
        for at in (0, 16 * 2352):
            data[at:at + 16] = b"\0" + b"\xff" * 10 + b"\0\0\0\0\1"
        seeds.add(pack(bytes(data)), "iso")
        seeds.add(pack(bytes(data)), "inspect", prefix=b"\0\0")


def archive(seeds, files):
    shutil.rmtree(seeds.work / "files", ignore_errors=True)
    for name, data in files.items():
        path = seeds.work / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    if not seeds.run("tar", "--format=ustar", "-b1", "-cf", "a.tar", "-C", "files", *files):
        return
    data = (seeds.work / "a.tar").read_bytes()
    seeds.add(b"\3" + pack(data), "docker")
    seeds.add(data, "tar", "ova")
    seeds.add(data, "inspect", prefix=b"\0\0")


def recipes(seeds):
    """For harnesses whose input is a list of choices."""
    noise = b"".join(hashlib.sha256(bytes([count, 7])).digest() for count in range(16))
    for way in range(25):
        seeds.add(bytes([way, way]) + noise[way * 8:way * 8 + 120], "round_trip")
        seeds.add(bytes([way, 1]) + struct.pack("<I", 1000) + bytes([5, 0, 0, 0, 9, 1, 2]), "round_trip")
    for number in range(8):
        seeds.add(bytes(number * 12), "vhdx_log")
        seeds.add(bytes([number]) + noise[number * 32:], "vhdx_log")
        seeds.add(struct.pack("<HB", number * 700, number) + noise[:number * 5], "zero_scan")
        seeds.add(bytes([number]) + noise[:4 + number * 8 * number], "digest_lanes")


def make(platter, target):
    shutil.rmtree(target, ignore_errors=True)
    with tempfile.TemporaryDirectory() as work:
        seeds = Seeds(os.path.abspath(platter), os.path.abspath(target), work + "/work")
        for part in (images, qcow2_extras, differencing, iso_images, file_systems, contents, partitions, texts, archives,
                     appliances, hostile_archives, container_images,
                     streams, late,
                     recipes):
            part(seeds)
        for data in RECOGNISED:
            seeds.add(data, "recognised")
        for data in RECOGNISED + WRAPPED:
            seeds.add(data, "inspect", prefix=bytes(2))
    counts = {folder.name: len(list(folder.iterdir())) for folder in sorted(pathlib.Path(target).iterdir())}
    print(", ".join(f"{name}: {count}" for name, count in counts.items()))
    return 0


def main():
    if len(sys.argv) == 4 and sys.argv[1] == "--pack":
        pathlib.Path(sys.argv[3]).write_bytes(pack(pathlib.Path(sys.argv[2]).read_bytes()))
        return 0
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    return make(sys.argv[1], sys.argv[2])


sys.exit(main())

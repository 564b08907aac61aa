"""platter hash at the shell, against sha256sum and its relatives, openssl, qemu-img, and a block hash written here.

usage: hashes.py PLATTER FOLDER
"""

import hashlib
import json
import os
import pathlib
import random
import shutil
import struct
import subprocess
import sys

PLATTER = os.path.abspath(sys.argv[1])
FOLDER = pathlib.Path(sys.argv[2])
failures = []

BLOCK = 65536
# Lengths around where blocks of any algorithm, of the block hash and of the reads end.
LENGTHS = [0, 1, 55, 56, 63, 64, 65, 111, 112, 127, 128, 135, 136, 511, 512, 4095, BLOCK - 1, BLOCK, BLOCK + 1,
           (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 1500000]
# Our name, and who else can say it.
PEERS = [("md5", ["md5sum"]), ("sha1", ["sha1sum"]), ("sha224", ["sha224sum"]), ("sha256", ["sha256sum"]),
         ("sha384", ["sha384sum"]), ("sha512", ["sha512sum"]), ("blake2b", ["b2sum"]),
         ("blake2s", ["openssl", "dgst", "-r", "-blake2s256"]), ("sha3-256", ["openssl", "dgst", "-r", "-sha3-256"]),
         ("sha3-512", ["openssl", "dgst", "-r", "-sha3-512"])]
# Format, options of qemu-img convert.
FORMATS = [("qcow2", []), ("qcow2", ["-c"]), ("qcow2", ["-o", "cluster_size=4k"]), ("vmdk", []), ("vdi", []),
           ("vhdx", []), ("vpc", ["-o", "force_size=on"]), ("raw", [])]


def run(*words, stdin=None, program=PLATTER, code=0):
    done = subprocess.run([program, *map(str, words)], cwd=FOLDER, input=stdin, capture_output=True, check=False,
                          stdin=subprocess.DEVNULL if stdin is None else None)
    if code is not None and done.returncode != code:
        failures.append(f"{words}: exit code {done.returncode}, wanted {code}: {done.stderr.decode()}")
    return done


def output(*words, **options):
    return run(*words, **options).stdout.decode()


def expect(what, got, wanted):
    if got != wanted:
        failures.append(f"{what}: got {got!r}, wanted {wanted!r}")


def first_word(text):
    return text.split()[0] if text.split() else ""


def block_hash(data, name="sha256", block=BLOCK):
    outer = hashlib.new(name)
    for at in range(0, len(data), block):
        outer.update(hashlib.new(name, data[at:at + block]).digest())
    outer.update(struct.pack("<Q", len(data)))
    return outer.hexdigest()


def mixed_disk(size, seed):
    """Data, zeros and holes in pieces that start anywhere."""
    chance = random.Random(seed)
    disk = bytearray(size)
    at = 0
    while at < size:
        length = min(chance.choice([1, 100, 512, 5000, BLOCK, 200000]), size - at)
        if chance.random() < 0.4:
            disk[at:at + length] = chance.randbytes(length)
        at += length
    return bytes(disk)


def write_sparse(path, data):
    with open(path, "wb") as file:
        for at in range(0, len(data), 4096):
            piece = data[at:at + 4096]
            if any(piece):
                file.seek(at)
                file.write(piece)
        file.truncate(len(data))


def check_files():
    for length in LENGTHS:
        write_sparse(FOLDER / f"{length}.bin", mixed_disk(length, length))
    names = [f"{length}.bin" for length in LENGTHS]
    for ours, peer in PEERS:
        theirs = output(*peer[1:], *names, program=peer[0]).replace(" *", "  ")
        expect(f"{ours} of files", output("hash", "--digest", ours, *names), theirs)
    for name in names:
        data = (FOLDER / name).read_bytes()
        together = json.loads(output("hash", "--output=json", "--digest", "md5,sha512,crc32c", name))
        expect(f"{name}: json", (together[0]["filename"], together[0]["form"], together[0]["size"]),
               (name, "file", len(data)))
        expect(f"{name}: md5", together[0]["digests"]["md5"], hashlib.md5(data).hexdigest())
        expect(f"{name}: sha512", together[0]["digests"]["sha512"], hashlib.sha512(data).hexdigest())
    data = (FOLDER / names[-1]).read_bytes()
    expect("standard input", output("hash", "-", stdin=data), hashlib.sha256(data).hexdigest() + "  -\n")
    expect("tags", output("hash", "--digest", "sha256,md5", "1.bin"),
           output("--tag", "1.bin", program="sha256sum") + output("--tag", "1.bin", program="md5sum"))


def check_block_hashes():
    (FOLDER / "hello.raw").write_bytes(b"hello" + bytes((1 << 20) - 5))
    check_value = "f2c31c90ef3cde9ac15747869bc57a8c3d47820a7596a852d41c2c1dcdff2952"
    expect("check value", output("hash", "--block", "hello.raw"), f"{check_value}  hello.raw\n")
    for length in LENGTHS:
        # As a disk, a file is as long as its sectors.
        data = (FOLDER / f"{length}.bin").read_bytes() + bytes(-length % 512)
        for name, block in [("sha256", BLOCK), ("md5", 512), ("sha512", 4096), ("sha1", 1 << 20), ("blake2b", BLOCK)]:
            expect(f"block hash of {length} bytes, {name} of {block}",
                   first_word(output("hash", "--block", "-f", "raw", "--digest", name, "--block-size", block,
                                     f"{length}.bin")),
                   block_hash(data, name, block))


def check_guests():
    data = mixed_disk(3 * (1 << 20) + 512, 7)
    write_sparse(FOLDER / "disk.raw", data)
    for number, (fmt, options) in enumerate(FORMATS):
        image, back = f"disk{number}.{fmt}", f"back{number}.raw"
        run("convert", "-f", "raw", "-O", fmt, *options, "disk.raw", image, program="qemu-img")
        run("convert", "-f", fmt, "-O", "raw", image, back, program="qemu-img")
        expect(f"{image}: guest", first_word(output("hash", "--guest", "-f", fmt, image)),
               first_word(output(back, program="sha256sum")))
        expect(f"{image}: block", first_word(output("hash", "--block", "-f", fmt, image)),
               block_hash((FOLDER / back).read_bytes()))
    run("create", "-q", "-f", "qcow2", "-b", "disk0.qcow2", "-F", "qcow2", "top.qcow2", program="qemu-img")
    run("-c", "write -P 7 100000 300000", "-c", "write -z 1M 1M", "top.qcow2", program="qemu-io")
    run("convert", "-O", "raw", "top.qcow2", "top.raw", program="qemu-img")
    top = (FOLDER / "top.raw").read_bytes()
    expect("chain: guest", first_word(output("hash", "--guest", "--digest", "md5", "top.qcow2")),
           hashlib.md5(top).hexdigest())
    expect("chain: block", first_word(output("hash", "--block", "-p", "-U", "top.qcow2")), block_hash(top))
    expect("image options", first_word(output("hash", "--block", "--image-opts", "driver=qcow2,file.filename=top.qcow2")),
           block_hash(top))


def check_conversions():
    """convert --digest says of every target what sha256sum and md5sum say of the source."""
    data = (FOLDER / "disk.raw").read_bytes()
    lines = "".join(f"{name.upper()} (target) = {hashlib.new(name, data).hexdigest()}\n" for name in ("sha256", "md5"))
    for options in (["-O", "raw"], ["-O", "raw", "-S", "0"], ["-O", "qcow2"], ["-O", "qcow2", "-c"], ["-O", "vmdk"],
                    ["-O", "vdi", "-m", "1"], ["-O", "vhdx", "-q"]):
        said = output("convert", *options, "--digest", "sha256,md5", "-f", "raw", "disk.raw", "target")
        expect(f"convert {options}", said, lines)
        expect(f"check of {options}", output("hash", "--guest", "-f", options[1], "--check", "-", stdin=said.encode()),
               "target: OK\n" * 2)
    # Formats round sizes up.
    for options in (["-O", "vpc"], ["-O", "vpc", "-o", "azure=on"], ["-O", "vhdx", "-o", "logical_sector_size=4096"]):
        (FOLDER / "odd.raw").write_bytes(data[:1_234_567])
        said = output("convert", *options, "--digest", "sha256", "-f", "raw", "odd.raw", "target")
        expect(f"check of what {options} rounds", output("hash", "--guest", "-f", options[1], "--check", "-", stdin=said.encode()),
               "target: OK\n")
    for options, names in ((["-O", "qcow2"], ["target"]), (["-O", "raw"], ["target"]), (["-O", "ova"], ["target"]),
                           (["-O", "vmdk", "-o", "subformat=monolithicFlat"], ["target", "target-flat"])):
        said = output("convert", *options, "--file-digest", "sha256,md5", "-f", "raw", "disk.raw", "target")
        expect(f"files of {options}", said, "".join(
            f"{digest.upper()} ({name}) = {hashlib.new(digest, (FOLDER / name).read_bytes()).hexdigest()}\n"
            for name in names for digest in ("sha256", "md5")))
    run("create", "-q", "-f", "qcow2", "larger", "8M")
    said = output("convert", "-n", "-O", "qcow2", "--digest", "sha256", "top.qcow2", "disk.raw", "larger")
    together = (FOLDER / "top.raw").read_bytes() + data
    expect("two sources", said, f"SHA256 (larger) = {hashlib.sha256(together).hexdigest()}\n")
    streamed = run("convert", "-O", "raw", "--digest", "md5", "disk.raw", "/dev/stdout")
    expect("stream", (streamed.stdout == data, streamed.stderr.decode()),
           (True, f"MD5 (/dev/stdout) = {hashlib.md5(data).hexdigest()}\n"))


def check_comparisons():
    """compare --digest: two disks, and one with what was recorded of it."""
    top = (FOLDER / "top.raw").read_bytes()
    run("convert", "-O", "vmdk", "top.qcow2", "top.vmdk", program="qemu-img")
    block, guest = block_hash(top, "sha512"), hashlib.md5(top).hexdigest()
    expect("two disks", output("compare", "--digest", "sha512", "top.qcow2", "top.vmdk"),
           f"{block}  top.qcow2\n{block}  top.vmdk\nImages are identical.\n")
    other = block_hash((FOLDER / "disk.raw").read_bytes(), "sha512")
    expect("others", output("compare", "--digest", "sha512", "-f", "raw", "disk.raw", "top.vmdk", code=1),
           f"{other}  disk.raw\n{block}  top.vmdk\nImages differ!\n")
    expect("recorded", output("compare", "--digest", f"sha512:{block.upper()}", "top.vmdk"),
           f"{block}  top.vmdk\nImage is as recorded.\n")
    small = block_hash(top, "sha1", 4096)
    expect("block size", output("compare", "--digest", f"sha1:{small}", "--block-size", "4k", "-p", "top.vmdk"),
           f"{small}  top.vmdk\nImage is as recorded.\n")
    expect("guest", output("compare", "--digest", f"md5:{guest}", "--guest", "top.vmdk"),
           f"{guest}  top.vmdk\nImage is as recorded.\n")
    expect("not as recorded", output("compare", "--digest", f"sha512:{other}", "top.vmdk", code=1),
           f"{block}  top.vmdk\nImage is not as recorded!\n")
    expect("quiet", output("compare", "-q", "--digest", f"sha512:{other}", "top.vmdk", code=1), "")
    run("compare", "--digest", "md5", "top.vmdk", "nowhere", code=2)
    # A longer disk is equal to compare, and another one to its hash.
    shutil.copy(FOLDER / "top.raw", FOLDER / "longer.raw")
    os.truncate(FOLDER / "longer.raw", len(top) + 65536)
    run("compare", "-f", "raw", "-F", "raw", "top.raw", "longer.raw")
    run("compare", "--digest", "md5", "-f", "raw", "-F", "raw", "top.raw", "longer.raw", code=1)


def check_vast_disk():
    """10 TiB of which nothing is read but 3 MiB; the digests of zero blocks come one after another."""
    size, block = 10 << 40, 16 << 20
    with open(FOLDER / "vast.raw", "wb") as file:
        file.truncate(size)
        file.seek(5 << 40)
        file.write(b"x" * (3 << 20))
    zero = hashlib.sha256(bytes(block)).digest()
    outer = hashlib.sha256(zero * ((5 << 40) // block))
    outer.update(hashlib.sha256(b"x" * (3 << 20) + bytes(block - (3 << 20))).digest())
    outer.update(zero * ((5 << 40) // block - 1) + struct.pack("<Q", size))
    expect("10 TiB", first_word(output("hash", "--block", "--block-size=16M", "-f", "raw", "vast.raw")),
           outer.hexdigest())
    (FOLDER / "vast.raw").unlink()


def check_lists():
    (FOLDER / "odd\nna\\me").write_bytes(b"odd")
    names = ["1.bin", "64.bin", "odd\nna\\me", "hello.raw"]
    for digest, peer in PEERS[:7]:
        lines = output("hash", "--digest", digest, *names)
        expect(f"{peer[0]} reads our list", run("-c", "--quiet", program=peer[0], stdin=lines.encode()).stdout, b"")
        for options in ([], ["--tag"]):
            (FOLDER / "list").write_text(output(*options, *names, program=peer[0]))
            chosen = ["--digest", digest] if digest == "blake2b" and not options else []
            said = output("hash", *chosen, "--check", "list")
            expect(f"{peer[0]} {options}", said, "1.bin: OK\n64.bin: OK\n\\odd\\nna\\\\me: OK\nhello.raw: OK\n")
    (FOLDER / "list").write_text(output("dgst", "-sha256", "-sha256", "1.bin", "64.bin", program="openssl"))
    expect("openssl's list", output("hash", "--check", "list", "-q"), "")
    lines = output("hash", "--guest", "--digest", "md5,sha256", "disk0.qcow2", "top.qcow2")
    expect("guests", output("hash", "--guest", "--check", "-", stdin=lines.encode()),
           "disk0.qcow2: OK\n" * 2 + "top.qcow2: OK\n" * 2)
    lines = output("hash", "--block", "disk0.qcow2")
    expect("blocks", output("hash", "--block", "--check", "-", stdin=lines.encode()), "disk0.qcow2: OK\n")


def check_failures():
    good = output("1.bin", "64.bin", program="sha256sum").splitlines()
    bad = ("0" if good[0][0] != "0" else "1") + good[0][1:]
    listed = "\n".join(["# a comment", bad, good[1].upper().replace("BIN", "bin"), good[1].replace("64", "missing"),
                        "nonsense", "abc  x"]) + "\n"
    done = run("hash", "--check", "-", stdin=listed.encode(), code=1)
    expect("verdicts", done.stdout.decode(), "1.bin: FAILED\n64.bin: OK\nmissing.bin: FAILED open or read\n")
    for warning in ("2 lines are improperly", "1 listed file could not be read", "1 computed digest did NOT match"):
        expect(warning, warning in done.stderr.decode(), True)
    done = run("hash", "--check", "-", "--output=json", stdin=listed.encode(), code=1)
    expect("json verdicts", [(one["filename"], one["result"]) for one in json.loads(done.stdout)],
           [("1.bin", "failed"), ("64.bin", "ok"), ("missing.bin", "unreadable")])
    done = run("hash", "missing.bin", "1.bin", code=1)
    expect("the other file", done.stdout.decode(), good[0] + "\n")
    expect("no such file", "No such file" in done.stderr.decode(), True)


# Words, what the message says.
WRONG = [
    (["hash"], "Expecting at least one"),
    (["hash", "--digest", "md6", "1.bin"], "unknown digest 'md6'"),
    (["hash", "--digest", "md5,,sha1", "1.bin"], "unknown digest ''"),
    (["hash", "--digest", "md5,md5", "1.bin"], "'md5' is asked for twice"),
    (["hash", "--file", "--block", "1.bin"], "mutually exclusive"),
    (["hash", "--block-size", "4096", "1.bin"], "--block-size goes with --block"),
    (["hash", "--block", "--block-size", "1000", "1.bin"], "power of two"),
    (["hash", "--block", "--block-size", "32M", "1.bin"], "power of two"),
    (["hash", "--block", "--block-size", "x", "1.bin"], "Invalid block size"),
    (["hash", "-f", "raw", "1.bin"], "-f goes with --guest or --block"),
    (["hash", "-U", "1.bin"], "-U goes with"),
    (["hash", "--image-opts", "1.bin"], "--image-opts goes with"),
    (["hash", "--guest", "--image-opts", "-f", "raw", "1.bin"], "mutually exclusive"),
    (["hash", "-q", "1.bin"], "-q goes with --check"),
    (["hash", "--check", "list", "1.bin"], "names from the list"),
    (["hash", "--check", "list", "--digest", "md5,sha1"], "takes one digest"),
    (["hash", "--check", "nowhere"], "cannot be read"),
    (["hash", "--check", "hello.raw"], "no properly formatted"),
    (["hash", "--output=xml", "1.bin"], "human or json"),
    (["hash", "--bogus", "1.bin"], "unrecognized option '--bogus'"),
    (["hash", "--guest", "-f", "nonsense", "1.bin"], "nonsense"),
    (["hash", "--guest", "-f", "qcow2", "1.bin"], "qcow2"),
    (["convert", "-n", "--file-digest", "md5", "disk.raw", "1.bin"], "cannot go with -n"),
    (["convert", "-O", "raw", "--file-digest", "md5", "disk.raw", "/dev/stdout"], "cannot go with a pipe"),
    (["compare", "--digest", "md6", "1.bin", "1.bin"], "unknown digest 'md6'"),
    (["compare", "--digest", "md5,sha1", "1.bin", "1.bin"], "by one digest"),
    (["compare", "--digest", "md5:abc", "1.bin"], "'abc' is no md5 digest"),
    (["compare", "--digest", "md5:" + "0" * 31 + "g", "1.bin"], "is no md5 digest"),
    (["compare", "--digest", "md5:" + "0" * 32, "1.bin", "1.bin"], "Expecting one image file name"),
    (["compare", "--digest", "md5", "1.bin"], "Expecting two image file names"),
    (["compare", "--guest", "1.bin", "1.bin"], "go with --digest"),
    (["compare", "--digest", "md5", "--guest", "--block-size", "4k", "1.bin", "1.bin"], "goes without --guest"),
    (["compare", "--digest", "md5", "--block-size", "1000", "1.bin", "1.bin"], "power of two"),
    (["compare", "--digest", "md5", "-s", "1.bin", "1.bin"], "without -s"),
    (["convert", "--digest", "md6", "1.bin", "new"], "unknown digest 'md6'"),
    (["convert", "--digest", "md5", "-C", "1.bin", "new"], "--digest has to see the bytes"),
    (["convert", "--digest", "md5", "-O", "qcow2", "-B", "1.bin", "-F", "raw", "disk.raw", "new"], "cannot go with -B"),
    (["convert", "--digest", "md5", "-O", "qcow2", "-o", "backing_file=1.bin,backing_fmt=raw", "disk.raw", "new"],
     "cannot go with a backing file"),
]


def check_wrong():
    for words, message in WRONG:
        done = run(*words, code=1)
        expect(f"{words}: says {message!r}", message in done.stderr.decode(), True)
        expect(f"{words}: prints nothing", done.stdout, b"")
        expect(f"{words}: leaves nothing", (FOLDER / "new").exists(), False)
    os.symlink(PLATTER, FOLDER / "qemu-img")
    done = run("hash", "1.bin", program=FOLDER.absolute() / "qemu-img", code=1)
    expect("as qemu-img", "Command not found: hash" in done.stderr.decode(), True)
    done = run("compare", "--digest", "md5", "1.bin", "1.bin", program=FOLDER.absolute() / "qemu-img", code=1)
    expect("qemu-img compare", "unrecognized option '--digest'" in done.stderr.decode(), True)
    done = run("convert", "--digest", "md5", "1.bin", "new", program=FOLDER.absolute() / "qemu-img", code=1)
    expect("qemu-img convert", "unrecognized option '--digest'" in done.stderr.decode(), True)


shutil.rmtree(FOLDER, ignore_errors=True)
FOLDER.mkdir(parents=True)
for check in (check_files, check_block_hashes, check_guests, check_conversions, check_comparisons, check_vast_disk,
              check_lists, check_failures, check_wrong):
    check()
shutil.rmtree(FOLDER)
print("\n".join(failures) or f"{len(LENGTHS)} lengths, {len(PEERS)} algorithms, {len(FORMATS)} formats: as expected")
sys.exit(1 if failures else 0)

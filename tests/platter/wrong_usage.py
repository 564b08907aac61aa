"""Wrong and unusual command lines: exit code, what the message says, and that nothing is printed or left behind.

usage: wrong_usage.py PLATTER FOLDER

A row is: exit code, a part of the message, the words. qemu-img has to agree on the exit code, unless the row says that
it does not.
"""

import os
import shutil
import subprocess
import sys

from compare_with_qemu import call
import qemu_images

ROWS = [
    (1, "Not enough arguments", []),
    (1, "Command not found: frobnicate", ["frobnicate"]),
    (1, "unrecognized option '--bogus'", ["--bogus"]),
    (1, "unrecognized option '-x'", ["-x", "info", "a.raw"]),
    (1, "missing argument for option '-T'", ["-T"]),
    # One image, and options that exist and have their values.
    (1, "Expecting one image file name", ["info"]),
    (1, "Expecting one image file name", ["info", "a.raw", "b.raw"]),
    (1, "Expecting one image file name", ["check"]),
    (1, "Expecting one image file name", ["map", "a.raw", "b.raw"]),
    (1, "unrecognized option '--bogus'", ["info", "--bogus", "a.raw"]),
    (1, "unrecognized option '-x'", ["check", "-x", "a.raw"]),
    (1, "unrecognized option '--o'", ["info", "--o", "a.raw"]),
    (1, "missing argument for option '-f'", ["info", "a.raw", "-f"]),
    (1, "missing argument for option '--output'", ["map", "a.raw", "--output"]),
    (1, "--output must be used with human or json", ["info", "--output=xml", "a.raw"]),
    (1, "--output must be used with human or json", ["check", "--output=", "a.raw"]),
    (1, "--output must be used with human or json", ["measure", "--output=HUMAN", "--size", "1"]),
    (1, "Unknown driver 'nonsense'", ["info", "-f", "nonsense", "a.raw"]),
    # An empty variable of a script.
    (1, "Unknown driver ''", ["info", "-f", "", "a.raw"]),
    (1, "Unknown driver ''", ["convert", "-f", "", "a.raw", "new.raw"]),
    (1, "Unknown file format ''", ["convert", "-O", "", "a.raw", "new.raw"]),
    (1, "Unknown file format ''", ["create", "-f", "", "new.raw", "1M"]),
    (1, "Unknown driver ''", ["create", "-f", "qcow2", "-b", "a.raw", "-F", "", "new.qcow2"]),
    (2, "Unknown driver ''", ["compare", "-F", "", "a.raw", "a.qcow2"]),
    (1, "Unknown driver 'foo'", ["create", "-u", "-f", "qcow2", "-b", "a.raw", "-F", "foo", "new.qcow2", "1M"]),
    (1, "No such file or directory", ["info", "nowhere.raw"]),
    (1, "No such file or directory", ["check", "nowhere.raw"]),
    (1, "No such file or directory", ["map", "nowhere.raw"]),
    (1, "No such file or directory", ["measure", "nowhere.raw"]),
    (1, "", ["info", "."]),
    (1, "empty file name", ["info", ""]),
    (1, "in qcow2 format", ["info", "-f", "qcow2", "a.raw"]),
    (1, "in qcow2 format", ["check", "-f", "qcow2", "a.raw"]),
    # Refused by name.
    (1, "--object is not supported", ["info", "--object", "secret", "a.raw"]),
    (1, "json:", ["info", "json:{}"]),
    (1, "nbd:", ["info", "nbd:nowhere.invalid"]),
    (1, "nosuch:", ["info", "nosuch:a.raw"]),
    (1, "encrypt", ["create", "-q", "-f", "qcow2", "-o", "encrypt.format=luks", "new.qcow2", "1M"]),
    (1, "encrypt", ["create", "-q", "-f", "qcow2", "-o", "encryption=on", "new.qcow2", "1M"]),
    # --image-opts
    (1, "mutually exclusive", ["info", "--image-opts", "-f", "raw", "driver=raw,file.filename=a.raw"]),
    (1, "nonsense", ["info", "--image-opts", "driver=qcow2,file.filename=a.qcow2,nonsense=1"]),
    (1, "file.nonsense", ["info", "--image-opts", "driver=qcow2,file.filename=a.qcow2,file.nonsense=1"]),
    (1, "Unknown driver 'foo'", ["info", "--image-opts", "driver=foo,file.filename=a.raw"]),
    (1, "'filename'", ["info", "--image-opts", "filename=a.raw"]),
    (1, "", ["info", "--image-opts", "driver=raw"]),
    (1, "", ["info", "--image-opts", "a.raw"]),
    (1, "read-only", ["check", "-r", "all", "--image-opts", "driver=qcow2,file.filename=a.qcow2,read-only=on"]),
    (1, "expects 'on' or 'off'", ["info", "--image-opts", "driver=raw,file.filename=a.raw,read-only=maybe"]),
    # check
    (63, "does not support checks", ["check", "a.raw"]),
    (63, "does not support checks", ["check", "--output=json", "-f", "raw", "a.qcow2"]),
    (1, "expecting 'leaks' or 'all'", ["check", "-r", "some", "a.qcow2"]),
    (1, "Invalid source cache option: foo", ["check", "-T", "foo", "a.qcow2"]),
    (1, "force-share", ["check", "-U", "-r", "all", "a.qcow2"]),
    # map
    (1, "Invalid start offset specified", ["map", "--start-offset=x", "a.raw"]),
    (1, "Must be between 0 and 9223372036854775807", ["map", "--max-length=9E", "a.raw"]),
    # measure
    (1, "Either --size N or one filename", ["measure"]),
    (1, "--size N cannot be used together", ["measure", "--size", "1M", "a.raw"]),
    (1, "At most one filename", ["measure", "a.raw", "a.qcow2"]),
    (1, "require a filename", ["measure", "-f", "raw", "--size", "1M"]),
    (1, "require a filename", ["measure", "-l", "x", "--size", "1M"]),
    (1, "Unknown file format 'foo'", ["measure", "-O", "foo", "--size", "1M"]),
    (1, "Invalid parameter 'foo'", ["measure", "-O", "qcow2", "-o", "foo=1", "--size", "1M"]),
    (1, "Invalid parameter 'foo'", ["measure", "-l", "snapshot.id=1,foo=1", "a.qcow2"]),
    (1, "Can't find snapshot", ["measure", "-l", "none", "a.qcow2"]),
    (1, "Failed to load snapshot", ["measure", "-f", "raw", "-l", "none", "a.raw"]),
    (1, "Invalid image size", ["measure", "--size", "1x"]),
    (1, "does not support size measurement", ["measure", "-O", "qcow", "--size", "1M"]),
    # Files inside images: qemu-img does not have it
    (1, "Expecting an image file name and at most one path", ["ls"]),
    (1, "Expecting an image file name and at most one path", ["ls", "a.raw", "/", "/"]),
    (1, "--output must be used with human or json", ["ls", "--output=xml", "a.raw"]),
    (1, "unrecognized option '--bogus'", ["ls", "--bogus", "a.raw"]),
    (1, "No such file or directory", ["ls", "nowhere.iso"]),
    (1, "holds no file system", ["ls", "a.raw"]),
    (1, "holds no file system", ["ls", "-R", "a.qcow2"]),
    (1, "not in iso format", ["ls", "-f", "iso", "a.raw"]),
    (1, "Expecting an image file name and paths", ["cat", "a.raw"]),
    (1, "holds no file system", ["cat", "a.raw", "x"]),
    (1, "missing argument for option '--tree'", ["cat", "a.raw", "x", "--tree"]),
    (1, "Expecting an image file name", ["extract"]),
    (1, "missing argument for option '-C'", ["extract", "a.raw", "-C"]),
    (1, "holds no file system", ["extract", "-C", "new", "a.raw"]),
    (1, "the disk is no ISO", ["convert", "-O", "iso", "a.raw", "new.iso"]),
    (1, "the disk is no ISO", ["measure", "-O", "iso", "a.raw"]),
    (1, "the disk is no ISO", ["create", "-q", "-f", "iso", "new.iso", "1M"]),
    (1, "go with --from", ["create", "-V", "x", "new.iso", "1M"]),
    (1, "--from takes no size", ["create", "--from", ".", "new.iso", "1M"]),
    (1, "--from takes no backing file", ["create", "--from", ".", "-b", "a.raw", "new.iso"]),
    (1, "makes images of the format iso", ["create", "-f", "qcow2", "--from", ".", "new.qcow2"]),
    (1, "cannot open the folder", ["create", "-q", "--from", "nowhere", "new.iso"]),
    (1, "has no such file for the option 'boot'", ["create", "-q", "--from", ".", "--boot", "nowhere", "new.iso"]),
    (1, "does not fit the volume's descriptor", ["create", "-q", "--from", ".", "-V", "x" * 33, "new.iso"]),
    # amazon: qemu-img does not have it
    (1, "Expecting what to do", ["amazon"]),
    (1, "'frobnicate' is not what amazon does", ["amazon", "frobnicate", "a.raw"]),
    (1, "Expecting one image file name", ["amazon", "split", "-d", "new"]),
    (1, "Expecting -d", ["amazon", "split", "a.raw"]),
    (1, "unrecognized option '--bogus'", ["amazon", "split", "--bogus", "a.raw"]),
    (1, "missing argument for option '-d'", ["amazon", "split", "a.raw", "-d"]),
    (1, "Invalid partition number '-1'", ["amazon", "split", "-d", "new", "--partition", "-1", "a.raw"]),
    (1, "No such file or directory", ["amazon", "split", "-d", "new", "nowhere.raw"]),
    (1, "Expecting --ami and --aki", ["amazon", "join", "new"]),
    (1, "Expecting one image file name", ["amazon", "join", "--ami", "a.raw", "--aki", "a.raw"]),
    (1, "missing argument for option '--ami'", ["amazon", "join", "new", "--ami"]),
    (1, "no file system that we know", ["amazon", "join", "--ami", "a.raw", "--aki", "a.raw", "new"]),
    (1, "holds no file system", ["amazon", "split", "-d", "new", "a.raw"]),
    # create
    (1, "Expecting image file name", ["create"]),
    (1, "needs a size parameter", ["create", "new.raw"]),
    (1, "Unexpected argument: 20", ["create", "new.raw", "10", "20"]),
    (1, "Unknown file format 'foo'", ["create", "-f", "foo", "new.raw", "1"]),
    (1, "Unknown file format 'foo'", ["create", "-f", "foo", "-o", "help"]),
    (1, "You may use k, M, G, T, P or E", ["create", "new.raw", "1x"]),
    (1, "You may use k, M, G, T, P or E", ["create", "new.raw", "--", "-1"]),
    (1, "You may use k, M, G, T, P or E", ["create", "new.raw", ""]),
    (1, "Must be between 0 and", ["create", "new.raw", "8E"]),
    (1, "Must be between 0 and", ["create", "new.raw", "99999999999999999999"]),
    (1, "specified only once", ["create", "-o", "size=1M", "new.raw", "1M"]),
    (1, "Invalid option list: ,a", ["create", "-o", ",a", "new.raw", "1M"]),
    (1, "Invalid option list: compat=v3,", ["create", "-f", "qcow2", "-o", "compat=v3,", "new.qcow2", "1M"]),
    (1, "Invalid parameter 'foo'", ["create", "-o", "foo=bar", "new.raw", "1M"]),
    (1, "'size'", ["create", "-o", "size=foo", "new.raw"]),
    (1, "expects 'on' or 'off'", ["create", "-f", "qcow2", "-o", "lazy_refcounts=maybe", "new.qcow2", "1M"]),
    (1, "'refcount_bits'", ["create", "-f", "qcow2", "-o", "refcount_bits=foo", "new.qcow2", "1M"]),
    (1, "power of two", ["create", "-q", "-f", "qcow2", "-o", "cluster_size=3k", "new.qcow2", "1M"]),
    (1, "power of two", ["create", "-q", "-f", "qcow2", "-o", "refcount_bits=3", "new.qcow2", "1M"]),
    (1, "foo", ["create", "-q", "-f", "qcow2", "-o", "compat=foo", "new.qcow2", "1M"]),
    (1, "foo", ["create", "-q", "-o", "preallocation=foo", "new.raw", "1M"]),
    (1, "Backing file not supported", ["create", "-b", "a.raw", "new.raw"]),
    (1, "Backing format not supported", ["create", "-F", "raw", "new.raw", "1M"]),
    (1, "without backing format", ["create", "-f", "qcow2", "-b", "a.raw", "new.qcow2"]),
    (1, "Could not open backing image", ["create", "-f", "qcow2", "-b", "nowhere.raw", "-F", "raw", "new.qcow2"]),
    (1, "Could not open backing image", ["create", "-f", "qcow2", "-b", "a.raw", "-F", "foo", "new.qcow2"]),
    (1, "same filename as the backing file", ["create", "-f", "qcow2", "-b", "new.qcow2", "-F", "raw", "new.qcow2"]),
    (1, "same filename as the backing file",
     ["create", "-f", "qcow2", "-b", "./a.qcow2", "-F", "qcow2", "../wrong_usage/a.qcow2"]),
    (1, "empty string", ["create", "-f", "qcow2", "-b", "", "new.qcow2", "1M"]),
    (1, "needs a size parameter", ["create", "-f", "qcow2", "-u", "-b", "a.raw", "-F", "raw", "new.qcow2"]),
    (1, "ithout backing file", ["create", "-q", "-f", "qcow2", "-F", "raw", "new.qcow2", "1M"]),
    (1, "data-file", ["create", "-q", "-f", "qcow2", "-o", "data_file_raw=on", "new.qcow2", "1M"]),
    (1, "too large", ["create", "-q", "-f", "qcow2", "new.qcow2", "100P"]),
    (1, "No such file or directory", ["create", "-q", "nowhere/new.raw", "1M"]),
    (1, "No such file or directory", ["create", "-q", "-f", "qcow2", "-o", "data_file=nowhere/x", "new.qcow2", "1M"]),
    (1, "Is a directory", ["create", "-q", ".", "1M"]),
]

# What is there already stays as it is when no image can be made in its place. qemu-img empties most of these files.
KEEPING = [
    ("Unsupported preallocation mode", ["create", "-q", "-o", "preallocation=metadata", "kept", "1M"]),
    ("power of two", ["create", "-q", "-f", "qcow2", "-o", "cluster_size=3k", "kept", "1M"]),
    ("too large", ["create", "-q", "-f", "qcow2", "kept", "100P"]),
    ("", ["create", "-q", "kept", "8E"]),
    ("does not accept value", ["create", "-q", "-f", "vpc", "-o", "subformat=foo", "kept", "1M"]),
    ("Disk size is too large", ["create", "-q", "-f", "vpc", "kept", "100T"]),
    ("Block size must be a power of two", ["create", "-q", "-f", "vhdx", "-o", "block_size=3M", "kept", "1M"]),
    ("field subformat", ["create", "-q", "-f", "vmdk", "-o", "subformat=foo", "kept", "1M"]),
    ("field adapter_type", ["create", "-q", "-f", "vmdk", "-o", "adapter_type=foo", "kept", "1M"]),
    ("field preallocation", ["create", "-q", "-f", "vdi", "-o", "preallocation=foo", "kept", "1M"]),
    ("Cluster size is too large", ["create", "-q", "-f", "parallels", "-o", "cluster_size=1T", "kept", "1M"]),
    ("cannot open the folder", ["create", "-q", "-f", "iso", "--from", "nowhere", "kept"]),
    ("power of two", ["convert", "-O", "qcow2", "-o", "cluster_size=3k", "a.raw", "kept"]),
    ("is for what is compressed", ["convert", "-O", "qcow2", "--compression-level", "3", "a.raw", "kept"]),
    ("does not support bitmaps", ["convert", "-O", "qcow2", "-o", "compat=v2", "--bitmaps", "a.qcow2", "kept"]),
    ("level", ["convert", "-O", "qcow2", "-c", "--compression-level", "99", "a.raw", "kept"]),
    ("gzip has no such compression level",
     ["convert", "-O", "compressed", "-o", "codec=gzip", "--compression-level", "99", "a.raw", "kept"]),
    ("invalid parameter value: foo", ["convert", "-O", "compressed", "-o", "codec=foo", "a.raw", "kept"]),
    ("expects a number", ["convert", "-O", "ova", "--cpus", "x", "a.raw", "kept"]),
    ("Log size must be smaller", ["convert", "-O", "vhdx", "-o", "log_size=99T", "a.raw", "kept"]),
    ("field subformat", ["convert", "-O", "vmdk", "-o", "subformat=foo", "a.raw", "kept"]),
    ("Compression not supported", ["convert", "-c", "a.raw", "kept"]),
    ("no file system that we know", ["amazon", "join", "--ami", "a.raw", "--aki", "a.raw", "kept"]),
]

# Nobody hears what these say: it changes nothing of what they do.
UNHEARD = [
    (1, ["info", "nowhere.raw"]),
    (1, ["frobnicate"]),
    (2, ["check", "broken.qcow2"]),
    (2, ["check", "-r", "all", "broken.qcow2"]),
    (1, ["convert", "broken.qcow2", "new.raw"]),
    (0, ["convert", "--salvage", "broken.qcow2", "new.raw"]),
    (0, ["convert", "-p", "a.raw", "new.raw"]),
]

# qemu-img takes these, and some of them would spoil the images here.
OURS_ALONE = ["--object is not supported", "same filename as the backing file"]


def keeps(platter, message, words):
    content = os.urandom(100_000)
    with open("kept", "wb") as file:
        file.write(content)
    code, printed, text = call(platter, words)
    with open("kept", "rb") as file:
        kept = file.read() == content
    os.remove("kept")
    if code == 1 and message in text.decode() and not printed and kept:
        return True
    print(f"{words}: exit {code}, kept {kept}\n  {text.decode()}  printed {printed!r}")
    return False


def break_entry(path):
    """Leads the second cluster of a qcow2 image out of the file, as its refcounts do not know."""
    with open(path, "r+b") as file:
        table = int.from_bytes(file.read(48)[40:], "big")
        file.seek(table)
        entries = int.from_bytes(file.read(8), "big") & 0x00FFFFFFFFFFFE00
        file.seek(entries + 8)
        file.write((1 << 63 | 1 << 40).to_bytes(8, "big"))


def unheard(platter):
    failures = 0
    for code, words in UNHEARD:
        qemu_images.run("qemu-img", "create", "-q", "-f", "qcow2", "broken.qcow2", "1M")
        qemu_images.run("qemu-io", "-c", "write 0 1M", "broken.qcow2")
        break_entry("broken.qcow2")
        for stream in ("2>&-", "2>/dev/full", "0<&- 2>&-"):
            if "-r" in words:
                break_entry("broken.qcow2")
            ours = subprocess.run(["sh", "-c", f'exec "$0" "$@" >/dev/null {stream}', platter, *words], check=False).returncode
            left = os.path.exists("new.raw")
            if ours != code or left != (words[0] == "convert" and code == 0):
                failures += 1
                print(f"{words} {stream}: exit {ours}, expected {code}, left {left}")
            if left:
                os.remove("new.raw")
    os.remove("broken.qcow2")
    return failures


# What is printed goes nowhere: exit codes of platter, and of platter called as qemu-img.
UNPRINTED = [
    (1, 0, ["info", "a.raw"]),
    (2, 0, ["compare", "a.raw", "a.qcow2"]),
    (2, None, ["inspect", "a.qcow2"]),
    (1, 0, ["--version"]),
]


def unprinted(platter):
    failures = 0
    os.symlink(platter, "qemu-img")
    for *codes, words in UNPRINTED:
        for program, code in zip((platter, "./qemu-img"), codes):
            with open("/dev/full", "wb") as full:
                ours = subprocess.run([program, *words], stdout=full, stderr=subprocess.DEVNULL, check=False).returncode
            if code is not None and ours != code:
                failures += 1
                print(f"{program} {words}: exit {ours}, expected {code}")
    os.remove("qemu-img")
    return failures


def main():
    platter, folder = os.path.abspath(sys.argv[1]), sys.argv[2]
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    os.chdir(folder)
    qemu_images.run("qemu-img", "create", "-q", "a.raw", "1M")
    qemu_images.create("a.qcow2")
    before = sorted(os.listdir("."))
    failures = 0
    for code, message, words in ROWS:
        theirs = code if message in OURS_ALONE else call("qemu-img", words)[0]
        for name in set(os.listdir(".")) - set(before):
            os.remove(name)
        ours = call(platter, words)
        left = sorted(set(os.listdir(".")) - set(before))
        text = ours[2].decode()
        if ours[0] != code or message not in text or not text.startswith("platter: ") or ours[1] or left or theirs != code:
            failures += 1
            print(f"{words}: exit {ours[0]} (qemu-img {theirs}), expected {code} with '{message}'\n  {text}"
                  f"  printed {ours[1]!r}, left {left}")
    failures += sum(not keeps(platter, message, words) for message, words in KEEPING)
    failures += unheard(platter)
    failures += unprinted(platter)
    print(f"{len(ROWS) + len(KEEPING) + len(UNHEARD)} command lines, {failures} failures")
    os.chdir("/")
    shutil.rmtree(folder)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())

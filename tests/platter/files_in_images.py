"""platter ls, cat, extract and create --from on volumes of genisoimage and on hostile ones.

usage: files_in_images.py PLATTER FOLDER
"""

import filecmp
import json
import os
import shutil
import subprocess
import sys


def run(*words, code=0):
    result = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)
    if result.returncode != code:
        raise AssertionError(f"{words}: exit {result.returncode}, expected {code}: {result.stderr.decode()}")
    return result.stdout, result.stderr.decode()


def expect(found, wanted):
    if found != wanted:
        raise AssertionError(f"found {found!r}, expected {wanted!r}")


def make_tree():
    os.makedirs("tree/sub/deeper")
    for name, content in (("hello", b"hello, world\n"), ("sub/data", os.urandom(70001)), ("sub/empty", b"")):
        with open(f"tree/{name}", "wb") as file:
            file.write(content)
    with open("tree/sub/sparse", "wb") as file:
        file.truncate(300000)
    os.symlink("sub/data", "tree/link")
    os.symlink("/etc", "tree/outward")
    os.chmod("tree/hello", 0o751)
    for folder, names, files in os.walk("tree"):
        for name in names + files:
            os.utime(f"{folder}/{name}", (1600000000, 1600000000), follow_symlinks=False)
    run("genisoimage", "-quiet", "-R", "-J", "-V", "TREE", "-o", "tree.iso", "tree")
    run("qemu-img", "convert", "-O", "qcow2", "-c", "tree.iso", "tree.qcow2")


def same_tree(one, other):
    compared = filecmp.dircmp(one, other)
    expect((compared.left_only, compared.right_only, compared.diff_files, compared.funny_files), ([], [], [], []))
    for name in compared.common_files:
        if not filecmp.cmp(f"{one}/{name}", f"{other}/{name}", shallow=False):
            raise AssertionError(f"{other}/{name} differs")
    for name in compared.common_dirs:
        if not os.path.islink(f"{one}/{name}"):
            same_tree(f"{one}/{name}", f"{other}/{name}")


def listing(platter):
    for image in ("tree.iso", "tree.qcow2"):
        expect(run(platter, "ls", image)[0], b"hello\nlink\noutward\nsub\n")
        expect(run(platter, "ls", image, "sub/")[0], b"data\ndeeper\nempty\nsparse\n")
        entries = json.loads(run(platter, "ls", "-R", "--output=json", image)[0])
        expect(sorted(entry["path"] for entry in entries),
               ["hello", "link", "outward", "sub", "sub/data", "sub/deeper", "sub/empty", "sub/sparse"])
        expect([entry["target"] for entry in entries if entry["type"] == "symlink"], ["sub/data", "/etc"])
        line = run(platter, "ls", "-l", image, "hello")[0].decode().split()
        expect((line[0], line[4], line[5], line[7]), ("-rwxr-x--x", "13", "2020-09-13", "hello"))
        with open("tree/sub/data", "rb") as file:
            data = file.read()
        expect(run(platter, "cat", image, "/link")[0], data)
        expect(run(platter, "cat", image, "hello", "sub/empty", "/sub/../hello")[0], b"hello, world\n" * 2)
    expect(run(platter, "ls", "-R", "--tree=joliet", "tree.iso", "sub")[0],
           b"sub:\ndata\ndeeper\nempty\nsparse\n\nsub/deeper:\n")
    for words in (["cat", "tree.iso", "sub"], ["cat", "tree.iso", "nothing"], ["cat", "tree.iso", "outward/passwd"],
                  ["ls", "tree.iso", "hello/x"], ["ls", "--tree=udf", "tree.iso"]):
        run(platter, *words, code=1)


def extracting(platter):
    run(platter, "extract", "tree.iso", "-C", "out")
    same_tree("tree", "out")
    expect(os.stat("out/hello").st_mode & 0o7777, 0o751)
    expect([int(os.lstat(f"out/{name}").st_mtime) for name in ("hello", "sub", "link")], [1600000000] * 3)
    expect(os.readlink("out/outward"), "/etc")
    run(platter, "extract", "tree.qcow2", "-C", "part", "sub/data", "/sub/deeper")
    expect(sorted(os.listdir("part") + os.listdir("part/sub")), ["data", "deeper", "sub"])
    # What is there stays as it is, and does not lead elsewhere.
    os.makedirs("busy")
    os.makedirs("elsewhere")
    os.symlink("../elsewhere", "busy/sub")
    with open("busy/hello", "w", encoding="ascii") as file:
        file.write("mine")
    _, errors = run(platter, "extract", "tree.iso", "-C", "busy", code=1)
    expect(open("busy/hello", encoding="ascii").read(), "mine")
    expect(os.listdir("elsewhere"), [])
    expect("hello: cannot make the file: File exists" in errors, True)
    run(platter, "extract", "tree.iso", "-C", "none", "../hello", code=1)
    run(platter, "extract", "tree.iso", "-C", "nowhere/none", code=1)
    run(platter, "extract", "tree.iso", "-C", "unmade", "hello", "nothing", code=1)
    expect(os.path.exists("unmade"), False)


def hostile(platter):
    """Names that a volume can hold and a careful reader must not follow."""
    os.makedirs("evil/dirxx/inner")
    for name in ("aaescape", "bbbbtmpx", "ccnul", "dirxx/inner/below"):
        with open(f"evil/{name}", "w", encoding="ascii") as file:
            file.write("evil")
    run("genisoimage", "-quiet", "-R", "-o", "evil.iso", "evil")
    with open("evil.iso", "rb") as file:
        image = file.read()
    for old, new in ((b"aaescape", b"../scape"), (b"bbbbtmpx", b"/evil/xx"), (b"ccnul", b"c\x1b[2J"),
                     (b"dirxx", b"../xx")):
        expect(image.count(old), 1)
        image = image.replace(old, new)
    os.makedirs("deep")
    # The folder "inner" becomes "..".
    at = image.index(b"NM\x0a\x01\x00inner")
    image = image[:at] + b"NM\x07\x01\x00..\x00\x00\x00" + image[at + 10:]
    with open("evil.iso", "wb") as file:
        file.write(image)
    _, errors = run(platter, "extract", "evil.iso", "-C", "deep/er", code=1)
    expect(sorted(os.listdir("deep")), ["er"])
    expect(os.listdir("deep/er"), ["c\x1b[2J"])
    expect("\x1b" in errors or b"\x1b" in run(platter, "ls", "-lR", "evil.iso")[0], False)
    expect("its name holds a slash" in errors, True)
    with open("links.iso", "wb") as file:
        file.write(open("tree.iso", "rb").read().replace(b"outward", b"sub\0\0\0\0"))
    shutil.rmtree("elsewhere")
    run(platter, "extract", "links.iso", "-C", "links", code=1)


def damaged(platter):
    """A link that genisoimage writes wrongly, as it does all beyond 398 bytes, and the files beside it."""
    os.makedirs("long")
    os.symlink("b" * 200 + "/" + "c" * 300, "long/link")
    for name in ("before", "within", "zlast"):
        with open(f"long/{name}", "w", encoding="ascii") as file:
            file.write(name)
    run("genisoimage", "-quiet", "-R", "-o", "long.iso", "long")
    found, errors = run(platter, "ls", "long.iso", code=1)
    expect(found, b"before\nlink\nwithin\nzlast\n")
    expect("link: a component of a symbolic link does not fit its entry" in errors, True)
    entries = json.loads(run(platter, "ls", "-R", "--output=json", "long.iso", code=1)[0])
    expect([(entry["path"], entry["type"]) for entry in entries if "damage" in entry], [("link", "symlink")])
    expect(run(platter, "cat", "long.iso", "zlast")[0], b"zlast")
    run(platter, "cat", "long.iso", "link", code=1)
    _, errors = run(platter, "extract", "long.iso", "-C", "long.out", code=1)
    expect(errors.startswith("platter: link: a component"), True)
    expect(sorted(os.listdir("long.out")), ["before", "within", "zlast"])


def making(platter):
    os.environ["SOURCE_DATE_EPOCH"] = "1700000000"
    run(platter, "create", "--from", "tree", "-V", "cidata", "--joliet", "--rock", "made.iso")
    run(platter, "create", "-q", "-f", "iso", "--from", "tree", "-o", "volume_id=cidata", "again.iso")
    expect(filecmp.cmp("made.iso", "again.iso", shallow=False), True)
    info = json.loads(run(platter, "info", "--output=json", "made.iso")[0])
    expect((info["format"], info["format-specific"]["data"]["volume-id"]), ("iso", "cidata"))
    run(platter, "check", "made.iso")
    run(platter, "convert", "-O", "qcow2", "made.iso", "made.qcow2")
    run(platter, "convert", "-O", "iso", "made.qcow2", "back.iso")
    expect(filecmp.cmp("made.iso", "back.iso", shallow=False), True)
    run(platter, "extract", "made.qcow2", "-C", "made")
    same_tree("tree", "made")
    # An image in the folder that it is made of.
    run(platter, "create", "-q", "--from", "made", "made/self.iso")
    expect(run(platter, "ls", "made/self.iso")[0], b"hello\nlink\noutward\nsub\n")
    before = sorted(os.listdir("."))
    run(platter, "create", "-q", "--from", "tree", "--boot", "nothing", "new.iso", code=1)
    expect(sorted(os.listdir(".")), before)


def main():
    platter, folder = os.path.abspath(sys.argv[1]), sys.argv[2]
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    os.chdir(folder)
    make_tree()
    for part in (listing, extracting, damaged, hostile, making):
        part(platter)
    os.chdir("/")
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())

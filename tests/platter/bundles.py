"""Bundles, which are images that are folders, on the command line of platter.

usage: bundles.py PLATTER FOLDER
"""

import json
import os
import shutil
import subprocess
import sys


def run(*words, code=0):
    result = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
    if result.returncode != code:
        raise AssertionError(f"{words}: exit {result.returncode}, expected {code}: {result.stderr}")
    return result.stdout + result.stderr


def expect(found, wanted):
    if found != wanted:
        raise AssertionError(f"found {found!r}, expected {wanted!r}")


def make_disks():
    with open("disk.raw", "wb") as file:
        file.write(os.urandom(300000))
        file.truncate(5 << 20)
    run("qemu-img", "convert", "-c", "-O", "qcow2", "disk.raw", "broken.qcow2")
    # The compressed clusters lie at the end of the file.
    with open("broken.qcow2", "r+b") as file:
        file.seek(-200000, os.SEEK_END)
        file.write(b"\xff" * 190000)


def folder_of_a_conversion(platter):
    for target in ("new.hdd", "slash.hdd/", "new.hdd"):
        run(platter, "convert", "-f", "raw", "-O", "ploop", "-o", "bundle=on", "disk.raw", target)
        expect(sorted(os.listdir(target)), ["DiskDescriptor.xml", "root.hds"])
        run("qemu-img", "compare", "-f", "raw", "-F", "parallels", "disk.raw", os.path.join(target, "root.hds"))
    os.mkdir("named")
    run(platter, "convert", "-O", "ploop", "-o", "bundle=on", "disk.raw", "named/DiskDescriptor.xml")
    expect(sorted(os.listdir("named")), ["DiskDescriptor.xml", "root.hds"])


def every_verb_takes_the_folder(platter):
    for name in ("new.hdd", "new.hdd/", "file:new.hdd"):
        info = json.loads(run(platter, "info", "--output=json", name))
        expect((info["format"], info["virtual-size"]), ("parallels", 5 << 20))
        expect(info["filename"], "new.hdd/DiskDescriptor.xml")
    run(platter, "info", "-f", "ploop", "new.hdd")
    run(platter, "check", "new.hdd")
    run(platter, "map", "new.hdd")
    run(platter, "measure", "-O", "qcow2", "new.hdd")
    run(platter, "compare", "disk.raw", "new.hdd")
    run(platter, "compare", "--image-opts", "driver=raw,file.filename=disk.raw", "driver=ploop,file.filename=new.hdd")
    run(platter, "convert", "-O", "qcow2", "new.hdd", "out.qcow2")
    run("qemu-img", "compare", "disk.raw", "out.qcow2")


def creation(platter):
    run(platter, "create", "-f", "ploop", "-o", "bundle=on", "empty.hdd", "3M")
    expect(sorted(os.listdir("empty.hdd")), ["DiskDescriptor.xml", "root.hds"])
    expect(json.loads(run(platter, "info", "--output=json", "empty.hdd"))["virtual-size"], 3 << 20)


def failures_leave_nothing(platter):
    bundle = ["-O", "ploop", "-o", "bundle=on"]
    run(platter, "convert", *bundle, "broken.qcow2", "failed.hdd", code=1)
    run(platter, "convert", *bundle, "-o", "preallocation=bogus", "disk.raw", "failed.hdd", code=1)
    run(platter, "create", "-f", "ploop", "-o", "bundle=on,preallocation=bogus", "failed.hdd", "1M", code=1)
    expect(os.path.exists("failed.hdd"), False)
    os.mkdir("used.hdd")
    with open("used.hdd/note", "w", encoding="utf-8") as file:
        file.write("mine")
    run(platter, "convert", *bundle, "broken.qcow2", "used.hdd", code=1)
    expect(os.listdir("used.hdd"), ["note"])
    run(platter, "convert", *bundle, "disk.raw", "used.hdd/note", code=1)
    with open("used.hdd/note", encoding="utf-8") as file:
        expect(file.read(), "mine")
    run(platter, "convert", *bundle, "disk.raw", "nowhere/new.hdd", code=1)
    run(platter, "convert", *bundle, "new.hdd", "new.hdd", code=1)
    run(platter, "compare", "disk.raw", "new.hdd")


def other_folders(platter):
    for folder in ("used.hdd", "."):
        expect("used.hdd/note" in run(platter, "info", folder, code=1), False)
    expect("raw" in run(platter, "info", "-f", "raw", "new.hdd", code=1), False)


def qemu_knows_no_bundles(platter):
    os.symlink(platter, "qemu-img")
    as_qemu = os.path.abspath("qemu-img")
    run(as_qemu, "info", "new.hdd", code=1)
    words = ["create", "-f", "parallels", "-o", "bundle=on", "x.hdd", "1M"]
    expect(run(as_qemu, *words, code=1), run("qemu-img", *words, code=1))
    expect(os.path.exists("x.hdd"), False)


def main():
    platter, folder = os.path.abspath(sys.argv[1]), sys.argv[2]
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    os.chdir(folder)
    make_disks()
    for test in (folder_of_a_conversion, every_verb_takes_the_folder, creation, failures_leave_nothing, other_folders,
                 qemu_knows_no_bundles):
        test(platter)
        print(f"{test.__name__}: as expected")
    os.chdir("/")
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()

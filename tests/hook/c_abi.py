"""libplatter_inspect: the examples in C and in Python, what they answer, and what the library exports.

usage: c_abi.py PLATTER-HOOK LIBRARY SOURCE FOLDER
"""

import ctypes
import importlib.util
import json
import os
import pathlib
import shutil
import subprocess
import sys

HOOK, LIBRARY, SOURCE, FOLDER = (pathlib.Path(word).resolve() for word in sys.argv[1:])
PART = SOURCE / "tools" / "platter-hook"
os.environ["PLATTER_INSPECT"] = str(LIBRARY)
sys.dont_write_bytecode = True
failures = []


def expect(what, got, wanted):
    if got != wanted:
        failures.append(f"{what}: got {got!r}, wanted {wanted!r}")


def make_images():
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    for command in (["truncate", "-s", "3M", "base.raw"],
                    ["qemu-img", "create", "-q", "-f", "qcow2", "good.qcow2", "1M"],
                    ["qemu-img", "create", "-q", "-f", "qcow2", "-b", "base.raw", "-F", "raw", "layer.qcow2"]):
        subprocess.run(command, cwd=FOLDER, check=True)


def check_examples():
    program = FOLDER / "inspect"
    subprocess.run(["cc", "-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror", PART / "examples" / "inspect.c",
                    f"-I{PART / 'c_abi'}", "-o", program, LIBRARY, f"-Wl,-rpath,{LIBRARY.parent}"], check=True)
    for name, policy, options, code in (("good.qcow2", "", [], 0), ("base.raw", "", [], 0), ("layer.qcow2", "", [], 1),
                                        ("layer.qcow2", "allow_references = yes", ["--allow-references"], 0)):
        by_hook = subprocess.run([HOOK, *options, FOLDER / name], capture_output=True, check=False)
        wanted = json.loads(by_hook.stdout)
        del wanted["sandbox"]
        with open(FOLDER / name, "rb") as image:
            in_c = subprocess.run([program, policy], stdin=image, capture_output=True, check=False)
        expect(f"{name} in C", (in_c.returncode, json.loads(in_c.stdout)), (code, wanted))
        expect(f"{name} refused early", b"refused early" in in_c.stderr, code == 1)
        in_python = subprocess.run([sys.executable, PART / "examples" / "inspect.py", FOLDER / name, policy],
                                   capture_output=True, check=False)
        expect(f"{name} in Python", (in_python.returncode, json.loads(in_python.stdout)), (code, wanted))


def check_calls():
    spec = importlib.util.spec_from_file_location("example", PART / "examples" / "inspect.py")
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    image = (FOLDER / "layer.qcow2").read_bytes()
    expect("byte by byte", example.inspect([image[at:at + 1] for at in range(len(image))]), example.inspect([image]))
    code, answer = example.inspect([image], "colour = red")
    expect("a wrong policy", (code, answer["verdict"], "colour" in answer["error"]), (2, "undecided", True))
    expect("nothing at all", example.inspect([])[1]["file_size"], 0)
    library = example.library
    inspection = library.platter_inspection_create(None)
    library.platter_inspection_feed(inspection, image, len(image))
    expect("no JSON wanted", library.platter_inspection_verdict(inspection, None), 1)
    expect("bytes after the verdict", library.platter_inspection_feed(inspection, image, len(image)), 1)
    said = ctypes.c_char_p()
    expect("asked again", library.platter_inspection_verdict(inspection, ctypes.byref(said)), 1)
    expect("the same answer", json.loads(said.value), example.inspect([image])[1])
    library.platter_inspection_destroy(inspection)
    library.platter_inspection_destroy(None)


def check_exports():
    listed = subprocess.run(["nm", "-D", "--defined-only", LIBRARY], capture_output=True, check=True, text=True).stdout
    names = sorted(line.split()[-1].split("@")[0] for line in listed.splitlines() if " A " not in line)
    expect("exports", names, [f"platter_inspection_{name}" for name in ("create", "destroy", "feed", "verdict")])


make_images()
check_examples()
check_calls()
check_exports()
print("\n".join(failures) or "the library answers as the hook does")
sys.exit(1 if failures else 0)

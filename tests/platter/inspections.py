"""platter inspect at the shell: exit codes, both outputs, the standard input, policies, and command lines that are wrong.

usage: inspections.py PLATTER FOLDER
"""

import json
import pathlib
import shutil
import subprocess
import sys

PLATTER = sys.argv[1]
FOLDER = pathlib.Path(sys.argv[2])
failures = []


def run(*words, stdin=None):
    return subprocess.run([PLATTER, "inspect", *words], cwd=FOLDER, input=stdin, capture_output=True, check=False,
                          stdin=subprocess.DEVNULL if stdin is None else None)


def expect(what, got, wanted):
    if got != wanted:
        failures.append(f"{what}: got {got!r}, wanted {wanted!r}")


def make_images():
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    for command in (["truncate", "-s", "1M", "base.raw"],
                    ["qemu-img", "create", "-q", "-f", "qcow2", "good.qcow2", "1M"],
                    ["qemu-img", "create", "-q", "-f", "qcow2", "-b", "base.raw", "-F", "raw", "layer.qcow2"]):
        subprocess.run(command, cwd=FOLDER, check=True)
    # Orders to a terminal: in the variant, and in what a message quotes.
    for name, kind, extent in (("variant", "\x1b[2Jflat", 'RW 1 FLAT "x" 0'), ("message", "flat", "RW \x1b[2J")):
        (FOLDER / f"{name}.vmdk").write_text(
            f'version=1\nCID=1\nparentCID=ffffffff\ncreateType="{kind}"\n{extent}\n')
    (FOLDER / "policy.ini").write_text("[policy]\nallow_references = yes\nmax_virtual_size = 1M\n")
    (FOLDER / "wrong.ini").write_text("colour = red\n")


# Words of the command line, exit code.
VERDICTS = [
    (["good.qcow2"], 0),
    (["good.qcow2", "--depth", "full"], 0),
    (["good.qcow2", "--expect-disk", "qcow2", "--expect-container", "bare"], 0),
    (["good.qcow2", "--expect-disk", "raw"], 1),
    (["good.qcow2", "--expect-container", "ova"], 1),
    (["good.qcow2", "--allow-formats", "raw,vhd"], 1),
    (["good.qcow2", "--max-virtual-size", "512k"], 1),
    (["good.qcow2", "--max-ratio", "2"], 1),
    (["layer.qcow2"], 1),
    (["layer.qcow2", "--allow-references"], 0),
    (["layer.qcow2", "--policy", "policy.ini"], 0),
    (["layer.qcow2", "--policy", "policy.ini", "--max-virtual-size", "512k"], 1),
    (["base.raw"], 0),
    (["base.raw", "--expect-disk", "vpc"], 1),
]

# Words, what the message says.
WRONG = [
    ([], "Expecting one image file name"),
    (["good.qcow2", "base.raw"], "Expecting one image file name"),
    (["missing.qcow2"], "No such file"),
    (["good.qcow2", "--expect-disk", "floppy"], "found floppy"),
    (["good.qcow2", "--policy", "wrong.ini"], "colour"),
    (["good.qcow2", "--policy", "missing.ini"], "missing.ini"),
    (["good.qcow2", "--depth", "deep"], "streaming"),
    (["good.qcow2", "--max-ratio", "much"], "found much"),
    (["good.qcow2", "--output", "xml"], "human or json"),
    (["-", "--depth", "full"], "needs a file"),
    (["good.qcow2", "--unknown"], "unknown"),
]


def check_verdicts():
    for words, code in VERDICTS:
        from_file = run(*words, "--output=json")
        expect(f"{words}: exit code", from_file.returncode, code)
        verdict = json.loads(from_file.stdout)["verdict"]
        expect(f"{words}: verdict", verdict, ["accepted", "refused"][code])
        human = run(*words)
        expect(f"{words}: human exit code", human.returncode, code)
        expect(f"{words}: human verdict", f"verdict:         {verdict}" in human.stdout.decode(), True)
        if "full" in words:
            continue
        stream = run("-", *words[1:], "--output=json", stdin=(FOLDER / words[0]).read_bytes())
        expect(f"{words}: from a pipe", (stream.returncode, stream.stdout), (code, from_file.stdout))


def check_fields():
    report = json.loads(run("layer.qcow2", "--output=json").stdout)
    found = report.pop("findings")
    expect("fields", report, {
        "schema": "platter-inspection/1", "verdict": "refused", "format": "qcow2", "formats": ["qcow2"],
        "variant": "version 3", "container": "bare", "content": "", "virtual_size": 1 << 20, "file_size": 196616,
        "expected_length": 196608, "confidence": "certain"})
    expect("findings", [(one["code"], one["severity"], one["value"], one["cve"]) for one in found],
           [("qcow2.backing_file", "unsafe", "base.raw", ["CVE-2015-5163"])])


def check_escapes():
    for name in ("variant.vmdk", "message.vmdk"):
        printed = run(name).stdout
        expect(f"{name}: orders to the terminal", (b"\x1b" in printed, b"\\x1b[2J" in printed), (False, True))


def check_wrong():
    for words, message in WRONG:
        done = run(*words)
        expect(f"{words}: exit code", done.returncode, 2)
        expect(f"{words}: says {message!r}", message in done.stderr.decode(), True)
        expect(f"{words}: nothing on the standard output", done.stdout, b"")


make_images()
check_verdicts()
check_fields()
check_escapes()
check_wrong()
print("\n".join(failures) or f"{len(VERDICTS)} verdicts, {len(WRONG)} wrong command lines: as expected")
sys.exit(1 if failures else 0)

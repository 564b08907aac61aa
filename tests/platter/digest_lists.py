"""platter hash --check beside sha256sum -c: the same lists and options, the same verdicts and exit codes.

usage: digest_lists.py PLATTER FOLDER
"""

import hashlib
import itertools
import os
import pathlib
import shutil
import subprocess
import sys

PLATTER = os.path.abspath(sys.argv[1])
FOLDER = pathlib.Path(sys.argv[2])
failures = []

FILES = {"a": b"first\n", "b": b"", "with space": b"x" * 70000, "back\\slash": b"1", "new\nline": b"2",
         "carriage\rreturn": b"3", "*star": b"4", "-dash": b"5", "(paren) = x": b"6"}
OPTIONS = [[], ["--quiet"], ["--status"], ["--warn"], ["-w"], ["--strict"], ["--ignore-missing"],
           ["--ignore-missing", "--strict"], ["--quiet", "--strict"], ["--status", "--warn"], ["--warn", "--status"],
           ["--quiet", "--warn"], ["--status", "--strict"], ["--ignore-missing", "--status"],
           ["--ignore-missing", "--quiet"]]


def run(program, *words, stdin=None):
    return subprocess.run([program, *words], cwd=FOLDER, input=stdin, capture_output=True, check=False)


def expect(what, got, wanted):
    if got != wanted:
        failures.append(f"{what}: got {got!r}, wanted {wanted!r}")


def line(name, data=None):
    return f"{hashlib.sha256(FILES[name] if data is None else data).hexdigest()}  {name}"


def lists():
    good, wrong, missing = line("a"), line("b", b"other"), line("nowhere", b"")
    yield "good", "\n".join([good, line("b")]) + "\n"
    yield "no end of line", good
    yield "empty", ""
    yield "blank lines", f"\n\n{good}\n\n"
    yield "comments", f"# {good}\n#\n{good}\n"
    yield "only comments", "# nothing\n"
    yield "Windows", good + "\r\n" + line("b") + "\r\n\r\n"
    yield "wrong", "\n".join([good, wrong]) + "\n"
    yield "missing", "\n".join([good, missing]) + "\n"
    yield "only missing", missing + "\n"
    yield "nonsense between", f"nonsense\n{good}\nabc\n"
    yield "only nonsense", "nonsense\nmore\n"
    yield "everything", "\n".join([good, "x", wrong, missing, good.upper()]) + "\n"
    yield "binary", good.replace("  ", " *") + "\n"
    yield "one space", good.replace("  ", " ") + "\n"
    yield "leading space", f"  {good}\n"
    yield "upper case", good[:64].upper() + good[64:] + "\n"
    yield "a digit less", good[1:] + "\n"
    yield "a digit more", "0" + good + "\n"
    yield "no name", good[:64] + "\n" + good[:64] + "  \n"
    yield "not hexadecimal", "g" + good[1:] + "\n"
    yield "tags", f"SHA256 (a) = {good[:64]}\nSHA256 (nowhere) = {good[:64]}\n"
    yield "another digest's tag", f"MD5 (a) = {hashlib.md5(FILES['a']).hexdigest()}\n{good}\n"
    yield "bad escape", "\\" + good[:64] + "  a\\x\n" + good + "\n"
    yield "escape at the end", "\\" + good[:64] + "  a\\\n" + good + "\n"
    yield "needless escape", "\\" + good + "\n"
    yield "twice", f"{good}\n{good}\n"


def check_verdicts():
    for (name, text), options in itertools.product(lists(), OPTIONS):
        (FOLDER / "list").write_bytes(text.encode())
        ours = run(PLATTER, "hash", "--digest", "sha256", *options, "--check", "list")
        theirs = run("sha256sum", *options, "-c", "list")
        expect(f"{name}, {options}: verdicts", ours.stdout, theirs.stdout)
        expect(f"{name}, {options}: exit code", ours.returncode, theirs.returncode)
        for said in (b"improperly formatted", b"could not be read", b"did NOT match", b"no file was verified",
                     b"no properly formatted"):
            expect(f"{name}, {options}: says {said}", ours.stderr.count(said), theirs.stderr.count(said))


def check_names():
    """Names with anything in them, written by one and read by the other."""
    names = [name for name in FILES if name != "-dash"] + ["./-dash"]
    for options in ([], ["--tag"]):
        ours = run(PLATTER, "hash", "--digest", "sha256", *options, *names)
        theirs = run("sha256sum", *options, *names)
        expect(f"list {options}", ours.stdout, theirs.stdout)
        checked = run("sha256sum", "-c", "-", stdin=ours.stdout)
        expect(f"sha256sum -c {options}", checked.returncode, 0)
        own = run(PLATTER, "hash", "--check", "-", stdin=theirs.stdout)
        expect(f"--check {options}", (own.returncode, own.stdout), (0, checked.stdout))


def check_several():
    (FOLDER / "one").write_text(line("a") + "\n")
    (FOLDER / "two").write_text(line("b", b"wrong") + "\n")
    for lists_ in (["one", "one"], ["one", "two"], ["two", "one"], ["one", "none"], ["none", "one"], ["one", "a"]):
        words = [word for name in lists_ for word in ("--check", name)]
        ours, theirs = run(PLATTER, "hash", *words), run("sha256sum", "-c", *lists_)
        expect(f"lists {lists_}", (ours.returncode, ours.stdout), (theirs.returncode, theirs.stdout))
    # A list can be any file, and a pipe.
    with open(FOLDER / "vast", "wb") as file:
        file.truncate(1 << 30)
    done = run(PLATTER, "hash", "--check", "vast")
    expect("zeros", (done.returncode, b"no properly formatted" in done.stderr), (1, True))
    (FOLDER / "long").write_text("x" * 200000 + "\n" + line("a") + "\n")
    done = run(PLATTER, "hash", "--check", "long")
    expect("a long line", (done.returncode, done.stdout), (0, b"a: OK\n"))
    piped = subprocess.run(["bash", "-c", f"'{PLATTER}' hash --check <(cat one)"], cwd=FOLDER, capture_output=True,
                           check=False)
    expect("a pipe", (piped.returncode, piped.stdout), (0, b"a: OK\n"))


def check_wrong():
    for option in ("--quiet", "--status", "--strict", "--ignore-missing", "--warn"):
        ours, theirs = run(PLATTER, "hash", option, "a"), run("sha256sum", option, "a")
        expect(f"{option} without --check", ours.returncode, theirs.returncode)
    expect("--tag with --check", run(PLATTER, "hash", "--tag", "--check", "one").returncode,
           run("sha256sum", "--tag", "-c", "one").returncode)


shutil.rmtree(FOLDER, ignore_errors=True)
FOLDER.mkdir(parents=True)
for file_name, content in FILES.items():
    (FOLDER / file_name).write_bytes(content)
for check in (check_verdicts, check_names, check_several, check_wrong):
    check()
shutil.rmtree(FOLDER)
print("\n".join(failures) or f"{len(list(lists()))} lists with {len(OPTIONS)} options: as sha256sum")
sys.exit(1 if failures else 0)

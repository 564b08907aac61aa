"""platter audit on real files: lists of every kind, what goes wrong with files, killed and resumed, held back.

usage: audits.py PLATTER FOLDER
"""

import fcntl
import hashlib
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import time

PLATTER = os.path.abspath(sys.argv[1])
FOLDER = pathlib.Path(sys.argv[2])
failures = []


def run(*words, stdin=None, code=0):
    done = subprocess.run([PLATTER, "audit", *words], cwd=FOLDER, input=stdin, capture_output=True, check=False)
    if done.returncode != code:
        failures.append(f"{words}: exit code {done.returncode}, wanted {code}: {done.stdout} {done.stderr}")
    return done


def expect(what, got, wanted):
    if got != wanted:
        failures.append(f"{what}: got {got!r}, wanted {wanted!r}")


def report(*words, **options):
    return json.loads(run(*words, "--output", "json", **options).stdout)


def listed(program, folder, *names):
    return subprocess.run([program[0], *program[1:], *names], cwd=folder, capture_output=True, check=True).stdout.decode()


def store(name, count, size, seed=1):
    """A folder of `count` images, a SHA512SUMS, and an MD5SUMS of the same files."""
    chance = random.Random(seed)
    folder = FOLDER / name
    folder.mkdir()
    names = [f"image{number:04}.img" for number in range(count)]
    for file in names:
        (folder / file).write_bytes(chance.randbytes(chance.randrange(size)))
    (folder / "SHA512SUMS").write_text(listed(["sha512sum"], folder, *names))
    (folder / "MD5SUMS").write_text(listed(["md5sum"], folder, *names))
    return folder, names


def check_thousands():
    folder, names = store("thousands", 3000, 3000)
    expect("all in order", report("thousands"),
           {"result": "ok", "files": 3000, "lists": 2, "ok": 3000, "failed": 0, "missing": 0, "unreadable": 0,
            "changed": 0, "verified-before": 0, "unlisted": 0, "improper-lines": 0,
            "bytes": sum((folder / name).stat().st_size for name in names), "findings": []})
    expect("by its list", report("-C", "thousands", "thousands/MD5SUMS")["ok"], 3000)
    expect("quiet", run("-q", "thousands").stdout, b"")
    expect("one at a time", report("-m", "1", "thousands")["ok"], 3000)
    said = run("-v", "thousands").stdout.decode().splitlines()
    expect("each by name", sorted(said[:-1]), [f"thousands/{name}: OK" for name in names])
    expect("progress", b"100.00/100%" in run("-p", "thousands").stderr, True)


def check_lists():
    """Every way in which a digest is recorded beside an image."""
    folder = FOLDER / "lists"
    (folder / "deep" / "er").mkdir(parents=True)
    for name in ("a.img", "b.img", "deep/c.img", "deep/er/d.img", "e.img", "f.img", "g.img", "h.img"):
        (folder / name).write_bytes(name.encode() * 5000)
    (folder / "SHA256SUMS").write_text(listed(["sha256sum"], folder, "a.img", "./b.img"))
    (folder / "SHA256SUMS.gpg").write_text("a signature")
    (folder / "deep" / "sha1sums.txt").write_text(listed(["sha1sum", "-b"], folder / "deep", "c.img", "../a.img"))
    fedora = "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n# d.img: 60000 bytes\n"
    (folder / "deep" / "er" / "Some-1-x86_64-CHECKSUM").write_text(
        fedora + listed(["sha256sum", "--tag"], folder / "deep" / "er", "d.img"))
    (folder / "e.img.sha512").write_text(listed(["sha512sum"], folder, "e.img").split()[0] + "\n")
    (folder / "f.img.md5sum").write_text(listed(["md5sum"], folder, "f.img"))
    (folder / "B2SUMS").write_text(listed(["b2sum"], folder, "g.img"))
    whole = report("lists", "-v")
    expect("lists", (whole["lists"], whole["ok"], whole["unlisted-files"]), (6, 7, ["lists/h.img"]))
    expect("two lines of PGP", whole["improper-lines"], 2)
    algorithms = {one["filename"]: [digest["digest"] for digest in one["digests"]] for one in whole["findings"]}
    expect("two lists, one file", algorithms["lists/a.img"], ["sha256", "sha1"])
    expect("blake2b", algorithms["lists/g.img"], ["blake2b"])
    expect("strict", report("lists", "--strict", code=2)["unlisted-files"], ["lists/h.img"])
    openssl = listed(["openssl", "dgst", "-sha384"], FOLDER, "lists/a.img", "lists/h.img")
    expect("openssl", report("-", stdin=openssl.encode())["ok"], 2)
    ours = subprocess.run([PLATTER, "hash", "--digest", "xxh3,crc32c", "lists/a.img"], cwd=FOLDER, check=True,
                          capture_output=True).stdout
    expect("ours", report("-", stdin=ours)["ok"], 1)
    short = listed(["b2sum", "-l", "256"], FOLDER, "lists/a.img")
    expect("the digest of other lines", report("--digest", "sha256", "-", stdin=short.encode(), code=2)["failed"], 1)


def check_findings():
    folder, names = store("findings", 40, 200000, 2)
    damaged, gone, folder_now, pipe, loop, odd = names[3], names[7], names[11], names[13], names[17], "odd\nname.img"
    data = bytearray((folder / damaged).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / damaged).write_bytes(data)
    for name in (gone, folder_now, pipe, loop):
        (folder / name).unlink()
    (folder / folder_now).mkdir()
    os.mkfifo(folder / pipe)
    (folder / loop).symlink_to(loop)
    (folder / odd).write_bytes(b"odd")
    (folder / "odd.sha256").write_text(listed(["sha256sum"], folder, odd))
    found = report("findings", code=2)
    expect("counts", [found[key] for key in ("result", "ok", "failed", "missing", "unreadable", "changed")],
           ["failed", 36, 1, 1, 3, 0])
    results = {one["filename"]: one for one in found["findings"]}
    expect("results", {name: one["result"] for name, one in results.items()},
           {f"findings/{damaged}": "failed", f"findings/{gone}": "missing", f"findings/{folder_now}": "unreadable",
            f"findings/{pipe}": "unreadable", f"findings/{loop}": "unreadable"})
    digest = [one for one in results[f"findings/{damaged}"]["digests"] if one["digest"] == "md5"][0]
    expect("what was found", digest["found"], hashlib.md5(data).hexdigest())
    said = run("findings", code=2).stdout.decode().splitlines()
    expect("one line each and a last one", len(said), 6)
    expect("damaged", [line.startswith(f"findings/{damaged}: FAILED (md5 is ") for line in said].count(True), 1)
    expect("missing", [line.startswith(f"findings/{gone}: MISSING") for line in said].count(True), 1)
    expect("summary", said[-1].endswith("1 failed, 1 missing, 3 unreadable"), True)
    expect("odd", "\\findings/odd\\nname.img: OK" in run("-v", "findings", code=2).stdout.decode(), True)


def wait_for(what, condition):
    for _ in range(3000):
        if condition():
            return True
        time.sleep(0.01)
    failures.append(f"{what}: did not happen")
    return False


def begin(*words):
    return subprocess.Popen([PLATTER, "audit", *words], cwd=FOLDER, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def files_open(pid, part):
    """How many of the files that a process has open have a path with that part."""
    count = 0
    for descriptor in os.listdir(f"/proc/{pid}/fd"):
        try:
            count += part in os.readlink(f"/proc/{pid}/fd/{descriptor}")
        except FileNotFoundError:
            pass
    return count


def check_changes():
    """A file that is written to, replaced or removed while it is read."""
    folder = FOLDER / "changes"
    folder.mkdir()
    names = ["written", "cut", "replaced", "removed", "kept"]
    for name in names:
        (folder / name).write_bytes(bytes(range(256)) * 4096)
    (folder / "SHA256SUMS").write_text(listed(["sha256sum"], folder, *names))
    # Slow enough that all are open for as long as it takes to change them.
    child = begin("--rate", "1M", "--output", "json", "changes")
    if wait_for("open", lambda: files_open(child.pid, "/changes/") == 5):
        time.sleep(0.2)
        with open(folder / "written", "r+b") as file:
            file.seek(1000000)
            file.write(b"new")
        os.truncate(folder / "cut", 4096)
        (folder / "new").write_bytes((folder / "replaced").read_bytes())
        (folder / "new").rename(folder / "replaced")
        (folder / "removed").unlink()
    found = json.loads(child.communicate()[0])
    expect("exit code", child.returncode, 2)
    expect("changes", {one["filename"]: one["result"] for one in found["findings"]},
           {"changes/written": "changed", "changes/cut": "changed", "changes/replaced": "changed",
            "changes/removed": "missing"})
    expect("the rest", found["ok"], 1)


def lines_of(path):
    return path.read_bytes().count(b"\n") if path.exists() else 0


def check_resume():
    folder, names = store("resume", 200, 40000, 3)
    state = FOLDER / "resume.state"
    for end in (signal.SIGKILL, signal.SIGINT):
        child = begin("--state", "resume.state", "--rate", "1M", "-m", "2", "resume")
        wait_for("some are verified", lambda: lines_of(state) > 20)
        expect("locked", b"another audit" in run("--state", "resume.state", "--resume", "resume", code=1).stderr, True)
        child.send_signal(end)
        child.communicate()
        expect("ended by", child.returncode, -9 if end == signal.SIGKILL else 3)
        before = lines_of(state) - 1
        expect("in the middle", 0 < before < 200, True)
        expect("not by mistake", b"--resume" in run("--state", "resume.state", "resume", code=1).stderr, True)
        # A line that was torn, and one that was damaged, count for nothing; what follows is kept apart from them.
        text = state.read_bytes().splitlines(keepends=True)
        text[2] = b"0" * 8 + text[2][8:]
        state.write_bytes(b"".join(text) + b"12345678 10 20")
        # One of those that were verified is touched, another damaged.
        verified = text[3].split()[-1].decode(), text[4].split()[-1].decode()
        os.utime(FOLDER / verified[0])
        original = (FOLDER / verified[1]).read_bytes()
        (FOLDER / verified[1]).write_bytes(b"x" + original)
        found = report("--state", "resume.state", "--resume", "resume", code=2)
        expect("resumed", (found["verified-before"], found["ok"], found["failed"]), (before - 3, 200 - before + 2, 1))
        expect("found", [one["filename"] for one in found["findings"]], [verified[1]])
        expect("removed at the end", state.exists(), False)
        (FOLDER / verified[1]).write_bytes(original)
    expect("resume of nothing", report("--state", "resume.state", "--resume", "resume")["ok"], 200)
    # A digest that is recorded anew is no other's.
    child = begin("--state", "resume.state", "--rate", "1M", "resume")
    wait_for("some are verified", lambda: lines_of(state) > 20)
    child.kill()
    child.communicate()
    for file in ("MD5SUMS", "SHA512SUMS"):
        text = (folder / file).read_text()
        (folder / file).write_text("\n".join(("0" if line[0] != "0" else "1") + line[1:] for line in text.splitlines()))
    expect("other digests", report("--state", "resume.state", "--resume", "resume", code=2)["failed"], 200)


def check_state_files():
    for content in (b"something else\n", b"platter audit state 2\n", bytes(100)):
        (FOLDER / "other").write_bytes(content)
        expect("another file", b"not an audit's state" in run("--state", "other", "--resume", "lists", code=1).stderr, True)
        expect("is left alone", (FOLDER / "other").read_bytes(), content)
    for content in (b"", b"platter aud"):
        (FOLDER / "other").write_bytes(content)
        report("--state", "other", "lists")
        expect("torn at its start", (FOLDER / "other").exists(), False)
    os.mkfifo(FOLDER / "fifo")
    expect("no file", b"regular file" in run("--state", "fifo", "lists", code=1).stderr, True)
    expect("no folder", b"No such file" in run("--state", "nowhere/state", "lists", code=1).stderr, True)
    with open(FOLDER / "lists" / "state", "wb") as file:
        file.write(b"platter audit state 1\n")
    expect("the state is part of no store", report("--state", "lists/state", "--resume", "lists")["unlisted"], 1)


def check_rate():
    """20 files of 100 kB at 1 MB/s take two seconds, less the piece that is admitted at once for each reader."""
    folder = FOLDER / "rate"
    folder.mkdir()
    names = [f"{number}.img" for number in range(20)]
    for name in names:
        (folder / name).write_bytes(b"x" * 100000)
    (folder / "SHA256SUMS").write_text(listed(["sha256sum"], folder, *names))
    start = time.monotonic()
    expect("rate", report("--rate", "1000000", "rate")["ok"], 20)
    seconds = time.monotonic() - start
    expect(f"{seconds:.2f} s", seconds > 1.8, True)
    # Holes are not read, and not held back.
    with open(folder / "hole", "wb") as file:
        file.truncate(64 << 20)
    (folder / "hole.sha256").write_text(listed(["sha256sum"], folder, "hole"))
    expect("a hole", report("--rate", "1000", "-C", "rate", "rate/hole.sha256")["ok"], 1)


# Words, exit code, what is said.
WRONG = [
    ([], 1, "Expecting a folder"), (["--resume", "lists"], 1, "--resume goes with --state"),
    (["-q", "-v", "lists"], 1, "mutually exclusive"), (["--digest", "md6", "lists"], 1, "unknown digest"),
    (["--digest", "md5,sha1", "lists"], 1, "takes one digest"), (["-m", "0", "lists"], 1, "from 1 to 64"),
    (["-m", "65", "lists"], 1, "from 1 to 64"), (["-m", "x", "lists"], 1, "from 1 to 64"),
    (["--rate", "fast", "lists"], 1, "rate limit"), (["--output", "xml", "lists"], 1, "human or json"),
    (["--bogus", "lists"], 1, "unrecognized option"), (["nowhere"], 1, "cannot be read"),
    (["empty"], 1, "no digest list in"), (["thousands/image0000.img"], 1, "no properly formatted"),
    (["lists", "nowhere"], 2, "cannot be read"), (["lists", "empty"], 2, "no digest list in"),
]


def check_wrong():
    (FOLDER / "empty").mkdir()
    for words, code, message in WRONG:
        done = run(*words, code=code)
        expect(f"{words}: says {message!r}", message in done.stderr.decode(), True)
    link = FOLDER / "qemu-img"
    link.symlink_to(PLATTER)
    done = subprocess.run([link.absolute(), "audit", "lists"], cwd=FOLDER, capture_output=True, check=False)
    expect("as qemu-img", (done.returncode, b"Command not found: audit" in done.stderr), (1, True))


shutil.rmtree(FOLDER, ignore_errors=True)
FOLDER.mkdir(parents=True)
for check in (check_thousands, check_lists, check_findings, check_changes, check_resume, check_state_files, check_rate, check_wrong):
    check()
shutil.rmtree(FOLDER)
print("\n".join(failures) or "thousands of files, lists of every kind, killed and resumed: as expected")
sys.exit(1 if failures else 0)

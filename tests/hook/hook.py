"""platter-hook: verdicts, exit codes, the shape of its JSON, the sandbox it runs in, and its limits.

usage: hook.py PLATTER-HOOK FOLDER
"""

import bz2
import ctypes
import hashlib
import io
import json
import lzma
import os
import pathlib
import random
import resource
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import zlib

HOOK, FOLDER = os.path.abspath(sys.argv[1]), pathlib.Path(sys.argv[2])
failures = []

MEMBERS = ["schema", "verdict", "format", "formats", "variant", "container", "content", "virtual_size", "file_size",
           "expected_length", "confidence", "findings", "sandbox"]
FINDING = ["code", "severity", "offset", "value", "message", "cve"]


def expect(what, got, wanted):
    if got != wanted:
        failures.append(f"{what}: got {got!r}, wanted {wanted!r}")


def run(*words, **options):
    options.setdefault("stdin", None if "input" in options else subprocess.DEVNULL)
    if options["stdin"] is None:
        del options["stdin"]
    return subprocess.run([HOOK, *words], cwd=FOLDER, capture_output=True, check=False, timeout=60, **options)


def run_again(command):
    """qemu-img measures how fast the machine derives keys, and gives up on a busy one: then it is asked again."""
    for _ in range(30):
        done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=False)
        if "Unable to get accurate CPU usage" not in done.stderr:
            break
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr}")


def make_images():
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    for command in (["truncate", "-s", "3M", "base.raw"],
                    ["qemu-img", "create", "-q", "-f", "qcow2", "good.qcow2", "1M"],
                    ["qemu-img", "create", "-q", "-f", "qcow2", "-b", "base.raw", "-F", "raw", "layer.qcow2"],
                    ["qemu-img", "create", "-q", "-f", "vpc", "-o", "subformat=fixed", "fixed.vhd", "2M"],
                    ["qemu-img", "create", "-q", "-f", "vdi", "-o", "static=on", "whole.vdi", "2M"],
                    ["qemu-img", "create", "-q", "-f", "vmdk", "-o", "subformat=monolithicFlat", "flat.vmdk", "1M"],
                    ["qemu-img", "create", "-q", "-f", "qcow2", "--object", "secret,id=key,data=secret", "-o",
                     "encrypt.format=luks,encrypt.key-secret=key,encrypt.iter-time=10", "secret.qcow2", "1M"]):
        run_again(command)
    good = bytearray((FOLDER / "good.qcow2").read_bytes())
    (FOLDER / "short.vdi").write_bytes((FOLDER / "whole.vdi").read_bytes()[:1 << 20])
    # qcow2 in its first sectors, ISO 9660 in the sixteenth.
    both = bytearray(good)
    both[0x8000:0x8007] = b"\1CD001\1"
    (FOLDER / "both.qcow2").write_bytes(both)
    broken = bytearray(good)
    l1_table = int.from_bytes(broken[40:48], "big")
    broken[l1_table:l1_table + 8] = (0x8000000000000000 | 0x7FFF0000).to_bytes(8, "big")
    (FOLDER / "table.qcow2").write_bytes(broken)
    make_signed()
    (FOLDER / "policy.ini").write_text("[policy]\nallow_references = yes\nmax_virtual_size = 4M\n")
    (FOLDER / "wrong.ini").write_text("colour = red\n")
    (FOLDER / "large.ini").write_bytes(b"# filler\n" * 150000)
    (FOLDER / "empty").write_bytes(b"")


DESCRIPTOR = """<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1">
<References><File ovf:id="f" ovf:href="good.qcow2"/></References><DiskSection><Info/><Disk ovf:diskId="d" ovf:fileRef="f"
ovf:capacity="1048576" ovf:format="http://www.gnome.org/~markmc/qcow-image-format.html"/></DiskSection></Envelope>
"""
SIGN = """for f in box.ovf good.qcow2; do echo "SHA256($f)= $(sha256sum $f | cut -c1-64)"; done > box.mf
openssl ecparam -name prime256v1 -genkey -noout > key.pem
openssl req -x509 -new -key key.pem -subj /CN=box > x509.pem
(printf 'SHA256(box.mf)= '; openssl dgst -sha256 -sign key.pem box.mf | od -An -v -tx1 | tr -d ' \\n'; echo; cat x509.pem) > box.cert
tar -cf signed.ova box.ovf box.mf box.cert good.qcow2
echo >> box.mf
tar -cf forged.ova box.ovf box.mf box.cert good.qcow2
"""


def make_signed():
    (FOLDER / "box.ovf").write_text(DESCRIPTOR)
    run_again(["sh", "-ec", SIGN])


# Words of the command line, exit code, codes of findings.
VERDICTS = [
    (["good.qcow2"], 0, []),
    (["base.raw"], 0, []),
    (["fixed.vhd"], 0, []),
    (["empty"], 0, []),
    (["good.qcow2", "--expect-disk", "qcow2", "--expect-container", "bare"], 0, []),
    (["good.qcow2", "--expect-disk", "raw"], 1, ["policy.format"]),
    (["fixed.vhd", "--expect-disk=vpc"], 0, []),
    (["fixed.vhd", "--expect-disk=raw"], 1, ["policy.format"]),
    (["good.qcow2", "--expect-container", "ova"], 1, ["policy.container"]),
    (["good.qcow2", "--allow-formats", "raw,vhd"], 1, ["policy.format_not_allowed"]),
    (["good.qcow2", "--max-virtual-size", "512k"], 1, ["policy.virtual_size"]),
    (["good.qcow2", "--max-ratio", "2"], 1, ["policy.ratio"]),
    (["layer.qcow2"], 1, ["qcow2.backing_file"]),
    (["layer.qcow2", "--allow-references"], 0, ["qcow2.backing_file"]),
    (["layer.qcow2", "--policy", "policy.ini"], 0, ["qcow2.backing_file"]),
    (["layer.qcow2", "--policy", "policy.ini", "--max-virtual-size", "512k"], 1,
     ["policy.virtual_size", "qcow2.backing_file"]),
    (["layer.qcow2", "--max-virtual-size", "512k", "--policy", "policy.ini"], 0, ["qcow2.backing_file"]),
    (["flat.vmdk"], 1, ["vmdk.extent_file"]),
    (["both.qcow2"], 1, None),
    (["short.vdi"], 1, ["vdi.truncated"]),
    (["short.vdi", "--allow-truncated"], 0, ["vdi.truncated"]),
    (["secret.qcow2"], 1, ["qcow2.encrypted"]),
    (["secret.qcow2", "--allow-encrypted"], 0, ["qcow2.encrypted"]),
    (["good.qcow2", "--depth", "full"], 0, []),
    (["table.qcow2", "--depth", "full"], 1, None),
    (["signed.ova", "--expect-container", "ova"], 0, ["ovf.digest_unchecked", "ovf.signature_unchecked"]),
    (["signed.ova", "--expect-container", "ova", "--depth", "full", "--require-sandbox"], 0, ["ovf.signed"]),
    (["forged.ova", "--expect-container", "ova", "--depth", "full"], 1, ["ovf.signature"]),
    (["good.qcow2", "--require-sandbox", "--cpu-seconds", "5", "--memory", "100M"], 0, []),
]

# Words, what the message says.
WRONG = [
    ([], "one FILE is expected"),
    (["good.qcow2", "base.raw"], "one FILE is expected"),
    (["missing.qcow2"], "No such file"),
    (["."], "folder"),
    (["good.qcow2", "--expect-disk", "floppy"], "found floppy"),
    (["good.qcow2", "--policy", "wrong.ini"], "colour"),
    (["good.qcow2", "--policy", "missing.ini"], "missing.ini"),
    (["good.qcow2", "--policy", "large.ini"], "larger than 1 MiB"),
    (["good.qcow2", "--policy", "."], "directory"),
    (["good.qcow2", "--depth", "deep"], "allowed: streaming, full"),
    (["good.qcow2", "--max-ratio", "much"], "found much"),
    (["good.qcow2", "--memory", "0"], "--memory"),
    (["good.qcow2", "--memory", "99999999T"], "--memory"),
    (["good.qcow2", "--cpu-seconds", "soon"], "found soon"),
    (["good.qcow2", "--unknown"], "--unknown"),
    (["good.qcow2", "-x"], "-x"),
    (["good.qcow2", "--policy"], "--policy"),
]


def answer_of(what, done):
    """The JSON object of a run, after a look at its shape."""
    expect(f"{what}: one line", (done.stdout.count(b"\n"), done.stdout[-1:]), (1, b"\n"))
    answer = json.loads(done.stdout)
    disks = ["disks"] if answer["container"] in ("ova", "compressed") else []
    members = MEMBERS[:7] + disks + MEMBERS[7:]
    expect(f"{what}: members", [key for key in answer if key != "error"], members)
    expect(f"{what}: schema", answer["schema"], "platter-inspection/1")
    expect(f"{what}: error only when undecided", "error" in answer, done.returncode == 2)
    expect(f"{what}: verdict", answer["verdict"], ["accepted", "refused", "undecided"][done.returncode])
    for finding in answer["findings"]:
        expect(f"{what}: members of a finding", list(finding), FINDING)
    return answer


def check_verdicts():
    for words, code, codes in VERDICTS:
        from_path = run(*words)
        expect(f"{words}: exit code", from_path.returncode, code)
        expect(f"{words}: says nothing else", from_path.stderr, b"")
        answer = answer_of(words, from_path)
        if codes is not None:
            expect(f"{words}: findings", sorted(finding["code"] for finding in answer["findings"]), codes)
        expect(f"{words}: sandbox", (answer["sandbox"]["seccomp"], answer["sandbox"]["limits"]), (True, True))
        with open(FOLDER / words[0], "rb") as file:
            from_file = run("-", *words[1:], stdin=file)
        expect(f"{words}: standard input that is a file", (from_file.returncode, from_file.stdout),
               (code, from_path.stdout))
        if "full" not in words:
            piped = run("-", *words[1:], input=(FOLDER / words[0]).read_bytes())
            expect(f"{words}: from a pipe", (piped.returncode, piped.stdout), (code, from_path.stdout))


def check_fields():
    answer = answer_of("fields", run("layer.qcow2"))
    expect("sizes", (answer["virtual_size"], answer["file_size"], answer["expected_length"]),
           (3 << 20, (FOLDER / "layer.qcow2").stat().st_size, 196608))
    expect("names", (answer["format"], answer["formats"], answer["variant"], answer["container"], answer["confidence"]),
           ("qcow2", ["qcow2"], "version 3", "bare", "certain"))
    finding = answer["findings"][0]
    expect("finding", (finding["severity"], finding["value"], finding["cve"]),
           ("unsafe", "base.raw", ["CVE-2015-5163"]))
    nothing = answer_of("nothing known", run("missing"))
    expect("unknown numbers", (nothing["virtual_size"], nothing["expected_length"], nothing["sandbox"]),
           (None, None, None))


def check_wrong():
    for words, message in WRONG:
        done = run(*words)
        expect(f"{words}: exit code", done.returncode, 2)
        expect(f"{words}: says {message!r}", message in done.stderr.decode(), True)
        answer = answer_of(words, done)
        expect(f"{words}: says it in the answer", message in answer["error"], True)
    done = run("-", "--depth", "full", input=b"bytes")
    expect("full depth of a pipe", (done.returncode, b"wants a file" in done.stderr), (2, True))
    closed = run("-", preexec_fn=lambda: os.close(0))
    expect("no standard input", (closed.returncode, b"Bad file descriptor" in closed.stderr), (2, True))
    for word, text in (("--help", "--require-sandbox"), ("--version", "platter-hook version ")):
        done = run(word)
        expect(word, (done.returncode, text in done.stdout.decode(), done.stderr), (0, True, b""))


def check_lost_answer():
    with open("/dev/full", "wb") as full:
        done = subprocess.run([HOOK, FOLDER / "good.qcow2"], stdout=full, check=False)
    expect("an answer that cannot be written", done.returncode, 2)
    with open(FOLDER / "answer", "wb") as file:
        done = subprocess.run([HOOK, FOLDER / "good.qcow2"], stdout=file, check=False)
    expect("an answer into a file", done.returncode, 0)
    expect("a verdict in the file", json.loads((FOLDER / "answer").read_bytes())["verdict"], "accepted")


def check_pieces():
    """The answer does not depend on how the bytes come."""
    rng = random.Random(4)
    for name in ("good.qcow2", "layer.qcow2", "fixed.vhd"):
        content = (FOLDER / name).read_bytes()
        hook = subprocess.Popen([HOOK, "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        while content:
            size = rng.choice([1, 511, 513, 4096, 65537])
            hook.stdin.write(content[:size])
            hook.stdin.flush()
            content = content[size:]
        out, _ = hook.communicate(timeout=60)
        expect(f"{name} in odd pieces", out, run(name).stdout)
    with open(FOLDER / "good.qcow2", "rb") as file:
        os.lseek(file.fileno(), 512, os.SEEK_SET)
        done = run("-", stdin=file)
    answer = answer_of("the rest of a file", done)
    expect("the rest of a file", (answer["format"], answer["file_size"]),
           ("raw", (FOLDER / "good.qcow2").stat().st_size - 512))


class Waiting:
    """A hook that has locked itself in and waits for bytes."""

    def __init__(self, *words, **options):
        self.hook = subprocess.Popen([HOOK, *words, "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                     stderr=subprocess.PIPE, **options)
        deadline = time.monotonic() + 30
        while self.read("status").get("Seccomp") != "2" and time.monotonic() < deadline:
            time.sleep(0.005)

    def text(self, name):
        return pathlib.Path(f"/proc/{self.hook.pid}/{name}").read_text()

    def read(self, name):
        return dict(line.split(":", 1) for line in self.text(name).replace("\t", "").splitlines())

    def end(self, content=b""):
        out, _ = self.hook.communicate(content, timeout=60)
        return self.hook.returncode, json.loads(out)


def check_sandbox():
    inherited = os.open(FOLDER / "base.raw", os.O_RDONLY)
    os.set_inheritable(inherited, True)
    waiting = Waiting("--cpu-seconds", "7", "--memory", "64M", close_fds=False)
    status = waiting.read("status")
    expect("no new privileges", status["NoNewPrivs"], "1")
    expect("seccomp", status["Seccomp"], "2")
    expect("open files", sorted(os.listdir(f"/proc/{waiting.hook.pid}/fd")), ["0", "1", "2"])
    limits = waiting.text("limits")
    for name, soft in (("Max cpu time", "7"), ("Max open files", "0"), ("Max core file size", "0"),
                       ("Max file size", "0")):
        line = next(line for line in limits.splitlines() if line.startswith(name))
        expect(name, line[len(name):].split()[0], soft)
    space = next(line for line in limits.splitlines() if line.startswith("Max address space")).split()[3]
    expect("Max address space", int(space) < int(status["VmSize"].split()[0]) * 1024 + (65 << 20), True)
    os.close(inherited)
    code, answer = waiting.end((FOLDER / "good.qcow2").read_bytes())
    expect("answer from inside", (code, answer["verdict"]), (0, "accepted"))
    version = ctypes.CDLL(None).syscall(444, None, ctypes.c_size_t(0), 1)
    expect("landlock", answer["sandbox"]["landlock"], max(0, version))


def check_limits():
    waiting = Waiting()
    waiting.hook.send_signal(signal.SIGXCPU)
    code, answer = waiting.end()
    expect("out of time", (code, answer["verdict"], "--cpu-seconds" in answer["error"], answer["sandbox"]["seccomp"]),
           (2, "undecided", True, True))
    for words in (["--memory", "64k", "good.qcow2"], ["--memory", "64k", "-"]):
        done = run(*words, input=(FOLDER / "good.qcow2").read_bytes())
        answer = answer_of(words, done)
        expect(f"{words}", (done.returncode, "--memory" in answer["error"]), (2, True))


DEFLATE_RATIO = 1032
UNPACKED_PER_SECOND = 8 << 20


def soft_cpu_limit(waiting):
    line = next(line for line in waiting.text("limits").splitlines() if line.startswith("Max cpu time"))
    return int(line.split()[3])


def zstd(content, window=None):
    """By a pipe: of what has no known length, the window is as large as is asked for."""
    words = [] if window is None else ["--ultra", f"--long={window}"]
    return subprocess.run(["zstd", "-q", "-1", "-c", *words], input=content, stdout=subprocess.PIPE, check=True).stdout


def xz(content, dictionary):
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": dictionary}]
    return lzma.compress(content, format=lzma.FORMAT_XZ, filters=filters)


def check_earned_time():
    """What is unpacked earns processor time, and no more than a stream of that length may honestly unpack to."""
    honest = zlib.compress(os.urandom(4096) * (36 << 8), 1, 31)
    bomb = zstd(bytes(64 << 20)) * 34
    expect("the bomb is no honest stream", len(bomb) * DEFLATE_RATIO < 34 * (64 << 20), True)
    for what, content, earned in (("honest", honest, 36 << 20), ("bomb", bomb, len(bomb) * DEFLATE_RATIO)):
        waiting = Waiting("--cpu-seconds", "7", "--expect-container", "compressed")
        waiting.hook.stdin.write(content)
        waiting.hook.stdin.flush()
        wanted = 7 + earned // UNPACKED_PER_SECOND
        deadline = time.monotonic() + 30
        while soft_cpu_limit(waiting) != wanted and time.monotonic() < deadline:
            time.sleep(0.005)
        expect(f"{what}: seconds", soft_cpu_limit(waiting), wanted)
        code, answer = waiting.end()
        codes = [finding["code"] for finding in answer["findings"]]
        expect(f"{what}: in the end", (code, codes), (0, []) if what == "honest" else (1, ["compressed.bomb"]))


def cpu_time():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def check_long_work():
    """Work that takes longer than --cpu-seconds: of honest bytes to its end, of a bomb until the time is used up."""
    (FOLDER / "honest.bz2").write_bytes(bz2.compress(os.urandom(40 << 20), 1))
    # Slow work out of a few bytes, and just less than what is refused without more ado.
    (FOLDER / "slow.bz2").write_bytes(bz2.compress(bytes(100 << 20)) * 10)
    words = ["--cpu-seconds", "1", "--expect-container", "compressed"]
    for name in ("honest.bz2", "slow.bz2"):
        content = (FOLDER / name).read_bytes()
        for way, run_it in (("file", lambda: run(name, *words)), ("full", lambda: run(name, *words, "--depth", "full")),
                            ("pipe", lambda: run("-", *words, input=content))):
            before = cpu_time()
            done = run_it()
            used = cpu_time() - before
            answer = answer_of(f"{name}, {way}", done)
            if name == "honest.bz2":
                expect(f"{name}, {way}: verdict", answer["verdict"], "accepted")
            elif used > 1.5:
                failures.append(f"{name}, {way}: took {used:.1f} s")
            elif done.returncode == 2:
                expect(f"{name}, {way}: error", "--cpu-seconds" in answer["error"], True)
            else:
                expect(f"{name}, {way}: verdict", answer["verdict"], "refused")


def archive(members):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in members:
            header = tarfile.TarInfo(name)
            header.size = len(content)
            tar.addfile(header, io.BytesIO(content))
    return out.getvalue()


def docker_archive(layer, packed):
    diff_id = "sha256:" + hashlib.sha256(layer).hexdigest()
    config = json.dumps({"architecture": "amd64", "os": "linux",
                         "rootfs": {"type": "layers", "diff_ids": [diff_id]}}).encode()
    name = hashlib.sha256(config).hexdigest() + ".json"
    manifest = json.dumps([{"Config": name, "RepoTags": ["a:b"], "Layers": ["one/layer.tar"]}]).encode()
    return archive([("manifest.json", manifest), (name, config), ("one/layer.tar", packed)])


APPLIANCE = """<?xml version="1.0"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1">
<References><File ovf:id="f0" ovf:href="a.xz" ovf:compression="xz"/>
<File ovf:id="f1" ovf:href="b.zst" ovf:compression="zstd"/></References>
<DiskSection><Info/><Disk ovf:diskId="d0" ovf:fileRef="f0" ovf:capacity="{size}"/>
<Disk ovf:diskId="d1" ovf:fileRef="f1" ovf:capacity="{size}"/></DiskSection>
<VirtualSystem ovf:id="v"><Info/></VirtualSystem></Envelope>"""


def check_largest_windows():
    """What makes a decoder hold as much as is taken is judged within the memory that is allowed unless told otherwise;
    what asks for more has a finding."""
    # Longer than what is held of it: a full walk goes back and forth, with two decoders.
    (FOLDER / "content").write_bytes(os.urandom(1 << 20) * 20)
    run_again(["qemu-img", "convert", "-O", "qcow2", "content", "content.qcow2"])
    disk = (FOLDER / "content.qcow2").read_bytes()
    layer = archive([("content", os.urandom(5 << 20)), ("empty", b"")])
    largest = 128 << 20
    images = {
        "largest.xz": (xz(disk, largest), "compressed", []),
        "largest.zst": (zstd(disk, 27), "compressed", []),
        "larger.xz": (xz(disk, largest * 3 // 2), "compressed", ["compressed.window"]),
        "larger.zst": (zstd(disk, 28), "compressed", ["compressed.window"]),
        "largest.ova": (archive([("box.ovf", APPLIANCE.format(size=20 << 20).encode()), ("a.xz", xz(disk, largest)),
                                 ("b.zst", zstd(disk, 27))]), "ova", ["ovf.several_disks"]),
        "largest.tar": (docker_archive(layer, zstd(layer, 27)), "docker", []),
        "larger.tar": (docker_archive(layer, zstd(layer, 28)), "docker", ["docker.layer_compression"]),
    }
    for name, (content, container, wanted) in images.items():
        (FOLDER / name).write_bytes(content)
        ways = {"full": run(name, "--expect-container", container, "--depth", "full")}
        if container != "docker":  # its layers are looked into at full depth
            ways["file"] = run(name, "--expect-container", container)
            ways["pipe"] = run("-", "--expect-container", container, input=content)
        for way, done in ways.items():
            answer = json.loads(done.stdout)
            expect(f"{name}, {way}: findings", [finding["code"] for finding in answer["findings"]], wanted)
            expect(f"{name}, {way}: exit code", done.returncode == 0, not name.startswith("larger"))
            expect(f"{name}, {way}: is judged", answer.get("error"), None)


def use_up_landlock():
    """A process may stack 16 sets of rules: with these, which forbid making block devices only, no further one fits."""
    libc = ctypes.CDLL(None)
    handled = ctypes.c_uint64(1 << 11)
    libc.prctl(38, 1, 0, 0, 0)
    rules = libc.syscall(444, ctypes.byref(handled), ctypes.c_size_t(8), 0)
    while libc.syscall(446, rules, 0) == 0:
        pass


def check_missing_layer():
    """Where a layer cannot come into force, --require-sandbox reads nothing."""
    image = (FOLDER / "good.qcow2").read_bytes()
    done = run("-", "--require-sandbox", input=image, preexec_fn=use_up_landlock)
    answer = answer_of("no Landlock", done)
    expect("no Landlock", (done.returncode, answer["format"], "layer" in answer["error"], answer["sandbox"]),
           (2, "", True, {"landlock": 0, "seccomp": True, "limits": True}))
    done = run("-", input=image, preexec_fn=use_up_landlock)
    expect("what is left", (done.returncode, answer_of("what is left", done)["sandbox"]["landlock"]), (0, 0))


make_images()
for check in (check_verdicts, check_fields, check_wrong, check_lost_answer, check_pieces, check_sandbox, check_limits,
              check_earned_time, check_long_work, check_largest_windows, check_missing_layer):
    check()
print("\n".join(failures) or f"{len(VERDICTS)} verdicts, {len(WRONG)} wrong command lines, the sandbox: as expected")
sys.exit(1 if failures else 0)

"""convert and create into what can only be written in order: pipes, FIFOs, sockets, /dev/null.

usage: pipes.py PLATTER FOLDER
"""

import hashlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

PLATTER, FOLDER = os.path.abspath(sys.argv[1]), sys.argv[2]

failures = []


def expect(what, condition, detail=""):
    if not condition:
        failures.append(f"{what}: {detail}")


def digest(data):
    return hashlib.sha256(data).hexdigest()


def make_disk(path):
    """A disk with holes, zeros, noise and text, ending in the middle of everything."""
    rng = random.Random(1)
    with open(path, "wb") as disk:
        disk.truncate(24 << 20)
        for offset in range(0, 24 << 20, 1 << 20):
            disk.seek(offset + rng.randrange(0, 1 << 19, 512))
            disk.write(rng.choice([rng.randbytes(200_000), b"text" * 50_000, bytes(100_000)]))
        disk.truncate((24 << 20) + 512)


def run(arguments, program=PLATTER, **options):
    return subprocess.run([program, *arguments], capture_output=True, timeout=120, check=False, **options)


def back_to_raw(image, kind):
    """The guest's bytes of an image, read by us."""
    if kind == ["-O", "raw"]:
        return image
    with open("back.img", "wb") as file:
        file.write(image)
    done = run(["convert", "-O", "raw", "back.img", "back.raw"])
    expect("reading back", done.returncode == 0, done.stderr)
    with open("back.raw", "rb") as file:
        return file.read()


def check_pipe(kind, content):
    images = set()
    for workers in ("1", "2", "8"):
        done = run(["convert", "-p", "-m", workers, *kind, "disk.raw", "/dev/stdout"])
        expect(f"{kind} -m {workers}", done.returncode == 0, done.stderr)
        expect(f"{kind} progress", b"(100.00/100%)" in done.stderr, done.stderr)
        images.add(digest(done.stdout))
    expect(f"{kind}: the same for any number of workers", len(images) == 1, images)
    expect(f"{kind}: what comes out", digest(back_to_raw(done.stdout, kind)) == digest(content))
    copied = run(["convert", "-C", *kind, "disk.raw", "/dev/stdout"])
    expect(f"{kind} -C", copied.returncode == 0 and copied.stdout == done.stdout, copied.stderr)
    return done.stdout


def check_cat(kind, image):
    shell = subprocess.run(["sh", "-c", '"$0" convert "$@" disk.raw /dev/stdout | cat >cat.img', PLATTER, *kind],
                           check=False)
    with open("cat.img", "rb") as file:
        expect(f"{kind} | cat", shell.returncode == 0 and file.read() == image)


def check_fifo(kind, image):
    os.mkfifo("fifo")
    received = []

    def drain():
        with open("fifo", "rb") as fifo:
            time.sleep(0.3)
            received.append(fifo.read())

    reader = threading.Thread(target=drain)
    reader.start()
    done = run(["convert", *kind, "disk.raw", "fifo"])
    reader.join()
    # A descriptor holds its file's name: what the guest reads is what counts.
    same = digest(back_to_raw(received[0], kind)) == digest(back_to_raw(image, kind))
    expect(f"{kind} FIFO", done.returncode == 0 and same, done.stderr)

    def leave():
        with open("fifo", "rb") as fifo:
            fifo.read(70_000)

    reader = threading.Thread(target=leave)
    reader.start()
    done = run(["convert", *kind, "disk.raw", "fifo"])
    reader.join()
    expect(f"{kind} reader goes away", done.returncode == 1 and b"Broken pipe" in done.stderr, done)
    expect(f"{kind} the FIFO stays", os.path.exists("fifo"))
    os.unlink("fifo")


def check_socket(kind, image):
    ours, theirs = socket.socketpair()
    with subprocess.Popen([PLATTER, "convert", *kind, "disk.raw", "/dev/stdout"], stdout=theirs) as process:
        theirs.close()
        parts = []
        while part := ours.recv(1 << 16):
            parts.append(part)
    expect(f"{kind} socket", process.returncode == 0 and b"".join(parts) == image)
    ours.close()


def check_interrupt(kind):
    """A reader that stops reading, and a user who has enough."""
    os.mkfifo("stuck")
    with subprocess.Popen([PLATTER, "convert", *kind, "disk.raw", "stuck"], stderr=subprocess.PIPE) as process:
        with open("stuck", "rb") as fifo:
            fifo.read(10)
            process.send_signal(signal.SIGINT)
            time.sleep(0.1)
        process.communicate(timeout=60)
    expect(f"{kind} interrupted", process.returncode == 1, process.returncode)
    expect(f"{kind} the FIFO stays", os.path.exists("stuck"))
    os.unlink("stuck")


# Words of a call that waits for what never comes, {} being a FIFO that the test holds open in the way that is said.
WAITING = [
    ("for a reader", None, ["convert", "-f", "raw", "disk.raw", "{}"]),
    ("for room", os.O_RDWR, ["convert", "-f", "raw", "disk.raw", "{}"]),
    ("for a list", os.O_RDWR, ["hash", "--check", "{}"]),
    ("for bytes", "stdin", ["hash", "-"]),
    ("for a list's bytes", "stdin", ["hash", "--check", "-"]),
    ("for an appliance", "stdin", ["convert", "-", "made.raw"]),
]


def check_waiting():
    for name, hold, words in WAITING:
        os.mkfifo("waiting.fifo")
        held = os.open("waiting.fifo", os.O_RDWR) if hold is not None else None
        process = subprocess.Popen([PLATTER, *(word.replace("{}", "waiting.fifo") for word in words)],
                                   stdin=held if hold == "stdin" else subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.5)
        expect(f"waiting {name}: still there", process.poll() is None, process.returncode)
        process.send_signal(signal.SIGTERM)
        try:
            code = process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
        expect(f"waiting {name}", code not in (0, -signal.SIGKILL) and not os.path.exists("made.raw"), f"exit {code}")
        if held is not None:
            os.close(held)
        os.remove("waiting.fifo")


def check_refusals():
    for arguments in (["-O", "qcow2"], ["-O", "raw", "-o", "preallocation=full"], ["-O", "vmdk"]):
        done = run(["convert", *arguments, "disk.raw", "/dev/stdout"])
        expect(f"{arguments} refused", done.returncode == 1 and done.stdout == b"", done)
        expect(f"{arguments} by name", b"cannot be written to a pipe" in done.stderr, done.stderr)
    os.symlink(PLATTER, "qemu-img")
    done = run(["convert", "-O", "raw", "disk.raw", "/dev/stdout"], program="./qemu-img")
    wanted = b"qemu-img: /dev/stdout: error while converting raw: Could not resize file: Invalid argument\n"
    expect("as qemu-img", done.returncode == 1 and done.stderr == wanted, done.stderr)


def check_messages():
    """Images that are made into a file by way of the standard output have no message in them."""
    os.mkdir("tree")
    with open("tree/file", "wb") as file:
        file.write(b"content")
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", "tree", "volume.ext4", "4M"], check=True)
    for name, words, end in (("iso", ["create", "--from", "tree"], []),
                             ("tar", ["docker", "wrap", "--platform", "linux/amd64", "volume.ext4"], []),
                             ("raw", ["create", "-f", "raw"], ["1M"])):
        images = []
        for target in (f"made.{name}", "/dev/stdout", "-"):
            with open("redirected", "w+b") as file:
                done = subprocess.run([PLATTER, *words, target, *end], stdout=file, stderr=subprocess.PIPE, check=False)
                file.seek(0)
                images.append(file.read())
            expect(f"{name} into {target}", done.returncode == 0 and not os.path.exists("-"), done)
        with open(f"made.{name}", "rb") as file:
            images[0] = file.read()
        # A volume has the time of its making.
        lengths = {len(image) for image in images}
        same = images[0][:2048] == images[1][:2048] == images[2][:2048]
        expect(f"{name}: the same in every way", same and len(lengths) == 1, lengths)


def check_others(content):
    done = run(["create", "-f", "raw", "/dev/stdout", "3M"])
    expect("create", done.returncode == 0 and done.stdout == bytes(3 << 20), done.stderr)
    done = run(["convert", "-O", "raw", "disk.raw", "/dev/null"])
    expect("/dev/null", done.returncode == 0 and os.path.exists("/dev/null"), done.stderr)
    with open("redirected", "w+b") as file:
        subprocess.run([PLATTER, "convert", "-p", "-O", "raw", "disk.raw", "/dev/stdout"], stdout=file,
                       stderr=subprocess.DEVNULL, check=False)
        file.seek(0)
        expect("a file as standard output", file.read() == content)


def main():
    shutil.rmtree(FOLDER, ignore_errors=True)
    os.makedirs(FOLDER)
    os.chdir(FOLDER)
    make_disk("disk.raw")
    with open("disk.raw", "rb") as file:
        content = file.read()
    for kind in (["-O", "raw"], ["-O", "vmdk", "-o", "subformat=streamOptimized,cid=12345678"]):
        image = check_pipe(kind, content)
        check_cat(kind, image)
        check_fifo(kind, image)
        check_socket(kind, image)
        check_interrupt(kind)
    check_waiting()
    check_refusals()
    check_messages()
    check_others(content)
    os.chdir("/")
    shutil.rmtree(FOLDER)
    for failure in failures:
        print(failure)
    sys.exit(1 if failures else 0)


main()

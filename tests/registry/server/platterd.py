"""platterd for tests: a process on a free port of loopback, with its state in a folder of its own.

    with Platterd(program, folder) as server:
        image = server.make(disk_format="raw", container_format="bare")
        status, text = server.upload(image, open("disk.raw", "rb").read())
"""

import http.client
import json
import os
import pathlib
import re
import signal
import subprocess
import threading
import time
import urllib.parse

HOST = "127.0.0.1"
WAIT_SECONDS = 120


class Platterd:
    """Started by `with` or start(); kill() and start() again is a crash, with all that it stored still there."""

    def __init__(self, program, folder, configuration="", database=None, headers=None):
        """`configuration`: more lines of a glance-api.conf. `headers`: for each request, such as a token."""
        self.program = pathlib.Path(program).resolve()
        self.folder = pathlib.Path(folder).resolve()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.database = database or f"sqlite:///{self.folder}/registry.sqlite"
        self.config = self.folder / "glance-api.conf"
        self.images = self.folder / "images"
        self.headers = headers or {}
        self.environment = {}  # beside what it inherits
        self.launcher = []  # words in front of the program's
        self.port = 0
        self.process = None
        self.config.write_text(
            f"[DEFAULT]\nbind_host = {HOST}\nbind_port = 0\n[platter]\nstate = {self.folder}/state\n"
            f"[database]\nconnection = {self.database}\n[glance_store]\nfilesystem_store_datadir = {self.images}\n"
            + configuration)

    def __enter__(self):
        self.run("db", "sync")
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def run(self, *words, name=None):
        """The program with these words: exit code and all that it printed."""
        program = self.program
        if name:
            program = self.folder / name
            if not program.is_symlink():
                program.symlink_to(self.program)
        done = subprocess.run([program, "--config-file", self.config, *words], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        return done.returncode, done.stdout

    @property
    def url(self):
        return f"http://{HOST}:{self.port}"

    def start(self):
        log = self.folder / "platterd.log"
        with open(log, "ab") as out:
            begin = out.tell()
            self.process = subprocess.Popen(["setpriv", "--pdeathsig=KILL", *self.launcher, self.program,
                                             "--config-file", self.config, "serve"],
                                            stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                                            env=os.environ | self.environment)
        end = time.monotonic() + WAIT_SECONDS
        while True:
            text = log.read_bytes()[begin:].decode(errors="replace")
            serving = re.search(r" serving .*port=(\d+)", text)
            if serving:
                self.port = int(serving.group(1))
                return
            if self.process.poll() is not None or time.monotonic() > end:
                self.kill()
                raise RuntimeError(f"platterd does not start: {text[-2000:]}")
            time.sleep(0.02)

    def stop(self):
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        self.process = None

    def kill(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def log(self):
        return (self.folder / "platterd.log").read_text(errors="replace")

    def request(self, method, path, body=None, headers=None, timeout=120):
        """Status, headers and bytes of one answer. `body`: bytes, a file, or an iterable (sent in chunks)."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=timeout)
        try:
            connection.request(method, path, body, self.headers | (headers or {}))
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def call(self, method, path, document=None, headers=None):
        """The same with JSON both ways: status, and the document or the error's sentence."""
        kind = "application/openstack-images-v2.1-json-patch" if method == "PATCH" else "application/json"
        body = None if document is None else json.dumps(document).encode()
        status, fields, content = self.request(method, path, body, ({"Content-Type": kind} if body else {})
                                               | (headers or {}))
        if fields.get("Content-Type") == "application/json":
            return status, json.loads(content)
        return status, sentence(content)

    def make(self, **members):
        status, image = self.call("POST", "/v2/images", members)
        if status != 201:
            raise RuntimeError(f"no record made: {status} {image}")
        return image["id"]

    def show(self, image):
        status, record = self.call("GET", f"/v2/images/{image}")
        if status != 200:
            raise RuntimeError(f"no record shown: {status} {record}")
        return record

    def list(self, **query):
        """All images that match, over all pages."""
        images, path = [], "/v2/images?" + urllib.parse.urlencode({"limit": 100} | query)
        while path:
            status, page = self.call("GET", path)
            if status != 200:
                raise RuntimeError(f"no list: {status} {page}")
            images += page["images"]
            path = page.get("next")
        return images

    def upload(self, image, body, headers=None, place="file"):
        status, _, content = self.request("PUT", f"/v2/images/{image}/{place}", body,
                                          {"Content-Type": "application/octet-stream"} | (headers or {}))
        return status, sentence(content)

    def download(self, image):
        status, _, content = self.request("GET", f"/v2/images/{image}/file")
        return status, content

    def stored(self):
        """Files below the store's folders, unfinished ones too."""
        folders = [self.images, self.folder / "state"]
        return sorted(path for folder in folders if folder.exists() for path in folder.rglob("*")
                      if path.is_file() and re.match(r"[0-9a-f]{8}-", path.name))


class Checks:
    """What a script expects, and what it found instead."""

    def __init__(self):
        self.failures = []
        # A thread that ends with an exception ends the script no other way.
        threading.excepthook = lambda thrown: self.failures.append(
            f"{thrown.thread.name}: {thrown.exc_type.__name__}: {thrown.exc_value}")

    def expect(self, what, got, wanted):
        if got != wanted:
            self.failures.append(f"{what}: got {got!r}, wanted {wanted!r}")

    def conclude(self):
        """Prints what was found: the script's exit code."""
        for failure in self.failures:
            print(failure)
        print(f"{len(self.failures)} failures")
        return 1 if self.failures else 0


def sentence(content):
    """What an error's page says."""
    text = content.decode(errors="replace")
    match = re.search(r"</h1>\s*(.*?)<br", text, re.S)
    return match.group(1).strip() if match else text


def run(*command, **options):
    """A command that has to succeed."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, check=False, **options)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}: {done.stdout}")
    return done.stdout


def resident_bytes(process):
    with open(f"/proc/{process.pid}/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

"""platterd as its operator sees it: what it counts, how it takes a new configuration, what it tells systemd, and how it
ends.

usage: operation.py PLATTERD FOLDER
"""

import contextlib
import http.client
import http.server
import json
import pathlib
import re
import resource
import shutil
import signal
import socket
import sqlite3
import sys
import threading
import time
import urllib.request

from platterd import HOST, Checks, Platterd

PLATTERD, FOLDER = (pathlib.Path(word).resolve() for word in sys.argv[1:3])
MIB = 1 << 20
checks = Checks()
expect = checks.expect


class Operated(Platterd):
    """With a log file of its own, metrics, and a socket in systemd's place, which long tests have to empty."""

    def __init__(self, name, configuration="", systemd=True):
        super().__init__(PLATTERD, FOLDER / name, f"[DEFAULT]\nlog_file = {FOLDER / name}/platterd.log\n"
                         f"[platter]\nmetrics_port = 0\n{configuration}")
        self.systemd = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.systemd.bind(str(self.folder / "notify"))
        self.systemd.settimeout(20)
        if systemd:
            self.environment = {"NOTIFY_SOCKET": str(self.folder / "notify"), "WATCHDOG_USEC": "200000"}

    def __exit__(self, *_):
        super().__exit__()
        self.systemd.close()

    def told(self, word):
        """Whether that is what systemd hears next, but for signs of life."""
        while (heard := self.systemd.recv(4096).decode()) == "WATCHDOG=1":
            pass
        return heard == word

    def metrics(self, requests):
        """The page, and its values, once so many requests are counted: that is after their last byte."""
        port = re.search(r" metrics .*port=(\d+)", self.log()).group(1)
        end = time.monotonic() + 20
        while True:
            with urllib.request.urlopen(f"http://{HOST}:{port}/metrics") as answer:
                text = answer.read().decode()
            values = dict(re.findall(r"^(\S+) (\S+)$", text, re.M))
            if float(values["platterd_request_seconds_count"]) >= requests or time.monotonic() > end:
                return text, values
            time.sleep(0.01)

    def configure(self, old, new):
        text = self.config.read_text()
        self.config.write_text(text.replace(old, new))

    def logged(self, words):
        """Whether the log says so within some seconds."""
        end = time.monotonic() + 20
        while words not in self.log() and time.monotonic() < end:
            time.sleep(0.01)
        return words in self.log()


def metrics():
    with Operated("metrics") as server:
        image = server.make(disk_format="raw", container_format="bare")
        expect("an upload", server.upload(image, b"x" * MIB)[0], 204)
        wrong = server.make(disk_format="qcow2", container_format="bare")
        expect("an upload of something else", server.upload(wrong, b"x" * 5000)[0], 415)
        expect("a download", server.download(image)[0], 200)
        text, values = server.metrics(requests=5)
        for line in ('platterd_requests_total{method="PUT",status="204"} 1',
                     'platterd_verdicts_total{verdict="accepted"} 1', 'platterd_verdicts_total{verdict="refused"} 1',
                     'platterd_load{kind="queued"} 0', 'platterd_load{kind="running"} 0'):
            expect(f"{line} among {text}", line in text, True)
        expect("requests", float(values["platterd_request_seconds_count"]), 5.0)
        expect("bytes that came in", float(values['platterd_bytes_total{direction="in"}']) >= MIB, True)
        expect("bytes that went out", float(values['platterd_bytes_total{direction="out"}']) >= MIB, True)
        expect("times of the database", float(values["platterd_database_seconds_count"]) > 0, True)
        expect("metrics for everybody", b"platterd_" in server.request("GET", "/metrics")[2], False)


def reloads():
    with Operated("reloads") as server:
        expect("systemd hears of the start", server.told("READY=1"), True)
        expect("systemd hears that it lives", server.systemd.recv(4096), b"WATCHDOG=1")
        expect("connections are kept", server.request("GET", "/")[1].get("Connection"), "keep-alive")
        log = server.folder / "platterd.log"
        log.rename(server.folder / "platterd.log.1")
        server.configure("bind_port = 0\n", "bind_port = 0\nhttp_keepalive = false\n")
        server.process.send_signal(signal.SIGHUP)
        expect("systemd hears of a reload", server.told("RELOADING=1") and server.told("READY=1"), True)
        expect("the log goes on in a new file", server.logged("configuration read again"), True)
        expect("connections are not kept", server.request("GET", "/")[1].get("Connection"), "close")
        server.configure("http_keepalive = false\n", "http_keepalive = perhaps\n")
        server.process.send_signal(signal.SIGHUP)
        expect("systemd hears of one more", server.told("RELOADING=1") and server.told("READY=1"), True)
        expect("a wrong configuration is named", server.logged("the configuration stays as it was"), True)
        expect("the one before is in force", server.request("GET", "/")[1].get("Connection"), "close")


def keys():
    with Operated("keys") as server:
        image = server.make(cinder_encryption_key_id="k 1", cinder_encryption_key_deletion_policy="on_image_deletion")
        expect("a deletion", server.request("DELETE", f"/v2/images/{image}")[0], 204)
        expect("the key is named", server.logged(f'an encryption key was left behind image={image} key="k 1"'), True)


def fresh_machine():
    """The database of a configuration that names none lies in the state folder, which nobody has made yet."""
    with Operated("fresh_machine") as server:
        server.stop()
        server.config.write_text(f"[DEFAULT]\nbind_host = {HOST}\nbind_port = 0\n"
                                 f"[platter]\nstate = {server.folder}/new/state\n")
        for words, wanted in ((("db", "sync"), 0), (("db", "check"), 0), (("db", "purge"), 0)):
            code, said = server.run(*words)
            expect(f"{words}: {said}", code, wanted)
        server.start()
        expect("a list", server.list(), [])


def troubles():
    """Who is told that an image's bytes are away finds the reason in the log, by the request's id."""
    with Operated("troubles") as server:
        image = server.make(disk_format="raw", container_format="bare")
        expect("an upload", server.upload(image, b"x" * MIB)[0], 204)
        server.stored()[0].unlink()
        status, headers, _ = server.request("GET", f"/v2/images/{image}/file")
        expect("a download", status, 204)
        request = headers["X-Openstack-Request-Id"]
        line = f'error a request failed id={request} reason="the bytes of image {image} are gone'
        expect("the log has the reason", server.logged(line), True)


def folders():
    """A staging area that is also a store would be swept clean of images."""
    with Operated("folders") as server:
        image = server.make(disk_format="raw", container_format="bare")
        expect("an upload", server.upload(image, b"x" * MIB)[0], 204)
        server.stop()
        (server.folder / "staging").symlink_to(server.images)
        server.configure("bind_port = 0\n", f"bind_port = 0\nnode_staging_uri = file://{server.folder}/staging\n")
        for words in ([], ["check-config"]):
            code, said = server.run(*words)
            expect(f"{words}: {said}", (code, "are the same folder" in said), (1, True))
        server.configure(f"node_staging_uri = file://{server.folder}/staging\n", "")
        server.start()
        expect("a download", server.download(image)[0], 200)


def folders_of_stores():
    """An object has to belong to one store."""
    with Operated("folders_of_stores") as server:
        server.stop()
        top = server.folder
        (top / "a").mkdir()
        (top / "link").symlink_to(top / "a")
        old = server.config.read_text()
        rows = ((f"{top}/a", f"{top}/a/", 1), (f"{top}/a", f"{top}/link", 1), (f"{top}/a", f"{top}/link/b", 1),
                (f"{top}/a/new", f"{top}/a", 1), (f"{top}/a", f"{top}/ab", 0), (f"{top}/a/new", f"{top}/a/other", 0))
        for one, two, wanted in rows:
            server.config.write_text(
                "[DEFAULT]\nenabled_backends = one:file, two:file\n[glance_store]\ndefault_backend = one\n"
                f"[one]\nfilesystem_store_datadir = {one}\n[two]\nfilesystem_store_datadir = {two}\n")
            code, said = server.run("check-config")
            expect(f"{one} and {two}: {said}", (code, "two stores share a folder" in said), (wanted, wanted == 1))
        server.config.write_text(old)


def open_files():
    """However few there may be, idle connections leave some for uploads."""
    rows = ((":", None), ("64:4096", None), ("300:300", "connections=75 max_connections=1024 open_files=300"))
    for number, (limits, told) in enumerate(rows):
        server = Operated(f"open_files_{number}", systemd=False)
        server.launcher = ["prlimit", f"--nofile={limits}"] if limits != ":" else []
        with server, contextlib.ExitStack() as idle:
            soft, hard = resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)
            expect(f"{limits}: the limit", soft, hard)
            line = re.search("leaves room for fewer connections (.*)", server.log())
            expect(f"{limits}: the log", line and line.group(1), told)
            for _ in range(400):
                client = idle.enter_context(socket.create_connection((HOST, server.port), timeout=60))
                client.sendall(f"GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
            image = server.make(disk_format="raw", container_format="bare")
            expect(f"{limits}: an upload", server.upload(image, b"x" * MIB)[0], 204)
            expect(f"{limits}: a download", server.download(image)[0], 200)


def busy_database():
    """Requests that wait for the database keep nobody from learning how the service is."""
    rows = ((20, 200, b"OK"), (1, 503, b"the service does not answer in time"))
    for connections, status, text in rows:
        configuration = f"workers = 2\n[database]\nmax_pool_size = {connections}\n"
        with Operated(f"busy_{connections}", configuration, systemd=False) as server:
            lock = sqlite3.connect(server.folder / "registry.sqlite", isolation_level=None)
            lock.execute("BEGIN IMMEDIATE")
            makers = [threading.Thread(target=server.make) for _ in range(4)]
            for maker in makers:
                maker.start()
            deadline = time.monotonic() + 20
            while (values := server.metrics(0)[1])['platterd_load{kind="running"}'] != "2":
                expect(f"all workers wait: {values}", time.monotonic() < deadline, True)
                time.sleep(0.05)
            for _ in range(2):
                began = time.monotonic()
                answer = server.request("GET", "/healthcheck")
                expect(f"{connections} connections", (answer[0], answer[2]), (status, text))
                expect("an answer in time", time.monotonic() - began < 10, True)
            lock.execute("ROLLBACK")
            lock.close()
            for maker in makers:
                maker.join()
            expect("afterwards", server.request("GET", "/healthcheck")[0], 200)


def end():
    """SIGTERM in the middle of an upload: it is taken, and nothing else."""
    with Operated("end") as server:
        expect("systemd hears of the start", server.told("READY=1"), True)
        image = server.make(disk_format="raw", container_format="bare")
        with socket.create_connection((HOST, server.port), timeout=60) as client:
            client.sendall(f"PUT /v2/images/{image}/file HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {2 * MIB}\r\n"
                           "Content-Type: application/octet-stream\r\n\r\n".encode() + b"x" * MIB)
            deadline = time.monotonic() + 60
            while server.show(image)["status"] != "saving" and time.monotonic() < deadline:
                time.sleep(0.01)
            server.process.send_signal(signal.SIGTERM)
            expect("systemd hears of the end", server.told("STOPPING=1\nEXTEND_TIMEOUT_USEC=60000000"), True)
            client.sendall(b"x" * MIB)
            expect("the upload is answered", client.recv(65536).split()[1], b"204")
        expect("exit code", server.process.wait(60), 0)
        server.process = None
        server.start()
        expect("after a start", server.show(image)["status"], "active")


class SlowServer(http.server.BaseHTTPRequestHandler):
    """Its objects come at 40 KiB a second: too fast to be given up."""

    def do_GET(self):
        self.server.asked.release()
        self.send_response(200)
        self.send_header("Content-Length", str(64 * MIB))
        self.end_headers()
        try:
            for _ in range(16384):
                self.wfile.write(b"x" * 4096)
                time.sleep(0.1)
        except OSError:
            pass

    def log_message(self, *_):
        pass


def slow_locations():
    """A location that comes slowly keeps one worker, and SIGTERM does not wait for it."""
    slow = http.server.ThreadingHTTPServer((HOST, 0), SlowServer)
    slow.asked = threading.Semaphore(0)
    slow.daemon_threads = True
    threading.Thread(target=slow.serve_forever, daemon=True).start()
    configuration = (f"workers = 4\ndrain_time = 1\n[DEFAULT]\nshow_multiple_locations = true\n"
                     f"[import_filtering_opts]\nallowed_hosts = {HOST}\nallowed_ports = {slow.server_port}\n")
    with Operated("slow_locations", configuration) as server:
        images = [server.make(disk_format="raw", container_format="bare") for _ in range(4)]
        location = {"url": f"http://{HOST}:{slow.server_port}/disk", "metadata": {}}
        patch = json.dumps([{"op": "add", "path": "/locations/-", "value": location}]).encode()

        def add(image):
            kind = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
            return server.request("PATCH", f"/v2/images/{image}", patch, kind)

        def add_in_vain():
            try:
                add(images[0])
            except (OSError, http.client.HTTPException):
                pass  # the connection goes with the server

        waiting = threading.Thread(target=add_in_vain, daemon=True)
        waiting.start()
        expect("the location is asked for", slow.asked.acquire(timeout=60), True)
        for image in images[1:]:
            status, headers, _ = add(image)
            expect("one more", (status, headers["Retry-After"]), (503, "30"))
        expect("other requests", server.show(images[0])["status"], "queued")
        began = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        expect("exit code", server.process.wait(60), 0)
        expect(f"an end after {time.monotonic() - began:.1f} s", time.monotonic() - began < 15, True)
        waiting.join(60)
        server.process = None
        server.start()
        expect("after a start", server.show(images[0])["status"], "queued")
    slow.shutdown()
    slow.server_close()


def main():
    shutil.rmtree(FOLDER, ignore_errors=True)
    metrics()
    reloads()
    keys()
    fresh_machine()
    troubles()
    folders()
    folders_of_stores()
    open_files()
    busy_database()
    end()
    slow_locations()
    return checks.conclude()


if __name__ == "__main__":
    sys.exit(main())

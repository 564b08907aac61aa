"""platterd where things go wrong around it: a full disk, a store that may not be written, a database that goes away and
comes back, clients that are slow, stop, or send other than they said, and many clients at once. After each: no image is
lost, none is stuck, and nothing lies in a store that no image names.

It mounts small file systems: run it under unshare --mount.

usage: faults.py PLATTERD FOLDER FOLDER_OF_DATABASES_PY
"""

import hashlib
import os
import pathlib
import random
import re
import shutil
import socket
import sys
import threading
import time

sys.path.insert(0, sys.argv[3])
from databases import GaleraCluster, MariaDb, PostgreSql  # noqa: E402
from platterd import HOST, Checks, Platterd, resident_bytes, run  # noqa: E402
from registry_state import troubles  # noqa: E402

PLATTERD, FOLDER = (pathlib.Path(word).resolve() for word in sys.argv[1:3])
MIB = 1 << 20
rows = []
checks = Checks()
expect, failures = checks.expect, checks.failures


class Case:
    """One fault: a server of its own, and a look at it afterwards."""

    def __init__(self, name, configuration="", database=None, images=None):
        self.name = name
        self.server = Platterd(PLATTERD, FOLDER / name.replace(" ", "-"), configuration, database)
        self.contents = {}
        self.answers = {}
        if images is not None:
            self.server.images.symlink_to(images)

    def __enter__(self):
        self.server.__enter__()
        return self

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                self.look()
        finally:
            self.server.stop()

    def look(self):
        # The server's own next sweep, now.
        self.server.stop()
        self.server.start()
        found = troubles(self.server, self.contents)
        failures.extend(f"{self.name}: {trouble}" for trouble in found)
        answers = ", ".join(f"{count} x {status}" for status, count in sorted(self.answers.items(), key=str))
        rows.append((self.name, answers, len(self.contents), len(found)))

    def made(self):
        return self.server.make(disk_format="raw", container_format="bare")

    def upload(self, size, seed=None):
        content = random.Random(seed).randbytes(size)
        image = self.made()
        self.contents[image] = hashlib.sha256(content).hexdigest()
        status, _ = self.server.upload(image, content)
        self.answers[status] = self.answers.get(status, 0) + 1
        return image, status

    def status_of(self, image):
        return self.server.show(image)["status"]


class Mount:
    """A small file system in memory."""

    def __init__(self, folder, size):
        self.folder, self.size = folder, size

    def __enter__(self):
        self.folder.mkdir(parents=True)
        run("mount", "-t", "tmpfs", "-o", f"size={self.size}", "platter-test", self.folder)
        return self

    def __exit__(self, *_):
        run("umount", self.folder)

    def again(self, options):
        run("mount", "-o", f"remount,{options}", self.folder)


def full_disk():
    with Mount(FOLDER / "small", 8 * MIB) as mount, Case("full disk", images=mount.folder) as case:
        image, status = case.upload(16 * MIB)
        expect("more than the disk holds", (status, case.status_of(image)), (413, "queued"))
        expect("space after that", case.upload(5 * MIB)[1], 204)
        expect("no space for one more", case.upload(5 * MIB)[1], 413)


def read_only_store():
    with Mount(FOLDER / "locked", 64 * MIB) as mount, Case("store made read-only", images=mount.folder) as case:
        kept = case.upload(MIB)[0]
        mount.again("ro")
        image, status = case.upload(MIB)
        expect("a store that may not be written", (status, case.status_of(image)), (503, "queued"))
        expect("reading from it", case.server.download(kept)[0], 200)
        # The image cannot go while its bytes cannot.
        expect("deleting from it", case.server.call("DELETE", f"/v2/images/{kept}")[0], 503)
        expect("after that", case.status_of(kept), "active")
        mount.again("rw")
        expect("writable again", case.upload(MIB)[1], 204)


def database_restarts(engine, name):
    """Uploads go on while the database stops and starts; what answers 204 is there, and nothing else is."""
    with engine(FOLDER / f"{name}-server") as database:
        with Case(f"{name} restarted", database=database.url("platter")) as case:
            over = threading.Event()

            def uploads(seed):
                choose = random.Random(seed)
                while not over.is_set():
                    try:
                        case.upload(choose.choice((1000, 400_000)), choose.random())
                    except RuntimeError:  # not even a record can be made
                        case.answers["no record"] = case.answers.get("no record", 0) + 1
                        time.sleep(0.05)

            threads = [threading.Thread(target=uploads, args=(seed,)) for seed in range(4)]
            for thread in threads:
                thread.start()
            for crash in (False, True):
                time.sleep(0.5)
                (database.kill if crash else database.stop)()
                time.sleep(0.3)
                expect("healthy without a database", case.server.request("GET", "/healthcheck")[0], 503)
                database.start()
                end = time.monotonic() + 60
                while case.server.request("GET", "/healthcheck")[0] != 200 and time.monotonic() < end:
                    time.sleep(0.05)
            time.sleep(0.5)
            over.set()
            for thread in threads:
                thread.join()
            why = re.search(r"error a request failed id=req-\S+ reason=\S", case.server.log())
            expect(f"{name}: the log says why others failed", why is not None, True)
            expect(f"{name}: uploads that succeeded", case.answers.get(204, 0) > 0, True)
            expect("healthy again", case.upload(1000)[1], 204)


def beside(case, configuration, database):
    """Another server on the case's store."""
    other = Platterd(PLATTERD, case.server.folder.with_name(case.server.folder.name + "-other"), configuration, database)
    # The folder has to have the same name for both: records have it.
    other.config.write_text(other.config.read_text().replace(str(other.images), str(case.server.images)))
    return other


def two_servers():
    """Two processes on one database and one store: what one does the other sees; what one leaves the other puts in order."""
    with PostgreSql(FOLDER / "shared-server") as database:
        staging = FOLDER / "shared-staging"
        shared = f"[DEFAULT]\nnode_staging_uri = file://{staging}\n"
        with Case("two servers", shared, database.url("platter")) as case:
            other = beside(case, shared, database.url("platter"))
            other.start()
            try:
                image = case.upload(MIB)[0]
                expect("seen by the other", other.download(image) == case.server.download(image), True)
                staged = other.make(disk_format="raw", container_format="bare")
                other.upload(staged, b"x" * 5120, place="stage")
                case.contents[staged] = hashlib.sha256(b"x" * 5120).hexdigest()
                status, _ = case.server.call("POST", f"/v2/images/{staged}/import", {"method": {"name": "glance-direct"}})
                expect("staged there, imported here", (status, eventually(case, staged, "active")), (202, "active"))
                cut = case.made()
                with raw_upload(case, cut, 10 * MIB, 4 * MIB):
                    begun(case, cut)
                    case.server.kill()
                other.stop()
                other.start()  # a sweep comes with it
                expect("cut off by a crash of the other", other.show(cut)["status"], "queued")
                case.server.start()
                expect("deleted by the other", other.call("DELETE", f"/v2/images/{image}")[0], 204)
                del case.contents[image]
                expect("deleted by the other", case.server.call("GET", f"/v2/images/{image}")[0], 404)
            finally:
                other.stop()


def galera():
    """Two nodes of a cluster, a server on each: what one writes the other reads at once, and writes to the same record
    through both lose nothing."""
    with GaleraCluster(FOLDER / "galera-nodes") as cluster:
        with Case("Galera", database=cluster.nodes[0].url("platter")) as case:
            other = beside(case, "", cluster.nodes[1].url("platter"))
            other.start()
            try:
                servers = (case.server, other)
                for number in range(20):
                    image = case.upload(1000 + number)[0]
                    expect("read on the other node", other.show(image)["status"], "active")
                contended = case.upload(2000)[0]
                accepted = []

                def add_tags(server, name):
                    for number in range(25):
                        status = server.call("PUT", f"/v2/images/{contended}/tags/{name}{number}")[0]
                        if status == 204:
                            accepted.append(f"{name}{number}")
                        elif status not in (409, 503):
                            failures.append(f"a tag through {name}: {status}")

                threads = [threading.Thread(target=add_tags, args=(server, name))
                           for server, name in zip(servers * 2, ("first", "second", "third", "fourth"))]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
                for server in servers:
                    expect("tags through both nodes", sorted(server.show(contended)["tags"]), sorted(accepted))
                expect("most tags at the first try", len(accepted) >= 50, True)
                rows.append(("  tags through both", f"{len(accepted)} of 100 at the first try", 1, 0))
                cluster.nodes[1].stop()
                expect("a node that is gone", other.request("GET", "/healthcheck")[0], 503)
                image = case.upload(5000)[0]
                cluster.nodes[1].start()
                expect("a node that has caught up", other.show(image)["status"], "active")
                other.stop()
            finally:
                other.kill()


def raw_upload(case, image, length, sent, pause=None):
    """A connection that announces `length` bytes and sends `sent` of them, then stays open as it is."""
    connection = socket.create_connection((HOST, case.server.port), timeout=120)
    connection.sendall(f"PUT /v2/images/{image}/file HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {length}\r\n"
                       "Content-Type: application/octet-stream\r\n\r\n".encode())
    for at in range(0, sent, 1 if pause else 65536):
        try:
            connection.sendall(b"x" * min(65536, sent - at) if not pause else b"x")
        except OSError:
            break
        if pause:
            time.sleep(pause)
    return connection


def eventually(case, image, status):
    """The image's status, once it is that one or a minute has passed."""
    end = time.monotonic() + 60
    while (now := case.status_of(image)) != status and time.monotonic() < end:
        time.sleep(0.02)
    return now


def begun(case, image):
    expect("an upload that has begun", eventually(case, image, "saving"), "saving")


def odd_clients():
    configuration = "[DEFAULT]\nclient_socket_timeout = 2\n"
    with Case("odd clients", configuration) as case:
        slow = case.made()
        # Too slow for the least rate, counted from the end of the time of grace on.
        dripping = threading.Thread(target=lambda: raw_upload(case, slow, 100_000, 60, pause=1).close())
        dripping.start()
        begun(case, slow)
        stalled = case.made()
        with raw_upload(case, stalled, 100_000, 50_000):
            begun(case, stalled)
            expect("a client that stops half-way", eventually(case, stalled, "queued"), "queued")
        fewer = case.made()
        with raw_upload(case, fewer, 100_000, 50_000):
            begun(case, fewer)
        expect("fewer bytes than announced", eventually(case, fewer, "queued"), "queued")
        more = case.made()
        with raw_upload(case, more, 1000, 5000) as connection:
            answers = b""
            while part := connection.recv(65536):
                answers += part
        case.contents[more] = hashlib.sha256(b"x" * 1000).hexdigest()
        # What comes behind the body is the next request, which never ends.
        expect("more bytes than announced", [line.split()[1] for line in answers.split(b"\r\n") if
                                             line.startswith(b"HTTP/1.1")], [b"204", b"408"])
        expect("more bytes than announced", case.status_of(more), "active")
        begin = time.monotonic()
        expect("one byte a second", eventually(case, slow, "queued"), "queued")
        expect("one byte a second, ended in time", time.monotonic() - begin < 55, True)
        dripping.join()


def many_connections():
    with Case("200 connections") as case:
        before = resident_bytes(case.server.process)
        barrier = threading.Barrier(200)

        def client(seed):
            barrier.wait()
            image, status = case.upload(200_000, seed)
            if status == 204 and case.server.download(image)[0] != 200:
                failures.append("a download among 200 connections")

        threads = [threading.Thread(target=client, args=(seed,)) for seed in range(200)]
        for thread in threads:
            thread.start()
        peak = 0
        while any(thread.is_alive() for thread in threads):
            peak = max(peak, resident_bytes(case.server.process))
            time.sleep(0.02)
        expect("200 uploads at once", case.answers, {204: 200})
        rows.append(("  its memory", f"{(peak - before) // MIB} MiB more than idle", 200, 0))


def main():
    shutil.rmtree(FOLDER, ignore_errors=True)
    os.makedirs(FOLDER)
    threads = [threading.Thread(target=odd_clients)]
    threads[0].start()
    full_disk()
    read_only_store()
    database_restarts(MariaDb, "MariaDB")
    database_restarts(PostgreSql, "PostgreSQL")
    two_servers()
    galera()
    many_connections()
    threads[0].join()
    print(f"{'fault':<24} {'answers to uploads':<44} {'images':>6} {'troubles':>8}")
    for name, answers, images, found in rows:
        print(f"{name:<24} {answers:<44} {images:>6} {found:>8}")
    return checks.conclude()


if __name__ == "__main__":
    sys.exit(main())

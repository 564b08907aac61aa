"""platterd beside Debian's glance-api; see registry.sh."""

import json
import os
import pathlib
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
import urllib.request

PLATTERD, PAIRS, MIB, FOLDER, RESULT = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), pathlib.Path(sys.argv[4]), sys.argv[5]
HOST = "127.0.0.1"
IMAGES = 1000
LISTS = 2000
PASTE = [pathlib.Path("/usr/share/glance-common/glance-api-paste.ini")]
TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


def free_port():
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


class Service:
    """A server in a folder of its own."""

    def __init__(self, name):
        self.name = name
        self.folder = FOLDER / name
        self.folder.mkdir(parents=True)
        self.port = free_port()
        self.url = f"http://{HOST}:{self.port}/v2/images"
        with open(self.folder / "log", "wb") as log:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env=os.environ | self.environment())
        for _ in range(600):
            try:
                urllib.request.urlopen(self.url).close()
                return
            except OSError:
                if self.process.poll() is not None:
                    break
                time.sleep(0.1)
        raise RuntimeError(f"{name} does not start:\n{(self.folder / 'log').read_text()[-3000:]}")

    def environment(self):
        return {}

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)

    def processes(self):
        found, todo = [], [self.process.pid]
        while todo:
            pid = todo.pop()
            found.append(pid)
            todo += map(int, pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
        return found

    def cpu(self):
        """Seconds, user and system."""
        total = 0
        for pid in self.processes():
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
        return total / TICK

    def memory(self):
        """MiB resident."""
        return sum(int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in self.processes()) * PAGE / 2**20

    def make(self, **members):
        body = json.dumps({"disk_format": "raw", "container_format": "bare"} | members).encode()
        request = urllib.request.Request(self.url, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)["id"]

    def delete(self, image):
        urllib.request.urlopen(urllib.request.Request(f"{self.url}/{image}", method="DELETE")).close()


class Platterd(Service):
    def command(self):
        config = self.folder / "platterd.conf"
        config.write_text(f"[DEFAULT]\nbind_host = {HOST}\nbind_port = {self.port}\n[platter]\nstate = {self.folder}\n")
        subprocess.run([PLATTERD, "--config-file", config, "db", "sync"], check=True, stdout=subprocess.DEVNULL)
        return [PLATTERD, "--config-file", config, "serve"]


class Glance(Service):
    """Under uwsgi with a process for each core, as Debian's service runs."""

    def command(self):
        for name in ("etc", "images", "staging"):
            (self.folder / name).mkdir()
        (self.folder / "etc" / "glance-api.conf").write_text(f"""[DEFAULT]
node_staging_uri = file://{self.folder}/staging
[database]
connection = sqlite:///{self.folder}/glance.sqlite
[glance_store]
stores = file
default_store = file
filesystem_store_datadir = {self.folder}/images
[oslo_concurrency]
lock_path = {self.folder}
[wsgi]
python_interpreter = /usr/bin/python3
""")
        # Debian's own: without Keystone everybody is an administrator.
        (paste,) = (path for path in PASTE if path.exists())
        shutil.copy(paste, self.folder / "etc")
        with open(self.folder / "sync.log", "wb") as log:
            subprocess.run(["/usr/bin/glance-manage", "--config-file", self.folder / "etc" / "glance-api.conf", "db_sync"],
                           check=True, stdout=log, stderr=log)
        return ["uwsgi", "--plugins", "python3", "--wsgi-file", "/usr/bin/glance-wsgi-api", "--need-app", "--master",
                "--processes", str(os.cpu_count()), "--enable-threads", "--threads", "4", "--die-on-term", "--lazy-apps",
                "--buffer-size", "65535", "--http-socket", f"{HOST}:{self.port}", "--disable-logging"]

    def environment(self):
        return {"OS_GLANCE_CONFIG_DIR": str(self.folder / "etc"), "PYTHONDONTWRITEBYTECODE": "1"}


def curl(*words):
    begin = time.monotonic()
    subprocess.run(["curl", "-sSf", *map(str, words)], check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - begin


def measured(service, act):
    """Seconds of wall time and of the server's processors."""
    before = service.cpu()
    wall = act()
    return wall, service.cpu() - before


def upload(service, image):
    return curl("-X", "PUT", "-H", "Content-Type: application/octet-stream", "-H", "Expect:", "-T", FOLDER / "image",
                f"{service.url}/{image}/file")


def sendfile_loop(path):
    """The least that a server does for one download: seconds, and CPU seconds of the one who serves."""
    spent = []
    with socket.create_server((HOST, 0)) as server:
        def serve():
            with server.accept()[0] as client, open(path, "rb") as file:
                client.recv(65536)
                size = os.path.getsize(path)
                client.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode())
                while size > 0:
                    size -= os.sendfile(client.fileno(), file.fileno(), None, min(size, 1 << 30))
            spent.append(time.thread_time())

        thread = threading.Thread(target=serve)
        thread.start()
        seconds = curl("-o", "/dev/null", f"http://{HOST}:{server.getsockname()[1]}/")
        thread.join()
        return seconds, spent[0]


def digest_limit():
    """Seconds that the slower of the two digests takes on one core."""
    seconds = []
    for algorithm in ("-md5", "-sha512"):
        begin = time.monotonic()
        subprocess.run(["openssl", "dgst", algorithm, FOLDER / "image"], check=True, stdout=subprocess.DEVNULL)
        seconds.append(time.monotonic() - begin)
    return max(seconds)


def measure(services):
    rows = {name: {service.name: [] for service in services} for name in ("upload", "download", "list")}
    loops, limits, last = [], [], {}
    for service in services:
        for number in range(IMAGES):
            service.make(name=f"image {number}", tags=["one", "two"], os_distro="debian")
    for _ in range(PAIRS):
        limits.append(digest_limit())
        for service in services:
            image = service.make()
            rows["upload"][service.name].append(measured(service, lambda: upload(service, image)))
            if service.name in last:
                service.delete(last[service.name])
            last[service.name] = image
        for service in services:
            rows["download"][service.name].append(measured(
                service, lambda: curl("-o", "/dev/null", f"{service.url}/{last[service.name]}/file")))
        loops.append(sendfile_loop(FOLDER / "image"))
        for service in services:
            count = LISTS if service.name == "platterd" else LISTS // 20
            wall, cpu = measured(service, lambda: many_lists(service, count))
            rows["list"][service.name].append((wall / count, cpu / count))
    return rows, medians(loops), statistics.median(limits)


def many_lists(service, count):
    """One after the other on one connection."""
    urls = FOLDER / "urls"
    urls.write_text(f'url = "{service.url}?limit=25"\noutput = "/dev/null"\n' * count)
    return curl("-K", urls)


def medians(pairs):
    return [statistics.median(values) for values in zip(*pairs)]


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    with open(FOLDER / "image", "wb") as image:
        for _ in range(MIB):
            image.write(os.urandom(1 << 20))
    services = [Platterd("platterd"), Glance("glance")]
    try:
        rows, loop, limit = measure(services)
        memory = {service.name: service.memory() for service in services}
    finally:
        for service in services:
            service.stop()
    out = {"mib": MIB, "pairs": PAIRS, "cpus": os.cpu_count(), "sendfile_seconds": loop[0],
           "sendfile_cpu_seconds": loop[1], "digest_seconds": limit, "memory_mib": memory, "rows": {}}
    print(f"{MIB} MiB, {IMAGES} images, median of {PAIRS} pairs, {os.cpu_count()} CPUs")
    print(f"{'task':<22} {'platterd s':>11} {'glance s':>11} {'ratio':>7} {'CPU s':>10} {'CPU s':>10} {'ratio':>7}")
    for task, name in (("upload", "upload"), ("download", "download"), ("list", "list, limit=25")):
        ours, theirs = medians(rows[task]["platterd"]), medians(rows[task]["glance"])
        out["rows"][task] = {"platterd": ours, "glance": theirs}
        print(f"{name:<22} {ours[0]:>11.5f} {theirs[0]:>11.5f} {theirs[0] / ours[0]:>7.1f} {ours[1]:>10.5f} "
              f"{theirs[1]:>10.5f} {theirs[1] / max(ours[1], 1e-5):>7.1f}")
    print(f"{'memory, MiB':<22} {memory['platterd']:>11.0f} {memory['glance']:>11.0f} "
          f"{memory['glance'] / memory['platterd']:>7.1f}")
    print(f"the slower of MD5 and SHA-512 on one core takes {limit:.2f} s: an upload is at "
          f"{limit / out['rows']['upload']['platterd'][0]:.0%} of that rate")
    wall, cpu = out["rows"]["download"]["platterd"]
    print(f"a bare sendfile loop takes {loop[0]:.3f} s: a download takes {wall / loop[0]:.2f} of it; "
          f"{loop[1]:.3f} s of CPU: {cpu / loop[1]:.2f} of that")
    if RESULT:
        pathlib.Path(RESULT).write_text(json.dumps(out, indent=1) + "\n")


if __name__ == "__main__":
    main()

"""A real glance-api of Debian's, as Debian's service runs it (uwsgi), in a folder of its own: MariaDB, files as the
store, a Unix socket instead of a port, and no Keystone: who asks says in headers who that is.
"""

import contextlib
import ctypes
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time

import database

# Debian's modules belong to this one, whatever python3 is first on the PATH.
SYSTEM_PYTHON = "/usr/bin/python3"
USER = {
    "X-Identity-Status": "Confirmed",
    "X-User-Id": "somebody",
    "X-Project-Id": "project",
    "X-Roles": "member,reader",
}
PASTE = """
[pipeline:glance-api]
pipeline = context rootapp
[composite:rootapp]
paste.composite_factory = glance.api:root_app_factory
/v2: apiv2app
[app:apiv2app]
paste.app_factory = glance.api.v2.router:API.factory
[filter:context]
paste.filter_factory = glance.api.middleware.context:ContextMiddleware.factory
"""
CONFIGURATION = """
[DEFAULT]
log_file = {folder}/glance.log
node_staging_uri = file://{folder}/staging
enabled_import_methods = [glance-direct,web-download]
[database]
connection = {database}
[glance_store]
stores = file
default_store = file
filesystem_store_datadir = {folder}/images
[oslo_concurrency]
lock_path = {folder}
[wsgi]
task_pool_threads = 1
python_interpreter = /usr/bin/python3
"""
START_SECONDS = 120


def install_plugin(source, target):
    """The plugin's package with its metadata, as an installation would leave them, in a folder for PYTHONPATH."""
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    subprocess.run(
        [SYSTEM_PYTHON, "-B", "-W", "ignore", "-c", "import setuptools; setuptools.setup()", "-q", "egg_info"],
        cwd=target,
        check=True,
    )


def _die_with_parent():
    """Linux ends the child when the test ends, also when that is killed."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


class _UnixConnection(http.client.HTTPConnection):
    """To the socket in the working folder: a socket's path has at most 107 characters, a folder's may have more."""

    def __init__(self):
        super().__init__("glance", timeout=60)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect("glance.sock")


class Glance:
    """`import_configuration` is the text of glance-image-import.conf. As a context manager it runs from start to stop."""

    def __init__(self, folder, plugin, import_configuration):
        self.folder = pathlib.Path(folder).resolve()
        self.plugin = plugin
        self.import_configuration = import_configuration
        self.process = None
        self.database = database.MariaDb("database", _die_with_parent)

    def __enter__(self):
        with contextlib.ExitStack() as on_failure:
            on_failure.callback(self.stop)
            self._start()
            on_failure.pop_all()
        return self

    def __exit__(self, *_):
        self.stop()

    def _start(self):
        for name in ("etc", "images", "staging"):
            (self.folder / name).mkdir()
        os.chdir(self.folder)
        (self.folder / "etc/glance-api-paste.ini").write_text(PASTE)
        (self.folder / "etc/glance-api.conf").write_text(
            CONFIGURATION.format(folder=self.folder, database=self.database.url("glance")))
        (self.folder / "etc/glance-image-import.conf").write_text(self.import_configuration)
        self.database.start("glance")
        with open("start.log", "wb") as log:
            subprocess.run(
                ["/usr/bin/glance-manage", "--config-file", "etc/glance-api.conf", "db_sync"],
                check=True,
                stdout=log,
                stderr=log,
                timeout=START_SECONDS,
            )
            self.process = subprocess.Popen(
                ["/usr/bin/uwsgi", "--plugins", "python3", "--wsgi-file", "/usr/bin/glance-wsgi-api", "--need-app"]
                + ["--enable-threads", "--threads", "4", "--die-on-term", "--buffer-size", "65535"]
                + ["--http-socket", "glance.sock", "--disable-logging", "--py-tracebacker", "threads"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={
                    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
                    "LANG": "C.UTF-8",
                    "PYTHONPATH": str(self.plugin),
                    "PYTHONDONTWRITEBYTECODE": "1",
                    "OS_GLANCE_CONFIG_DIR": str(self.folder / "etc"),
                },
                preexec_fn=_die_with_parent,
            )
        self._wait()

    def _wait(self):
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end and self.process.poll() is None:
            with contextlib.suppress(OSError):
                if self.request("GET", "/v2/images")[0] == 200:
                    return
            time.sleep(0.1)
        raise RuntimeError(f"glance-api does not start:\n{self.logs()}")

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.database.stop()

    def logs(self):
        """The end of what the service wrote, for a test that fails."""
        texts = []
        for name in ("start.log", "glance.log"):
            with contextlib.suppress(FileNotFoundError):
                texts.append((self.folder / name).read_text(errors="replace")[-4000:])
        return "\n".join(texts)

    def request(self, method, path, body=None, kind="application/json"):
        """Status and decoded body (None when there is none)."""
        connection = _UnixConnection()
        with contextlib.closing(connection):
            if body is not None and not isinstance(body, bytes):
                body = json.dumps(body).encode()
            # An answer that comes before all is sent is an answer, too.
            with contextlib.suppress(BrokenPipeError):
                connection.request(method, path, body, USER | ({"Content-Type": kind} if body is not None else {}))
            answer = connection.getresponse()
            content = answer.read()
        is_json = answer.headers.get_content_type() == "application/json"
        return answer.status, json.loads(content) if is_json and content else None

    def _expect(self, status, *request):
        got, body = self.request(*request)
        if got != status:
            raise RuntimeError(f"{request[0]} {request[1]}: {got} instead of {status}\n{self.logs()}")
        return body

    def create(self, name, disk_format, container_format):
        description = {"name": name, "disk_format": disk_format, "container_format": container_format}
        return self._expect(201, "POST", "/v2/images", description)["id"]

    def image(self, image_id):
        return self._expect(200, "GET", f"/v2/images/{image_id}")

    def import_task(self, image_id):
        """The last import of an image."""
        tasks = self._expect(200, "GET", f"/v2/images/{image_id}/tasks")["tasks"]
        return max(tasks, key=lambda task: task["created_at"])

    def stage_and_import(self, image_id, data):
        self._expect(204, "PUT", f"/v2/images/{image_id}/stage", data, "application/octet-stream")
        self._expect(202, "POST", f"/v2/images/{image_id}/import", {"method": {"name": "glance-direct"}})

    def download_and_import(self, image_id, url):
        self._expect(202, "POST", f"/v2/images/{image_id}/import", {"method": {"name": "web-download", "uri": url}})

    def _threads(self):
        """Where each thread of the service stands."""
        text = b""
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(10)
            connection.connect("threads1")
            while part := connection.recv(65536):
                text += part
        return text.decode(errors="replace")

    def finished_task(self, image_id, seconds=180):
        """Waits for the end of the import, with everything that Glance undoes after a failure."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            task = self.import_task(image_id)
            if task["status"] in ("success", "failure") and "os_glance_import_task" not in self.image(image_id):
                return task
            time.sleep(0.2)
        raise RuntimeError(f"the import of {image_id} does not end\n{self._threads()}\n{self.logs()}")

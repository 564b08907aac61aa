"""A real Keystone on loopback for tests: Debian's package under uwsgi, on SQLite, with memcached, in a folder of its own.

    with Keystone(folder) as keystone:
        token = keystone.token("demo")
        subprocess.run(["openstack", "image", "list"], env=keystone.environment("demo"))

The image service's place in the catalog is `image_url`. For shells: keystone.py start FOLDER [IMAGE_URL] starts one that
stays and prints what it is as JSON; keystone.py stop FOLDER ends it. Takes /usr/bin/python3 only.
"""

import json
import os
import pathlib
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request

HOST = "127.0.0.1"
REGION = "RegionOne"
ADMIN_PASSWORD = "admin-secret-4711"
SERVICE_PASSWORD = "service-secret-4712"
USER_PASSWORD = "user-secret-4713"
# name: (project, password, roles)
USERS = {
    "admin": ("admin", ADMIN_PASSWORD, ["admin"]),
    "glance": ("service", SERVICE_PASSWORD, ["admin"]),
    "nova": ("service", SERVICE_PASSWORD, ["service"]),
    "demo": ("demo", USER_PASSWORD, ["member", "reader"]),
    "demo_reader": ("demo", USER_PASSWORD, ["reader"]),
    "alt_demo": ("alt_demo", USER_PASSWORD, ["member", "reader"]),
}
WAIT_SECONDS = 120


def free_port():
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


class Keystone:
    """Started by `with` or start(); stop() and start() again is an outage, with all that it knew still there."""

    def __init__(self, folder, image_url=None, token_seconds=3600):
        self.folder = pathlib.Path(folder).resolve()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.cache_port = free_port()
        self.url = f"http://{HOST}:{self.port}/v3"
        self.image_url = image_url or f"http://{HOST}:{free_port()}"
        self.token_seconds = token_seconds
        self.processes = []
        self.projects = {}
        self.users = {}
        self._admin = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        fresh = not (self.folder / "ready").exists()
        try:
            if fresh:
                self._set_up()
            self._spawn("memcached", ["memcached", "-l", HOST, "-p", str(self.cache_port), "-U", "0", "-m", "32"]
                        + (["-u", "nobody"] if os.getuid() == 0 else []))
            self._spawn("keystone", [
                "uwsgi", "--plugin", "python3", "--http-socket", f"{HOST}:{self.port}",
                "--wsgi-file", shutil.which("keystone-wsgi-public"), "--master", "--die-on-term", "--lazy-apps",
                "--processes", "2", "--buffer-size", "65535", "--rem-header", "Content-Length", "--disable-logging",
                "--need-app"], {"OS_KEYSTONE_CONFIG_FILES": str(self.folder / "keystone.conf")})
            self._wait()
            if fresh:
                self._populate()
                (self.folder / "ready").touch()
        except BaseException:
            self.stop()
            raise

    def stop(self):
        for process in reversed(self.processes):
            process.send_signal(signal.SIGTERM)
        for process in reversed(self.processes):
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self.processes = []

    def environment(self, user="admin"):
        """What OpenStack's clients read, for a subprocess; the rest of this process's environment comes along."""
        project, password, _ = USERS[user]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
        return kept | {
            "OS_AUTH_URL": self.url, "OS_AUTH_TYPE": "password", "OS_IDENTITY_API_VERSION": "3",
            "OS_IMAGE_API_VERSION": "2", "OS_REGION_NAME": REGION, "OS_USERNAME": user, "OS_PASSWORD": password,
            "OS_PROJECT_NAME": project, "OS_USER_DOMAIN_NAME": "Default", "OS_PROJECT_DOMAIN_NAME": "Default",
        }

    def configuration(self):
        """The lines of a glance-api.conf that tell a service of this Keystone."""
        return (f"[keystone_authtoken]\nwww_authenticate_uri = {self.url[:-3]}\nauth_url = {self.url[:-3]}\n"
                f"memcached_servers = {HOST}:{self.cache_port}\nauth_type = password\nproject_domain_name = Default\n"
                f"user_domain_name = Default\nproject_name = service\nusername = glance\n"
                f"password = {SERVICE_PASSWORD}\n[paste_deploy]\nflavor = keystone\n")

    def token(self, user="admin"):
        project, password, _ = USERS[user]
        headers, _ = self.call("POST", "/auth/tokens", {"auth": {
            "identity": {"methods": ["password"], "password": {"user": {
                "name": user, "domain": {"id": "default"}, "password": password}}},
            "scope": {"project": {"name": project, "domain": {"id": "default"}}}}}, token="")
        return headers["X-Subject-Token"]

    def revoke(self, token):
        self.call("DELETE", "/auth/tokens", extra={"X-Subject-Token": token})

    def shorten_tokens(self, seconds):
        """Tokens that are made after the next start() live so long."""
        config = self.folder / "keystone.conf"
        config.write_text(config.read_text().replace(f"expiration = {self.token_seconds}", f"expiration = {seconds}"))
        self.token_seconds = seconds

    def set_image_url(self, url):
        """Where the catalog says that the image service is."""
        self.image_url = url
        (service,) = self.call("GET", "/services?type=image")[1]["services"]
        endpoints = self.call("GET", f"/endpoints?service_id={service['id']}")[1]["endpoints"]
        for interface in ("public", "internal", "admin"):
            known = [e["id"] for e in endpoints if e["interface"] == interface]
            if known:
                self.call("PATCH", f"/endpoints/{known[0]}", {"endpoint": {"url": url}})
            else:
                self.call("POST", "/endpoints", {"endpoint": {
                    "interface": interface, "url": url, "service_id": service["id"], "region_id": REGION}})

    def call(self, method, path, body=None, token=None, extra=None):
        """One call of the API, as admin unless `token` says otherwise: headers and the JSON of the answer."""
        headers = {"Content-Type": "application/json"} | (extra or {})
        if token is None:
            self._admin = self._admin or self.token("admin")
            token = self._admin
        if token:
            headers["X-Auth-Token"] = token
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, method=method, headers=headers, data=data)
        try:
            with urllib.request.urlopen(request) as answer:
                text = answer.read()
                return answer.headers, (json.loads(text) if text else {})
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{method} {path}: {error.code} {error.read().decode()}") from error

    def _spawn(self, name, command, environment=None):
        log = open(self.folder / f"{name}.log", "ab")
        self.processes.append(subprocess.Popen(
            ["setpriv", "--pdeathsig=KILL", *command], stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            env=os.environ | (environment or {})))
        log.close()

    def _set_up(self):
        config = self.folder / "keystone.conf"
        database = self.folder / "keystone.db"
        for name in ("fernet", "credential"):
            (self.folder / name).mkdir(mode=0o700, exist_ok=True)
        config.write_text(f"""[DEFAULT]
use_stderr = true
[database]
connection = sqlite:///{database}
sqlite_synchronous = false
[token]
provider = fernet
expiration = {self.token_seconds}
[fernet_tokens]
key_repository = {self.folder}/fernet
[credential]
key_repository = {self.folder}/credential
[identity]
password_hash_rounds = 4
[cache]
enabled = true
backend = oslo_cache.memcache_pool
memcache_servers = {HOST}:{self.cache_port}
""")
        # With the journal that is the default an idle reader of one process keeps the writer of another one out.
        sqlite3.connect(database).execute("PRAGMA journal_mode=WAL").close()
        me = ["--keystone-user", str(os.getuid()), "--keystone-group", str(os.getgid())]
        base = self.url[:-3] + "/v3/"
        for words in (["db_sync"], ["fernet_setup", *me], ["credential_setup", *me],
                      ["bootstrap", "--bootstrap-password", ADMIN_PASSWORD, "--bootstrap-region-id", REGION,
                       "--bootstrap-admin-url", base, "--bootstrap-internal-url", base, "--bootstrap-public-url", base]):
            done = subprocess.run(["keystone-manage", "--config-file", config, *words], stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
            if done.returncode != 0:
                raise RuntimeError(f"keystone-manage {words[0]}: {done.stdout}")

    def _wait(self):
        end = time.monotonic() + WAIT_SECONDS
        while True:
            try:
                urllib.request.urlopen(self.url).close()
                return
            except OSError:
                if self.processes[-1].poll() is not None or time.monotonic() > end:
                    log = (self.folder / "keystone.log").read_text(errors="replace")
                    raise RuntimeError("Keystone does not start: " + log[-2000:]) from None
                time.sleep(0.1)

    def _ensure(self, plural, name, **fields):
        found = self.call("GET", f"/{plural}?name={name}")[1][plural]
        if found:
            return found[0]["id"]
        kind = plural[:-1]
        return self.call("POST", f"/{plural}", {kind: {"name": name, **fields}})[1][kind]["id"]

    def _populate(self):
        self._ensure("services", "glance", type="image", description="Image service")
        self.set_image_url(self.image_url)
        for user, (project, password, roles) in USERS.items():
            self.projects[project] = self._ensure("projects", project, domain_id="default")
            self.users[user] = self._ensure("users", user, domain_id="default", password=password,
                                            default_project_id=self.projects[project])
            for role in roles:
                role_id = self._ensure("roles", role)
                self.call("PUT", f"/projects/{self.projects[project]}/users/{self.users[user]}/roles/{role_id}")


def main():
    if len(sys.argv) < 3 or sys.argv[1] not in ("start", "stop"):
        sys.exit("usage: keystone.py start FOLDER [IMAGE_URL] | stop FOLDER")
    folder = pathlib.Path(sys.argv[2])
    pids = folder / "pids"
    if sys.argv[1] == "stop":
        for pid in map(int, pids.read_text().split()):
            os.kill(pid, signal.SIGTERM)
        pids.unlink()
        return
    keystone = Keystone(folder, *sys.argv[3:4])
    keystone.start()
    pids.write_text(" ".join(str(process.pid) for process in keystone.processes))
    print(json.dumps({"url": keystone.url, "image_url": keystone.image_url, "configuration": keystone.configuration(),
                      "users": {name: row[1] for name, row in USERS.items()}, "projects": keystone.projects}))


if __name__ == "__main__":
    main()

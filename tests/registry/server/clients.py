"""The real clients against platterd, with a real Keystone, as the classic set-up guide and a user after it would have it:
openstackclient and glanceclient from Debian, every command of theirs that is about images and speaks version 2.

usage: clients.py PLATTERD FOLDER FOLDER_OF_KEYSTONE_PY

The clients are called in one process for each user, with the arguments that a shell would pass: that is their own code
from its first line to its last, without the seconds that starting each anew would take.
"""

import contextlib
import functools
import hashlib
import http.server
import importlib.metadata
import io
import json
import multiprocessing
import os
import pathlib
import re
import shutil
import subprocess
import sys
import threading
import time

sys.path.insert(0, sys.argv[3])
from keystone import HOST, REGION, SERVICE_PASSWORD, Keystone  # noqa: E402
from platterd import Checks, Platterd, run  # noqa: E402

PLATTERD, FOLDER = (pathlib.Path(word).resolve() for word in sys.argv[1:3])
checks = Checks()
expect, failures = checks.expect, checks.failures
called = set()  # client, and what it was called with

# What an installed cloud has beside the sections that say something.
REST = "".join(f"[{name}]\n" for name in (
    "cinder", "cors", "file", "glance.store.http.store", "glance.store.rbd.store", "glance.store.swift.store",
    "glance.store.vmware_datastore.store", "image_format", "oslo_concurrency", "oslo_messaging_amqp",
    "oslo_messaging_kafka", "oslo_messaging_notifications", "oslo_messaging_rabbit", "oslo_middleware", "oslo_policy",
    "profiler", "store_type_location_strategy", "task", "taskflow_executor"))


def no_piped_input():
    """glanceclient takes standard input for an image's bytes, unless it is a terminal."""
    _, terminal = os.openpty()
    os.dup2(terminal, 0)
    sys.stdin = open(0, encoding="utf-8", closefd=False)


def call_client(client, words):
    """Exit code, and what was printed."""
    from glanceclient import shell as glance
    from openstackclient import shell as openstack
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        try:
            code = openstack.main(words) if client == "openstack" else glance.OpenStackImagesShell().main(words)
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
            out.write("" if isinstance(end.code, int) else str(end.code))
        except Exception as error:  # which glanceclient's own main() prints before it ends with 1
            code = 1
            out.write(str(error))
    return code or 0, out.getvalue()


def serve_clients(environment, calls):
    """Calls as they come, until there are no more."""
    os.environ.clear()
    os.environ.update(environment)
    no_piped_input()
    while (call := calls.recv()) is not None:
        calls.send(call_client(*call))


class Clients:
    """The command lines of the clients, as one user. They remember who they are, so that each user has a process."""

    def __init__(self, environment):
        self.calls, end = multiprocessing.Pipe()
        self.process = multiprocessing.get_context("fork").Process(target=serve_clients, args=(environment, end))
        self.process.start()

    def close(self):
        self.calls.send(None)
        self.process.join()

    def openstack(self, *words):
        return self._call("openstack", words)

    def glance(self, *words):
        return self._call("glance", words)

    def _call(self, client, words):
        called.add((client, " ".join(words)))
        self.calls.send((client, list(words)))
        while not self.calls.poll(1):
            if not self.process.is_alive():
                raise RuntimeError(f"{client} {words}: the process of the clients ended")
        return self.calls.recv()

    def json(self, *words):
        """What an openstack command with -f json says."""
        code, text = self.openstack(*words, "-f", "json")
        if code != 0:
            failures.append(f"openstack {' '.join(words)}: {text}")
            return {}
        return json.loads(text[text.index("[" if text.lstrip().startswith("[") else "{"):])

    def table(self, *words):
        """What a glance command prints as a table of names and values."""
        code, text = self.glance(*words)
        if code != 0:
            failures.append(f"glance {' '.join(words)}: {text}")
        return dict(re.findall(r"^\| (\S+)\s+\| (.*?)\s*\|$", text, re.M))

    def well(self, client, *words):
        code, text = getattr(self, client)(*words)
        if code != 0:
            failures.append(f"{client} {' '.join(words)}: {text}")
        return text

    def refused(self, because, client, *words):
        code, text = getattr(self, client)(*words)
        if code == 0 or because not in text:
            failures.append(f"{client} {' '.join(words)}: got {code} {text!r}, wanted a refusal with {because!r}")


def set_up_as_the_guide_says(keystone, admin, url):
    """User, role, service and endpoints by openstack's own commands, in the place of those that are there."""
    (service,) = keystone.call("GET", "/services?type=image")[1]["services"]
    keystone.call("DELETE", f"/services/{service['id']}")
    for words in (("user", "create", "--domain", "default", "--password", SERVICE_PASSWORD, "--or-show", "glance"),
                  ("role", "add", "--project", "service", "--user", "glance", "admin"),
                  ("service", "create", "--name", "glance", "--description", "OpenStack Image", "image"),
                  *(("endpoint", "create", "--region", REGION, "image", interface, url)
                    for interface in ("public", "internal", "admin"))):
        admin.well("openstack", *words)


def check_openstack(admin, demo, alt, projects):
    create = ("image", "create", "--file", "cirros.img", "--disk-format", "qcow2", "--container-format", "bare")
    made = admin.json(*create, "--public", "cirros")
    # openstackclient shows the record as it was before the upload.
    expect("the guide's image", [made.get(key) for key in ("status", "visibility")], ["queued", "public"])
    shown = admin.json("image", "show", "cirros")
    expect("the guide's image", [shown.get(key) for key in ("status", "size", "virtual_size")],
           ["active", os.path.getsize("cirros.img"), 64 << 20])
    expect("listed", [row["Name"] for row in demo.json("image", "list")], ["cirros"])
    demo.well("openstack", "image", "save", "--file", "saved.img", "cirros")
    expect("saved", pathlib.Path("saved.img").read_bytes() == pathlib.Path("cirros.img").read_bytes(), True)

    demo.refused("403", "openstack", *create, "--public", "not-mine-to-publish")
    own = demo.json(*create, "--shared", "--property", "os_distro=debian", "--tag", "first", "own")
    expect("properties", own.get("properties", {}).get("os_distro"), "debian")
    expect("tags", own.get("tags"), ["first"])
    demo.well("openstack", "image", "set", "--name", "renamed", "--min-disk", "2", "--min-ram", "64", "--protected",
              "--property", "hw_disk_bus=virtio", "--tag", "second", "own")
    changed = demo.json("image", "show", "renamed")
    expect("set", [changed.get(key) for key in ("min_disk", "min_ram", "protected", "tags")],
           [2, 64, True, ["first", "second"]])
    demo.refused("protected", "openstack", "image", "delete", "renamed")
    demo.well("openstack", "image", "unset", "--tag", "first", "--property", "hw_disk_bus", "renamed")
    changed = demo.json("image", "show", "renamed")
    expect("unset", [changed.get("tags"), "hw_disk_bus" in changed.get("properties", {})], [["second"], False])
    demo.well("openstack", "image", "set", "--unprotected", "--deactivate", "renamed")
    demo.refused("Unable to download", "openstack", "image", "save", "--file", "none.img", "renamed")
    demo.well("openstack", "image", "set", "--activate", "renamed")

    alt.refused("No Image found for renamed", "openstack", "image", "show", "renamed")
    demo.well("openstack", "image", "add", "project", "renamed", projects["alt_demo"])
    expect("members", [row["Status"] for row in demo.json("image", "member", "list", "renamed")], ["pending"])
    alt.well("openstack", "image", "set", "--accept", changed["id"])
    expect("shared", sorted(row["Name"] for row in alt.json("image", "list")), ["cirros", "renamed"])
    alt.refused("403", "openstack", "image", "delete", changed["id"])
    demo.well("openstack", "image", "remove", "project", "renamed", projects["alt_demo"])
    expect("not shared", [row["Name"] for row in alt.json("image", "list")], ["cirros"])

    demo.refused("415", "openstack", "image", "create", "--file", "layer.qcow2", "--disk-format", "qcow2",
                 "--container-format", "bare", "layer")
    # openstackclient deletes a record whose upload fails.
    demo.well("openstack", "image", "delete", "renamed")
    expect("deleted", [row["Name"] for row in demo.json("image", "list")], ["cirros"])


def import_is_over(client, image):
    """How the image's import ended."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        code, text = client.glance("image-tasks", image)
        over = re.findall(r"\b(success|failure)\b", text)
        if code != 0 or over:
            return over[-1] if over else text
        time.sleep(0.1)
    return "never"


def check_glance(admin, demo, projects):
    table = demo.table("image-create", "--file", "cirros.img", "--disk-format", "qcow2", "--container-format", "bare",
                       "--name", "by-glance", "--property", "colour=red", "--min-ram", "32")
    expect("made by glance", [table.get(key) for key in ("status", "virtual_size", "colour", "min_ram")],
           ["active", str(64 << 20), "red", "32"])
    image = table.get("id", "")
    expect("listed by glance", "by-glance" in demo.well("glance", "image-list", "--property-filter", "colour=red"), True)
    expect("listed by tag", "by-glance" in demo.well("glance", "image-list", "--tag", "none"), False)
    demo.well("glance", "image-tag-update", image, "one")
    expect("tagged", demo.table("image-show", image).get("tags"), '["one"]')
    demo.well("glance", "image-tag-delete", image, "one")
    expect("updated", demo.table("image-update", image, "--name", "other", "--remove-property", "colour").get("name"),
           "other")
    demo.well("glance", "image-download", "--file", "saved.img", "--progress", image)
    expect("downloaded", pathlib.Path("saved.img").read_bytes() == pathlib.Path("cirros.img").read_bytes(), True)
    demo.well("glance", "image-deactivate", image)
    demo.well("glance", "image-reactivate", image)
    expect("shared", demo.table("image-update", image, "--visibility", "shared").get("visibility"), "shared")
    demo.well("glance", "member-create", image, projects["alt_demo"])
    expect("a member", "pending" in demo.well("glance", "member-list", "--image-id", image), True)
    demo.well("glance", "member-get", image, projects["alt_demo"])
    admin.well("glance", "member-update", image, projects["alt_demo"], "accepted")
    demo.well("glance", "member-delete", image, projects["alt_demo"])
    expect("explained", "disk_format" in demo.well("glance", "explain", "image"), True)
    expect("import-info", "web-download" in demo.well("glance", "import-info"), True)
    demo.well("glance", "usage")
    expect("stores", "other" in demo.well("glance", "stores-info"), True)
    demo.refused("403", "glance", "stores-info", "--detail")
    expect("stores in detail", "data_dir" in admin.well("glance", "stores-info", "--detail"), True)
    demo.refused("403", "glance", "task-list")
    demo.well("glance", "image-delete", image)

    uploaded = demo.table("image-create", "--disk-format", "qcow2", "--container-format", "bare", "--name", "uploaded")["id"]
    demo.well("glance", "image-upload", "--file", "cirros.img", "--progress", uploaded)
    expect("uploaded", demo.table("image-show", uploaded).get("status"), "active")
    demo.well("glance", "image-delete", uploaded)

    staged = demo.table("image-create", "--disk-format", "qcow2", "--container-format", "bare", "--name", "staged")["id"]
    demo.well("glance", "image-stage", "--file", "cirros.img", staged)
    expect("staged", demo.table("image-show", staged).get("status"), "uploading")
    demo.well("glance", "image-import", "--import-method", "glance-direct", "--all-stores", "True", staged)
    expect("imported", import_is_over(demo, staged), "success")
    table = demo.table("image-show", staged)
    expect("imported", [table.get(key) for key in ("virtual_size", "stores")], [str(64 << 20), "file,other"])
    demo.well("glance", "stores-delete", "--store", "other", staged)
    expect("left in one store", demo.table("image-show", staged).get("stores"), "file")
    tasks = admin.well("glance", "task-list")
    task = re.search(r"\| ([0-9a-f-]{36}) \| api_image_import", tasks)
    expect("task-list", bool(task), True)
    if task:
        expect("task-show", "success" in admin.well("glance", "task-show", task.group(1)), True)
    at_once = demo.table("image-create-via-import", "--import-method", "glance-direct", "--file", "layer.qcow2",
                         "--disk-format", "qcow2", "--container-format", "bare", "--name", "layer").get("id", "")
    expect("a layer imported", import_is_over(demo, at_once), "failure")
    expect("a layer imported", demo.table("image-show", at_once).get("status"), "queued")
    demo.refused("400", "glance", "image-create-via-import", "--import-method", "web-download", "--uri",
                 "http://127.0.0.1/x", "--disk-format", "raw", "--container-format", "bare", "--name", "inside")
    for name in ("staged", "layer", "inside"):
        for row in demo.json("image", "list", "--name", name):
            demo.well("glance", "image-delete", row["ID"])


def check_that_all_was_called():
    """What the clients have beside it is about caches and metadata definitions, which platterd has none of, and about
    tasks that only an administrator of Glance makes by hand."""
    from glanceclient.v2 import shell
    glance = {name[len("do_"):].replace("_", "-") for name in dir(shell) if name.startswith("do_")}
    glance = {name for name in glance if not name.startswith(("cache-", "md-")) and name != "task-create"}
    openstack = {point.name.replace("_", " ") for point in importlib.metadata.entry_points(group="openstack.image.v2")}
    for client, commands in (("glance", glance), ("openstack", openstack)):
        lines = [words for who, words in called if who == client]
        never = sorted(command for command in commands if not any(f"{line} ".startswith(f"{command} ") for line in lines))
        expect(f"commands of {client} that were never called", never, [])
        expect(f"commands of {client}", len(commands) > 9, True)


def check_tokens(keystone, server):
    status, headers, _ = server.request("GET", "/v2/images")
    expect("without a token", (status, headers.get("WWW-Authenticate")), (401, f'Keystone uri="{keystone.url[:-3]}"'))
    expect("with a wrong one", server.request("GET", "/v2/images", headers={"X-Auth-Token": "wrong"})[0], 401)
    token = keystone.token("demo")
    expect("with a right one", server.request("GET", "/v2/images", headers={"X-Auth-Token": token})[0], 200)
    log = server.log()
    for secret in (token, SERVICE_PASSWORD):
        expect("a secret in the log", secret in log, False)


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@contextlib.contextmanager
def web_server(folder):
    """A server of somebody else, for images that lie on the web: its port."""
    handler = functools.partial(QuietHandler, directory=folder)
    with http.server.ThreadingHTTPServer((HOST, 0), handler) as server:
        server.handle_error = lambda *_: None  # whoever has seen enough of a file goes away
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def check_the_web(demo, port):
    url = f"http://{HOST}:{port}/cirros.img"
    formats = ("--disk-format", "qcow2", "--container-format", "bare")
    fetched = demo.table("image-create-via-import", "--import-method", "web-download", "--uri", url, *formats,
                         "--name", "fetched").get("id", "")
    expect("fetched", import_is_over(demo, fetched), "success")
    expect("fetched", demo.table("image-show", fetched).get("virtual_size"), str(64 << 20))
    demo.refused("400", "glance", "image-create-via-import", "--import-method", "web-download", "--uri",
                 f"http://{HOST}:1/x", *formats, "--name", "inside")
    there = demo.table("image-create", *formats, "--name", "there").get("id", "")
    demo.refused("400", "glance", "location-add", "--url", f"http://{HOST}:{port}/layer.qcow2", there)
    demo.refused("400", "glance", "location-add", "--url", "file:///etc/passwd", there)
    content = pathlib.Path("cirros.img").read_bytes()
    demo.well("glance", "location-add", "--url", url, "--checksum", hashlib.md5(content).hexdigest(), "--hash-algo",
              "sha512", "--hash-value", hashlib.sha512(content).hexdigest(), there)
    table = demo.table("image-show", there)
    expect("a location", [table.get(key) for key in ("status", "virtual_size", "stores")],
           ["active", str(64 << 20), "web"])
    demo.well("glance", "image-download", "--file", "saved.img", there)
    expect("from there", pathlib.Path("saved.img").read_bytes() == pathlib.Path("cirros.img").read_bytes(), True)
    demo.well("glance", "location-update", "--url", url, "--metadata", '{"rack": "4"}', there)
    expect("its metadata", "rack" in demo.table("image-show", there).get("locations", ""), True)
    demo.refused("403", "glance", "location-delete", "--url", url, there)
    demo.well("glance", "location-add", "--url", url + "?again", there)
    demo.well("glance", "location-delete", "--url", url, there)
    expect("the other one", "again" in demo.table("image-show", there).get("locations", ""), True)
    for image in (fetched, there):
        demo.well("glance", "image-delete", image)
    for row in demo.json("image", "list", "--name", "inside"):
        demo.well("glance", "image-delete", row["ID"])


def use_several_stores(server, web_port):
    """The same service as newer guides set it up."""
    text = server.config.read_text().replace("bind_port = 0", f"bind_port = {server.port}")
    text = text.replace("[glance_store]\n", "[glance_store]\ndefault_backend = file\n")
    text = text.replace("[DEFAULT]\n", "[DEFAULT]\nenabled_backends = file:file, other:file, web:http\n"
                        "show_multiple_locations = true\n")
    text = text.replace("[file]\n", f"[file]\nfilesystem_store_datadir = {server.images}\n")
    server.config.write_text(text + f"[other]\nfilesystem_store_datadir = {server.images}-other\n"
                             f"[import_filtering_opts]\nallowed_hosts = {HOST}\nallowed_ports = {web_port}\n")


def main():
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    os.chdir(FOLDER)
    run("qemu-img", "create", "-q", "-f", "qcow2", "cirros.img", "64M")
    run("qemu-io", "-c", "write -P 7 1M 3M", "cirros.img")
    run("qemu-img", "create", "-q", "-u", "-f", "qcow2", "-b", "/etc/passwd", "-F", "raw", "layer.qcow2", "1M")
    with Keystone(FOLDER / "keystone") as keystone:
        server = Platterd(PLATTERD, FOLDER / "server", keystone.configuration() + REST)
        code, text = server.run("db_sync", name="glance-manage")
        expect("glance-manage db_sync", code, 0)
        shutil.copy(server.config, FOLDER / "glance-registry.conf")
        expect("a glance-registry.conf", subprocess.run(
            [PLATTERD, "--config-file", FOLDER / "glance-registry.conf", "check-config"], capture_output=True,
            check=False).returncode, 0)
        server.start()
        users = {name: Clients(keystone.environment(name)) for name in ("admin", "demo", "alt_demo")}
        try:
            set_up_as_the_guide_says(keystone, users["admin"], server.url)
            users["admin"].refused("Multi Backend support is not enabled", "glance", "stores-info")
            check_openstack(users["admin"], users["demo"], users["alt_demo"], keystone.projects)
            server.stop()
            with web_server(FOLDER) as web_port:
                use_several_stores(server, web_port)
                server.start()
                check_glance(users["admin"], users["demo"], keystone.projects)
                check_the_web(users["demo"], web_port)
            check_tokens(keystone, server)
            check_that_all_was_called()
        finally:
            server.stop()
            for user in users.values():
                user.close()
        expect("left in the store", len(server.stored()), 1)
        code, text = server.run("db", "purge", "--age_in_days", "0", "--max_rows=1", name="glance-manage")
        expect("glance-manage db purge", (code, "Removed 1 records" in text), (0, True))
        code, text = server.run("db", "purge", "--age_in_days", "4294967295")
        expect("an age from before 1970", code, 1)
        code, text = server.run("db", "check", "--max_rows", "1")
        expect("an option of another verb", code, 1)
    return checks.conclude()


if __name__ == "__main__":
    sys.exit(main())

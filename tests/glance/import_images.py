"""Real Glance with the plugin: harmless images become active with their virtual size, hostile ones are refused for the
right reason, and nothing of them stays.

usage: import_images.py PLATTER_HOOK PLUGIN_FOLDER FOLDER
"""

import contextlib
import http.server
import os
import pathlib
import re
import shutil
import sys
import threading
import time

import glance_service
import samples

HOOK, PLUGIN, FOLDER = (os.path.abspath(argument) for argument in sys.argv[1:4])

failures = []


def expect(what, condition, detail=""):
    if not condition:
        failures.append(f"{what}: {detail}")


class Files(http.server.BaseHTTPRequestHandler):
    """The web server that web-download asks: `content` by path."""

    content = {}

    def do_GET(self):
        data = self.content[self.path]
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def web_server():
    """Its port: the kernel gives a free one."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Files)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def import_configuration(port):
    return f"""
[image_import_opts]
image_import_plugins = [platter_hook]
[platter_hook]
hook = {HOOK}
options = --require-sandbox
[import_filtering_opts]
allowed_hosts = [127.0.0.1]
allowed_ports = [{port}]
"""


def kept(glance, image_id):
    """Files of the service that belong to an image."""
    return [str(path) for folder in ("images", "staging") for path in (glance.folder / folder).glob(f"*{image_id}*")]


def check_accepted(glance, sample, image_id, task):
    image, name = glance.image(image_id), sample.name
    expect(name, task["status"] == "success", task["message"])
    expect(name, image["status"] == "active", image["status"])
    expect(name, image["size"] == len(sample.data), f'size {image["size"]}')
    expect(name, image["virtual_size"] == sample.virtual_size, f'virtual size {image["virtual_size"]}')
    expect(name, image.get("platter_verdict") == "accepted", image)
    stored = glance.folder / "images" / image_id
    expect(name, kept(glance, image_id) == [str(stored)], kept(glance, image_id))
    expect(name, stored.exists() and stored.read_bytes() == sample.data, "other bytes are stored")


def check_refused(glance, sample, image_id, task):
    image, name = glance.image(image_id), sample.name
    expect(name, task["status"] == "failure", task["status"])
    expect(name, sample.refused_for in re.findall(r"[\w.]+", task["message"]), task["message"])
    expect(name, image["status"] == "queued", image["status"])
    expect(name, image["size"] is None and image["virtual_size"] is None, image)
    expect(name, image.get("platter_verdict") in ("refused", "undecided"), image)
    expect(name, sample.refused_for in image.get("platter_findings", "").split(","), image)
    expect(name, not kept(glance, image_id), kept(glance, image_id))


def import_one(glance, sample, url=None):
    image_id = glance.create(sample.name, sample.disk_format, sample.container_format)
    if url:
        Files.content[f"/{image_id}"] = sample.data
        glance.download_and_import(image_id, f"{url}/{image_id}")
    else:
        glance.stage_and_import(image_id, sample.data)
    task = glance.finished_task(image_id)
    (check_refused if sample.refused_for else check_accepted)(glance, sample, image_id, task)
    return image_id


def check_second_try(glance, good, image_id):
    """An image whose data were refused takes other data."""
    glance.stage_and_import(image_id, good.data)
    check_accepted(glance, good, image_id, glance.finished_task(image_id))
    expect("second try", "platter_findings" not in glance.image(image_id), glance.image(image_id))


def check_imports(glance, offered, url):
    image_ids = {sample.name: import_one(glance, sample) for sample in offered}
    good = offered[0]
    bad = next(sample for sample in offered if sample.refused_for and sample.disk_format == good.disk_format)
    check_second_try(glance, good, image_ids[bad.name])
    for sample in (good, bad):
        import_one(glance, sample, url)
    staged = list((glance.folder / "staging").iterdir())
    expect("staging", not staged, staged)


def main():
    shutil.rmtree(FOLDER, ignore_errors=True)
    os.makedirs(FOLDER)
    folder = pathlib.Path(FOLDER)
    offered = samples.make(folder / "samples")
    glance_service.install_plugin(PLUGIN, folder / "plugin")
    (folder / "service").mkdir()
    started_at = time.monotonic()
    with web_server() as port, glance_service.Glance(
        folder / "service", folder / "plugin", import_configuration(port)
    ) as glance:
        print(f"glance-api is up after {time.monotonic() - started_at:.1f} s")
        try:
            check_imports(glance, offered, f"http://127.0.0.1:{port}")
        except RuntimeError as error:
            expect("service", False, error)
        if failures:
            print(glance.logs())
    print(f"{len(offered)} images, {time.monotonic() - started_at:.1f} s")
    print("\n".join(failures) or "all as expected")
    if not failures:
        shutil.rmtree(FOLDER)
    return 1 if failures else 0


sys.exit(main())

"""What must be true of a registry whenever nothing works on it: counted by looking at its API and its folders."""

import hashlib
import os


def images_on_disk(server):
    """Ids of images that have a file in the store, in the staging area, and names of what is unfinished."""
    stored, staged, unfinished = set(), set(), []
    for path in server.stored():
        if ".incoming" in path.parts:
            unfinished.append(str(path))
        elif server.images in path.parents:
            stored.add(path.name)
        else:
            staged.add(path.name)
    return stored, staged, unfinished


def troubles(server, contents):
    """A sentence for each thing that is wrong. `contents`: digest by id, of each image as its client sent it."""
    found = []
    stored, staged, unfinished = images_on_disk(server)
    records = {record["id"]: record for hidden in ("false", "true") for record in server.list(os_hidden=hidden)}
    for image, record in records.items():
        status = record["status"]
        if status in ("active", "deactivated"):
            code, content = server.download(image)
            if code != 200 or hashlib.sha256(content).hexdigest() != contents.get(image):
                found.append(f"lost: image {image} is {status}, and its bytes are not what was sent ({code})")
            if record["size"] != len(content) or not record["virtual_size"] or not record["os_hash_value"]:
                found.append(f"untold: image {image} is {status} without all that is known of it")
        elif status == "uploading" and image in staged:
            staged.discard(image)
        elif status != "queued":
            found.append(f"stuck: image {image} is in {status}")
        if status == "queued" and record["size"] is not None:
            found.append(f"untold: image {image} is queued and has a size")
    active = {image for image, record in records.items() if record["status"] in ("active", "deactivated")}
    found += [f"orphan: {image} has bytes in the store" for image in sorted(stored - active)]
    found += [f"orphan: {image} has bytes in the staging area" for image in sorted(staged)]
    found += [f"leftover: {os.path.basename(path)}" for path in unfinished]
    for status in ("pending", "processing"):
        _, page = server.call("GET", f"/v2/tasks?status={status}&limit=1000")
        found += [f"stuck: task {task['id']} is {status}" for task in page["tasks"]]
    return found

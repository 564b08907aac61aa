"""An image layout in a tar, of one gzip layer whose files hold a disk's data, for `docker flatten`; and the layer itself.

usage: make_image.py DISK FOLDER     makes FOLDER/input.image and FOLDER/input.layer
"""
import gzip
import hashlib
import io
import json
import os
import pathlib
import sys
import tarfile

FILE = 16 << 20


def main():
    disk, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    plain = hashlib.sha256()

    class Hashed:
        """The layer on its way: what it unpacks to is hashed, and compressed."""

        def __init__(self, file):
            self.packed = gzip.GzipFile("", "wb", 6, file, mtime=0)

        def write(self, data):
            plain.update(data)
            return self.packed.write(data)

    with open(folder / "input.layer", "wb") as file:
        out = Hashed(file)
        with tarfile.open(fileobj=out, mode="w|") as layer, open(disk, "rb") as source:
            at, size = 0, os.path.getsize(disk)
            while at < size:
                try:
                    at = os.lseek(source.fileno(), at, os.SEEK_DATA)
                except OSError:  # a hole to the end
                    break
                end = min(os.lseek(source.fileno(), at, os.SEEK_HOLE), at + FILE)
                info = tarfile.TarInfo(f"file-{at:012x}")
                info.size = end - at
                layer.addfile(info, io.BytesIO(os.pread(source.fileno(), end - at, at)))
                at = end
        out.packed.close()
    stored = (folder / "input.layer").read_bytes()
    blobs = {}

    def blob(data, kind):
        digest = hashlib.sha256(data).hexdigest()
        blobs[digest] = data
        return {"mediaType": kind, "digest": "sha256:" + digest, "size": len(data)}

    oci = "application/vnd.oci.image."
    config = blob(json.dumps({"architecture": "amd64", "os": "linux", "config": {},
                              "rootfs": {"type": "layers", "diff_ids": ["sha256:" + plain.hexdigest()]}}).encode(),
                  oci + "config.v1+json")
    manifest = blob(json.dumps({"schemaVersion": 2, "config": config,
                                "layers": [blob(stored, oci + "layer.v1.tar+gzip")]}).encode(), oci + "manifest.v1+json")
    files = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}',
             "index.json": json.dumps({"schemaVersion": 2, "manifests": [manifest]}).encode(),
             **{"blobs/sha256/" + digest: data for digest, data in blobs.items()}}
    with tarfile.open(folder / "input.image", "w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


main()

"""platterd is killed at many moments while clients upload, stage, import, deactivate and delete; after each start again no
image is lost, none is stuck, and nothing lies in a store that no image names.

usage: kills.py PLATTERD FOLDER [MOMENTS [SEED]]
"""

import collections
import hashlib
import http.client
import pathlib
import random
import shutil
import sqlite3
import sys
import threading
import time

from platterd import Platterd
from registry_state import troubles

PLATTERD, FOLDER = (pathlib.Path(word).resolve() for word in sys.argv[1:3])
MOMENTS = int(sys.argv[3]) if len(sys.argv) > 3 else 50
SEED = int(sys.argv[4]) if len(sys.argv) > 4 else random.SystemRandom().randrange(1 << 32)
CLIENTS = 8


class Client(threading.Thread):
    """Makes images and does with them what clients do, until the server goes away."""

    def __init__(self, server, contents, seed):
        super().__init__()
        self.server, self.contents, self.random = server, contents, random.Random(seed)

    def run(self):
        try:
            while True:
                self.one_image()
        except (OSError, http.client.HTTPException, RuntimeError):
            pass

    def one_image(self):
        server = self.server
        content = self.random.randbytes(self.random.choice((1000, 300_000, 2_000_000)))
        image = server.make(disk_format="raw", container_format="bare")
        # Before it is sent: the answer may be lost when the bytes are not.
        self.contents[image] = hashlib.sha256(content).hexdigest()
        if self.random.random() < 0.5:
            server.upload(image, content)
        else:
            server.upload(image, content, place="stage")
            server.call("POST", f"/v2/images/{image}/import", {"method": {"name": "glance-direct"}})
            while server.show(image)["status"] not in ("active", "queued"):
                time.sleep(0.01)
        for action in self.random.choice(((), ("deactivate",), ("deactivate", "reactivate"), ("DELETE",))):
            if action == "DELETE":
                server.call("DELETE", f"/v2/images/{image}")
            else:
                server.call("POST", f"/v2/images/{image}/actions/{action}")


def states_at_the_moment(server):
    """Of the records, as the kill left them."""
    with sqlite3.connect(server.database.removeprefix("sqlite:///")) as catalog:
        return collections.Counter(dict(catalog.execute("SELECT status, COUNT(*) FROM images GROUP BY status")))


def main():
    shutil.rmtree(FOLDER, ignore_errors=True)
    print(f"seed {SEED}")
    choose = random.Random(SEED)
    contents, seen, moments_with, wrong = {}, collections.Counter(), collections.Counter(), []
    with Platterd(PLATTERD, FOLDER) as server:
        for moment in range(MOMENTS):
            clients = [Client(server, contents, choose.random()) for _ in range(CLIENTS)]
            for client in clients:
                client.start()
            time.sleep(choose.uniform(0.02, 0.5))
            server.kill()
            for client in clients:
                client.join()
            states = states_at_the_moment(server)
            seen += states
            moments_with.update(state for state, count in states.items() if count)
            server.start()
            found = troubles(server, contents)
            wrong += [f"moment {moment}: {trouble}" for trouble in found]
            # Only the last ones: each look downloads all that there is.
            for image in list(contents)[:-40]:
                server.call("DELETE", f"/v2/images/{image}")
                del contents[image]
    print(f"{'state at a kill':<16} {'records':>8} {'moments':>8}")
    for state in sorted(seen):
        print(f"{state:<16} {seen[state]:>8} {moments_with[state]:>8}")
    print(f"{MOMENTS} kills, {len(wrong)} troubles")
    for trouble in wrong:
        print(trouble)
    # A test that never met work under way would prove nothing.
    unmet = [state for state in ("saving", "uploading", "importing") if MOMENTS >= 50 and not moments_with[state]]
    if unmet:
        print(f"no kill met {', '.join(unmet)}")
    return 1 if wrong or unmet else 0


if __name__ == "__main__":
    sys.exit(main())

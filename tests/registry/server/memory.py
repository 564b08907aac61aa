"""What an upload makes platterd hold: no more than 8 MiB each, however large it is, over what it holds when it has done
such a thing before. And what lists do that their clients do not read: each the answer, once, and all of them 256 MiB.

usage: memory.py PLATTERD FOLDER
"""

import pathlib
import random
import shutil
import socket
import sys
import threading
import time

from platterd import Checks, Platterd, resident_bytes

PLATTERD, FOLDER = (pathlib.Path(word).resolve() for word in sys.argv[1:3])
MIB = 1 << 20
checks = Checks()


def uploads(server, count, mebibytes):
    """So many at the same time; the most that the process held meanwhile."""
    piece = random.Random(1).randbytes(MIB)
    images = [server.make(disk_format="raw", container_format="bare") for _ in range(count)]

    def upload(image):
        status = server.upload(image, (piece for _ in range(mebibytes)))[0]
        checks.expect("an upload", status, 204)

    threads = [threading.Thread(target=upload, args=(image,)) for image in images]
    for thread in threads:
        thread.start()
    peak = 0
    while any(thread.is_alive() for thread in threads):
        peak = max(peak, resident_bytes(server.process))
        time.sleep(0.005)
    return peak


def unread_lists(server, count):
    """What the process holds for so many lists that their clients do not read; the length of one."""
    values = {f"p{at}": "v" * 62000 for at in range(4)}
    for _ in range(40):
        server.make(**values)
    length = len(server.request("GET", "/v2/images?limit=1000")[2])
    before = resident_bytes(server.process)
    clients = []
    for _ in range(count):
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", server.port))
        client.sendall(b"GET /v2/images?limit=1000 HTTP/1.1\r\nHost: a\r\n\r\n")
        client.recv(1)
        clients.append(client)
    held = resident_bytes(server.process) - before
    for client in clients:
        client.close()
    return held, length


def main():
    shutil.rmtree(FOLDER, ignore_errors=True)
    with Platterd(PLATTERD, FOLDER) as server:
        uploads(server, 1, 1)
        before = resident_bytes(server.process)
        for count, mebibytes in ((1, 400), (8, 60)):
            held = uploads(server, count, mebibytes) - before
            print(f"{count} uploads of {mebibytes} MiB: {held / MIB:.1f} MiB more than before")
            checks.expect(f"{count} uploads of {mebibytes} MiB within 8 MiB each", held <= count * 8 * MIB, True)
        held, length = unread_lists(server, 12)
        print(f"12 lists of {length / MIB:.1f} MiB that nobody reads: {held / MIB:.1f} MiB")
        checks.expect("a list of 8 MiB at most, and a record", length <= 9 * MIB, True)
        checks.expect("a list held once", held <= 12 * (length + 2 * MIB), True)
        held, _ = unread_lists(server, 60)
        print(f"60 such lists: {held / MIB:.1f} MiB")
        checks.expect("lists within 256 MiB together", held <= 288 * MIB, True)
    return checks.conclude()


if __name__ == "__main__":
    sys.exit(main())

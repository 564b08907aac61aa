"""A MariaDB of its own for a service: in a folder, on a socket in it, ended with the test. SQLite would not do: it has one
writer, and Glance's threads give up when another one writes.
"""

import getpass
import pathlib
import socket
import subprocess
import time

START_SECONDS = 120
# What is lost in a crash of the machine is no matter; that it starts fast is.
FAST = ["--skip-grant-tables", "--skip-networking", "--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=0",
        "--innodb-buffer-pool-size=32M", "--innodb-log-file-size=16M", "--performance-schema=off", "--skip-log-bin"]


class MariaDb:
    """As a context manager it runs from start to stop. `folder`: relative to the working folder of whoever connects, as a
    socket's path has at most 107 characters."""

    def __init__(self, folder, die_with_parent):
        self.folder = pathlib.Path(folder)
        self.socket = self.folder / "socket"
        self.die_with_parent = die_with_parent
        self.process = None

    def url(self, name):
        return f"mysql+pymysql://root@localhost/{name}?unix_socket={self.socket}"

    def start(self, name):
        """With an empty database of that name."""
        user = f"--user={getpass.getuser()}"
        self.folder.mkdir()
        with open(f"{self.folder}.log", "wb") as log:
            subprocess.run(
                ["mariadb-install-db", "--no-defaults", f"--datadir={self.folder.resolve()}", "--skip-test-db", user],
                check=True, stdout=log, stderr=log, timeout=START_SECONDS)
            (self.folder / "init.sql").write_text(f"CREATE DATABASE {name} CHARACTER SET utf8mb3;\n")
            self.process = subprocess.Popen(
                ["/usr/sbin/mariadbd", "--no-defaults", f"--datadir={self.folder.resolve()}", "--socket=socket", user,
                 "--init-file=init.sql", *FAST],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=self.die_with_parent)
        self._wait()

    def _wait(self):
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end and self.process.poll() is None:
            with socket.socket(socket.AF_UNIX) as connection:
                if connection.connect_ex(str(self.socket)) == 0:
                    return
            time.sleep(0.1)
        log = pathlib.Path(f"{self.folder}.log").read_text(errors="replace")
        raise RuntimeError(f"mariadbd does not start:\n{log[-4000:]}")

    def stop(self):
        if self.process is None or self.process.poll() is not None:
            return
        self.process.kill()
        self.process.wait()

"""Real database servers for tests: Debian's MariaDB and PostgreSQL, each with a data folder, a socket and a port of its own.

    with MariaDb(folder) as server:
        print(server.url("platter"))  # a database that is there; the user may make others
        server.restart()

As root they run as `nobody`. They end with the process that started them, however that ends. For other programs:
databases.py mariadb|postgresql COMMAND... runs a command beside such a server in a temporary folder. The command finds in
its environment PLATTER_TEST_DATABASE, the URL of the database "platter"; PLATTER_TEST_DATABASE_PORT, the same by address,
port and password; PLATTER_TEST_DATABASE_FOLDER, where PostgreSQL has its certificate, server.pem, and one of somebody
else, stranger.pem; and PLATTER_TEST_DATABASE_CONTROL, a socket that takes lines with the name of a method (stop, start,
restart, kill) and answers "done" once it is done. Takes /usr/bin/python3 only.
"""

import os
import pathlib
import random
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse

HOST = "127.0.0.1"
USER = "platter"
PASSWORD = "se:cr@t/%'\\"
NOBODY = 65534
WAIT_SECONDS = 120
# What a commit wrote outlives the server, but not the machine: tests make many databases, and wait for no disk.
FAST = "LD_PRELOAD=libeatmydata.so"


def free_port():
    """Below those that the kernel gives to clients, so that nobody takes it while a server restarts."""
    while True:
        port = random.SystemRandom().randrange(20000, 32000)
        with socket.socket() as probe:
            if probe.connect_ex((HOST, port)) != 0:
                return port


def _runs(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


class Server:
    """Started by `with` or start(); stop() and start() again is an outage, with all that it knew still there."""

    end_signal = None
    environment = [FAST]

    def __init__(self, folder):
        self.folder = pathlib.Path(folder).resolve()
        self.folder.mkdir(parents=True, exist_ok=True)
        if os.getuid() == 0:
            os.chown(self.folder, NOBODY, NOBODY)
        self.data = self.folder / "data"
        self.port = free_port()
        self.process = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        if self.process is not None:
            raise RuntimeError("it runs already")
        if not self.data.exists():
            self._set_up()
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(self._unprivileged(self._command()), stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, cwd=self.folder, start_new_session=True)
        try:
            self._wait()
        except BaseException:
            self.kill()
            raise

    def stop(self):
        """As an operator does it: what is under way is rolled back."""
        self._end(self.end_signal)

    def kill(self):
        """As a crash does it."""
        self._end(signal.SIGKILL)

    def restart(self):
        self.stop()
        self.start()

    def _end(self, number):
        if self.process is None:
            return
        others = self._children()
        self.process.send_signal(number)
        try:
            self.process.wait(WAIT_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None
        # PostgreSQL's processes see the end of the first one by themselves; until then no other may begin.
        while any(_runs(pid) for pid in others):
            time.sleep(0.005)

    def _children(self):
        pid = self.process.pid
        return [int(child) for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def _unprivileged(self, command):
        who = [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"] if os.getuid() == 0 else []
        return ["setpriv", *who, "--pdeathsig=KILL", "env", *self.environment, *map(str, command)]

    def _run(self, command, input=b""):
        with open(self.folder / "log", "ab") as log:
            done = subprocess.run(self._unprivileged(command), stdout=log, stderr=log, cwd=self.folder, check=False,
                                  timeout=WAIT_SECONDS, input=input)
        if done.returncode != 0:
            raise RuntimeError(f"{command[0]} ends with {done.returncode}:\n{self._said()}")

    def _said(self):
        return (self.folder / "log").read_text(errors="replace")[-4000:]

    def _wait(self):
        end = time.monotonic() + WAIT_SECONDS
        while subprocess.run(self._ready(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL, check=False).returncode != 0:
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"the server does not start:\n{self._said()}")
            time.sleep(0.05)

    def _set_up(self):
        raise NotImplementedError

    def _command(self):
        raise NotImplementedError

    def _ready(self):
        raise NotImplementedError


def _credentials():
    return f"{USER}:{urllib.parse.quote(PASSWORD, safe='')}"


class MariaDb(Server):
    end_signal = signal.SIGTERM

    def url(self, name):
        return f"mysql+pymysql://{_credentials()}@localhost/{name}?unix_socket={self.folder}/socket"

    def port_url(self, name):
        return f"mysql+pymysql://{_credentials()}@{HOST}:{self.port}/{name}?charset=utf8"

    def _set_up(self):
        self._run(["mariadb-install-db", "--no-defaults", f"--datadir={self.data}", "--skip-test-db",
                   "--auth-root-authentication-method=normal"])
        quoted = PASSWORD.replace("\\", "\\\\").replace("'", "\\'")
        (self.folder / "init.sql").write_text(
            f"CREATE USER IF NOT EXISTS {USER}@'%' IDENTIFIED BY '{quoted}';\n"
            f"GRANT ALL ON *.* TO {USER}@'%';\nCREATE DATABASE IF NOT EXISTS platter;\n")

    def _command(self):
        return ["/usr/sbin/mariadbd", "--no-defaults", f"--datadir={self.data}", f"--socket={self.folder}/socket",
                f"--pid-file={self.folder}/pid", f"--bind-address={HOST}", f"--port={self.port}",
                f"--init-file={self.folder}/init.sql", "--innodb-flush-log-at-trx-commit=2", "--innodb-doublewrite=0",
                "--innodb-buffer-pool-size=64M", "--innodb-log-file-size=32M", "--performance-schema=off",
                "--skip-log-bin", "--skip-name-resolve"]

    def _asking(self, statement):
        return ["mariadb", "--no-defaults", f"--socket={self.folder}/socket", f"--user={USER}",
                f"--password={PASSWORD}", "--skip-column-names", f"--execute={statement}", "platter"]

    def _ready(self):
        return self._asking("SELECT 1")


class GaleraNode(MariaDb):
    """One of the nodes of a GaleraCluster."""

    library = "/usr/lib/galera/libgalera_smm.so"
    # A node that joins has nearly all of the others' data: it says how much, and is sent what has been written since.
    transfer = """#!/bin/sh
while [ $# -gt 0 ]; do
  case $1 in --role) role=$2 ;; --gtid) gtid=$2 ;; --datadir) data=$2 ;; esac
  shift
done
if [ "$role" = joiner ]; then
  echo "ready 127.0.0.1:1/none"
  cat "$data/../position"
else
  echo "done $gtid"
fi
"""

    def __init__(self, folder):
        super().__init__(folder)
        self.group_port, self.transfer_port = free_port(), free_port()
        self.first = False
        self.others = []
        script = self.folder / "wsrep_sst_platter"
        script.write_text(self.transfer)
        script.chmod(0o755)
        self.environment = [*self.environment, f"PATH={self.folder}:{os.environ['PATH']}"]

    def _command(self):
        if not self.others:
            return super()._command()
        command = [word for word in super()._command() if not str(word).startswith("--init-file")]
        addresses = ",".join(f"{HOST}:{node.group_port}" for node in self.others)
        return command + [
            "--wsrep-on=ON", f"--wsrep-provider={self.library}", "--wsrep-cluster-name=platter",
            f"--wsrep-cluster-address=gcomm://{'' if self.first else addresses}",
            f"--wsrep-node-address={HOST}:{self.group_port}", "--wsrep-sst-method=platter", "--binlog-format=ROW",
            "--innodb-autoinc-lock-mode=2", f"--wsrep-node-name=node{self.group_port}",
            f"--wsrep-provider-options=gmcast.listen_addr=tcp://{HOST}:{self.group_port};"
            f"ist.recv_addr={HOST}:{self.transfer_port};gcache.size=32M"]

    def start(self):
        state = self.data / "grastate.dat"
        if state.exists():
            position = dict(line.split(":", 1) for line in state.read_text().splitlines() if ":" in line)
            (self.folder / "position").write_text(f"{position['uuid'].strip()}:{position['seqno'].strip()}\n")
        super().start()

    def _ready(self):
        """A node that is catching up answers, and is of no use yet."""
        if not self.others:
            return super()._ready()
        return ["sh", "-c", '"$@" | grep -q ON', "ready", *self._asking("SHOW STATUS LIKE 'wsrep_ready'")]


class GaleraCluster:
    """Nodes that all take writes; `nodes` may be stopped and started one by one."""

    def __init__(self, folder, count=2):
        self.nodes = [GaleraNode(pathlib.Path(folder) / f"node{number}") for number in range(count)]

    def __enter__(self):
        first, *others = self.nodes
        with first:  # alone: users and databases
            pass
        for node in self.nodes:
            node.others = [other for other in self.nodes if other is not node]
        # The others begin as copies of the first one, which has been a cluster's only node for a moment.
        first.first = True
        with first:
            pass
        for node in others:
            shutil.copytree(first.data, node.data, ignore=shutil.ignore_patterns("galera.cache", "gvwstate.dat"))
            if os.getuid() == 0:
                subprocess.run(["chown", "-R", f"{NOBODY}:{NOBODY}", node.data], check=True)
        try:
            first.start()
            first.first = False  # whenever it starts again, it joins
            for node in others:
                node.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for node in reversed(self.nodes):
            node.stop()


class PostgreSql(Server):
    end_signal = signal.SIGINT  # does not wait for clients

    def url(self, name):
        return f"postgresql://{_credentials()}@:{self.port}/{name}?host={self.folder}"

    def port_url(self, name):
        return f"postgresql+psycopg2://{_credentials()}@{HOST}:{self.port}/{name}"

    @staticmethod
    def program(name):
        """Debian keeps the versions' programs apart."""
        found = sorted(pathlib.Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[4]))
        if not found:
            raise RuntimeError(f"PostgreSQL's {name} is not installed")
        return found[-1]

    def _set_up(self):
        secret = self.folder / "secret"
        secret.write_text(PASSWORD + "\n")
        secret.chmod(0o644)
        self._run([self.program("initdb"), f"--pgdata={self.data}", "--auth=scram-sha-256", f"--username={USER}",
                   f"--pwfile={secret}", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"])
        for name in ("server", "stranger"):
            self._run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc",
                       "-days", "2", "-subj", f"/CN={HOST}", "-addext", f"subjectAltName=IP:{HOST}",
                       "-keyout", self.folder / f"{name}.key", "-out", self.folder / f"{name}.pem"])
        self._run([self.program("postgres"), "--single", "-D", self.data, "postgres"],
                  input=b"CREATE DATABASE platter;\n")

    def _command(self):
        return [self.program("postgres"), "-D", self.data, "-h", HOST, "-p", self.port, "-k", self.folder,
                "-c", "fsync=off", "-c", "shared_buffers=32MB", "-c", "max_wal_size=256MB", "-c", "log_statement=none", "-c", "ssl=on",
                "-c", f"ssl_cert_file={self.folder}/server.pem", "-c", f"ssl_key_file={self.folder}/server.key"]

    def _ready(self):
        return [self.program("pg_isready"), "--quiet", f"--host={self.folder}", f"--port={self.port}", "--dbname=platter"]


SERVERS = {"mariadb": MariaDb, "postgresql": PostgreSql}


class Control:
    """Serves the lines of those who may stop and start a server."""

    METHODS = ("stop", "start", "restart", "kill")

    def __init__(self, server, path):
        self.server = server
        self.path = str(path)
        self.listening = socket.socket(socket.AF_UNIX)
        self.listening.bind(self.path)
        self.listening.listen()

    def serve_while(self, process):
        """Until the process has ended; its status."""
        with selectors.DefaultSelector() as waiting:
            waiting.register(os.pidfd_open(process.pid), selectors.EVENT_READ, "end")
            waiting.register(self.listening, selectors.EVENT_READ, "caller")
            while process.poll() is None:
                for key, _ in waiting.select():
                    if key.data == "caller":
                        self._answer()
        return process.wait()

    def _answer(self):
        connection, _ = self.listening.accept()
        with connection, connection.makefile("rw") as lines:
            for line in lines:
                word = line.strip()
                try:
                    if word not in self.METHODS:
                        raise RuntimeError(f"there is no '{word}'")
                    getattr(self.server, word)()
                    answer = "done"
                except (OSError, RuntimeError, subprocess.SubprocessError) as error:
                    answer = " ".join(str(error).split())
                lines.write(answer + "\n")
                lines.flush()


def main():
    if len(sys.argv) < 3 or sys.argv[1] not in SERVERS:
        sys.exit("usage: databases.py mariadb|postgresql COMMAND...")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory(prefix="platter-database-") as folder:
        os.chmod(folder, 0o711)
        with SERVERS[sys.argv[1]](pathlib.Path(folder) / "server") as server:
            control = Control(server, pathlib.Path(folder) / "control")
            process = subprocess.Popen(
                ["setpriv", "--pdeathsig=KILL", *sys.argv[2:]],
                env=os.environ | {"PLATTER_TEST_DATABASE": server.url("platter"),
                                  "PLATTER_TEST_DATABASE_PORT": server.port_url("platter"),
                                  "PLATTER_TEST_DATABASE_FOLDER": str(server.folder),
                                  "PLATTER_TEST_DATABASE_CONTROL": control.path})
            try:
                status = control.serve_while(process)
            finally:
                process.kill()
    sys.exit(status if status >= 0 else 128 - status)


if __name__ == "__main__":
    main()

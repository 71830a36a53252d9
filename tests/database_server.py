#!/usr/bin/env python3
"""PostgreSQL and MariaDB for tests, from Debian's packages: on a free port of this machine alone, in a
folder of their own, without waiting for the disk, ended with the process that started them.

  with DatabaseServer("postgresql") as server: server.url ...
  tests/database_server.py postgresql COMMAND...    runs it with the URL in MORAINE_TEST_STORE
"""
import contextlib
import ctypes
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from harness import free_port

KINDS = ("postgresql", "mariadb")
START_SECONDS = 60


def program(name: str) -> str:
    """Debian keeps PostgreSQL's out of PATH, a folder for each version."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda f: int(re.sub(r"\D", "", f.parent.name) or 0))
    for folder in [*reversed(folders), Path("/usr/sbin")]:
        if (folder / name).exists():
            return str(folder / name)
    if found := shutil.which(name):
        return found
    raise FileNotFoundError(f"{name} is not installed: ./dev test installs it")


def identity() -> dict:
    """Neither server wants to be root."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "mysql", "nobody"):
        with contextlib.suppress(KeyError):
            user = pwd.getpwnam(name)
            return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    raise RuntimeError("there is no user to run a database as")


def die_with_parent():
    PR_SET_PDEATHSIG = 1
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class DatabaseServer:
    def __init__(self, kind: str, durable: bool = False):
        """durable: waits for the disk, as others do."""
        assert kind in KINDS, kind
        self.durable = durable
        self.kind = kind
        self.databases = 0
        self.port = free_port()
        self.who = identity()
        # Not in TMPDIR: its folder may be for one user alone.
        self.folder = Path(tempfile.mkdtemp(prefix=f"moraine-{kind}-", dir="/tmp"))
        if self.who:
            os.chown(self.folder, self.who["user"], self.who["group"])
        self.environment = os.environ | {"TMPDIR": str(self.folder)}
        self.data = self.folder / "data"
        self.log = self.folder / "log"
        self.process: subprocess.Popen | None = None
        self.url = f"{kind}://moraine:moraine@127.0.0.1:{self.port}/moraine"

    def run(self, *command, **environment):
        done = subprocess.run([str(part) for part in command], cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=120, env=self.environment | environment, **self.who)
        assert done.returncode == 0, f"{command[0]} gave {done.returncode}:\n{done.stdout}"
        return done.stdout

    def make(self):
        if self.kind == "postgresql":
            secret = self.folder / "password"
            secret.write_text("moraine\n")
            secret.chmod(0o644)
            self.run(program("initdb"), "-D", self.data, "-U", "moraine", "-A", "scram-sha-256", f"--pwfile={secret}", "-E", "UTF8",
                     "--locale=C", "--no-sync")
        else:
            self.run(program("mariadb-install-db"), "--no-defaults", f"--datadir={self.data}", "--auth-root-authentication-method=normal",
                     "--skip-test-db")

    def command(self) -> list[str]:
        if self.kind == "postgresql":
            settings = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "on" if self.durable else "off", "shared_buffers": "64MB",
                        "max_connections": "200", "deadlock_timeout": "50ms", "autovacuum": "off", "max_wal_size": "256MB"}
            return [program("postgres"), "-D", str(self.data), "-p", str(self.port)] + [
                part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        return [program("mariadbd"), "--no-defaults", f"--datadir={self.data}", "--bind-address=127.0.0.1", f"--port={self.port}",
                f"--socket={self.folder}/socket", f"--pid-file={self.folder}/pid", f"--innodb-flush-log-at-trx-commit={1 if self.durable else 2}",
                "--innodb-buffer-pool-size=64M", "--innodb-log-file-size=64M", "--max-connections=200", "--skip-name-resolve",
                "--performance-schema=OFF", "--character-set-server=utf8mb4", "--max-allowed-packet=64M"]

    def first_statements(self):
        self.statement("CREATE DATABASE moraine")
        if self.kind == "mariadb":
            self.statement("CREATE USER moraine@'127.0.0.1' IDENTIFIED BY 'moraine'; GRANT ALL ON *.* TO moraine@'127.0.0.1'")

    def statement(self, text: str):
        if self.kind == "postgresql":
            self.run(program("psql"), "-q", "-h", "127.0.0.1", "-p", self.port, "-U", "moraine", "-c", text, "postgres", PGPASSWORD="moraine")
        else:
            self.run(program("mariadb"), "--no-defaults", f"--socket={self.folder}/socket", "-u", "root", "-e", text)

    def new_url(self) -> str:
        """Of a database that is empty."""
        self.databases += 1
        self.statement(f"CREATE DATABASE moraine{self.databases}")
        return f"{self.url}{self.databases}"

    def start(self):
        """Also after stop() or kill(): with the data of before."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command(), cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            preexec_fn=die_with_parent, env=self.environment, **self.who)
        end = time.monotonic() + START_SECONDS
        while not self.ready():
            if self.process.poll() is not None or time.monotonic() > end:
                self.kill()
                raise AssertionError(f"{self.kind} did not start:\n{self.log.read_text(errors='replace')[-4000:]}")
            time.sleep(0.05)

    def ready(self) -> bool:
        if self.kind == "postgresql":
            check = [program("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        else:
            check = [program("mariadb"), "--no-defaults", f"--socket={self.folder}/socket", "-u", "root", "-e", "SELECT 1"]
        return subprocess.run(check, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0

    def stop(self):
        """Cuts all connections; what was committed stays."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT if self.kind == "postgresql" else signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self):
        """Without any farewell. PostgreSQL's parent ends its children first, else they would hold on to what the next start needs."""
        if self.process is None:
            return
        if self.kind == "postgresql":
            self.process.send_signal(signal.SIGQUIT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(10)
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        try:
            self.make()
            self.start()
            self.first_statements()
        except BaseException:
            self.__exit__()
            raise
        return self

    def close(self):
        self.__exit__()

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def main():
    with DatabaseServer(sys.argv[1], durable="MORAINE_TEST_DURABLE" in os.environ) as server:
        sys.exit(subprocess.run(sys.argv[2:], env=os.environ | {"MORAINE_TEST_STORE": server.url}).returncode)


if __name__ == "__main__":
    main()

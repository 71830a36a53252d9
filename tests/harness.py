"""A Moraine server for tests: its own store and warehouse, a free port, ended by its process id."""
import contextlib
import ctypes
import json
import os
import random
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BINARY = Path(os.environ.get("MORAINE_BINARY", ROOT / "bin" / "moraine"))


GIVEN: set[int] = set()  # somebody may have asked, and not have begun to listen


def free_port() -> int:
    """Below those that the kernel gives to connections: a client that asks meanwhile must not get it, nor find itself there."""
    first_of_kernel = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    for port in random.SystemRandom().sample(range(10_000, max(first_of_kernel, 20_000)), 1_000):
        if port in GIVEN:
            continue
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            GIVEN.add(port)
            return port
    raise AssertionError("no port is free")


def die_with_parent():
    PR_SET_PDEATHSIG = 1
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def until(done, what: str, seconds: float = 60, server: "Server | None" = None, every: float = 0.1):
    """Waits for done(); fails with what was waited for, and the end of the server's log."""
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, f"not within {seconds} s: {what}\n{server.log_tail(60) if server else ''}"
        time.sleep(every)


class Server:
    """`with Server(folder) as server:`; server.uri is what engines get."""

    def __init__(self, folder: Path, *flags: str, optimizer_threads: int = 0, root: str | None = None,
                 store: str | None = None):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.warehouse = self.folder / "warehouse"
        self.warehouse.mkdir(exist_ok=True)
        self.root = root or f"file://{self.warehouse}"
        self.store = self.folder / "moraine.db"
        self.store_url = store or f"sqlite:///{self.store}"
        self.log = self.folder / "server.log"
        self.flags = flags
        self.optimizer_threads = optimizer_threads
        self.port = free_port()
        self.process: subprocess.Popen | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def uri(self) -> str:
        return self.url + "/iceberg"

    def start(self, timeout: float = 90):
        assert BINARY.exists(), f"{BINARY} is not built: run ./dev build"
        command = [BINARY, "server", "--listen", f"127.0.0.1:{self.port}", "--store", self.store_url,
                   "--warehouse", self.root, "--optimizer-threads", str(self.optimizer_threads), *self.flags]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=die_with_parent)
        end = time.monotonic() + timeout
        while not self.healthy():
            if self.process.poll() is not None:
                raise AssertionError(f"the server ended with {self.process.returncode}:\n{self.log_tail()}")
            if time.monotonic() > end:
                self.kill()
                raise AssertionError(f"/health was not 200 within {timeout} s:\n{self.log_tail()}")
            time.sleep(0.02)
        return self

    def healthy(self) -> bool:
        try:
            with urllib.request.urlopen(self.url + "/health", timeout=2) as answer:
                return answer.status == 200
        except OSError:
            return False

    def stop(self, timeout: float = 60) -> int:
        """SIGTERM, as a person or systemd would; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the server did not stop within {timeout} s:\n{self.log_tail()}") from None

    def kill(self):
        self.process.kill()
        self.process.wait()

    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def log_tail(self, lines: int = 40) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def request(self, method: str, path: str, body=None, headers: dict | None = None) -> tuple[int, dict | str, dict]:
        """One HTTP request; (status, decoded body, headers), also for errors."""
        data = body.encode() if isinstance(body, str) else None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json"} | (headers or {}), method=method)
        try:
            answer = urllib.request.urlopen(request, timeout=30)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            text = answer.read().decode()
            is_json = answer.headers.get_content_type() == "application/json"
            return answer.status, json.loads(text) if is_json and text else text, dict(answer.headers)

    def get(self, path: str):
        return self.request("GET", path)

    def post(self, path: str, body=None):
        return self.request("POST", path, body)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        if self.running():
            self.stop()

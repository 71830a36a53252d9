#!/usr/bin/env python3
"""Starting a server whose store holds 1,000 tables: from exec to the first 200 of /health, and memory when idle.

The floor, measured in the same run: a process that only opens the same SQLite file and counts the tables. Beside it
`moraine version`, which is what loading the libraries costs. Prints a table, then one line of JSON.
"""
import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BINARY = Path(os.environ.get("MORAINE_BINARY", ROOT / "bin/moraine"))
TABLES = 1000
RUNS = 7
IDLE_SECONDS = 5
SCHEMA = {"type": "struct", "schema-id": 0, "fields": [
    {"id": 1, "name": "id", "required": True, "type": "long"}, {"id": 2, "name": "data", "required": False, "type": "string"}]}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    def __init__(self, folder: Path):
        self.port = free_port()
        self.command = [BINARY, "server", "--listen", f"127.0.0.1:{self.port}", "--store", f"sqlite://{folder}/moraine.db",
                        "--warehouse", f"file://{folder}/warehouse", "--log-file", f"{folder}/server.log"]

    def start(self, *flags: str) -> float:
        """Seconds from exec to the first 200 of /health."""
        begin = time.monotonic()
        self.process = subprocess.Popen([*self.command, *flags], stdin=subprocess.DEVNULL)
        while True:
            try:
                if self.get("/health")[0] == 200:
                    return time.monotonic() - begin
            except OSError:
                pass
            if self.process.poll() is not None or time.monotonic() - begin > 60:
                raise SystemExit("the server did not start")
            time.sleep(0.0005)

    def get(self, path: str):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def resident_mib(self) -> float:
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        raise SystemExit("no VmRSS")

    def stop(self):
        self.process.terminate()
        self.process.wait(20)


def make_tables(server: Server):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)

    def post(path: str, body: dict):
        connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise SystemExit(f"{path}: {answer.status} {text.decode()}")

    post("/iceberg/v1/namespaces", {"namespace": ["db"]})
    for number in range(TABLES):
        post("/iceberg/v1/namespaces/db/tables", {"name": f"t{number:04}", "schema": SCHEMA})


def run_to_end(command: list) -> float:
    begin = time.monotonic()
    subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
    return time.monotonic() - begin


def looked_at(server: Server) -> int:
    tables = json.loads(server.get("/api/v1/tables?limit=10000")[1])["tables"]
    return sum(table["refreshed-ms"] > 0 for table in tables)


def main():
    subprocess.run(["./dev", "build", "open_store"], cwd=ROOT, check=True)
    figures = {"tables": TABLES, "runs": RUNS}

    def show(name: str, value: float, unit: str):
        figures[name] = round(value, 4)
        print(f"{name:44} {value:9.3f} {unit}", flush=True)

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        server = Server(folder)
        # So that the first start has the health of all tables to look at, beside serving.
        server.start("--set", "optimizing.enabled=false")
        begin = time.monotonic()
        make_tables(server)
        show("making the tables over REST", time.monotonic() - begin, "s")
        server.stop()
        starts = []
        for run in range(RUNS):
            begin = time.monotonic()
            starts.append(server.start())
            if run == 0:
                show("first start, to /health", starts[0], "s")
                while looked_at(server) < TABLES:
                    time.sleep(0.05)
                show("first start, until all tables are looked at", time.monotonic() - begin, "s")
            if run == RUNS - 1:
                time.sleep(IDLE_SECONDS)
                show("resident, idle", server.resident_mib(), "MiB")
            server.stop()
        show("start, median", statistics.median(starts), "s")
        show("start, slowest", max(starts), "s")
        floors = [run_to_end([ROOT / "build/fast/bench/open_store", folder / "moraine.db"]) for _ in range(RUNS)]
        show("floor: a process opens the store", statistics.median(floors), "s")
        show("moraine version", statistics.median([run_to_end([BINARY, "version"]) for _ in range(RUNS)]), "s")
    show("start / floor", figures["start, median"] / figures["floor: a process opens the store"], "")
    for name, most in (("start, median", 0.3), ("resident, idle", 64)):
        if figures[name] > most:
            print(f"above the aim: {name} {figures[name]}, at most {most}")
    print(json.dumps(figures))


if __name__ == "__main__":
    sys.exit(main())

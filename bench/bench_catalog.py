#!/usr/bin/env python3
"""The catalog over HTTP: loading, listing, committing to and creating tables, by 1, 16 and 128 clients at once.

Moraine on SQLite and on PostgreSQL (waiting for the disk, as it must) beside the reference server of Iceberg's compatibility kit (Java, its
store in memory, its files not synced) and SeaweedFS' own catalog, all on this machine, whose cores they share with the load client
(bench/load_client.cc). They take turns, and the better of two rounds counts. Limits, in the same run: a server that answers everything with
the same bytes (epoll, no parser), Moraine's HTTP server with nothing behind it, and how often this disk can be waited for.

Figures: requests a second, 99th percentile in ms, and CPU microseconds of the server (with its database) for each request: where the machine
has other work the last one is what can be compared.

  bench/bench_catalog.py --cases load commit      those with these words in their names
  bench/bench_catalog.py --clients 16 --no-peers  quicker
  bench/bench_catalog.py --listed 10000           a long list (some minutes more, for the reference server to make it)
  bench/bench_catalog.py --pages                  pages of a namespace of 50,000 tables, too (some minutes)
  bench/bench_catalog.py --soak                   instead: ten minutes of everything at once; memory after each
"""
import argparse
import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.parse
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests/engines")]

from database_server import DatabaseServer  # noqa: E402
from harness import Server, die_with_parent, free_port  # noqa: E402
from reference_catalog import ReferenceCatalog  # noqa: E402
from seaweed import KEY, SECRET, Seaweed  # noqa: E402

CLIENT = Path(os.environ.get("MORAINE_LOAD_CLIENT", ROOT / "build/fast/bench/load_client"))
NET_SERVER = CLIENT.with_name("net_server")
SMALL_TABLES, BIG_BYTES, SNAPSHOTS_KEPT = 100, 2_000_000, 30
SCHEMA = {"type": "struct", "schema-id": 0, "fields": [
    {"id": i + 1, "name": name, "required": False, "type": kind}
    for i, (name, kind) in enumerate((("id", "long"), ("time", "timestamptz"), ("customer", "string"), ("amount", "decimal(12, 2)"), ("note", "string")))]}
TICKS = os.sysconf("SC_CLK_TCK")
AIMS = [("load a small table, 16 clients", "moraine, sqlite", "per_s", 20_000), ("load, not modified, 16 clients", "moraine, sqlite", "per_s", 30_000),
        ("commit an append, 16 clients", "moraine, postgresql", "per_s", 500), ("commit an append, 16 clients", "moraine, postgresql", "p99_ms", -50),
        ("create tables, 1 client", "moraine, sqlite", "per_s", 333)]


class Contender:
    """Somebody's REST catalog on a port of this machine."""

    def __init__(self, name: str, port: int, base: str, pids, root: str, headers: dict | None = None):
        self.name, self.port, self.base, self.pids, self.root, self.headers = name, port, base, pids, root, headers or {}
        self.created = 0
        self.writers = 16  # that it lets write at the same time

    def request(self, method: str, path: str, body=None, headers: dict | None = None, fail: bool = True):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            connection.request(method, path if path.startswith("/v1/config") else self.base + path, None if body is None else json.dumps(body),
                               {"Content-Type": "application/json"} | self.headers | (headers or {}))
            answer = connection.getresponse()
            text = answer.read()
            if fail and answer.status >= 300:
                raise RuntimeError(f"{self.name}: {method} {path}: {answer.status} {text[:300].decode(errors='replace')}")
            return answer.status, text, dict(answer.headers)
        finally:
            connection.close()

    def cpu_seconds(self) -> float:
        total = 0
        for pid in self.pids():
            try:
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                total += int(fields[11]) + int(fields[12])
            except OSError:
                pass
        return total / TICKS

    def create(self, name: str, **more):
        return self.request("POST", "/namespaces/bench/tables", {"name": name, "schema": SCHEMA} | more)

    def location(self, name: str) -> str:
        return f"{self.root}/placed/{name}"

    def append(self, name: str, location: str, snapshots: list[int]):
        """A commit that adds these snapshots to main."""
        return self.request("POST", f"/namespaces/bench/tables/{name}", {"requirements": [], "updates": [
            *(add_snapshot(location, i, i - 1) for i in snapshots), set_main(snapshots[-1])]})


def add_snapshot(location: str, number, parent) -> dict:
    summary = {"operation": "append", "added-data-files": "1", "added-records": "1000", "added-files-size": "104857", "changed-partition-count": "1",
               "total-records": "1000000", "total-files-size": "104857600", "total-data-files": "1000", "total-delete-files": "0"}
    snapshot = {"snapshot-id": number, "sequence-number": number, "timestamp-ms": int(time.time() * 1000), "summary": summary, "schema-id": 0,
                "manifest-list": f"{location}/metadata/snap-{number}-1-2f8a5e4c-6d0b-4b1e-9a57-0c3d5e7f9a1b.avro"}
    return {"action": "add-snapshot", "snapshot": snapshot | ({"parent-snapshot-id": parent} if parent else {})}


def set_main(number) -> dict:
    return {"action": "set-snapshot-ref", "ref-name": "main", "type": "branch", "snapshot-id": number}


def prepare(contender: Contender, listed: int):
    """What the cases read."""
    for name in ("bench", "many", "new"):
        contender.request("POST", "/namespaces", {"namespace": [name], "properties": {}})
    for i in range(SMALL_TABLES):
        contender.create(f"small{i}")
    location = contender.location("big")
    contender.create("big", location=location)
    size, next_snapshot = 0, 1
    while size < BIG_BYTES and next_snapshot < 20_000:
        _, text, _ = contender.append("big", location, list(range(next_snapshot, next_snapshot + 1000)))
        size, next_snapshot = len(text), next_snapshot + 1000
    if listed:
        done = drive(contender, request_text("POST", contender.base + "/namespaces/many/tables", contender.headers,
                                             {"name": "a_table_with_a_name_@c@_@n@", "schema": SCHEMA}), 200, clients=contender.writers, seconds=600, most=listed)
        if done["requests"] < listed:
            raise RuntimeError(f"{contender.name}: {done['requests']} tables of {listed}: {done['error']}")


def request_text(method: str, path: str, headers: dict, body=None) -> str:
    """What load_client sends; texts of the form "@n@" that stand for numbers lose their quotes."""
    lines = [f"{method} {path} HTTP/1.1", "Accept: application/json", *(f"{name}: {value}" for name, value in headers.items())]
    text = ""
    if body is not None:
        lines.append("Content-Type: application/json")
        text = json.dumps(body)
        for place in ("n", "n+1", f"n-{SNAPSHOTS_KEPT}"):
            text = text.replace(f'"#{place}"', f"@{place}@")
    return "\r\n".join(lines) + "\r\n\r\n" + text


def drive(contender, text: str, status: int, clients: int, seconds: float, most: int = 10**9, begin: str = "") -> dict:
    """One run of load_client."""
    with tempfile.NamedTemporaryFile("w", newline="") as file:
        file.write(text)
        file.flush()
        cpu = contender.cpu_seconds()
        ran = subprocess.run([CLIENT, str(contender.port), str(clients), str(seconds), str(most), file.name, str(status), begin],
                             stdout=subprocess.PIPE, text=True, check=True, preexec_fn=die_with_parent)
        run = json.loads(ran.stdout)
        run["cpu_us"] = (contender.cpu_seconds() - cpu) * 1e6 / max(run["requests"], 1)
    return run


# -- the cases: each gives (request text, status, how a right body begins), or None where a contender can't do it

def load_small(c: Contender, clients: int):
    _, body, _ = c.request("GET", "/namespaces/bench/tables/small0")
    return request_text("GET", c.base + "/namespaces/bench/tables/small@k@", c.headers), 200, body[:15].decode()


def load_small_asking(c: Contender, clients: int):
    """As PyIceberg and Spark ask: for keys, if there are any."""
    text, status, begin = load_small(c, clients)
    return text.replace("Accept:", "X-Iceberg-Access-Delegation: vended-credentials\r\nAccept:", 1), status, begin


def load_small_gzip(c: Contender, clients: int):
    return request_text("GET", c.base + "/namespaces/bench/tables/small@k@", c.headers | {"Accept-Encoding": "gzip"}), 200, ""


def load_same(c: Contender, clients: int):
    _, _, headers = c.request("GET", "/namespaces/bench/tables/small0")
    tag = headers.get("ETag") or headers.get("Etag")
    if not tag or c.request("GET", "/namespaces/bench/tables/small0", headers={"If-None-Match": tag}, fail=False)[0] != 304:
        return None
    return request_text("GET", c.base + "/namespaces/bench/tables/small0", c.headers | {"If-None-Match": tag}), 304, ""


def load_big(c: Contender, clients: int):
    _, body, _ = c.request("GET", "/namespaces/bench/tables/big")
    return request_text("GET", c.base + "/namespaces/bench/tables/big", c.headers), 200, body[:15].decode()


def load_big_gzip(c: Contender, clients: int):
    return request_text("GET", c.base + "/namespaces/bench/tables/big", c.headers | {"Accept-Encoding": "gzip"}), 200, ""


def list_tables(c: Contender, clients: int):
    return request_text("GET", c.base + "/namespaces/many/tables", c.headers), 200, "{"


def list_page(c: Contender, clients: int):
    return request_text("GET", c.base + "/namespaces/many/tables?pageToken=&pageSize=100", c.headers), 200, "{"


def commit(c: Contender, clients: int):
    c.created += 1
    name = f"commits{c.created}_"
    for i in range(clients):
        c.create(f"{name}{i}", location=c.location(f"{name}{i}"))
        c.append(f"{name}{i}", c.location(f"{name}{i}"), [1])
    updates = [add_snapshot(c.location(name + "@c@"), "#n+1", "#n"), set_main("#n+1"),
               {"action": "remove-snapshots", "snapshot-ids": [f"#n-{SNAPSHOTS_KEPT}"]}]
    updates[0]["snapshot"]["manifest-list"] = updates[0]["snapshot"]["manifest-list"].replace("#n+1", "@n+1@")
    body = {"requirements": [{"type": "assert-ref-snapshot-id", "ref": "main", "snapshot-id": "#n"}], "updates": updates}
    return request_text("POST", f"{c.base}/namespaces/bench/tables/{name}@c@", c.headers, body), 200, '{"metadata-location"'


def create_tables(c: Contender, clients: int):
    c.created += 1
    return request_text("POST", c.base + "/namespaces/new/tables", c.headers, {"name": f"new{c.created}_@c@_@n@", "schema": SCHEMA}), 200, "{"


def cases(listed: int) -> dict:
    return {"load a small table": load_small, "load a small table, asking for access": load_small_asking,
            "load a small table, gzip": load_small_gzip, "load, not modified": load_same, "load 2 MB": load_big,
            "load 2 MB, gzip": load_big_gzip, f"list {listed:,} tables": list_tables, "a page of 100 tables": list_page,
            "commit an append": commit, "create tables": create_tables}


# -- who takes part

def children(pid: int) -> list[int]:
    try:
        return [pid, *(int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split())]
    except OSError:
        return [pid]


class Field:
    """Starts everybody; ends them in the other order."""

    def __init__(self, folder: Path, arguments):
        self.folder, self.arguments = folder, arguments
        self.contenders: list[Contender] = []
        self.stops: list = []

    def moraine(self, name: str, store: str | None = None, pids=lambda: []):
        server = Server(self.folder / name.split(", ")[-1], "--set", "optimizing.enabled=false", store=store).start()
        self.stops.append(server.stop)
        self.contenders.append(Contender(name, server.port, "/iceberg/v1", lambda: [server.process.pid, *pids()], server.root))

    def reference(self):
        server = ReferenceCatalog(self.folder / "reference").start()
        self.stops.append(server.stop)
        contender = Contender("reference", server.port, "/v1", lambda: [server.process.pid], f"file://{server.warehouse}")
        contender.writers = 1  # its store in memory refuses who comes while another writes
        self.contenders.append(contender)

    def seaweed(self):
        folder = self.folder / "seaweed"
        folder.mkdir()
        server = Seaweed(folder, catalog=True).start()
        self.stops.append(server.stop)
        server.create_table_bucket("tbl")
        contender = Contender("seaweedfs", server.catalog_port, "/v1", lambda: [server.process.pid], "s3://tbl")
        form = urllib.parse.urlencode({"grant_type": "client_credentials", "client_id": KEY, "client_secret": SECRET, "scope": "catalog"})
        connection = http.client.HTTPConnection("127.0.0.1", server.catalog_port, timeout=30)
        connection.request("POST", "/v1/oauth/tokens", form, {"Content-Type": "application/x-www-form-urlencoded"})
        contender.headers = {"Authorization": "Bearer " + json.loads(connection.getresponse().read())["access_token"]}
        _, config, _ = contender.request("GET", "/v1/config?warehouse=" + urllib.parse.quote("s3://tbl", safe=""))
        config = json.loads(config)
        prefix = (config["defaults"] | config["overrides"]).get("prefix", "")
        contender.base = f"/v1/{urllib.parse.quote(prefix, safe='')}" if prefix else "/v1"
        self.contenders.append(contender)

    def limits(self):
        for name, command, base in (("limit: epoll", [CLIENT, "serve"], ""), ("limit: our http, I/O thread", [NET_SERVER], "/quick"), ("limit: our http, pool", [NET_SERVER], "/pool")):
            port = free_port()
            process = subprocess.Popen([*command, str(port), "1500"], stdin=subprocess.PIPE, preexec_fn=die_with_parent)
            self.stops.append(lambda process=process: (process.kill(), process.wait()))
            self.contenders.append(Contender(name, port, base, lambda process=process: [process.pid], ""))
        time.sleep(0.3)

    def start(self):
        wanted = self.arguments.only
        def asked(name: str) -> bool:
            return not wanted or any(word in name for word in wanted)
        if asked("moraine, sqlite"):
            self.moraine("moraine, sqlite")
        if asked("moraine, postgresql"):
            database = DatabaseServer("postgresql", durable=True)
            database.__enter__()
            self.stops.append(database.close)
            self.moraine("moraine, postgresql", database.url, lambda: children(database.process.pid))
        if not self.arguments.no_peers:
            for name, start in (("reference", self.reference), ("seaweedfs", self.seaweed)):
                if not asked(name):
                    continue
                try:
                    start()
                except Exception as error:  # noqa: BLE001: a peer that does not start is left out, and said so
                    print(f"{name} does not take part: {error}", flush=True)
        self.limits()

    def stop(self):
        for stop in reversed(self.stops):
            stop()


def memory(pid: int) -> dict:
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return {"resident_mib": round(int(status["VmRSS"].split()[0]) / 1024, 1), "peak_mib": round(int(status["VmHWM"].split()[0]) / 1024, 1)}


def waits_per_second(folder: Path) -> float:
    """How often a new file of 2 KB can be made durable, with its name, one after the other."""
    begin, count = time.monotonic(), 0
    here = os.open(folder, os.O_RDONLY)
    while time.monotonic() - begin < 1:
        file = os.open(folder / f"wait{count}", os.O_CREAT | os.O_WRONLY)
        os.write(file, b"x" * 2000)
        os.fsync(file)
        os.close(file)
        os.fsync(here)
        count += 1
    os.close(here)
    return count / (time.monotonic() - begin)


class Bench:
    def __init__(self, arguments):
        self.arguments = arguments
        self.results: dict[str, dict[str, dict]] = {}

    def add(self, case: str, name: str, run: dict):
        runs = self.results.setdefault(case, {})
        if name not in runs or run["per_s"] > runs[name]["per_s"]:
            runs[name] = {key: run[key] if key == "errors" else float(f"{run[key]:.4g}") for key in ("per_s", "p50_ms", "p99_ms", "cpu_us", "bytes", "errors")}
            if run["errors"]:
                print(f"  {case}: {name}: {run['errors']} wrong answers, such as: {run['error'][:300]}", flush=True)

    def measure(self, case: str, make, contenders: list[Contender]):
        for clients in self.arguments.clients:
            label = f"{case}, {clients} client{'s' if clients > 1 else ''}"
            for _ in range(self.arguments.rounds):
                for contender in contenders:
                    try:
                        request = make(contender, clients)
                        if request:
                            text, status, begin = request
                            self.add(label, contender.name, drive(contender, text, status, clients, self.arguments.seconds, begin=begin))
                    except (RuntimeError, OSError, subprocess.CalledProcessError) as error:
                        print(f"  {label}: {contender.name} cannot do it: {error}", flush=True)
            self.show(label)

    def show(self, label: str):
        runs = self.results.get(label, {})
        reference = runs.get("reference")
        for name, run in runs.items():
            ratio = f"{run['per_s'] / reference['per_s']:6.2f} x reference" if reference and name != "reference" else ""
            print(f"{label:38} {name:28} {run['per_s']:9,.0f}/s  p50 {run['p50_ms']:8.2f}  p99 {run['p99_ms']:8.2f} ms  {run['cpu_us']:9,.0f} CPU us {run['bytes']:11,.0f} B  {ratio}", flush=True)

    def aims(self) -> list[str]:
        missed = []
        for case, name, figure, aim in AIMS:
            run = self.results.get(case, {}).get(name)
            if not run:
                continue
            value = run[figure]
            reached = value >= aim if aim > 0 else value <= -aim
            print(f"aim {'reached' if reached else 'MISSED'}: {case}, {name}: {figure} {value:,.1f}, aim {'at least' if aim > 0 else 'at most'} {abs(aim):,}")
            if not reached:
                missed.append(f"{case}, {name}")
        runs = self.results.get("load a small table, 16 clients", {})
        if {"moraine, postgresql", "reference"} <= runs.keys():
            ratio = runs["moraine, postgresql"]["per_s"] / runs["reference"]["per_s"]
            print(f"aim {'reached' if ratio >= 2 else 'MISSED'}: load a small table, 16 clients, moraine, postgresql: {ratio:.2f} x reference, aim at least 2")
            if ratio < 2:
                missed.append("load a small table, moraine, postgresql over the reference")
        return missed


def pages(contender: Contender, tables: int) -> dict:
    """Every page of a namespace with so many tables, in order: the first ones beside the last ones."""
    contender.request("POST", "/namespaces", {"namespace": ["paged"], "properties": {}})
    made = drive(contender, request_text("POST", contender.base + "/namespaces/paged/tables", contender.headers, {"name": "t@c@_@n@", "schema": SCHEMA}), 200,
                 clients=16, seconds=3600, most=tables)
    connection = http.client.HTTPConnection("127.0.0.1", contender.port, timeout=60)
    seconds, names, token = [], 0, ""
    while token is not None:
        begin = time.perf_counter()
        connection.request("GET", f"{contender.base}/namespaces/paged/tables?pageSize=100&pageToken={urllib.parse.quote(token)}")
        page = json.loads(connection.getresponse().read())
        seconds.append(time.perf_counter() - begin)
        names, token = names + len(page["identifiers"]), page["next-page-token"]
    if names != tables:
        raise SystemExit(f"{contender.name}: {names} names on the pages of {tables} tables")
    tenth = len(seconds) // 10
    first, last = sorted(seconds[:tenth])[tenth // 2], sorted(seconds[-tenth:])[tenth // 2]
    figures = {"tables": tables, "creating_per_s": round(made["per_s"]), "page_of_the_first_tenth_ms": round(first * 1e3, 3),
               "page_of_the_last_tenth_ms": round(last * 1e3, 3), "last_over_first": round(last / first, 2)}
    print(f"{contender.name}: pages of 100 of {tables:,} tables: {figures}", flush=True)
    return figures


def soak(contender: Contender, pid: int, minutes: int, seconds: float) -> dict:
    """Loads, commits, lists, creations and drops at once, again and again; memory after each round."""
    prepare(contender, 1000)
    text, status, begin = commit(contender, 8)
    figures: dict[str, list] = {"resident_mib": [], "peak_mib": [], "requests": [], "errors": []}
    for minute in range(minutes):
        contender.created += 1
        jobs = [(load_small(contender, 0), 6), (load_same(contender, 0), 2), (load_big_gzip(contender, 0), 1), (list_page(contender, 0), 2), (create_tables(contender, 0), 2),
                ((text, status, begin), 8)]
        processes = []
        with tempfile.TemporaryDirectory() as folder:
            for number, ((request, expected, start), clients) in enumerate(jobs):
                file = Path(folder) / str(number)
                file.write_bytes(request.encode())
                processes.append(subprocess.Popen([CLIENT, str(contender.port), str(clients), str(seconds), str(10**9), file, str(expected), start],
                                                  stdout=subprocess.PIPE, text=True, preexec_fn=die_with_parent))
            runs = [json.loads(process.communicate()[0]) for process in processes]
        text, status, begin = commit(contender, 8)  # tables of its own each time
        now = memory(pid)
        for key, value in now.items():
            figures[key].append(value)
        figures["requests"].append(sum(run["requests"] for run in runs))
        figures["errors"].append(sum(run["errors"] for run in runs))
        print(f"{contender.name}, minute {minute + 1}: {figures['requests'][-1]:,} requests, {figures['errors'][-1]} wrong, {now}", flush=True)
    half = figures["resident_mib"][minutes // 2:]
    figures["growth_of_the_second_half_mib"] = round(half[-1] - half[0], 1)
    return figures


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="*", metavar="WORD", help="those that have one of these in their names")
    parser.add_argument("--clients", nargs="*", type=int, default=[1, 16, 128])
    parser.add_argument("--only", nargs="*", metavar="WORD", help="contenders that have one of these in their names")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=0.7, help="of each run")
    parser.add_argument("--warm-up", type=float, default=3, metavar="SECONDS", help="of loads, before anything is measured")
    parser.add_argument("--listed", type=int, default=2_000, help="tables in the namespace that is listed; the reference server takes minutes to make 10,000")
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--no-build", action="store_true", help="take the programs as they are")
    parser.add_argument("--pages", nargs="?", type=int, const=50_000, default=0, metavar="TABLES")
    parser.add_argument("--soak", nargs="?", type=int, const=10, default=0, metavar="MINUTES")
    arguments = parser.parse_args()
    if not arguments.no_build:
        subprocess.run(["./dev", "build", "load_client", "net_server"], cwd=ROOT, check=True)
    bench, figures = Bench(arguments), {}
    with tempfile.TemporaryDirectory(dir=ROOT / "build") as temporary:
        folder = Path(temporary)
        field = Field(folder, arguments)
        try:
            if arguments.soak:
                arguments.no_peers = True
            field.start()
            ours = [c for c in field.contenders if c.name.startswith("moraine")]
            if arguments.soak:
                for contender in ours:
                    figures[f"soak, {contender.name}"] = soak(contender, contender.pids()[0], arguments.soak, 60)
                return print(json.dumps(figures))
            run_cases(bench, field, figures)
            for contender in ours:
                figures[f"memory, {contender.name}"] = memory(contender.pids()[0])
                print(f"{contender.name}: {figures[f'memory, {contender.name}']}", flush=True)
                if arguments.pages:
                    figures[f"pages, {contender.name}"] = pages(contender, arguments.pages)
        finally:
            field.stop()
        figures["waits_for_the_disk_per_s"] = round(waits_per_second(folder))
        print(f"this disk: {figures['waits_for_the_disk_per_s']} new files a second, one after the other, each made durable with its name")
    missed = bench.aims()
    # The last line is for tools/run_bench.py.
    print(json.dumps({"rounds": arguments.rounds, "seconds": arguments.seconds, "cases": bench.results} | figures | ({"missed": missed} if missed else {})))
    return None


def run_cases(bench: Bench, field: Field, figures: dict):
    arguments = bench.arguments
    chosen = {name: make for name, make in cases(arguments.listed).items() if not arguments.cases or any(word in name for word in arguments.cases)}
    catalogs = [c for c in field.contenders if not c.name.startswith("limit")]
    listed = arguments.listed if any("tables" in name and "create" not in name for name in chosen) else 0
    for contender in list(catalogs):
        begin = time.monotonic()
        try:
            prepare(contender, listed)
            # What compiles itself while it runs has to run a while first.
            drive(contender, load_small(contender, 16)[0], 200, clients=16, seconds=arguments.warm_up)
        except RuntimeError as error:
            print(f"{contender.name} does not take part: {error}", flush=True)
            catalogs.remove(contender)
            continue
        figures.setdefault("preparing_s", {})[contender.name] = round(time.monotonic() - begin, 1)
    print(f"prepared in seconds: {figures.get('preparing_s')}", flush=True)
    bench.measure("limit: nothing but HTTP", lambda c, clients: (request_text("GET", c.base or "/", {}), 200, ""), [c for c in field.contenders if c.name.startswith("limit")])
    for name, make in chosen.items():
        bench.measure(name, make, catalogs)


if __name__ == "__main__":
    sys.exit(main())

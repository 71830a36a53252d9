"""Several servers on one store: they share the work, take over from each other, and can be restarted one by one."""
import http.client
import json
import os
import random
import re
import subprocess
import threading
import time

import pyarrow as pa
import pytest
import test_kill
from database_server import KINDS, DatabaseServer
from harness import BINARY, Server, die_with_parent, until
from pyiceberg.catalog.rest import RestCatalog

pytestmark = pytest.mark.database
LEASE_SECONDS = 3
SETTINGS = {"MORAINE_OPTIMIZING_LEASE": f"{LEASE_SECONDS}s", "MORAINE_OPTIMIZING_REFRESH_INTERVAL": "50ms",
            "MORAINE_OPTIMIZING_HEARTBEAT_INTERVAL": "200ms", "MORAINE_OPTIMIZING_RETRY_FIRST": "200ms"}
FAST = {"self-optimizing.min-plan-interval": "0", "self-optimizing.minor.trigger.file-count": "4",
        "self-optimizing.hot-partition-delay": "0", "self-optimizing.execute.num-retries": "50"}
ROWS = pa.table({"id": pa.array(range(10), pa.int64())})


# What does not depend on the kind of the database.
ON_ONE = pytest.mark.parametrize("database", ["postgresql"], indirect=True, scope="module")


@pytest.fixture(scope="module", params=KINDS)
def database(request):
    with DatabaseServer(request.param) as server:
        yield server


@pytest.fixture
def replicas(database, tmp_path, monkeypatch, request):
    """Starts servers on one store and one warehouse, each with an optimizer of one thread; ends those that still run."""
    for key, value in SETTINGS.items():
        monkeypatch.setenv(key, value)
    warehouse = tmp_path / "warehouse"
    warehouse.mkdir()
    servers = []

    def start(*names, flags=()):
        for name in names:
            servers.append(Server(tmp_path / name, *flags, root=f"file://{warehouse}", store=database.url, optimizer_threads=1).start(60))
        return servers[-len(names):]

    yield start
    for server in servers:
        if server.running():
            server.stop()


def catalog(server: Server) -> RestCatalog:
    return RestCatalog("m", uri=server.uri, warehouse="default")


def make_fleet(server: Server, tables: int, appends: int = 5, space: str = "", **properties) -> str:
    space = space or f"fleet_{time.time_ns()}"
    client = catalog(server)
    client.create_namespace(space)
    for number in range(tables):
        table = client.create_table(f"{space}.t{number}", ROWS.schema, properties=FAST | properties)
        for _ in range(appends):
            table.append(ROWS)
    return space


def processes_of(server: Server, space: str) -> list[dict]:
    return [p for p in server.get("/api/v1/processes?limit=1000")[1]["processes"] if f".{space}." in p["table"]]


def wait_for_processes(server: Server, space: str, tables: int, limit: float = 60, but: set = frozenset()) -> float:
    """Until each table has had one that succeeded (but these), and none goes on; the seconds it took."""
    begun = time.monotonic()
    while True:
        processes = processes_of(server, space)
        done = {p["table"] for p in processes if p["state"] == "succeeded" and p["process-id"] not in but}
        if len(done) == tables and not any(p["state"] in ("running", "committing") for p in processes):
            return time.monotonic() - begun
        assert time.monotonic() < begun + limit, (len(done), processes, server.log_tail())
        time.sleep(0.1)


def planned_by(server: Server, space: str) -> set[str]:
    lines = [line for line in server.log.read_text().splitlines() if "process planned" in line and f".{space}." in line]
    return {re.search(r"process=(\S+)", line).group(1) for line in lines}


def check_rows(server: Server, space: str, tables: int, appends: int = 5):
    for number in range(tables):
        assert catalog(server).load_table(f"{space}.t{number}").scan().to_arrow().num_rows == 10 * appends


def test_two_servers_share_a_fleet_and_do_nothing_twice(replicas):
    first, second = replicas("a", "b")
    time.sleep(LEASE_SECONDS)  # each learns of the other
    space = make_fleet(first, 12)
    wait_for_processes(second, space, 12)
    mine, other = planned_by(first, space), planned_by(second, space)
    assert mine and other, "one of them has done it all"
    assert not mine & other
    assert mine | other == {p["process-id"] for p in processes_of(first, space)}
    spans = {}
    for process in processes_of(first, space):
        spans.setdefault(process["table"], []).append((process["created-ms"], process["finished-ms"]))
    for table, times in spans.items():
        times.sort()
        assert all(end <= begin for (_, end), (begin, _) in zip(times, times[1:])), (table, times)
    check_rows(first, space, 12)


def test_a_dead_servers_work_is_taken_over(replicas):
    first, second = replicas("a", "b")
    time.sleep(LEASE_SECONDS)
    space = f"fleet_{time.time_ns()}"
    making = threading.Thread(target=make_fleet, args=[second, 12], kwargs={"space": space})
    making.start()  # processes come and go meanwhile: one of twelve is seen
    while not any(p["state"] in ("running", "committing") for p in processes_of(second, space)):
        assert making.is_alive() or len(processes_of(second, space)) < 12, "all over before anything was killed"
        time.sleep(0.01)
    first.kill()
    # What it had begun, and what is new in its part of the tables.
    before = {p["process-id"] for p in processes_of(second, space)}
    making.join()
    for number in range(12):
        table = catalog(second).load_table(f"{space}.t{number}")
        for _ in range(4):
            table.append(ROWS)
    took = wait_for_processes(second, space, 12, but=before)
    print(f"drained {took:.1f} s after the last append, the lease is {LEASE_SECONDS} s")
    assert len(planned_by(second, space)) > 6
    check_rows(second, space, 12, appends=9)


@ON_ONE
@pytest.mark.timeout(900)
def test_nothing_is_lost_or_doubled_while_servers_die(replicas, monkeypatch):
    """Two servers and their optimizers work on the same tables under writers; now and then one of them is killed."""
    seed = int(os.environ.get("MORAINE_SEED", time.time_ns() % 1_000_000))
    print(f"seed {seed}; repeat with MORAINE_SEED={seed}")
    rng = random.Random(seed)
    for key, value in (test_kill.SETTINGS | {"MORAINE_OPTIMIZING_LEASE": "1s"}).items():
        monkeypatch.setenv(key, value)
    servers = replicas("a", "b")
    client = catalog(servers[0])
    space = f"kill_{time.time_ns()}"
    client.create_namespace(space)
    stop, threads, books = threading.Event(), [], {}
    for number in range(4):
        name = f"{space}.t{number}"
        client.create_table(name, test_kill.SCHEMA, properties=test_kill.FAST)
        books[name] = test_kill.Book()
        threads.append(threading.Thread(target=test_kill.write, args=(servers[number % 2], name, books[name], seed + number, stop), daemon=True))
    try:
        for thread in threads:
            thread.start()
        rounds = 60 if test_kill.FULL else 8
        for _ in range(rounds):
            time.sleep(rng.uniform(0.5, 4))
            victim = rng.choice(servers)
            victim.kill()
            time.sleep(rng.choice((0, 2)))  # at times long enough for the other to take over
            victim.start(60)
        # On a slow machine: until something has happened that proves something.
        until(lambda: sum(len(book.acknowledged) for book in books.values()) > rounds
              and sum(p["state"] == "succeeded" for p in processes_of(servers[0], space)) > 5, "work is done meanwhile", 180, servers[0])
    finally:
        stop.set()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive(), "a writer hangs"
    test_kill.wait_until_drained(servers[0], 120, set(books))  # others had another warehouse
    optimized = 0
    for name, book in books.items():
        table = test_kill.check(servers[1], name, book)
        optimized += sum(s.summary.additional_properties.get("snapshot.producer") == "OPTIMIZE" for s in table.snapshots())
    acknowledged = sum(len(book.acknowledged) for book in books.values())
    print(f"{rounds} kills, {acknowledged} acknowledged appends, {optimized} optimizing commits")
    assert acknowledged > rounds and optimized > 5


@ON_ONE
def test_an_optimizer_goes_on_with_another_server(replicas, tmp_path):
    first, second = replicas("a", "b")
    with (tmp_path / "optimizer.log").open("ab") as log:
        optimizer = subprocess.Popen([BINARY, "optimizer", "--server", f"{first.url},{second.url}", "--group", "far", "--threads", "1",
                                      "--memory", "128MiB"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=die_with_parent)
    try:
        wait_for_processes(second, make_fleet(second, 2, **{"self-optimizing.group": "far"}), 2)
        first.kill()
        took = wait_for_processes(second, make_fleet(second, 2, **{"self-optimizing.group": "far"}), 2)
        print(f"done {took:.1f} s after the last append, the lease is {LEASE_SECONDS} s")
    finally:
        optimizer.kill()
        optimizer.wait()


def test_a_stopped_servers_work_goes_on_at_once(replicas):
    first, second = replicas("a", "b", flags=("--set=optimizing.lease=10m",))
    time.sleep(1.5)  # the second one lives; what it is given comes with the first one's next round, too late
    assert first.stop() == 0
    space = make_fleet(second, 4)
    wait_for_processes(second, space, 4, limit=120)
    check_rows(second, space, 4)


@ON_ONE
def test_says_that_it_stops_and_serves_on_for_a_while(replicas):
    (server,) = replicas("a", flags=("--set=server.drain-delay=8s",))
    assert server.get("/health/ready")[0] == 200
    _, reply, _ = server.post("/api/v1/optimizers", {"group": "elsewhere", "threads": 1, "memory-bytes": 1, "version": "1", "protocol": 2})
    poll = threading.Thread(target=lambda: answers.append(server.post(
        "/api/v1/optimizers/poll", {"token": reply["token"], "thread": 0, "wait-ms": 60_000})[0]))
    answers = []
    poll.start()
    time.sleep(0.3)
    stopping = threading.Thread(target=lambda: answers.append(("exit", server.stop(60))))
    stopping.start()
    while server.get("/health/ready")[0] == 200:
        assert stopping.is_alive(), "it has stopped without a word"
        time.sleep(0.01)
    assert server.get("/health/ready")[0] == 503
    assert server.get("/health")[0] == 200
    assert server.get("/iceberg/v1/config?warehouse=default")[0] == 200
    stopping.join()
    poll.join()
    assert sorted(map(str, answers)) == ["('exit', 0)", "204"]


class Client:
    """Commits to tables by the protocol's own rules: any replica will do, an unknown outcome is looked up."""

    def __init__(self, servers: list[Server], space: str, number: int, tables: int):
        self.servers, self.space, self.number = servers, space, number
        self.table = number % tables
        self.rng = random.Random(number)
        self.at = number
        self.connection: http.client.HTTPConnection | None = None
        self.acknowledged: list[str] = []
        self.given_up: list[str] = []
        self.counts = dict.fromkeys(("conflict", "refused", "unknown", "cut", "busy"), 0)
        self.errors: list[str] = []

    def send(self, method: str, path: str, body=None) -> tuple[int, dict]:
        """ConnectionRefusedError: nothing was sent. OSError and HTTPException else: nobody knows."""
        if self.connection is None:
            server = self.servers[self.at % len(self.servers)]
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
            connection.connect()
            self.connection = connection
        try:
            self.connection.request(method, path, json.dumps(body) if body is not None else None, {"Content-Type": "application/json"})
            answer = self.connection.getresponse()
            text = answer.read()
            if answer.will_close:
                self.leave()
            return answer.status, json.loads(text) if text else {}
        except (OSError, http.client.HTTPException):
            self.leave()
            raise

    def leave(self):
        if self.connection is not None:
            self.connection.close()
        self.connection = None
        self.at += self.rng.randrange(len(self.servers))

    def load(self) -> dict:
        """What is read may be asked for again wherever it fails."""
        end = time.monotonic() + 60
        while True:
            assert time.monotonic() < end, "no replica answers"
            try:
                status, answer = self.send("GET", self.path())
                if status == 200:
                    return answer["metadata"]
                assert status in (429, 503), (status, answer)
                self.leave()
            except ConnectionRefusedError:
                self.counts["refused"] += 1
                self.at += 1
            except (OSError, http.client.HTTPException):
                pass
            time.sleep(0.01)

    def path(self) -> str:
        return f"/iceberg/v1/default/namespaces/{self.space}/tables/t{self.table}"

    @staticmethod
    def has(metadata: dict, mark: str) -> bool:
        return any(s["summary"].get("mark") == mark for s in metadata.get("snapshots", []))

    def commit(self, serial: int):
        mark = f"{self.number}-{serial}"
        metadata = self.load()
        for _ in range(200):
            parent = metadata.get("current-snapshot-id", -1)
            parent = None if parent == -1 else parent
            snapshot = {"snapshot-id": (self.number + 1) * 1_000_000 + serial * 1000 + metadata["last-sequence-number"] % 1000,
                        "sequence-number": metadata["last-sequence-number"] + 1, "timestamp-ms": int(time.time() * 1000) + 1000,
                        "manifest-list": f"{metadata['location']}/metadata/snap-{mark}.avro", "schema-id": 0,
                        "summary": {"operation": "append", "mark": mark}} | ({"parent-snapshot-id": parent} if parent else {})
            body = {"requirements": [{"type": "assert-ref-snapshot-id", "ref": "main", "snapshot-id": parent}],
                    "updates": [{"action": "add-snapshot", "snapshot": snapshot},
                                {"action": "set-snapshot-ref", "ref-name": "main", "type": "branch", "snapshot-id": snapshot["snapshot-id"]}]}
            try:
                status, answer = self.send("POST", self.path(), body)
            except ConnectionRefusedError:
                self.counts["refused"] += 1
                self.at += 1
                continue
            except (OSError, http.client.HTTPException):
                self.counts["cut"] += 1
                status, answer = 0, {}
            if status == 200:
                self.acknowledged.append(mark)
                return
            metadata = self.load()
            landed = self.has(metadata, mark)
            if status in (409, 429, 503):
                self.counts["conflict" if status == 409 else "busy"] += 1
                if landed:
                    self.errors.append(f"{mark} was refused with {status}, and is there: {answer}")
                    return
                if status != 409:
                    self.leave()
                    time.sleep(0.02)
                continue
            if status not in (0, 500, 502, 504):
                self.errors.append(f"{mark}: {status} {answer}")
                return
            self.counts["unknown"] += 1
            if landed:
                self.acknowledged.append(mark)
                return
        self.given_up.append(mark)

    def run(self, stop: threading.Event):
        serial = 0
        try:
            while not stop.is_set():
                self.commit(serial)
                serial += 1
        except Exception as problem:  # noqa: BLE001
            self.errors.append(repr(problem))


@ON_ONE
def test_rolling_restarts_lose_nothing(replicas):
    servers = replicas("a", "b", "c")
    space = f"roll_{time.time_ns()}"
    client = catalog(servers[0])
    client.create_namespace(space)
    tables = 3
    for number in range(tables):
        client.create_table(f"{space}.t{number}", ROWS.schema, properties={"self-optimizing.enabled": "false"})
    clients = [Client(servers, space, number, tables) for number in range(6)]
    stop = threading.Event()
    threads = [threading.Thread(target=one.run, args=[stop]) for one in clients]
    for thread in threads:
        thread.start()
    restarts = []
    try:
        for _ in range(2):
            for server in servers:
                begun = time.monotonic()
                assert server.stop() == 0
                restarts.append(time.monotonic() - begun)
                server.start(60)
                time.sleep(0.3)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    totals = {key: sum(one.counts[key] for one in clients) for key in clients[0].counts}
    print(f"{sum(len(one.acknowledged) for one in clients)} commits, {totals}, stops took {[round(s, 2) for s in restarts]} s")
    assert not [error for one in clients for error in one.errors]
    assert not [mark for one in clients for mark in one.given_up]
    assert totals["cut"] == 0 and totals["unknown"] == 0, "a graceful stop cuts nobody off"
    for number in range(tables):
        metadata = servers[0].get(f"/iceberg/v1/default/namespaces/{space}/tables/t{number}")[1]["metadata"]
        marks = [s["summary"]["mark"] for s in metadata["snapshots"]]
        assert len(set(marks)) == len(marks), "twice"
        expected = {mark for one in clients if one.table == number for mark in one.acknowledged}
        assert set(marks) == expected
        parents = {s["snapshot-id"]: s.get("parent-snapshot-id") for s in metadata["snapshots"]}
        at, length = metadata["current-snapshot-id"], 0
        while at is not None:
            at, length = parents[at], length + 1
        assert length == len(marks), "the history is linear"

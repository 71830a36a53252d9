"""kill -9 of the server and of an optimizer at random moments, under concurrent writers.

What must hold afterwards: every acknowledged append is there once, an unacknowledged one at most once, no
acknowledged delete is undone, every file that the table names exists and can be read, and all work drains.
"""
import os
import random
import subprocess
import threading
import time
import urllib.parse
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.expressions import EqualTo

from harness import BINARY, Server, die_with_parent, until

FULL = os.environ.get("MORAINE_FULL") == "1"
ROUNDS = 400 if FULL else 50
SECONDS_A_ROUND = 4
TABLES = 2
WRITERS = 2
FAST = {"self-optimizing.min-plan-interval": "0", "self-optimizing.minor.trigger.file-count": "4",
        "self-optimizing.hot-partition-delay": "0", "commit.retry.num-retries": "2",
        "self-optimizing.execute.num-retries": "50"}
SETTINGS = {"MORAINE_OPTIMIZING_REFRESH_INTERVAL": "50ms", "MORAINE_OPTIMIZING_HEARTBEAT_INTERVAL": "200ms",
            "MORAINE_OPTIMIZING_HEARTBEAT_TIMEOUT": "1500ms", "MORAINE_OPTIMIZING_ACKNOWLEDGE_TIMEOUT": "2s",
            "MORAINE_OPTIMIZING_RETRY_FIRST": "200ms", "MORAINE_OPTIMIZING_RETRY_LAST": "1s"}
SCHEMA = pa.schema([pa.field("id", pa.int64(), nullable=False), pa.field("batch", pa.int64(), nullable=False)])


class Book:
    """What writers were told: batches by outcome."""

    def __init__(self):
        self.lock = threading.Lock()
        self.acknowledged = set()
        self.unknown = set()
        self.deleted = set()
        self.maybe_deleted = set()
        self.next_batch = 0

    def take(self) -> int:
        with self.lock:
            self.next_batch += 1
            return self.next_batch


def write(server: Server, name: str, book: Book, seed: int, stop: threading.Event):
    """Appends small batches and now and then deletes one, until told to stop; notes each outcome."""
    rng = random.Random(seed)
    while not stop.is_set():
        try:
            table = RestCatalog("m", uri=server.uri, warehouse="default").load_table(name)
        except Exception:
            stop.wait(0.05)
            continue
        while not stop.is_set():
            batch = book.take()
            rows = pa.table({"id": [batch * 100 + i for i in range(20)], "batch": [batch] * 20}, schema=SCHEMA)
            try:
                table.append(rows)
                with book.lock:
                    book.acknowledged.add(batch)
                if rng.random() < 0.1:
                    with book.lock:
                        mine = sorted(book.acknowledged - book.deleted - book.maybe_deleted)
                        victim = rng.choice(mine)
                        book.maybe_deleted.add(victim)
                    table.delete(EqualTo("batch", victim))
                    with book.lock:
                        book.deleted.add(victim)
            except Exception:
                with book.lock:
                    if batch not in book.acknowledged:
                        book.unknown.add(batch)
                break  # load again: the table of this client may be stale


class Optimizer:
    def __init__(self, server: Server, folder: Path):
        self.server, self.log, self.process = server, folder / "optimizer.log", None

    def start(self):
        with self.log.open("ab") as log:
            self.process = subprocess.Popen([BINARY, "optimizer", "--server", self.server.url, "--group", "default", "--threads", "1",
                                             "--memory", "128MiB"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=die_with_parent)

    def kill(self):
        self.process.kill()
        self.process.wait()


def wait_until_drained(server: Server, limit: float, names=None):
    """Until no process runs and no table (of these) waits for one, three times in a row."""
    end = time.monotonic() + limit
    calm = 0
    while time.monotonic() < end:
        _, processes, _ = server.get("/api/v1/processes?limit=1000")
        _, tables, _ = server.get("/api/v1/tables")
        busy = [p for p in processes["processes"] if p["state"] in ("running", "committing")]
        waiting = [t for t in tables["tables"] if t["status"] not in ("idle", "skipped")
                   and (names is None or ".".join([*t["namespace"], t["name"]]) in names)]
        calm = calm + 1 if not busy and not waiting else 0
        if calm == 3:
            return
        time.sleep(0.3)
    raise AssertionError(f"not drained: {busy} {waiting}\n{server.log_tail()}")


def check(server: Server, name: str, book: Book):
    table = RestCatalog("m", uri=server.uri, warehouse="default").load_table(name)
    for task in table.scan().plan_files():
        for file in (task.file.file_path, *(delete.file_path for delete in task.delete_files)):
            pq.read_metadata(urllib.parse.urlparse(file).path)
    counts = {row["batch"]: row["id_count"] for row in
              table.scan().to_arrow().group_by("batch").aggregate([("id", "count")]).to_pylist()}
    wrong = {batch: count for batch, count in counts.items() if count != 20}
    assert not wrong, f"batches with another number of rows than 20: {wrong}"
    lost = book.acknowledged - set(counts) - book.maybe_deleted
    assert not lost, f"acknowledged but gone: {sorted(lost)}"
    undone = book.deleted & set(counts)
    assert not undone, f"deleted, acknowledged, and back: {sorted(undone)}"
    strange = set(counts) - book.acknowledged - book.unknown
    assert not strange, f"never written: {sorted(strange)}"
    ids = table.scan().to_arrow()["id"]
    assert len(ids.unique()) == len(ids), "a row stands twice"
    return table


@pytest.mark.kill
def test_nothing_is_lost_or_doubled(tmp_path, monkeypatch):
    seed = int(os.environ.get("MORAINE_SEED", time.time_ns() % 1_000_000))
    print(f"seed {seed}; repeat with MORAINE_SEED={seed}")
    rng = random.Random(seed)
    for key, value in SETTINGS.items():
        monkeypatch.setenv(key, value)
    server = Server(tmp_path, optimizer_threads=1).start()
    optimizer = Optimizer(server, tmp_path)
    stop = threading.Event()
    threads = []
    try:
        optimizer.start()
        catalog = RestCatalog("m", uri=server.uri, warehouse="default")
        catalog.create_namespace("db")
        books = {}
        for number in range(TABLES):
            name = f"db.t{number}"
            catalog.create_table(name, SCHEMA, properties=FAST)
            books[name] = Book()
            threads += [threading.Thread(target=write, args=(server, name, books[name], seed + len(threads) + i, stop), daemon=True)
                        for i in range(WRITERS)]
        for thread in threads:
            thread.start()
        kills = {"server": 0, "optimizer": 0}
        for _ in range(ROUNDS):
            time.sleep(rng.uniform(0.1, min(1.6, SECONDS_A_ROUND)))
            what = rng.choice(["server", "server", "optimizer"])
            kills[what] += 1
            victim = server if what == "server" else optimizer
            victim.kill()
            victim.start()
        until(lambda: sum(len(book.acknowledged) for book in books.values()) > ROUNDS / 2
              and sum(p["state"] == "succeeded" for p in server.get("/api/v1/processes?limit=1000")[1]["processes"]) > 5,
              "work is done meanwhile", 180, server)
        stop.set()
        for thread in threads:
            thread.join(60)
            assert not thread.is_alive(), "a writer hangs"
        wait_until_drained(server, 120)
        optimized = 0
        for name, book in books.items():
            table = check(server, name, book)
            optimized += sum(s.summary.additional_properties.get("snapshot.producer") == "OPTIMIZE" for s in table.snapshots())
        acknowledged = sum(len(book.acknowledged) for book in books.values())
        print(f"{kills['server']} server kills, {kills['optimizer']} optimizer kills, {acknowledged} acknowledged appends, "
              f"{sum(len(book.unknown) for book in books.values())} of unknown outcome, {optimized} optimizing commits")
        # A run in which nothing happened proves nothing.
        assert acknowledged > ROUNDS / 2 and optimized > 5
    finally:
        stop.set()
        if optimizer.process:
            optimizer.kill()
        if server.running():
            server.kill()

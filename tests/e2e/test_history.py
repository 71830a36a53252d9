"""Sixteen clients on three servers that share a PostgreSQL: commits, transactions, creations, renames and drops, while servers
are killed, the database restarts and connections are cut. Afterwards each table's history is one line, nothing that was
acknowledged is lost, nothing that was refused is there, transactions are whole.
"""
import os
import random
import threading
import time

import pytest
from catalog_history import DONE, REFUSED, UNKNOWN, Change, Client, History, Row, addition, check, creation, stored_rows, table_path
from database_server import DatabaseServer
from harness import Server, until
from tcp_gate import Gate

SECONDS = 300 if os.environ.get("MORAINE_FULL") == "1" else 40
CLIENTS = 16
SERVERS = 3
NAMES = [f"t{i}" for i in range(10)]
SPACES = ["a", "b"]
ACTIONS = {"commit": 60, "transact": 15, "look": 12, "rename": 6, "drop": 4, "create": 3}


class Actor:
    """One client; keeps to the protocol's rules for retries by making new changes only."""

    def __init__(self, number: int, seed: int, ports: list[int], history: History, problems: list[str]):
        self.rng = random.Random(f"{seed}-{number}")
        self.client = Client(ports)
        self.history, self.problems = history, problems

    def run(self, stop: threading.Event):
        while not stop.is_set():
            action = self.rng.choices(list(ACTIONS), ACTIONS.values())[0]
            try:
                getattr(self, action)()
            except Exception as problem:  # a thread's failure is the test's
                self.problems.append(f"{action}: {problem!r}")
                return
            if self.rng.random() < 0.02:
                stop.wait(0.05)

    def call(self, method: str, path: str, body=None):
        status, answer = self.client.call(self.rng.randrange(SERVERS), method, path, body)
        if status == 0:
            time.sleep(0.02)
        return status, answer

    def some(self) -> tuple[str, str]:
        return self.rng.choice(SPACES), self.rng.choice(NAMES)

    def load(self, name: tuple[str, str]) -> dict | None:
        status, answer = self.call("GET", table_path(*name))
        return answer["metadata"] if status == 200 else None

    def commit(self):
        name = self.some()
        metadata = self.load(name)
        if metadata is None:
            return self.create_at(name)
        snapshot, = self.history.take_snapshots(1)
        body, parent = addition(metadata, snapshot)
        change = Change(snapshot, parent, metadata["table-uuid"])
        self.history.begin([change])
        status, _ = self.call("POST", table_path(*name), body)
        self.history.end([change], status)
        self.history.note(f"commit {status}")
        if change.outcome == DONE:
            self.must_be_seen(name, change)

    def must_be_seen(self, name: tuple[str, str], change: Change):
        """By any server, if the table still has that name."""
        metadata = self.load(name)
        if metadata is None or metadata["table-uuid"] != change.table:
            return
        if change.snapshot not in snapshots(metadata):
            self.problems.append(f"snapshot {change.snapshot} was acknowledged and is not seen by another server")

    def transact(self):
        names = [(space, name) for space in SPACES for name in NAMES]
        changes, bodies = [], []
        for name in self.rng.sample(names, 2):
            metadata = self.load(name)
            if metadata is None:
                return
            snapshot, = self.history.take_snapshots(1)
            body, parent = addition(metadata, snapshot)
            changes.append(Change(snapshot, parent, metadata["table-uuid"]))
            bodies.append(body | {"identifier": {"namespace": [name[0]], "name": name[1]}})
        self.history.begin(changes)
        status, _ = self.call("POST", "/transactions/commit", {"table-changes": bodies})
        self.history.end(changes, status)
        self.history.note(f"transaction {status}")

    def look(self):
        """What one table shows of a transaction, a table that is read later shows as well."""
        first, second = self.load(self.some()), self.load(self.some())
        if first is None or second is None:
            return
        later = snapshots(second)
        for snapshot in snapshots(first):
            change = self.history.changes.get(snapshot)
            for other in (self.history.changes[s] for s in (change.together if change else ()) if s != snapshot):
                if other.table == second["table-uuid"] and other.snapshot not in later:
                    self.problems.append(f"of a transaction snapshot {snapshot} is seen and {other.snapshot} is not")
        self.history.note("look")

    def create(self):
        self.create_at(self.some())

    def create_at(self, name: tuple[str, str]):
        status, _ = self.call("POST", f"/namespaces/{name[0]}/tables", creation(name[1]))
        self.history.note(f"create {status}")

    def rename(self):
        source, destination = self.some(), self.some()
        body = {key: {"namespace": [space], "name": name}
                for key, (space, name) in (("source", source), ("destination", destination))}
        status, _ = self.call("POST", "/tables/rename", body)
        self.history.note(f"rename {status}")

    def drop(self):
        status, _ = self.call("DELETE", table_path(*self.some()))
        self.history.note(f"drop {status}")


def snapshots(metadata: dict) -> set[int]:
    return {snapshot["snapshot-id"] for snapshot in metadata.get("snapshots", [])}


def disturb(rng: random.Random, servers: list[Server], database: DatabaseServer, gate: Gate, history: History, end: float):
    """In the thread that started the processes, since they end with it."""
    restarted = time.monotonic()
    while time.monotonic() < end:
        time.sleep(rng.uniform(0.3, 1.2))
        dice = rng.random()
        if dice < 0.5:
            history.note("connections cut")
            gate.cut()
        elif dice < 0.85:
            history.note("server killed")
            victim = rng.choice(servers)
            victim.kill()
            time.sleep(rng.uniform(0, 0.3))
            victim.start(60)
        elif time.monotonic() - restarted > 6:
            history.note("database restarted")
            database.kill() if rng.random() < 0.3 else database.stop()
            database.start()
            restarted = time.monotonic()


@pytest.mark.database
@pytest.mark.timeout(SECONDS + 240)
def test_each_history_is_one_line(tmp_path):
    seed = int(os.environ.get("MORAINE_SEED", time.time_ns() % 1_000_000))
    print(f"MORAINE_SEED={seed}")
    rng, history, problems, stop = random.Random(seed), History(), [], threading.Event()
    (tmp_path / "warehouse").mkdir()
    root = f"file://{tmp_path}/warehouse"
    with DatabaseServer("postgresql") as database, Gate(database.port) as gate:
        servers = [Server(tmp_path / f"server-{i}", "--set=optimizing.enabled=false", root=root, store=gate.url(database.url))
                   for i in range(SERVERS)]
        try:
            for server in servers:
                server.start(60)
            for space in SPACES:
                assert servers[0].post("/iceberg/v1/namespaces", {"namespace": [space]})[0] == 200
            ports = [server.port for server in servers]
            actors = [threading.Thread(target=Actor(i, seed, ports, history, problems).run, args=[stop]) for i in range(CLIENTS)]
            for actor in actors:
                actor.start()
            try:
                disturb(rng, servers, database, gate, history, time.monotonic() + SECONDS)
                until(lambda: sum(change.outcome == DONE for change in list(history.changes.values())) > 5 * SECONDS or problems, "enough commits", 150)
            finally:
                stop.set()
                for actor in actors:
                    actor.join()
            check_that_servers_agree(ports)
            rows = stored_rows(database)
        finally:
            for server in servers:
                if server.running():
                    server.stop()
    print({what: history.counts[what] for what in sorted(history.counts)})
    problems += check(history, rows)
    assert not problems, "\n".join(problems[:20])
    done = sum(change.outcome == DONE for change in history.changes.values())
    assert done > 5 * SECONDS, f"only {done} commits in {SECONDS} s: nothing was tested"


def check_that_servers_agree(ports: list[int]):
    client = Client(ports)
    for space in SPACES:
        for name in NAMES:
            answers = [client.call(at, "GET", table_path(space, name)) for at in range(SERVERS)]
            seen = {(status, answer.get("metadata-location")) for status, answer in answers}
            assert len(seen) == 1, f"servers disagree about {space}.{name}: {seen}"


# What clients were told of snapshots 1, 2 and 3, and what the store has; the checker's words, or none.
@pytest.mark.parametrize("told, together, stored, problem", [
    ((DONE, DONE, REFUSED), [], [(1, 1), (1, 2)], None),
    ((DONE, UNKNOWN, UNKNOWN), [], [(1, 1), (1, 3)], "followed 1"),
    ((DONE, UNKNOWN, UNKNOWN), [], [(1, 1)], None),
    ((DONE, DONE, REFUSED), [], [(1, 1)], "is lost"),
    ((DONE, REFUSED, REFUSED), [], [(1, 1), (1, 2)], "was refused with"),
    ((DONE, DONE, REFUSED), [], [(1, 1), (1, 2), (1, 2)], "landed twice"),
    ((DONE, DONE, REFUSED), [], [(1, 1), (1, 2), (2, 9)], "nobody made"),
    ((DONE, UNKNOWN, UNKNOWN), [2, 3], [(1, 1), (1, 2)], "a part of a transaction"),
], ids=lambda value: None)
def test_the_checker_sees_it(told, together, stored, problem):
    history = History()
    for snapshot, outcome in enumerate(told, 1):
        history.changes[snapshot] = Change(snapshot, snapshot - 1 or None, "t", outcome, together=together if snapshot in together else [snapshot])
    rows = [Row(table, version, "commit", snapshot) for version, (table, snapshot) in enumerate(stored, 1)]
    problems = check(history, rows)
    assert problems == [] if problem is None else any(problem in words for words in problems), problems


def test_the_checker_sees_versions_that_go_back():
    history = History()
    history.changes = {1: Change(1, None, "t", DONE, together=[1]), 2: Change(2, 1, "t", DONE, together=[2])}
    assert check(history, [Row(1, 2, "commit", 1), Row(1, 2, "commit", 2)])

"""What clients were told about changes of a catalog, and whether the store's history bears it out."""
import http.client
import json
import subprocess
import threading
import time
from dataclasses import dataclass, field

from database_server import DatabaseServer, program

BASE = "/iceberg/v1/default"
SCHEMA = {"type": "struct", "schema-id": 0, "fields": [{"id": 1, "name": "id", "required": False, "type": "long"}]}
DONE, REFUSED, UNKNOWN = "done", "refused", "unknown"


@dataclass
class Change:
    """One snapshot that a client tried to add to one table."""
    snapshot: int
    parent: int | None
    table: str  # its UUID
    outcome: str = UNKNOWN
    status: int = 0
    together: list[int] = field(default_factory=list)  # the snapshots of one transaction


class History:
    """Thread-safe."""

    def __init__(self):
        self.lock = threading.Lock()
        self.changes: dict[int, Change] = {}
        self.next_snapshot = 1_000
        self.counts: dict[str, int] = {}

    def take_snapshots(self, count: int) -> list[int]:
        with self.lock:
            first, self.next_snapshot = self.next_snapshot, self.next_snapshot + count
            return list(range(first, first + count))

    def begin(self, changes: list[Change]):
        with self.lock:
            for change in changes:
                change.together = [other.snapshot for other in changes]
                self.changes[change.snapshot] = change

    def end(self, changes: list[Change], status: int):
        for change in changes:
            change.status, change.outcome = status, outcome_of(status)

    def note(self, what: str):
        with self.lock:
            self.counts[what] = self.counts.get(what, 0) + 1


def outcome_of(status: int) -> str:
    """0: the connection broke. 500, 502 and 504 leave open what happened; 503 and 429 say that nothing did
    (of a request without an Idempotency-Key)."""
    if 200 <= status < 300:
        return DONE
    return UNKNOWN if status in (0, 500, 502, 504) else REFUSED


class Client:
    """HTTP to any of the servers, one connection each; for one thread."""

    def __init__(self, ports: list[int], timeout: float = 15):
        self.ports, self.timeout = ports, timeout
        self.connections: dict[int, http.client.HTTPConnection] = {}

    def call(self, at: int, method: str, path: str, body=None, headers: dict | None = None) -> tuple[int, dict]:
        """(0, {}) if the connection broke before there was an answer."""
        port = self.ports[at % len(self.ports)]
        connection = self.connections.get(port) or http.client.HTTPConnection("127.0.0.1", port, timeout=self.timeout)
        self.connections[port] = connection
        try:
            connection.request(method, BASE + path, None if body is None else json.dumps(body),
                               {"Content-Type": "application/json"} | (headers or {}))
            answer = connection.getresponse()
            text = answer.read()
            return answer.status, json.loads(text) if text else {}
        except (OSError, http.client.HTTPException):
            connection.close()
            return 0, {}


def table_path(space: str, name: str) -> str:
    return f"/namespaces/{space}/tables/{name}"


def creation(name: str) -> dict:
    return {"name": name, "schema": SCHEMA, "properties": {"write.metadata.previous-versions-max": "3"}}


def addition(metadata: dict, snapshot: int) -> tuple[dict, int | None]:
    """A commit that adds a snapshot after the current one, and that one's id."""
    parent = metadata.get("current-snapshot-id")
    parent = None if parent in (None, -1) else parent
    added = {"snapshot-id": snapshot, "sequence-number": metadata["last-sequence-number"] + 1, "timestamp-ms": int(time.time() * 1000),
             "summary": {"operation": "append"}, "schema-id": 0, "manifest-list": f"{metadata['location']}/metadata/snap-{snapshot}.avro"}
    if parent is not None:
        added["parent-snapshot-id"] = parent
    return {"requirements": [{"type": "assert-table-uuid", "uuid": metadata["table-uuid"]},
                             {"type": "assert-ref-snapshot-id", "ref": "main", "snapshot-id": parent}],
            "updates": [{"action": "add-snapshot", "snapshot": added},
                        {"action": "set-snapshot-ref", "ref-name": "main", "type": "branch", "snapshot-id": snapshot}]}, parent


@dataclass
class Row:
    """Of the store's feed."""
    table_id: int
    version: int
    kind: str
    snapshot: int


def stored_rows(database: DatabaseServer) -> list[Row]:
    """Every change of a table that the store has, read past the servers, in the order of each table's versions."""
    query = "SELECT table_id, version, kind, snapshot_id FROM table_change WHERE table_id > 0 ORDER BY table_id, version, id"
    done = subprocess.run([program("psql"), "-At", "-F", ",", "-h", "127.0.0.1", "-p", str(database.port), "-U", "moraine", "-c", query, "moraine"],
                          env=database.environment | {"PGPASSWORD": "moraine"}, stdout=subprocess.PIPE, text=True, check=True, timeout=60)
    rows = (line.split(",") for line in done.stdout.splitlines())
    return [Row(int(table), int(version), kind, int(snapshot)) for table, version, kind, snapshot in rows]


def check(history: History, rows: list[Row]) -> list[str]:
    """What is wrong; empty: nothing."""
    problems, landed, before = [], {}, {}
    for row in rows:
        last = before.get(row.table_id)
        # A number is passed over where a server made sure that a commit of unknown fate never lands.
        if last is not None and row.version <= last.version:
            problems.append(f"table {row.table_id}: {row.kind} made version {row.version} of {last.version}")
        before[row.table_id] = row
        if row.kind != "commit":
            continue
        change = history.changes.get(row.snapshot)
        if change is None:
            problems.append(f"table {row.table_id} has a snapshot that nobody made: {row.snapshot}")
            continue
        if row.snapshot in landed:
            problems.append(f"snapshot {row.snapshot} landed twice")
        landed[row.snapshot] = row.table_id
        seen = last.snapshot if last is not None and last.snapshot > 0 else None
        if change.parent != seen:
            problems.append(f"table {row.table_id}: snapshot {row.snapshot} followed {seen}, its client had seen {change.parent}")
    for change in history.changes.values():
        if change.outcome == DONE and change.snapshot not in landed:
            problems.append(f"snapshot {change.snapshot} was acknowledged and is lost")
        if change.outcome == REFUSED and change.snapshot in landed:
            problems.append(f"snapshot {change.snapshot} was refused with {change.status} and landed")
        if len({snapshot in landed for snapshot in change.together}) > 1:
            problems.append(f"a part of a transaction landed: of {change.together} only {[s for s in change.together if s in landed]}")
    return problems

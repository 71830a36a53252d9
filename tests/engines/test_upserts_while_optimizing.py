"""A stream upserts as Flink does, by equality deletes and position deletes of our own writer, while Moraine optimizes the table.

Keys may be null, the partitioning changes on the way, Spark deletes in between. At the end Spark, DuckDB, PyIceberg and a model
in memory agree row for row, and no delete file is left.
"""
import json
import os
import random
import subprocess
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from harness import ROOT, Server
from interop import duck
from optimizing import delete_files, optimize, wait_until_idle
from pyiceberg.catalog.rest import RestCatalog

PROGRAM = Path(os.environ.get("MORAINE_COMMIT_DELTAS", ROOT / "build" / "fast" / "tests" / "commit_deltas"))
ROUNDS = 400 if os.environ.get("MORAINE_FULL") == "1" else 60
PROPERTIES = {
    "format-version": "2", "write.delete.mode": "merge-on-read", "self-optimizing.min-plan-interval": "0",
    "self-optimizing.minor.trigger.file-count": "3", "self-optimizing.hot-partition-delay": "0",
    "self-optimizing.major.trigger.duplicate-ratio": "0.05", "self-optimizing.full.trigger.interval": "4000"}
SETTINGS = {"MORAINE_OPTIMIZING_REFRESH_INTERVAL": "50ms", "MORAINE_OPTIMIZING_RETRY_FIRST": "200ms", "MORAINE_OPTIMIZING_RETRY_LAST": "1s"}
QUIET = {  # nothing starts by itself any more
    "self-optimizing.minor.trigger.file-count": "1000000", "self-optimizing.major.trigger.duplicate-ratio": "1000000",
    "self-optimizing.full.trigger.interval": "-1"}
KINDS = ["a", "b", None]


def as_sql(properties: dict[str, str]) -> str:
    return ", ".join(f"'{key}' = '{value}'" for key, value in properties.items())


def by_text(rows):
    return sorted(rows, key=str)


class Stream:
    """Upserts of rows (id, kind, v) by the key (id, kind); no v is used twice."""

    def __init__(self, spark, server: Server, seed: int):
        self.spark, self.random = spark, random.Random(seed)
        self.catalog = RestCatalog("m", uri=server.uri, warehouse="default")
        self.writer = subprocess.Popen([PROGRAM, server.uri], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.model: dict[tuple, int] = {}  # key -> v
        self.spec_of: dict[tuple, int] = {}  # key -> the spec that its row was written under
        self.spec, self.next_v, self.refused, self.commits = 0, 0, 0, 0

    def rows(self):
        return by_text((*key, v) for key, v in self.model.items())

    def commit(self, parts: list[dict], **more) -> bool:
        self.writer.stdin.write(json.dumps({"namespace": "db", "table": "t", "parts": parts} | more) + "\n")
        self.writer.stdin.flush()
        answer = json.loads(self.writer.stdout.readline())
        if "error" in answer:
            assert answer["error"] == "Conflict", answer
            self.refused += 1
            return False
        self.commits += 1
        return True

    def partitions(self) -> list:
        return [None] if self.spec == 0 else KINDS

    def upsert(self):
        """Deletes the keys, if they are there, and adds rows; some keys come twice, so that the first row of them dies at once."""
        parts, model, spec_of = [], dict(self.model), dict(self.spec_of)
        for kind in self.partitions():
            rows, dropped, keys, global_keys, seen = [], [], [], [], {}
            for _ in range(self.random.randrange(1, 12)):
                key = (self.random.choice([None, *range(40)]), kind if self.spec else self.random.choice(KINDS))
                if key in seen:
                    dropped.append(seen[key])
                if self.spec_of.get(key) == 0 and self.spec:
                    global_keys.append(key)  # the deletes of a partition do not reach rows of another spec
                else:
                    keys.append(key)
                seen[key] = len(rows)
                if self.random.random() < 0.8:
                    rows.append([*key, self.next_v])
                    model[key], spec_of[key] = self.next_v, self.spec
                    self.next_v += 1
                else:  # a delete
                    seen.pop(key)
                    model.pop(key, None)
            parts.append(self.part(self.spec, [kind] if self.spec else [], rows, dropped, keys))
            if global_keys:
                parts.append(self.part(0, [], [], [], global_keys))
        if self.commit(parts):
            self.model, self.spec_of = model, spec_of

    @staticmethod
    def part(spec, partition, rows, dropped, keys) -> dict:
        part = {"spec": spec, "partition": partition, "dropped": sorted(set(dropped)), "key-columns": ["id", "kind"]}
        return part | ({"rows": rows} if rows else {}) | ({"keys": keys} if keys else {})

    def delete_positions(self):
        """Some rows of one data file, by where they are in it; refused when the file was rewritten meanwhile."""
        table = self.catalog.load_table("db.t")
        files = table.inspect.data_files().to_pylist() if table.current_snapshot() else []
        if not files:
            return
        file = self.random.choice(files)
        rows = pq.read_table(file["file_path"].removeprefix("file://")).to_pylist()
        at = self.random.sample(range(len(rows)), min(3, len(rows)))
        partition = [file["partition"]["kind"]] if file["spec_id"] else []
        if self.commit([{"spec": file["spec_id"], "partition": partition, "positions": {file["file_path"]: sorted(at)}}],
                       starting=table.current_snapshot().snapshot_id):
            gone = {rows[i]["v"] for i in at}
            self.model = {key: v for key, v in self.model.items() if v not in gone}

    def delete_by_spark(self):
        part = self.random.randrange(9)
        for attempt in range(12):
            try:
                self.spark.sql(f"DELETE FROM upserts.db.t WHERE v % 9 = {part}")
                break
            except Exception as error:
                if not any(sign in str(error) for sign in ("ValidationException", "CommitFailedException", "Found conflicting", "missing data files")):
                    raise
                time.sleep(0.2 * attempt)
        else:
            raise AssertionError("never committed")
        self.model = {key: v for key, v in self.model.items() if v % 9 != part}


@pytest.fixture
def busy(add_catalog, tmp_path, monkeypatch):
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)
    with Server(tmp_path, optimizer_threads=2) as server:
        add_catalog("upserts", server)
        yield server


def test_upserts_and_position_deletes_of_a_stream(spark, busy):
    seed = int(os.environ.get("MORAINE_SEED", time.time_ns() % 1_000_000))
    print(f"seed {seed}; repeat with MORAINE_SEED={seed}")
    spark.sql("CREATE NAMESPACE upserts.db")
    spark.sql(f"CREATE TABLE upserts.db.t (id bigint, kind string, v bigint) USING iceberg TBLPROPERTIES ({as_sql(PROPERTIES)})")
    stream = Stream(spark, busy, seed)
    for number in range(ROUNDS):
        if number == ROUNDS // 2:
            spark.sql("ALTER TABLE upserts.db.t ADD PARTITION FIELD kind")
            stream.spec = 1
        stream.random.choice([stream.upsert] * 7 + [stream.delete_positions] * 2 + [stream.delete_by_spark])()
        if number % 15 == 14:
            by_spark = by_text(tuple(row) for row in spark.sql("SELECT id, kind, v FROM upserts.db.t").collect())
            assert by_spark == stream.rows(), f"after {number + 1} commits"
    wait_until_idle(busy)
    spark.sql(f"ALTER TABLE upserts.db.t SET TBLPROPERTIES ({as_sql(QUIET)})")
    wait_until_idle(busy)
    stream.upsert()  # at least its deletes are left for the full run
    assert delete_files(stream.catalog, "t") != (0, 0)
    assert optimize(busy, "t", "full")["type"] == "full"
    stream.writer.stdin.close()
    assert stream.writer.wait(60) == 0
    processes = wait_until_idle(busy)

    expected = stream.rows()
    assert by_text(tuple(row) for row in spark.sql("SELECT id, kind, v FROM upserts.db.t").collect()) == expected
    assert delete_files(stream.catalog, "t") == (0, 0)
    table = stream.catalog.load_table("db.t")
    assert by_text((row["id"], row["kind"], row["v"]) for row in table.scan().to_arrow().to_pylist()) == expected
    with duck.attach(busy.uri) as connection:
        assert by_text(connection.execute("SELECT id, kind, v FROM ice.db.t").fetchall()) == expected
    optimized = [p["type"] for p in processes if p["state"] == "succeeded" and p["type"] != "full"]
    print(f"\n{stream.commits} commits of the stream, {stream.refused} refused, optimized {len(optimized)} times, {len(expected)} rows")
    assert len(optimized) >= 5, [(p["type"], p["state"], p["error"]) for p in processes]

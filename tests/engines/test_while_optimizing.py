"""A Spark job inserts, updates, deletes, merges and evolves a table while Moraine optimizes it all the time.

At the end Spark, DuckDB, PyIceberg and a model in memory agree row for row.
"""
import os
import random
import time

import pyarrow.parquet as pq
import pytest
from harness import Server
from interop import duck
from optimizing import wait_until_idle
from pyiceberg.catalog.rest import RestCatalog

FULL = os.environ.get("MORAINE_FULL") == "1"
ROUNDS = 200 if FULL else 40
PROPERTIES = {
    "format-version": "2", "write.delete.mode": "merge-on-read", "write.update.mode": "merge-on-read", "write.merge.mode": "merge-on-read",
    "self-optimizing.min-plan-interval": "0", "self-optimizing.minor.trigger.file-count": "3", "self-optimizing.hot-partition-delay": "0",
    "self-optimizing.minor.trigger.interval": "1000", "self-optimizing.major.trigger.duplicate-ratio": "0.05"}
SETTINGS = {"MORAINE_OPTIMIZING_REFRESH_INTERVAL": "50ms", "MORAINE_OPTIMIZING_RETRY_FIRST": "200ms", "MORAINE_OPTIMIZING_RETRY_LAST": "1s"}
CONFLICTS = ("ValidationException", "CommitFailedException", "Found conflicting", "Cannot commit", "missing data files")


class Job:
    """The same changes to the table and to the model."""

    def __init__(self, sql, seed: int):
        self.sql, self.random = sql, random.Random(seed)
        self.model: dict[int, tuple] = {}  # id -> (kind, v, extra)
        self.next_id = 0
        self.columns = ["id", "kind", "v"]
        self.conflicts = 0

    def commit(self, text: str):
        for attempt in range(12):
            try:
                return self.sql(text)
            except Exception as error:
                if not any(sign in str(error) for sign in CONFLICTS):
                    raise
                self.conflicts += 1
                time.sleep(0.2 * attempt)  # optimizing ends at some time: the engine's own retry does the same
        raise AssertionError(f"never committed: {text}")

    def values(self, rows: dict[int, tuple]) -> str:
        extra = (lambda row: ", NULL" if row[2] is None else f", {row[2]}") if "extra" in self.columns else (lambda row: "")
        return ", ".join(f"({i}, '{row[0]}', {row[1]}{extra(row)})" for i, row in rows.items())

    def fresh_rows(self, count: int) -> dict[int, tuple]:
        rows = {}
        for _ in range(count):
            extra = self.random.randrange(100) if "extra" in self.columns else None
            rows[self.next_id] = (self.random.choice("abc"), self.random.randrange(1000), extra)
            self.next_id += 1
        return rows

    def insert(self):
        rows = self.fresh_rows(self.random.randrange(1, 30))
        self.commit(f"INSERT INTO live.db.t VALUES {self.values(rows)}")
        self.model |= rows

    def update(self):
        kind, below = self.random.choice("abc"), self.random.randrange(1000)
        self.commit(f"UPDATE live.db.t SET v = v + 1000 WHERE kind = '{kind}' AND v < {below}")
        self.model = {i: (row[0], row[1] + 1000, row[2]) if row[0] == kind and row[1] < below else row for i, row in self.model.items()}

    def delete(self):
        part = self.random.randrange(7)
        self.commit(f"DELETE FROM live.db.t WHERE id % 7 = {part} AND v >= 500")
        self.model = {i: row for i, row in self.model.items() if not (i % 7 == part and row[1] >= 500)}

    def merge(self):
        known = self.random.sample(sorted(self.model), min(10, len(self.model)))
        rows = {i: (self.random.choice("abc"), self.random.randrange(1000), 7 if "extra" in self.columns else None) for i in known} | self.fresh_rows(5)
        self.commit(f"MERGE INTO live.db.t t USING (SELECT * FROM VALUES {self.values(rows)} AS s({', '.join(self.columns)})) s ON t.id = s.id "
                    "WHEN MATCHED AND s.v % 5 = 0 THEN DELETE WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *")
        for i, row in rows.items():
            if i in known and row[1] % 5 == 0:
                del self.model[i]
            else:
                self.model[i] = row

    def evolve(self, step: int):
        changes = ["ALTER TABLE live.db.t ADD COLUMN extra int", "ALTER TABLE live.db.t ADD PARTITION FIELD bucket(3, id) AS shard",
                   "ALTER TABLE live.db.t ALTER COLUMN v TYPE bigint", "ALTER TABLE live.db.t DROP PARTITION FIELD shard"]
        self.commit(changes[step])
        if step == 0:
            self.columns.append("extra")


@pytest.fixture
def live(add_catalog, tmp_path, monkeypatch):
    """A server of its own with optimizers that never rest, as Spark's catalog `live`."""
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)
    with Server(tmp_path, optimizer_threads=2) as server:
        add_catalog("live", server)
        yield server


def test_three_engines_agree_with_the_model(spark, live):
    seed = int(os.environ.get("MORAINE_SEED", time.time_ns() % 1_000_000))
    print(f"seed {seed}; repeat with MORAINE_SEED={seed}")
    properties = ", ".join(f"'{key}' = '{value}'" for key, value in PROPERTIES.items())
    spark.sql("CREATE NAMESPACE live.db")
    spark.sql(f"CREATE TABLE live.db.t (id bigint, kind string, v int) USING iceberg PARTITIONED BY (kind) TBLPROPERTIES ({properties})")
    job = Job(lambda text: spark.sql(text).collect(), seed)
    for _ in range(3):
        job.insert()
    for number in range(ROUNDS):
        if number % (ROUNDS // 4) == ROUNDS // 8:
            job.evolve(number // (ROUNDS // 4))
        job.random.choice([job.insert, job.insert, job.update, job.delete, job.merge])()
    processes = wait_until_idle(live)

    expected = sorted((i, *row) for i, row in job.model.items())
    by_spark = sorted(tuple(row) for row in spark.sql("SELECT id, kind, v, extra FROM live.db.t").collect())
    assert by_spark == expected
    table = RestCatalog("m", uri=live.uri, warehouse="default").load_table("db.t")
    by_pyiceberg = sorted((row["id"], row["kind"], row["v"], row["extra"]) for row in table.scan().to_arrow().to_pylist())
    assert by_pyiceberg == expected
    with duck.attach(live.uri) as connection:
        assert sorted(connection.execute("SELECT id, kind, v, extra FROM ice.db.t").fetchall()) == expected
    assert int(table.current_snapshot().summary["total-records"]) - int(table.current_snapshot().summary["total-position-deletes"]) == len(expected)

    optimized = [p for p in processes if p["state"] == "succeeded"]
    print(f"\n{len(table.snapshots())} snapshots, {len(optimized)} optimizing commits, {job.conflicts} conflicts of the job, {len(expected)} rows")
    assert len(optimized) >= 5, [(p["state"], p["error"]) for p in processes]
    for task in table.scan().plan_files():
        assert pq.read_metadata(task.file.file_path.removeprefix("file://")).num_rows == task.file.record_count

"""Tables of format version 3 that Spark writes, optimized by Moraine: rows keep their ids and the numbers of their last updates.

Spark and DuckDB read the same before and after; every data file has one deletion vector at most; the totals of snapshots are right.
"""
import time
from collections import Counter

import pytest
from harness import Server
from interop import duck

MERGE_ON_READ = {"write.delete.mode": "merge-on-read", "write.update.mode": "merge-on-read", "write.merge.mode": "merge-on-read",
                 "write.delete.granularity": "partition"}
# Files of 400 KiB are large, those of a few rows are fragments; nothing is done unasked.
CALM = {"self-optimizing.enabled": "false", "self-optimizing.target-size": str(256 << 10), "self-optimizing.hot-partition-delay": "0", "self-optimizing.minor.trigger.interval": "-1",
        "self-optimizing.minor.trigger.file-count": "100000", "self-optimizing.major.trigger.duplicate-ratio": "0.9",
        "self-optimizing.min-plan-interval": "0"}
LINEAGE = "id, kind, v, _row_id, _last_updated_sequence_number"


@pytest.fixture(scope="module")
def live(spark, tmp_path_factory):
    """A server of its own with optimizers, as Spark's catalog `v3`."""
    with Server(tmp_path_factory.mktemp("v3"), optimizer_threads=2) as server:
        for key, value in {"": "org.apache.iceberg.spark.SparkCatalog", ".type": "rest", ".uri": server.uri, ".warehouse": "default",
                           ".cache-enabled": "false"}.items():
            spark.conf.set(f"spark.sql.catalog.v3{key}", value)
        spark.sql("CREATE NAMESPACE v3.db")
        yield server


class Table:
    def __init__(self, spark, server, name: str, version: int):
        self.spark, self.server, self.name = spark, server, name
        properties = ", ".join(f"'{key}' = '{value}'" for key, value in ({"format-version": version} | MERGE_ON_READ | CALM).items())
        self.sql(f"CREATE TABLE {{t}} (id bigint, kind string, v string) USING iceberg TBLPROPERTIES ({properties})")

    def sql(self, text: str) -> list[tuple]:
        return [tuple(row) for row in self.spark.sql(text.replace("{t}", f"v3.db.{self.name}")).collect()]

    def insert(self, first: int, count: int):
        """One file; its values do not compress, so that 10,000 rows are a large one."""
        self.sql(f"INSERT INTO {{t}} SELECT /*+ COALESCE(1) */ id, concat('k', id % 3), sha2(string(id), 256) FROM range({first}, {first + count}, 1, 1)")

    def rows(self) -> list[tuple]:
        return self.sql(f"SELECT {LINEAGE} FROM {{t}} ORDER BY id")

    def rows_by_duckdb(self) -> list[tuple]:
        with duck.attach(self.server.uri) as connection:
            return connection.execute(f"SELECT {LINEAGE} FROM ice.db.{self.name} ORDER BY id").fetchall()

    def deletes(self) -> list[tuple]:
        return self.sql("SELECT file_format, referenced_data_file, record_count FROM {t}.delete_files")

    def optimize(self, kind: str):
        """A run, or one that began by itself as soon as it was allowed; nothing runs before and after."""
        def processes() -> dict:
            return {one["process-id"]: one for one in self.server.get("/api/v1/processes?limit=1000")[1]["processes"]}

        before, calm, end = processes(), 0, time.monotonic() + 120
        self.sql("ALTER TABLE {t} SET TBLPROPERTIES ('self-optimizing.enabled' = 'true')")
        status, answer, _ = self.server.post(f"/api/v1/warehouses/default/namespaces/db/tables/{self.name}/optimize", {"type": kind})
        assert status == 204, answer
        while calm < 3:
            fresh = [one for number, one in processes().items() if number not in before]
            assert time.monotonic() < end, (fresh, self.server.get("/api/v1/tables")[1], self.server.log_tail())
            calm = calm + 1 if fresh and all(one["state"] not in ("running", "committing") for one in fresh) else 0
            time.sleep(0.3)
        assert [one["state"] for one in fresh] == ["succeeded"] * len(fresh), fresh
        self.sql("ALTER TABLE {t} SET TBLPROPERTIES ('self-optimizing.enabled' = 'false')")

    def check_totals(self):
        """The summary of the current snapshot tells what its metadata tables do."""
        summary = dict(self.sql("SELECT summary FROM {t}.snapshots ORDER BY committed_at DESC LIMIT 1")[0][0])
        data = self.sql("SELECT count(*), coalesce(sum(record_count), 0) FROM {t}.data_files")[0]
        deletes = self.sql("SELECT count(*), coalesce(sum(record_count), 0) FROM {t}.delete_files")[0]
        told = tuple(int(summary[f"total-{name}"]) for name in ("data-files", "records", "delete-files", "position-deletes"))
        assert told == (*data, *deletes), summary

    def check_vectors(self):
        """Deletion vectors alone, one a data file, of live files; all rows are numbered, each once."""
        deletes = self.deletes()
        assert {one[0] for one in deletes} <= {"PUFFIN"}, deletes
        live = {path for path, in self.sql("SELECT file_path FROM {t}.data_files")}
        targets = Counter(one[1] for one in deletes)
        assert set(targets) <= live and set(targets.values()) <= {1}, (targets, live)


def test_rows_keep_their_lineage(spark, live):
    table = Table(spark, live, "lineage", 3)
    table.insert(0, 10_000)
    for first in range(10_000, 10_040, 10):
        table.insert(first, 10)
    table.sql("UPDATE {t} SET kind = 'changed' WHERE id % 1000 = 7 OR id = 10003")
    table.sql("DELETE FROM {t} WHERE id % 500 = 3 OR id IN (10000, 10039)")
    table.sql("UPDATE {t} SET kind = concat(kind, '!') WHERE id IN (7, 8, 10025)")
    table.sql("DELETE FROM {t} WHERE id = 9")
    table.check_vectors()
    before = table.rows()
    assert len({row[3] for row in before}) == len(before) == 10_040 - 24 and None not in {row[3] for row in before}
    files = table.sql("SELECT count(*) FROM {t}.data_files")[0][0]

    table.optimize("minor")
    assert table.sql("SELECT count(*) FROM {t}.data_files")[0][0] < files
    table.check_vectors()
    table.check_totals()
    assert table.rows() == before and table.rows_by_duckdb() == before
    assert table.deletes(), "the large file keeps its vector"

    # Spark goes on with what Moraine wrote: its updates keep the ids.
    table.sql("UPDATE {t} SET v = 'new' WHERE id IN (11, 10001)")
    after = {row[0]: row for row in table.rows()}
    assert all(after[row[0]][3] == row[3] for row in before)
    assert {row[0] for row in before if after[row[0]][4] != row[4]} == {11, 10_001}
    before = table.rows()

    table.optimize("full")
    assert table.rows() == before and table.rows_by_duckdb() == before
    assert table.deletes() == []
    table.check_totals()
    table.insert(20_000, 5)
    ids = [row[3] for row in table.rows()]
    assert len(set(ids)) == len(ids)


def test_a_table_that_was_upgraded(spark, live):
    table = Table(spark, live, "upgraded", 2)
    table.insert(0, 10_000)
    for first in range(10_000, 10_040, 10):
        table.insert(first, 10)
    for part in range(3):  # each a position delete file of the whole table
        table.sql(f"DELETE FROM {{t}} WHERE id % 997 = {part} OR id = {10_000 + part}")
    table.sql("ALTER TABLE {t} SET TBLPROPERTIES ('format-version' = '3')")
    assert {row[3] for row in table.rows()} == {None}
    table.sql("INSERT INTO {t} VALUES (20000, 'k', 'numbers the rows of before')")
    before = table.rows()
    assert len({row[3] for row in before}) == len(before) and None not in {row[3] for row in before}
    assert {one[0] for one in table.deletes()} == {"PARQUET"} and len(table.deletes()) == 3

    table.optimize("minor")
    table.check_vectors()
    table.check_totals()
    assert len(table.deletes()) == 1, "of the large file: the others are gone"
    assert table.rows() == before and table.rows_by_duckdb() == before

    # Spark replaces our vector by one that holds both.
    table.sql("DELETE FROM {t} WHERE id = 5000")
    before = [row for row in before if row[0] != 5000]
    table.check_vectors()
    assert table.rows() == before and table.rows_by_duckdb() == before

    table.optimize("full")
    assert table.deletes() == []
    table.check_totals()
    assert table.rows() == before and table.rows_by_duckdb() == before


def test_an_upgraded_table_that_nobody_wrote_to(spark, live):
    """Moraine's own commit is the one that numbers the rows."""
    table = Table(spark, live, "fresh", 2)
    for first in range(0, 40, 10):
        table.insert(first, 10)
    table.sql("DELETE FROM {t} WHERE id = 1")
    table.sql("ALTER TABLE {t} SET TBLPROPERTIES ('format-version' = '3')")
    before = [row[:3] for row in table.rows()]
    table.optimize("minor")
    after = table.rows()
    assert [row[:3] for row in after] == before
    assert len({row[3] for row in after}) == 39 and None not in {row[3] for row in after}
    assert table.deletes() == []
    table.check_totals()
    # Where no number is stored, the spec and DuckDB take the file's data sequence number; Iceberg's Java 1.10.0 takes that of the commit.
    by_duckdb = table.rows_by_duckdb()
    assert [row[:4] for row in by_duckdb] == [row[:4] for row in after]
    assert {row[4] for row in by_duckdb} == {5}, "five commits before the rewrite"

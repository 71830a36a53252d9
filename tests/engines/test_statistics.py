"""Counts of distinct values: Spark plans with those that Moraine made, and Moraine goes on from Spark's, whose sketches are the same
byte for byte as long as they are exact. Trino's are in test_trino.py.
"""
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest
from counted import counts_of, metadata_of, sketches, statistics_of
from harness import Server
from maintained import maintain

COLUMNS = """id bigint, few int, word string, price decimal(9, 2), day date, at timestamp, ratio double, small float, yes boolean,
             raw binary, empty string, s struct<inner: int>"""
VALUES = """id, cast(id % 7 as int), concat('word ', id % 50), cast(id % 300 - 150 as decimal(9, 2)) / 100,
            date_add(date'2020-01-01', cast(id % 40 as int)), timestamp_seconds(id % 1000 * 3600), id % 11 / 3.0D, cast(id % 13 as float) / 2,
            id % 2 = 0, cast(cast(id % 17 as string) as binary), if(id % 2 = 0, '', null), named_struct('inner', cast(id % 5 as int))"""
TRUTH = {"id": 1500, "few": 7, "word": 50, "price": 300, "day": 40, "at": 1000, "ratio": 11, "small": 13, "yes": 2, "raw": 17, "empty": 0}
#: So that only what a test asks for runs.
UNASKED = {"self-optimizing.enabled": "false", "table-expire.enabled": "false", "write.delete.mode": "merge-on-read"}


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    """A server with an optimizer."""
    with Server(tmp_path_factory.mktemp("counted"), optimizer_threads=1) as server:
        yield server


def path_of(statistics: dict) -> Path:
    return Path(unquote(urlparse(statistics["statistics-path"]).path))


def known_to_spark(spark, table: str) -> dict[str, int]:
    """What Spark's planner has of the columns of a table."""
    spark.conf.set("spark.sql.cbo.enabled", "true")
    plan = spark.sql(f"SELECT * FROM {table}")._jdf.queryExecution().optimizedPlan()
    entries = plan.stats().attributeStats().toSeq()
    found = {}
    for i in range(entries.size()):
        entry = entries.apply(i)
        count = entry._2().distinctCount()
        if count.isDefined():
            found[entry._1().name()] = int(count.get())
    return found


def test_spark_plans_with_them_and_counts_the_same(spark, add_catalog, lake):
    add_catalog("counted", lake)
    spark.sql("CREATE NAMESPACE counted.db")
    listed = ", ".join(f"'{key}' = '{value}'" for key, value in UNASKED.items())
    spark.sql(f"CREATE TABLE counted.db.t ({COLUMNS}) USING iceberg TBLPROPERTIES ({listed})")
    spark.sql(f"INSERT INTO counted.db.t SELECT {VALUES} FROM range(2000)")
    spark.sql("DELETE FROM counted.db.t WHERE id >= 1500")
    run = maintain(lake, "db.t", "compute-statistics")
    assert run["details"]["rows"] == 2000
    assert counts_of(lake, "db.t") == TRUTH
    assert known_to_spark(spark, "counted.db.t") == TRUTH
    ours = statistics_of(lake, "db.t")
    our_sketches = sketches(path_of(ours).read_bytes())

    # Spark's own, of the same snapshot.
    spark.sql("CALL counted.system.compute_table_stats(table => 'db.t')")
    theirs = statistics_of(lake, "db.t")
    assert theirs["statistics-path"] != ours["statistics-path"]
    assert counts_of(lake, "db.t") == TRUTH
    assert sketches(path_of(theirs).read_bytes()) == our_sketches

    # Rows that come later are counted on top of Spark's.
    spark.sql(f"INSERT INTO counted.db.t SELECT {VALUES} FROM range(3000, 3100)")
    run = maintain(lake, "db.t", "compute-statistics")
    assert run["details"]["rows"] == 100
    assert "the rest known from snapshot" in run["reason"]
    expected = TRUTH | {"id": 1600}
    assert counts_of(lake, "db.t") == expected
    assert known_to_spark(spark, "counted.db.t") == expected


def test_many_values_of_both_are_near_the_truth(spark, add_catalog, lake):
    add_catalog("counted", lake)
    spark.sql("CREATE NAMESPACE IF NOT EXISTS counted.many")
    listed = ", ".join(f"'{key}' = '{value}'" for key, value in UNASKED.items())
    spark.sql(f"CREATE TABLE counted.many.t (id bigint, name string, half int) USING iceberg TBLPROPERTIES ({listed})")
    spark.sql("INSERT INTO counted.many.t SELECT id, concat('name ', id), cast(id / 2 as int) FROM range(100000)")
    spark.sql("CALL counted.system.compute_table_stats(table => 'many.t')")
    spark.sql("INSERT INTO counted.many.t SELECT id, concat('name ', id), cast(id / 2 as int) FROM range(100000, 120000)")
    truth = {"id": 120_000, "name": 120_000, "half": 60_000}
    run = maintain(lake, "many.t", "compute-statistics")
    assert run["details"]["rows"] == 20_000
    merged = counts_of(lake, "many.t")
    maintain(lake, "many.t", "compute-statistics", full=True)
    ours = counts_of(lake, "many.t")
    for column, count in truth.items():
        assert abs(ours[column] / count - 1) < 0.05, ours
        assert abs(merged[column] / count - 1) < 0.05, merged
    assert len(metadata_of(lake, "many.t")["statistics"]) == 2
    assert known_to_spark(spark, "counted.many.t") == ours

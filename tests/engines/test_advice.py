"""Advice is judged by Spark: it reports its scans by itself, what is advised is applied as it is written, and Spark's next scan
report says that it reads fewer files."""
import json
import os
import subprocess
import time

import pytest
from harness import BINARY, Server
from optimizing import wait_until_idle

FILES, ROWS = 16, 6000
QUERIES = 8


@pytest.fixture
def moraine(tmp_path):
    with Server(tmp_path, optimizer_threads=2) as server:
        yield server


def run(server, command: str) -> str:
    """A line of shell, as advice prints it."""
    env = os.environ | {"MORAINE_SERVER": server.url, "PATH": f"{BINARY.parent}:{os.environ['PATH']}"}
    done = subprocess.run(command, shell=True, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout


def advice(server, table: str) -> dict:
    return json.loads(run(server, f"moraine table advise db.{table} --days 2 --json"))


def scans_of(server, table: str, count: int) -> list[dict]:
    """Reports of scans, newest first, once there are so many: Spark sends them on a thread of its own."""
    end = time.monotonic() + 60
    while True:
        reports = server.get(f"/api/v1/warehouses/default/namespaces/db/tables/{table}/reports?limit=100")[1]["reports"]
        scans = [r["report"] for r in reports if r["report"]["report-type"] == "scan-report"]
        if len(scans) >= count:
            return scans
        assert time.monotonic() < end, (len(scans), count)
        time.sleep(0.1)


def files_read(report: dict) -> int:
    return report["metrics"]["result-data-files"]["value"]


def test_the_layout_that_is_advised_lets_spark_read_fewer_files(spark, add_catalog, moraine):
    add_catalog("advised", moraine)
    sql = spark.sql
    sql("CREATE NAMESPACE advised.db")
    # Files are of the target size from the start: nothing but their order is to be better.
    sql("CREATE TABLE advised.db.t (id bigint, event_time timestamp, payload string) USING iceberg "
        "TBLPROPERTIES ('self-optimizing.target-size' = '1500000', 'self-optimizing.minor.trigger.interval' = '-1', "
        "'write.parquet.row-group-size-bytes' = '131072', 'write.parquet.page-size-bytes' = '16384', "
        "'write.parquet.row-group-check-min-record-count' = '100')")
    payload = ", ".join(f"sha2(concat(id, 'x{i}'), 256)" for i in range(8))
    for i in range(FILES):
        sql("INSERT INTO advised.db.t SELECT /*+ COALESCE(1) */ id, timestamp_seconds(1767225600 + (id * 7919 % 96000) * 14), "
            f"concat({payload}) FROM range({i * ROWS}, {(i + 1) * ROWS})").collect()
    rows = sql("SELECT count(*), sum(id) FROM advised.db.t").collect()

    def query(hour: int) -> int:
        low = f"timestamp'2026-01-05 {hour:02}:00:00'"
        return sql(f"SELECT count(payload) FROM advised.db.t WHERE event_time >= {low} AND event_time < {low} + INTERVAL 1 HOUR").collect()[0][0]

    before = len(scans_of(moraine, "t", 1))
    counts = [query(hour) for hour in range(QUERIES)]
    assert all(count > 0 for count in counts)
    scans = scans_of(moraine, "t", before + QUERIES)
    read_before = files_read(scans[0])
    assert read_before == FILES, scans[0]

    answer = advice(moraine, "t")
    best = answer["advice"][0]
    assert (best["kind"], best["subject"]) == ("layout", "event_time"), answer
    used = {column["name"]: column for column in answer["scans"]["columns"]}
    assert used["event_time"]["scans"] >= QUERIES and used["event_time"]["range"] >= QUERIES
    assert used["event_time"]["result-files"] >= QUERIES * FILES
    depth = {column["name"]: column["depth"] for column in answer["files"]["columns"]}
    assert depth["event_time"] > FILES * 0.9
    assert f"{used['event_time']['scans']} filtered on `event_time`" in best["why"]
    assert "sort(event_time)" in run(moraine, "moraine table advise db.t --days 2")
    assert "db.t" in run(moraine, "moraine table advise --warehouse default --days 2")

    # Nothing was done by asking; the first command does it.
    assert moraine.get("/api/v1/warehouses/default/namespaces/db/tables/t")[1]["properties"].get("self-optimizing.layout") is None
    run(moraine, best["commands"][0] + " --watch")
    wait_until_idle(moraine)
    assert sql("SELECT count(*), sum(id) FROM advised.db.t").collect() == rows
    read_files = len(scans_of(moraine, "t", len(scans) + 1))  # with that of the check just made, which read all files
    assert [query(hour) for hour in range(QUERIES)] == counts
    after = scans_of(moraine, "t", read_files + QUERIES)[:QUERIES]
    assert all(files_read(report) <= 2 for report in after), [report["metrics"] for report in after]
    answer = advice(moraine, "t")
    assert answer["files"]["data-files"] >= FILES / 2
    assert not [each for each in answer["advice"] if each["kind"] == "layout"], answer

    # The second one keeps it so.
    run(moraine, best["commands"][1])
    properties = moraine.get("/api/v1/warehouses/default/namespaces/db/tables/t")[1]["properties"]
    assert properties["self-optimizing.layout"] == "sort(event_time)"

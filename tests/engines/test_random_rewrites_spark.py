"""Random tables whose files Spark wrote (parquet-java, beside files of pyarrow and DuckDB) are rewritten; Spark reads the outcome as
the others do (interop/rewrite_judge.py), with filters that leave out row groups and pages by what Moraine says of them."""
import json
import os
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from interop import rewrite_judge
from interop.random_tables import random_table, read, to_arrow

SEEDS = range(int(os.environ.get("MORAINE_SPARK_FIRST_SEED", 0)), int(os.environ.get("MORAINE_SPARK_FIRST_SEED", 0)) + int(os.environ.get("MORAINE_SPARK_SEEDS", 8)))
TYPES = {"long": "bigint", "timestamp": "timestamp_ntz", "timestamptz": "timestamp"}


def spark_type(kind) -> str:
    if isinstance(kind, str):
        return TYPES.get(kind, kind)
    if kind["type"] == "struct":
        return "struct<" + ", ".join(f"{f['name']}: {spark_type(f['type'])}" for f in kind["fields"]) + ">"
    if kind["type"] == "list":
        return f"array<{spark_type(kind['element'])}>"
    return f"map<{spark_type(kind['key'])}, {spark_type(kind['value'])}>"


class SparkWriter:
    """Writes files of one Iceberg table, whose schema changes as it is told."""
    primitives = ["boolean", "int", "long", "float", "double", "decimal", "date", "timestamp", "timestamptz", "string", "binary"]

    def __init__(self, spark, catalog, name: str, folder: Path):
        self.spark, self.catalog, self.name, self.folder = spark, catalog, name, folder
        self.known: set[str] = set()

    def create(self, rng: random.Random, fields: list[dict]):
        columns = ", ".join(f"{f['name']} {spark_type(f['type'])}" for f in fields)
        self.properties = {"format-version": "2", "write.distribution-mode": "none", "write.parquet.compression-codec": rng.choice(["zstd", "zstd", "snappy", "gzip", "lz4"]),
                           "write.parquet.page-size-bytes": rng.choice(["200", "5000", "1048576"]), "write.parquet.page-row-limit": rng.choice(["20", "500", "20000"]),
                           "write.parquet.dict-size-bytes": rng.choice(["100", "3000", "2097152"]), "write.parquet.row-group-size-bytes": rng.choice(["5000", "134217728"]),
                           "write.parquet.row-group-check-min-record-count": "50", "write.parquet.page-version": rng.choice(["v1", "v2"])}
        if rng.random() < 0.3:
            self.properties["write.parquet.bloom-filter-enabled.column.k"] = "true"
        text = ", ".join(f"'{key}' = '{value}'" for key, value in self.properties.items())
        self.spark.sql(f"CREATE TABLE ice.{self.name} ({columns}) USING iceberg TBLPROPERTIES ({text})")
        self.same_schema(fields)

    def change(self, words: tuple, fields: list[dict]):
        kind, name, what = words
        self.spark.sql(f"ALTER TABLE ice.{self.name} " + {
            "add": lambda: f"ADD COLUMN {name} {spark_type(what)}", "promote": lambda: f"ALTER COLUMN {name} TYPE {spark_type(what)}",
            "rename": lambda: f"RENAME COLUMN {name} TO {what}", "move": lambda: f"ALTER COLUMN {name} AFTER k", "drop": lambda: f"DROP COLUMN {name}"}[kind]())
        self.same_schema(fields)

    def same_schema(self, fields: list[dict]):
        there = json.loads(self.catalog.load_table(self.name).schema().model_dump_json())["fields"]
        assert json.dumps(there).replace(" ", "") == json.dumps(fields).replace(" ", "") or plain(there) == plain(fields)

    def write(self, rng: random.Random, path: Path, fields: list[dict], rows: list[dict]) -> str:
        plain_file = self.folder / "rows.parquet"
        pq.write_table(to_arrow(fields, rows), plain_file)
        self.spark.read.parquet(str(plain_file)).coalesce(1).writeTo(f"ice.{self.name}").append()
        plain_file.unlink()
        paths = {row["file_path"].removeprefix("file:") for row in self.catalog.load_table(self.name).inspect.files().to_pylist()}
        new, = paths - self.known
        self.known = paths
        os.link("/" + new.lstrip("/"), path)
        rows[:] = read(path, fields)
        return f"spark {self.properties}"


def plain(value):
    """Without what need not be said of a field."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items() if key not in ("doc", "schema-id", "identifier-field-ids") and item is not None}
    return [plain(item) for item in value] if isinstance(value, list) else str(value).replace(" ", "")


def judge_spark(rng: random.Random, spark, table, files: list[dict]) -> list[str]:
    alive, problems, read_rows = table.alive(), [], []
    for file in files:
        batches = spark.read.parquet(file["path"])._collect_as_arrow()
        read_rows += pa.Table.from_batches(batches).to_pylist() if batches else []
    problems += rewrite_judge.first_difference("Spark", rewrite_judge.texts(read_rows, table.fields), rewrite_judge.texts(alive, table.fields))
    if not alive:
        return problems
    problems += judge_iceberg(spark, table, alive)
    frame = spark.read.parquet(*[file["path"] for file in files])
    for _ in range(3):
        low, high = sorted(rng.choice(alive)["k"] for _ in range(2))
        found = sorted(row[0] for row in frame.where(f"k >= {low} AND k <= {high}").select("k").collect())
        if found != sorted(row["k"] for row in alive if low <= row["k"] <= high):
            problems.append(f"Spark finds {len(found)} rows where k is in {low} .. {high}")
    for f in table.fields[1:]:
        value = rng.choice(alive)[f["name"]]
        if value is None or f["type"] not in ("int", "long", "date", "string", "boolean"):
            continue
        found = frame.where(frame[f["name"]] == value).count()
        wanted = sum(row[f["name"]] == value for row in alive if row[f["name"]] is not None)
        if found != wanted:
            problems.append(f"Spark finds {found} rows instead of {wanted} where {f['name']} = {value!r}")
    return problems


def judge_iceberg(spark, table, alive: list[dict]) -> list[str]:
    """By Iceberg's own readers of Parquet, with the metrics that the rewrite gave of the files (rewrite_judge.py wrote the metadata)."""
    frame = spark.read.format("iceberg").load(str(table.folder))
    by_key = sorted(alive, key=lambda row: row["k"])
    problems = []
    for where, wanted in (("true", by_key), (f"k >= {by_key[len(by_key) // 2]['k']}", by_key[len(by_key) // 2:])):
        batches = frame.where(where)._collect_as_arrow()
        rows = sorted(pa.Table.from_batches(batches).to_pylist(), key=lambda row: row["k"]) if batches else []
        problems += rewrite_judge.first_difference(f"Iceberg's reader, where {where},", rewrite_judge.texts(rows, table.fields), rewrite_judge.texts(wanted, table.fields))
    return problems


@pytest.mark.parametrize("seed", SEEDS)
def test_a_random_table_of_spark(spark, catalog, namespace, tmp_path, seed):
    for mode in ("spark.sql.parquet.datetimeRebaseModeInRead", "spark.sql.parquet.int96RebaseModeInRead"):
        spark.conf.set(mode, "CORRECTED")
    rng = random.Random(seed)
    table = random_table(rng, tmp_path, SparkWriter(spark, catalog, f"{namespace}.t", tmp_path))
    (tmp_path / "table.txt").write_text(table.words() + "\n")
    done = rewrite_judge.run_rewrite(tmp_path, table.task(), "--threads", str(rng.choice([1, 2])), "--memory-mib", str(rng.choice([64, 512])))
    problems = [done.stderr] if done.returncode else []
    if not problems:
        files = json.loads(done.stdout)["data-files"]
        problems = rewrite_judge.judge(rng, table, json.loads(done.stdout)) + judge_spark(rng, spark, table, files)
    assert not problems, "\n".join([*problems, f"again: MORAINE_SPARK_FIRST_SEED={seed} MORAINE_SPARK_SEEDS=1 ./dev test engines/{Path(__file__).name}", table.words()])

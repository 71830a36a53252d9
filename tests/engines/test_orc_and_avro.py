"""Tables whose files Spark writes as ORC and Avro, deletes too: Moraine makes Parquet of them, and Spark and DuckDB read the same rows as before."""
import time

import pytest
from harness import Server
from interop import duck
from optimizing import optimize
from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.schema import Schema
from pyiceberg.types import FixedType, IntegerType, NestedField, StringType, UUIDType

PROPERTIES = {
    "format-version": "2", "write.delete.mode": "merge-on-read", "write.update.mode": "merge-on-read", "write.merge.mode": "merge-on-read",
    "self-optimizing.min-plan-interval": "0", "self-optimizing.hot-partition-delay": "0", "self-optimizing.minor.trigger.interval": "-1",
    "self-optimizing.minor.trigger.file-count": "100000", "self-optimizing.major.trigger.duplicate-ratio": "0.9"}
COLUMNS = """a_boolean boolean, an_int int, a_long bigint, a_float float, a_double double, a_decimal decimal(9,2), a_wide_decimal decimal(38,10), a_date date,
    a_timestamptz timestamp, a_timestamp timestamp_ntz, a_string string, a_binary binary, a_struct struct<x: int, y: string, gone: array<int>>,
    a_list array<struct<d: date, n: decimal(5,1)>>, a_map map<string, double>, a_keyed_map map<int, struct<t: timestamp>>, gone string"""
ROW = """id % 2 = 0, int(id), id * 10000000000, float(id) / 3, -double(id) / 7, decimal(id) / 100, decimal(-id) / 1000000, date'2024-02-29' + int(id),
    timestamp'1969-12-31 23:59:59.999999' + make_dt_interval(int(id)), timestamp_ntz'1700-01-01 00:00:00.000001' + make_dt_interval(int(id) * 1000), concat('straße ', id),
    unhex(lpad(hex(id), 8, '0')), named_struct('x', int(id), 'y', string(id), 'gone', array(1, null)),
    transform(sequence(0, id % 3), i -> named_struct('d', date'1969-12-30' + int(i), 'n', decimal(i) / 10)), map(string(id), double(id), 'null', null),
    map(int(id), named_struct('t', timestamp'2024-01-01 00:00:00.5')), 'gone'"""
NULLS = "null, int(id), " + ", ".join(["null"] * 15)


@pytest.fixture(scope="module")
def live(spark, tmp_path_factory):
    """A server of its own with optimizers, as Spark's catalog `formats`."""
    with Server(tmp_path_factory.mktemp("formats"), optimizer_threads=2) as server:
        for key, value in {"": "org.apache.iceberg.spark.SparkCatalog", ".type": "rest", ".uri": server.uri, ".warehouse": "default",
                           ".cache-enabled": "false"}.items():
            spark.conf.set(f"spark.sql.catalog.formats{key}", value)
        spark.sql("CREATE NAMESPACE formats.db")
        yield server


class Table:
    def __init__(self, spark, server, name: str, format: str):
        self.spark, self.server, self.name, self.format = spark, server, name, format

    def properties(self) -> dict:
        return PROPERTIES | {"write.format.default": self.format}

    def create(self, columns: str, partitioning: str):
        properties = ", ".join(f"'{key}' = '{value}'" for key, value in self.properties().items())
        self.sql(f"CREATE TABLE {{t}} ({columns}) USING iceberg {partitioning} TBLPROPERTIES ({properties})")

    def sql(self, text: str) -> list[tuple]:
        return [tuple(row) for row in self.spark.sql(text.replace("{t}", f"formats.db.{self.name}")).collect()]

    def insert(self, first: int, count: int):
        self.sql(f"INSERT INTO {{t}} SELECT {ROW} FROM range({first}, {first + count})")

    def rows(self, columns: str) -> list[str]:
        return sorted(str(row) for row in self.sql(f"SELECT {columns} FROM {{t}}"))

    def formats(self, files: str) -> list[str]:
        return sorted({one for one, in self.sql(f"SELECT file_format FROM {{t}}.{files}")})

    def count_by_duckdb(self) -> int:
        with duck.attach(self.server.uri) as connection:
            return connection.execute(f"SELECT count(*) FROM ice.db.{self.name}").fetchone()[0]

    def delete_keys(self, column: str, keys: list[str]):
        """An equality delete as writers of Java make it: Spark makes none."""
        java = self.spark._jvm
        iceberg = java.org.apache.iceberg
        table = iceberg.spark.Spark3Util.loadIcebergTable(self.spark._jsparkSession, f"formats.db.{self.name}")
        schema = table.schema().select([column])
        ids = self.spark._sc._gateway.new_array(java.int, 1)
        ids[0] = table.schema().findField(column).fieldId()
        format = getattr(iceberg.FileFormat, self.format.upper())
        factory = iceberg.data.GenericAppenderFactory(table.schema(), table.spec(), ids, schema, None)
        out = iceberg.io.OutputFileFactory.builderFor(table, 1, time.time_ns()).format(format).build().newOutputFile()
        writer = factory.newEqDeleteWriter(out, format, None)
        for key in keys:
            record = iceberg.data.GenericRecord.create(schema)
            record.setField(column, key)
            writer.write(record)
        writer.close()
        table.newRowDelta().addDeletes(writer.toDeleteFile()).commit()

    def optimize(self, kind: str, columns: str):
        before = self.rows(columns)
        optimize(self.server, self.name, kind)
        assert self.rows(columns) == before
        assert self.formats("delete_files") == []
        if self.formats("data_files") == ["PARQUET"]:
            assert self.count_by_duckdb() == len(before)


@pytest.mark.parametrize("partitioning", ["", "PARTITIONED BY (bucket(2, an_int))", "PARTITIONED BY (a_boolean, days(a_timestamptz))"])
@pytest.mark.parametrize("format", ["orc", "avro"])
def test_every_type(spark, live, format, partitioning):
    table = Table(spark, live, f"every_{format}_{len(partitioning)}", format)
    table.create(COLUMNS, partitioning)
    table.insert(0, 10)
    table.insert(10, 10)
    table.sql(f"INSERT INTO {{t}} SELECT {NULLS} FROM range(50, 53)")
    for change in ("ALTER COLUMN a_float TYPE double", "ALTER COLUMN a_decimal TYPE decimal(18,2)", "DROP COLUMN gone", "DROP COLUMN a_struct.gone",
                   "RENAME COLUMN a_struct TO inner", "ADD COLUMN inner.z string FIRST", "ALTER COLUMN a_list.element.n TYPE decimal(11,1)", "ADD COLUMN gone int"):
        table.sql(f"ALTER TABLE {{t}} {change}")
    table.sql("DELETE FROM {t} WHERE an_int IN (3, 11, 51)")
    table.sql("UPDATE {t} SET a_string = 'updated', gone = 7 WHERE an_int IN (4, 12, 52)")
    assert table.formats("data_files") == [format.upper()] and table.formats("delete_files") == [format.upper()]
    table.optimize("full", "*")
    alone = "days" in partitioning  # a partition's only file, if nothing of it is deleted, stays as it is
    assert alone or table.formats("data_files") == ["PARQUET"]
    # Files of both formats in a task, with deletes of the one in files of the other.
    table.sql("UPDATE {t} SET inner.z = 'z' WHERE an_int % 3 = 0")
    assert table.formats("data_files") == sorted([format.upper(), "PARQUET"]) and table.formats("delete_files") == [format.upper()]
    table.optimize("full", "*")
    assert alone or table.formats("data_files") == ["PARQUET"]
    assert len(table.rows("an_int")) == 20


@pytest.mark.parametrize("format", ["orc", "avro"])
def test_keys_that_are_deleted(spark, live, format):
    table = Table(spark, live, f"keys_{format}", format)
    table.create("id int, name string", "")
    table.sql("INSERT INTO {t} SELECT int(id), concat('n', id) FROM range(0, 100)")
    table.delete_keys("name", ["n7", "n50", "none"])
    table.sql("INSERT INTO {t} VALUES (7, 'n7')")
    table.delete_keys("name", ["n99", "n50"])
    expected = sorted(str((i, f"n{i}")) for i in range(100) if i not in (50, 99))
    assert table.rows("*") == expected and table.formats("delete_files") == [format.upper()]
    table.optimize("minor", "*")
    assert table.rows("*") == expected and table.formats("delete_files") == []


@pytest.mark.parametrize("format", ["orc", "avro"])
def test_uuids_and_fixed(spark, live, format):
    table = Table(spark, live, f"fixed_{format}", format)
    schema = Schema(NestedField(1, "id", IntegerType(), required=True), NestedField(2, "u", UUIDType()), NestedField(3, "x", FixedType(4)), NestedField(4, "s", StringType()))
    RestCatalog("m", uri=live.uri, warehouse="default").create_table(f"db.{table.name}", schema, properties=table.properties())
    for i in range(3):
        table.sql(f"INSERT INTO {{t}} VALUES ({i}, '0123456{i}-89ab-cdef-0123-456789abcdef', X'0000000{i}', 's'), ({i}, null, null, null)")
    table.optimize("full", "*")
    assert table.formats("data_files") == ["PARQUET"] and len(table.rows("*")) == 6


def test_times_that_nanoseconds_cannot_tell(spark, live):
    """Avro keeps them."""
    table = Table(spark, live, "far_avro", "avro")
    table.create("id int, t timestamp, n timestamp_ntz", "")
    for i in range(2):
        table.sql(f"INSERT INTO {{t}} VALUES ({i}, timestamp'9999-12-31 23:59:59.999999', timestamp_ntz'0001-01-01 00:00:00')")
    table.optimize("full", "string(t), string(n)")
    assert table.formats("data_files") == ["PARQUET"]


@pytest.mark.parametrize("format", ["orc", "avro"])
def test_many_rows(spark, live, format):
    """Many stripes and blocks, and batches smaller than they are."""
    table = Table(spark, live, f"many_{format}", format)
    table.create("id bigint, s string, l array<int>", "")
    table.sql("ALTER TABLE {t} SET TBLPROPERTIES ('write.orc.stripe-size-bytes' = '100000')")
    for first in (0, 200_000):
        table.sql(f"INSERT INTO {{t}} SELECT id, repeat(sha2(string(id), 256), int(id % 7)), sequence(0, int(id % 5)) FROM range({first}, {first + 200_000}, 1, 1)")
    table.sql("DELETE FROM {t} WHERE id % 1000 = 999")
    digest = "SELECT count(*), sum(id), sum(hash(id, s, l)) FROM {t}"
    before = table.sql(digest)
    assert before[0][0] == 399_600
    optimize(live, table.name, "full")
    assert table.sql(digest) == before
    assert table.formats("data_files") == ["PARQUET"] and table.formats("delete_files") == []

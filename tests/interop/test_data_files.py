"""Data files of others rewritten by Moraine: rows are the same to pyarrow and DuckDB, metrics to PyIceberg."""
import datetime
import decimal
import json
import os
import struct
import subprocess
import uuid
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.io.pyarrow import (
    compute_statistics_plan,
    data_file_statistics_from_parquet_metadata,
    parquet_path_to_id_mapping,
    pyarrow_to_schema,
    schema_to_pyarrow,
)
from pyiceberg.schema import Schema
from pyiceberg.types import (
    BinaryType,
    BooleanType,
    DateType,
    DecimalType,
    DoubleType,
    FixedType,
    FloatType,
    IntegerType,
    ListType,
    LongType,
    MapType,
    NestedField,
    StringType,
    StructType,
    TimestampType,
    TimestamptzType,
    TimeType,
    UUIDType,
)

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(os.environ.get("MORAINE_RUN_REWRITE", ROOT / "build" / "fast" / "tests" / "run_rewrite"))
NAN = float("nan")


def rewrite(folder: Path, schema: Schema, files: list[Path], properties: dict | None = None, **task) -> dict:
    """The output of one task over the files, in their order."""
    done = run_rewrite(folder, schema, files, properties, **task)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def run_rewrite(folder: Path, schema: Schema, files: list[Path], properties: dict | None = None, **task) -> subprocess.CompletedProcess:
    assert PROGRAM.exists(), f"{PROGRAM} is not built: run ./dev build"
    inputs = [{"file": {"format": "parquet", "path": str(file), "spec-id": 0, "records": pq.read_metadata(file).num_rows,
                        "bytes": file.stat().st_size},
               "sequence-number": 1} for file in files]
    task = {"task-format": 1, "kind": "rewrite", "process-id": "p", "task-id": 0, "attempt": 1, "table": "t", "format-version": 2,
            "target-size-bytes": 1 << 30, "data-location": str(folder / "out"), "partition-path": "", "properties": properties or {},
            "schema": json.loads(schema.model_dump_json()), "spec": {"spec-id": 0, "fields": []}, "partition": [], "rewrite": inputs} | task
    path = folder / "task.json"
    path.write_text(json.dumps(task))
    return subprocess.run([PROGRAM, path], capture_output=True, text=True)


def pairs(flat: list) -> dict:
    return dict(zip(flat[::2], flat[1::2]))


EVERY = Schema(
    NestedField(1, "a_boolean", BooleanType()), NestedField(2, "an_int", IntegerType()), NestedField(3, "a_long", LongType(), required=True),
    NestedField(4, "a_float", FloatType()), NestedField(5, "a_double", DoubleType()), NestedField(6, "decimal_9", DecimalType(9, 2)),
    NestedField(7, "decimal_18", DecimalType(18, 3)), NestedField(8, "decimal_38", DecimalType(38, 4)), NestedField(9, "a_date", DateType()),
    NestedField(10, "a_time", TimeType()), NestedField(11, "a_timestamp", TimestampType()), NestedField(12, "a_timestamptz", TimestamptzType()),
    NestedField(13, "a_string", StringType()), NestedField(14, "a_uuid", UUIDType()), NestedField(15, "a_fixed", FixedType(4)),
    NestedField(16, "a_binary", BinaryType()),
    NestedField(17, "a_struct", StructType(NestedField(18, "x", DoubleType()), NestedField(19, "y", StringType()))),
    NestedField(20, "a_list", ListType(21, LongType(), element_required=False)),
    NestedField(22, "a_map", MapType(23, StringType(), 24, StructType(NestedField(25, "z", IntegerType())), value_required=False)),
)


def every_row(i: int) -> dict:
    if i % 5 == 0:
        return {field.name: None for field in EVERY.fields} | {"a_long": i}
    zone = datetime.timezone.utc
    return {
        "a_boolean": i % 2 == 0, "an_int": i * 1000 - 5000, "a_long": i, "a_float": NAN if i % 7 == 0 else i / 4, "a_double": NAN if i % 3 == 0 else -i / 8,
        "decimal_9": decimal.Decimal(i - 20) / 100, "decimal_18": decimal.Decimal(i * 10**12) / 1000, "decimal_38": decimal.Decimal(-i * 10**30) / 10000,
        "a_date": datetime.date(1960 + i % 100, 1, 2), "a_time": datetime.time(i % 24, 5, 6, 7),
        "a_timestamp": datetime.datetime(1900 + i % 200, 1, 2, 3, 4, 5, 6), "a_timestamptz": datetime.datetime(2000, 1, 1, i % 24, tzinfo=zone),
        "a_string": "grüße " * (i % 6), "a_uuid": uuid.UUID(int=i << 100).bytes, "a_fixed": struct.pack(">i", i), "a_binary": bytes([255] * (i % 40)),
        "a_struct": None if i % 4 == 0 else {"x": NAN if i % 8 == 1 else float(i), "y": None if i % 3 == 0 else str(i)},
        "a_list": [] if i % 4 == 0 else [i, None, -i], "a_map": None if i % 4 == 1 else {"k": {"z": i}, "n": None},
    }


def same(left: pa.Table, right: pa.Table) -> bool:
    """Equal values; NaNs equal each other."""
    return repr(left.to_pylist()) == repr(right.to_pylist())


def metrics_of_pyiceberg(path: Path, schema: Schema, properties: dict) -> dict:
    statistics = data_file_statistics_from_parquet_metadata(
        parquet_metadata=pq.read_metadata(path), stats_columns=compute_statistics_plan(schema, properties),
        parquet_column_mapping=parquet_path_to_id_mapping(schema))
    return statistics.to_serialized_dict()


@pytest.mark.parametrize("properties", [
    {}, {"write.metadata.metrics.default": "full"}, {"write.metadata.metrics.default": "counts", "write.parquet.compression-codec": "snappy"},
    {"write.metadata.metrics.default": "truncate(3)", "write.metadata.metrics.column.a_string": "none", "write.parquet.page-version": "v2"}])
def test_every_type(tmp_path, properties):
    table = pa.Table.from_pylist([every_row(i) for i in range(300)], schema=schema_to_pyarrow(EVERY, include_field_ids=True))
    for i in range(3):
        pq.write_table(table.slice(i * 100, 100), tmp_path / f"{i}.parquet", compression="zstd", row_group_size=30,
                       store_decimal_as_integer=i == 1, data_page_version="2.0" if i == 2 else "1.0")
    output = rewrite(tmp_path, EVERY, [tmp_path / f"{i}.parquet" for i in range(3)], properties | {"write.parquet.row-group-size-bytes": "20000"})
    [file] = output["data-files"]
    path = Path(file["path"])
    read = pq.read_table(path)
    plain = pa.Table.from_pylist(table.to_pylist(), schema=pa.schema([pa.field(f.name, f.type) for f in table.schema]))
    names = [name for name in plain.column_names if name != "a_uuid"]
    assert same(read.select(names), plain.select(names))
    assert [v and v.bytes for v in read["a_uuid"].to_pylist()] == [every_row(i)["a_uuid"] for i in range(300)]
    assert [pq.read_schema(path).field(f.name).metadata[b"PARQUET:field_id"] for f in EVERY.fields] == [str(f.field_id).encode() for f in EVERY.fields]
    assert pyarrow_to_schema(pq.read_schema(path)).as_struct() == EVERY.as_struct()
    assert Schema.model_validate_json(pq.read_metadata(path).metadata[b"iceberg.schema"]).as_struct() == EVERY.as_struct()

    count, total, nulls = duckdb.sql(f"SELECT count(*), sum(a_long), count(*) FILTER (a_struct IS NULL) FROM '{path}'").fetchone()
    assert (count, total) == (300, sum(range(300)))
    assert nulls == sum(every_row(i)["a_struct"] is None for i in range(300))

    expected = metrics_of_pyiceberg(path, EVERY, properties)
    assert file["records"] == expected["record_count"]
    assert file["split-offsets"] == expected["split_offsets"]
    sizes = pairs(file.get("column-sizes", []))
    assert {i: size for i, size in expected["column_sizes"].items() if i in sizes} == sizes
    in_lists = {21, 23, 25}
    for ours, theirs in (("value-counts", "value_counts"), ("null-counts", "null_value_counts")):
        assert pairs(file.get(ours, [])) == {i: n for i, n in expected[theirs].items() if i not in in_lists}, ours
    if properties.get("write.metadata.metrics.default") != "counts":
        import base64
        for ours, theirs in (("lower-bounds", "lower_bounds"), ("upper-bounds", "upper_bounds")):
            bounds = {i: base64.b64decode(text) for i, text in pairs(file.get(ours, [])).items()}
            wanted = {i: bytes(value) for i, value in expected[theirs].items() if i not in in_lists}
            # PyIceberg leaves out what is inside structs.
            differ = {i for i in bounds.keys() | wanted.keys() if bounds.get(i) != wanted.get(i)}
            assert differ <= {18, 19}, {i: (bounds.get(i), wanted.get(i)) for i in differ}
    nans = pairs(file["nan-counts"])
    rows = [every_row(i) for i in range(300)]
    assert nans[4] == sum(row["a_float"] is not None and row["a_float"] != row["a_float"] for row in rows)
    assert nans[18] == sum(row["a_struct"] is not None and row["a_struct"]["x"] != row["a_struct"]["x"] for row in rows)


def with_id(name: str, kind: pa.DataType, field_id: int) -> pa.Field:
    return pa.field(name, kind, metadata={"PARQUET:field_id": str(field_id)})


LONG = NestedField(1, "v", LongType())
FOREIGN = {
    "int8": (pa.int8(), [1, None, -128], NestedField(1, "v", IntegerType()), {}),
    "uint16": (pa.uint16(), [1, None, 65535], NestedField(1, "v", IntegerType()), {}),
    "uint32": (pa.uint32(), [1, None, 2**32 - 1], LONG, {}),
    "millis": (pa.timestamp("ms"), [datetime.datetime(1969, 1, 1), None], NestedField(1, "v", TimestampType()), {}),
    "int96": (pa.timestamp("ns"), [datetime.datetime(1969, 1, 1, 2, 3, 4, 5), None, datetime.datetime(2200, 1, 1)],
              NestedField(1, "v", TimestampType()), {"use_deprecated_int96_timestamps": True}),
    "int96 of a zone": (pa.timestamp("us"), [datetime.datetime(2020, 1, 1), None], NestedField(1, "v", TimestamptzType()),
                        {"use_deprecated_int96_timestamps": True}),
    "zone": (pa.timestamp("us", "America/New_York"), [datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc), None],
             NestedField(1, "v", TimestamptzType()), {}),
    "time millis": (pa.time32("ms"), [datetime.time(1, 2, 3, 4000), None], NestedField(1, "v", TimeType()), {}),
    "large string": (pa.large_string(), ["x", None, "ü"], NestedField(1, "v", StringType()), {}),
    "string view": (pa.string_view(), ["x", None, "a longer one than twelve"], NestedField(1, "v", StringType()), {}),
    "dictionary": (pa.dictionary(pa.int32(), pa.string()), ["x", None, "x", "y"], NestedField(1, "v", StringType()), {}),
    "binary as string": (pa.binary(), [b"x", None], NestedField(1, "v", StringType()), {}),
    "large list": (pa.large_list(with_id("element", pa.int64(), 2)), [[1, None], None, []],
                   NestedField(1, "v", ListType(2, LongType(), element_required=False)), {}),
    "fixed size list": (pa.list_(with_id("element", pa.int64(), 2), 2), [[1, None], None, [3, 4]],
                        NestedField(1, "v", ListType(2, LongType(), element_required=False)), {}),
    "delta": (pa.int64(), list(range(1000)), LONG, {"use_dictionary": False, "column_encoding": "DELTA_BINARY_PACKED"}),
    "delta strings": (pa.string(), [f"prefix{i}" for i in range(1000)], NestedField(1, "v", StringType()),
                      {"use_dictionary": False, "column_encoding": "DELTA_BYTE_ARRAY"}),
    "split bytes": (pa.float64(), [i / 3 for i in range(1000)], NestedField(1, "v", DoubleType()),
                    {"use_dictionary": False, "column_encoding": "BYTE_STREAM_SPLIT"}),
    "gzip": (pa.int64(), [1, 2], LONG, {"compression": "gzip"}),
    "brotli": (pa.int64(), [1, 2], LONG, {"compression": "brotli"}),
    "lz4": (pa.int64(), [1, 2], LONG, {"compression": "lz4"}),
    "no compression": (pa.int64(), [1, 2], LONG, {"compression": "none"}),
    "empty": (pa.int64(), [], LONG, {}),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_foreign_forms(tmp_path, name):
    kind, values, field, options = FOREIGN[name]
    path = tmp_path / "in.parquet"
    pq.write_table(pa.table([pa.array(values, kind)], schema=pa.schema([with_id("v", kind, 1)])), path, **options)
    output = rewrite(tmp_path, Schema(field), [path])
    if not values:
        assert output["data-files"] == []
        return
    read = pq.read_table(output["data-files"][0]["path"])["v"].to_pylist()
    if "zone" in name:
        values = [v and v.replace(tzinfo=datetime.timezone.utc) for v in values]
    assert read == [v.decode() if isinstance(v, bytes) else v for v in values]


def test_files_without_ids(tmp_path):
    pq.write_table(pa.table({"b": ["x"], "old_a": [1], "s": [{"y": 2.5}]}), tmp_path / "in.parquet")
    schema = Schema(NestedField(1, "a", LongType()), NestedField(2, "b", StringType()),
                    NestedField(3, "s", StructType(NestedField(4, "yy", DoubleType()))))
    mapping = [{"field-id": 1, "names": ["a", "old_a"]}, {"field-id": 2, "names": ["b"]},
               {"field-id": 3, "names": ["s"], "fields": [{"field-id": 4, "names": ["y"]}]}]
    output = rewrite(tmp_path, schema, [tmp_path / "in.parquet"], {"schema.name-mapping.default": json.dumps(mapping)})
    assert pq.read_table(output["data-files"][0]["path"]).to_pylist() == [{"a": 1, "b": "x", "s": {"yy": 2.5}}]
    (tmp_path / "out" / "p-0-1-00000.parquet").unlink()
    done = run_rewrite(tmp_path, schema, [tmp_path / "in.parquet"])
    assert done.returncode != 0
    assert "no schema.name-mapping.default" in done.stderr and "in.parquet" in done.stderr


def test_files_of_duckdb(tmp_path):
    path = tmp_path / "in.parquet"
    duckdb.sql(f"""COPY (SELECT i::INTEGER AS i, CASE WHEN i % 3 = 0 THEN NULL ELSE 'v' || i END AS s, [i, NULL] AS l, {{'x': i::DOUBLE}} AS t,
                   (i / 100)::DECIMAL(12, 2) AS d FROM range(5000) r(i))
                   TO '{path}' (FIELD_IDS {{i: 1, s: 2, l: {{__duckdb_field_id: 3, element: 4}}, t: {{__duckdb_field_id: 5, x: 6}}, d: 7}}, ROW_GROUP_SIZE 2048)""")
    schema = Schema(NestedField(1, "i", LongType()), NestedField(2, "s", StringType()), NestedField(3, "l", ListType(4, LongType(), element_required=False)),
                    NestedField(5, "t", StructType(NestedField(6, "x", DoubleType()))), NestedField(7, "d", DecimalType(20, 2)))
    output = rewrite(tmp_path, schema, [path, path])
    again = output["data-files"][0]["path"]
    assert duckdb.sql(f"SELECT count(*) FROM '{again}'").fetchone() == (10000,)
    assert duckdb.sql(f"(SELECT * FROM '{path}') EXCEPT (SELECT * FROM '{again}')").fetchall() == []
    assert duckdb.sql(f"(SELECT * FROM '{again}') EXCEPT (SELECT * FROM '{path}')").fetchall() == []


def test_deep_nesting_with_nulls_and_nothing_at_every_level(tmp_path):
    inner = StructType(NestedField(6, "c", DoubleType()), NestedField(7, "d", DecimalType(30, 3)))
    schema = Schema(NestedField(1, "id", LongType(), required=True), NestedField(2, "v", ListType(3, StructType(
        NestedField(4, "a", IntegerType(), required=True),
        NestedField(5, "b", MapType(8, StringType(), 9, ListType(10, inner, element_required=False), value_required=False))), element_required=False)))
    leaf = {"c": NAN, "d": decimal.Decimal("-1.500")}
    values = [None, [], [None], [{"a": 1, "b": None}], [{"a": 2, "b": []}], [{"a": 3, "b": [("k", None)]}], [{"a": 4, "b": [("", []), ("l", [None])]}],
              [{"a": 5, "b": [("m", [leaf, None, {"c": None, "d": None}])]}, None, {"a": 6, "b": [("n", [leaf])]}]]
    rows = [{"id": i, "v": values[i % len(values)]} for i in range(400)]
    table = pa.Table.from_pylist(rows, schema=schema_to_pyarrow(schema, include_field_ids=True))
    for i in range(2):
        pq.write_table(table.slice(i * 200, 200), tmp_path / f"{i}.parquet", row_group_size=37, data_page_version=f"{i + 1}.0")
    output = rewrite(tmp_path, schema, [tmp_path / "0.parquet", tmp_path / "1.parquet"], {"write.parquet.row-group-size-bytes": "3000"})
    [file] = output["data-files"]
    again = pq.read_table(file["path"])
    assert again.schema.remove_metadata().names == ["id", "v"] and repr(again.to_pylist()) == repr(rows)
    assert pyarrow_to_schema(pq.read_schema(file["path"])).as_struct() == schema.as_struct()
    old = f"read_parquet(['{tmp_path}/0.parquet', '{tmp_path}/1.parquet'])"
    for left, right in ((old, f"'{file['path']}'"), (f"'{file['path']}'", old)):
        assert duckdb.sql(f"SELECT id, v::VARCHAR FROM {left} EXCEPT SELECT id, v::VARCHAR FROM {right}").fetchall() == []


def test_members_without_ids_are_not_lost(tmp_path):
    kind = pa.struct([("x", pa.int64())])
    pq.write_table(pa.table([pa.array([{"x": 1}], kind)], schema=pa.schema([with_id("v", kind, 1)])), tmp_path / "in.parquet")
    done = run_rewrite(tmp_path, Schema(NestedField(1, "v", StructType(NestedField(2, "x", LongType())))), [tmp_path / "in.parquet"])
    assert done.returncode != 0 and "its column x has no field id" in done.stderr

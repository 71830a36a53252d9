"""Makes the inputs of bench_rewrite.py, once: folders of small Parquet files with field ids, in build/bench-inputs.

A folder's name says all that it was made from, so that another scale or count of files is another folder.
"""
import shutil
import site
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / "build/bench-inputs"
VERSION = 1  # of what the code below makes
THREADS = 2

# Queries of rows i of range(); the number of rows at scale 1, and into how many files.
WORDS = "md5((i * 31 + {n})::VARCHAR) || ' ' || md5((i + {n})::VARCHAR)"
TABLES = {
    "lineitem": ("SELECT * FROM lineitem LIMIT {rows} OFFSET {first}", 6_001_215, 200),
    "wide strings": ("SELECT i AS id, " + ", ".join(
        f"substr({WORDS.format(n=n)}, 1, {8 + n}) AS unique{n}" if n < 4 else f"'value ' || (hash(i + {n}) % {10 ** (n % 5 + 1)}) AS some{n}"
        for n in range(24)) + " FROM range({first}, {first} + {rows}) r(i)", 1_000_000, 40),
    "narrow numbers": ("SELECT i AS id, (hash(i) % 1000000) / 1000.0::DOUBLE AS reading, (hash(i * 7) % 5000)::INTEGER AS sensor, "
                       "TIMESTAMP '2026-01-01' + to_microseconds(i * 1000) AS measured FROM range({first}, {first} + {rows}) r(i)", 12_000_000, 100),
    "nested": ("SELECT i AS id, [{{'sku': 'sku-' || (hash(i + x) % 10000), 'count': (hash(i * x) % 9)::INTEGER, 'price': (hash(x) % 10000) / 100.0::DOUBLE}} "
               "FOR x IN range((hash(i) % 5)::BIGINT)] AS lines, MAP {{'channel': 'c' || (i % 7), 'region': 'r' || (hash(i) % 50)}} AS tags, "
               "{{'name': 'customer ' || (hash(i) % 50000), 'since': DATE '2000-01-01' + (hash(i) % 9000)::INTEGER}} AS customer "
               "FROM range({first}, {first} + {rows}) r(i)", 1_500_000, 50),
}


def connect() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute(f"SET threads = {THREADS}; SET preserve_insertion_order = true")
    return connection


def load_tpch(connection):
    for folder in site.getsitepackages():
        file = Path(folder, "duckdb_extension_tpch", "extensions", f"v{duckdb.__version__}", "tpch.duckdb_extension")
        if file.exists():
            return connection.execute(f"LOAD '{file}'")
    raise SystemExit("the package duckdb_extension_tpch is missing: run ./dev setup")


class Ids:
    """Arrow's types with field ids as Iceberg gives them: the members of a struct first, then what is inside."""

    def __init__(self):
        self.last = 0

    def next(self) -> dict:
        self.last += 1
        return {"PARQUET:field_id": str(self.last)}

    def fields(self, fields: list[pa.Field]) -> list[pa.Field]:
        numbered = [(field, self.next()) for field in fields]
        return [pa.field(field.name, self.type(field.type), field.nullable, number) for field, number in numbered]

    def type(self, kind: pa.DataType) -> pa.DataType:
        if pa.types.is_struct(kind):
            return pa.struct(self.fields(list(kind)))
        if pa.types.is_list(kind):
            number = self.next()
            return pa.list_(pa.field("element", self.type(kind.value_type), True, number))
        if pa.types.is_map(kind):
            key, value = self.next(), self.next()
            return pa.map_(pa.field("key", self.type(kind.key_type), False, key), pa.field("value", self.type(kind.item_type), True, value))
        return kind


def duckdb_ids(fields: list[pa.Field]) -> str:
    def of(field: pa.Field) -> str:
        number = field.metadata[b"PARQUET:field_id"].decode()
        kind = field.type
        if pa.types.is_struct(kind):
            inner = [(f.name, f) for f in kind]
        elif pa.types.is_list(kind):
            inner = [("element", kind.value_field)]
        elif pa.types.is_map(kind):
            inner = [("key", kind.key_field), ("value", kind.item_field)]
        else:
            return number
        return f"{{__duckdb_field_id: {number}, " + ", ".join(f"{name}: {of(f)}" for name, f in inner) + "}"

    return "{" + ", ".join(f"{field.name}: {of(field)}" for field in fields) + "}"


def input_folder(table: str, writer: str, scale: float) -> Path:
    return CACHE / f"{table.replace(' ', '-')}-{writer}-{scale:g}-v{VERSION}"


def make_input(table: str, writer: str, scale: float, spark) -> Path:
    """The folder of the table's files by this writer. `spark` is called for a session when it has to write."""
    folder = input_folder(table, writer, scale)
    if folder.exists():
        return folder
    print(f"making {folder.name}", flush=True)
    making = folder.with_name(folder.name + ".making")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True)
    if writer == "spark":
        spark().write_like(make_input(table, "pyarrow", scale, spark), making)
    else:
        write_files(table, writer, scale, making)
    making.rename(folder)
    return folder


def write_files(table: str, writer: str, scale: float, folder: Path):
    query, rows, files = TABLES[table]
    connection = connect()
    if table == "lineitem":
        load_tpch(connection)
        connection.execute(f"CALL dbgen(sf = {scale:g})")
        rows = connection.execute("SELECT count(*) FROM lineitem").fetchone()[0]
    else:
        rows = int(rows * scale)
    each = -(-rows // files)
    for i in range(files):
        part = connection.execute(query.format(first=i * each, rows=min(each, rows - i * each))).to_arrow_table()
        if i == 0:
            schema = pa.schema(Ids().fields(list(part.schema)))
            ids = duckdb_ids(list(schema))
        path = folder / f"{i:04}.parquet"
        if writer == "duckdb":
            connection.register("part", part)
            connection.execute(f"COPY (FROM part) TO '{path}' (COMPRESSION zstd, FIELD_IDS {ids})")
        else:  # as PyIceberg does
            pq.write_table(pa.Table.from_arrays(part.cast(schema).columns, schema=schema), path, compression="zstd", compression_level=3, store_schema=False,
                           store_decimal_as_integer=True)

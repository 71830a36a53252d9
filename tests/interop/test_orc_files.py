"""ORC files of the C++ writer (pyarrow), of both versions of run lengths and every codec, rewritten by Moraine: pyarrow reads the same rows from the Parquet file."""
import decimal
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.orc as orc
import pyarrow.parquet as pq
import pytest
from interop.test_data_files import rewrite
from pyiceberg.io.pyarrow import pyarrow_to_schema
from pyiceberg.schema import Schema

SEEDS = range(12)
CODECS = ["uncompressed", "zlib", "snappy", "lz4", "zstd"]


def integers(rng: random.Random, count: int, bits: int) -> list[int]:
    """Runs, slopes, noise, outliers: what every kind of run is made for."""
    most, values = (1 << (bits - 1)) - 1, []
    while len(values) < count:
        length, start = rng.randrange(1, 700), rng.randrange(-most // 2, most // 2)
        kind = rng.randrange(7)
        if kind == 0:
            values += [start] * length
        elif kind == 1:
            values += [start + i * rng.choice([1, 3]) for i in range(length)]
        elif kind == 2:
            slope = rng.choice([-7, 0, 11])
            values += [start // 2 + i * slope for i in range(length)]
        elif kind == 3:
            values += [rng.randrange(100) if rng.random() > 0.03 else rng.randrange(most // 4) for _ in range(length)]
        elif kind == 4:
            width = rng.randrange(1, bits)
            values += [rng.randrange(-(1 << (width - 1)) if width > 1 else 0, 1 << (width - 1)) for _ in range(length)]
        elif kind == 5:
            values += [-most - 1, most, 0, -1, 1]
        else:
            values += sorted(rng.randrange(-1000, 100000) for _ in range(length))
    return values[:count]


def with_nulls(rng: random.Random, values: list) -> list:
    share = rng.choice([0, 0, 0.01, 0.3, 0.97, 1])
    return [None if rng.random() < share else value for value in values]


def random_table(rng: random.Random) -> pa.Table:
    count = rng.choice([1, 5, 1023, 5000, 20000])
    words = ["x" * rng.randrange(30) + str(i) for i in range(rng.choice([1, 20, 5000]))]

    def field(name, kind, number, nullable=True):
        extra = {"iceberg.long-type": "TIME"} if name == "time" else {}
        return pa.field(name, kind, nullable, metadata={"iceberg.id": str(number), "PARQUET:field_id": str(number)} | extra)

    nested = pa.list_(field("item", pa.struct([field("p", pa.int32(), 21), field("q", pa.string(), 22)]), 20))
    columns = {
        field("i", pa.int32(), 1): integers(rng, count, 32), field("l", pa.int64(), 2): integers(rng, count, 64),
        field("f", pa.float32(), 3): [float(rng.randrange(1000)) / 8 for _ in range(count)], field("d", pa.float64(), 4): [rng.gauss(0, 1e9) for _ in range(count)],
        field("b", pa.bool_(), 5): [rng.random() < 0.2 for _ in range(count)], field("s", pa.string(), 6): [rng.choice(words) for _ in range(count)],
        field("r", pa.binary(), 7): [rng.randbytes(rng.randrange(8)) for _ in range(count)], field("day", pa.date32(), 8): [value % 100000 for value in integers(rng, count, 20)],
        field("at", pa.timestamp("us"), 9): [value % (1 << 52) - (1 << 51) for value in integers(rng, count, 60)],
        field("tz", pa.timestamp("us", "UTC"), 10): [value * 1000 for value in integers(rng, count, 40)],
        field("small", pa.decimal128(9, 2), 11): [decimal.Decimal(value % 10**9).scaleb(-2) for value in integers(rng, count, 40)],
        field("large", pa.decimal128(38, 10), 12): [decimal.Decimal(rng.randrange(-10**38 + 1, 10**38)).scaleb(-10, decimal.Context(prec=60)) for _ in range(count)],
        field("inner", pa.struct([field("x", pa.int64(), 14), field("y", pa.struct([field("z", pa.string(), 16)]), 15)]), 13):
            [{"x": None if rng.random() < 0.1 else value, "y": None if rng.random() < 0.3 else {"z": rng.choice(words)}} for value in integers(rng, count, 50)],
        field("list", nested, 19): [[None if rng.random() < 0.1 else {"p": rng.randrange(9), "q": rng.choice(words[:3])} for _ in range(rng.randrange(4))] for _ in range(count)],
        field("map", pa.map_(field("key", pa.string(), 24, False), field("value", pa.int64(), 25)), 23): [[(str(k), rng.choice([None, k])) for k in range(rng.randrange(3))] for _ in range(count)],
    }
    return pa.table([pa.array(with_nulls(rng, values), field.type) for field, values in columns.items()], schema=pa.schema(list(columns)))


def without_orc_ids(kind: pa.DataType) -> pa.DataType:
    def plain(field: pa.Field) -> pa.Field:
        return pa.field(field.name, without_orc_ids(field.type), field.nullable, metadata={"PARQUET:field_id": field.metadata[b"PARQUET:field_id"]})

    if pa.types.is_struct(kind):
        return pa.struct([plain(field) for field in kind])
    if pa.types.is_list(kind):
        return pa.list_(plain(kind.value_field))
    return pa.map_(plain(kind.key_field), plain(kind.item_field)) if pa.types.is_map(kind) else kind


def schema_of(table: pa.Table) -> Schema:
    return pyarrow_to_schema(pa.schema([field.with_type(without_orc_ids(field.type)) for field in table.schema]))


def task_input(path: Path, rows: int) -> dict:
    return {"file": {"format": "orc", "path": str(path), "spec-id": 0, "records": rows, "bytes": path.stat().st_size}, "sequence-number": 1}


@pytest.mark.parametrize("seed", SEEDS)
def test_random_files(tmp_path, seed):
    rng = random.Random(seed)
    tables, inputs = [], []
    for i in range(2):
        table = random_table(rng)
        options = {"compression": CODECS[(seed + i) % len(CODECS)], "file_version": rng.choice(["0.11", "0.12", "0.12"]), "stripe_size": rng.choice([1000, 100_000, 64 << 20]),
                   "batch_size": rng.choice([100, 1024]), "dictionary_key_size_threshold": rng.choice([0, 0.9]), "compression_block_size": rng.choice([64 << 10, 256 << 10]),
                   "row_index_stride": rng.choice([1000, 10000])}
        path = tmp_path / f"{i}.orc"
        orc.write_table(table, path, **options)
        # As its writer reads it: of structs within structs, that writes others than it was given.
        tables.append(orc.read_table(path).cast(table.schema))
        inputs.append(task_input(path, table.num_rows))
    output = rewrite(tmp_path, schema_of(tables[0]), [], rewrite=inputs)
    read = pq.read_table(output["data-files"][0]["path"])
    for name in tables[0].schema.names:
        wanted = [value for table in tables for value in table[name].to_pylist()]
        assert read[name].to_pylist() == wanted, (seed, name)


def test_a_file_that_is_cut(tmp_path):
    path = tmp_path / "a.orc"
    table = random_table(random.Random(1))
    orc.write_table(table, path)
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(AssertionError, match="Corruption.*a.orc"):
        rewrite(tmp_path, schema_of(table), [], rewrite=[task_input(path, table.num_rows)])

"""Makes the files of this folder with PyIceberg (see README.md). Run: python make.py"""
import json
import tempfile
import uuid
import zlib
from decimal import Decimal
from pathlib import Path

import pyarrow
from pyiceberg.avro.codecs import KNOWN_CODECS
from pyiceberg.avro.codecs.codec import Codec
from pyiceberg.conversions import to_bytes
from pyiceberg.io.pyarrow import PyArrowFileIO
from pyiceberg.manifest import (
    DataFile, DataFileContent, FileFormat, ManifestEntry, ManifestEntryStatus, ManifestFile, read_manifest_list, write_manifest,
    write_manifest_list,
)
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import parse_transform
from pyiceberg.typedef import Record
from pyiceberg.types import (
    BinaryType, BooleanType, DateType, DecimalType, DoubleType, FixedType, FloatType, IntegerType, LongType,
    NestedField, StringType, TimestampType, TimestamptzType, TimeType, UUIDType,
)

FOLDER = Path(__file__).resolve().parent
SNAPSHOT = 7
# Each column: type, transform, a usual value, the lowest, the highest.
COLUMNS = [
    (BooleanType(), "identity", True, False, True),
    (IntegerType(), "identity", 19000, -(2**31), 2**31 - 1),
    (LongType(), "identity", 1_700_000_000_000_000, -(2**63), 2**63 - 1),
    (FloatType(), "identity", 1.5, -0.0, float("nan")),
    (DoubleType(), "identity", -2.25, -0.0, float("nan")),
    (DecimalType(9, 2), "identity", Decimal("14.20"), Decimal("-9999999.99"), Decimal("9999999.99")),
    (DecimalType(38, 10), "identity", Decimal("-5.0000000001"), Decimal("-" + "9" * 28 + "." + "9" * 10), Decimal("9" * 28 + "." + "9" * 10)),
    (DateType(), "identity", 19675, -719162, 2932896),
    (TimeType(), "identity", 1, 0, 86_399_999_999),
    (TimestampType(), "identity", 1_700_000_000_000_000, -1, 0),
    (TimestamptzType(), "identity", 1_700_000_000_000_000, -1, 0),
    (StringType(), "identity", "a value longer than fifteen bytes", "", "é😀"),
    (UUIDType(), "identity", uuid.UUID("f79c3e09-677c-4bbd-a479-3f349cb785e7"), uuid.UUID(int=0), uuid.UUID(int=2**128 - 1)),
    (FixedType(3), "identity", b"abc", b"\0\0\0", b"\xff\xff\xff"),
    (BinaryType(), "identity", b"bytes", b"", b"\0\xff"),
    (StringType(), "bucket[16]", 3, 0, 15),
    (LongType(), "truncate[10]", 120, -10, 90),
    (TimestampType(), "year", 54, -1, 0),
    (TimestamptzType(), "month", 650, -1, 0),
    (TimestampType(), "day", 19675, -1, 0),
    (TimestampType(), "hour", 472222, -1, 0),
    (IntegerType(), "void", None, None, None),
    # Types that Avro names, a second time.
    (DecimalType(9, 2), "identity", Decimal("-0.01"), Decimal("0"), Decimal("1.28")),
    (UUIDType(), "identity", uuid.UUID(int=1), uuid.UUID(int=2), uuid.UUID(int=3)),
    (FixedType(3), "identity", b"xyz", b"xyz", b"xyz"),
]
SCHEMA = Schema(*[NestedField(i + 1, f"c{i + 1}", column[0], required=False) for i, column in enumerate(COLUMNS)])
SPEC = PartitionSpec(
    *[PartitionField(i + 1, 1000 + i, parse_transform(column[1]), "1 day/p-2" if i == 1 else f"c{i + 1}_part")
      for i, column in enumerate(COLUMNS)], spec_id=3)
UNPARTITIONED = PartitionSpec(spec_id=0)


class Snappy(Codec):
    """PyIceberg's own wants python-snappy; PyArrow holds the same library."""

    @staticmethod
    def compress(data: bytes) -> tuple[bytes, int]:
        packed = pyarrow.compress(data, codec="snappy", asbytes=True) + zlib.crc32(data).to_bytes(4, "big")
        return packed, len(packed)

    @staticmethod
    def decompress(data: bytes) -> bytes:
        size = sum((byte & 0x7F) << 7 * i for i, byte in enumerate(data[:1 + next(i for i, b in enumerate(data) if b < 0x80)]))
        raw = pyarrow.decompress(data[:-4], size, codec="snappy", asbytes=True)
        assert zlib.crc32(raw).to_bytes(4, "big") == data[-4:], "checksum"
        return raw


KNOWN_CODECS["snappy"] = Snappy


def data_file(number: int, partition: list, full: bool, content=DataFileContent.DATA) -> DataFile:
    metrics = dict(
        column_sizes={1: 100, 2: 2**40}, value_counts={1: 1000, 2: 1000}, null_value_counts={2: 7, 1: 0}, nan_value_counts={4: 1},
        lower_bounds={1: b"\0", 12: b""}, upper_bounds={1: b"\1", 12: b"x" * 40}, split_offsets=[4, 2**33],
        sort_order_id=0, key_metadata=b"\0key",
    ) if full else {}
    return DataFile.from_args(
        content=content, file_path=f"s3://bucket/db/t/data/{number:05}.parquet",
        file_format=FileFormat.PARQUET if full else FileFormat.ORC, partition=Record(*partition), record_count=1000 + number,
        file_size_in_bytes=2**34 + number, **metrics)


def entries(spec: PartitionSpec):
    rows = [[c[2] for c in COLUMNS], [None] * len(COLUMNS), [c[3] for c in COLUMNS], [c[4] for c in COLUMNS]]
    rows = [row[:len(spec.fields)] for row in rows]
    entry = lambda file, **values: ManifestEntry.from_args(data_file=file, **values)
    yield "add", entry(data_file(1, rows[0], True), snapshot_id=None, sequence_number=None)
    yield "add", entry(data_file(2, rows[1], False), snapshot_id=None, sequence_number=4)
    yield "existing", entry(data_file(3, rows[2], True), snapshot_id=5, sequence_number=3, file_sequence_number=2)
    yield "delete", entry(data_file(4, rows[3], True), snapshot_id=5, sequence_number=3, file_sequence_number=2)


def plain(value):
    return value.hex() if isinstance(value, bytes) else value


def partition_hex(record: Record, spec: PartitionSpec, schema: Schema):
    types = [field.field_type for field in spec.partition_type(schema).fields]
    out = []
    for i, kind in enumerate(types):
        value = record[i]
        if isinstance(kind, UUIDType) and isinstance(value, bytes):
            value = uuid.UUID(bytes=value)
        out.append(None if value is None else to_bytes(kind, value).hex())
    return out


def dump_entry(entry: ManifestEntry, spec: PartitionSpec, schema: Schema = SCHEMA) -> dict:
    file = entry.data_file
    maps = {name: sorted([key, plain(value)] for key, value in (getattr(file, name) or {}).items())
            for name in ("column_sizes", "value_counts", "null_value_counts", "nan_value_counts", "lower_bounds", "upper_bounds")}
    return dict(
        status=int(entry.status), snapshot_id=entry.snapshot_id, sequence_number=entry.sequence_number,
        file_sequence_number=entry.file_sequence_number, content=int(file.content or 0), file_path=file.file_path,
        file_format=file.file_format.value, partition=partition_hex(file.partition, spec, schema), record_count=file.record_count,
        file_size_in_bytes=file.file_size_in_bytes, **maps, key_metadata=plain(file.key_metadata),
        split_offsets=list(file.split_offsets or []), equality_ids=list(file.equality_ids or []), sort_order_id=file.sort_order_id)


def dump_line(line: ManifestFile) -> dict:
    names = ("manifest_path manifest_length partition_spec_id sequence_number min_sequence_number added_snapshot_id added_files_count "
             "existing_files_count deleted_files_count added_rows_count existing_rows_count deleted_rows_count").split()
    summaries = None if line.partitions is None else [
        [s.contains_null, s.contains_nan, plain(s.lower_bound), plain(s.upper_bound)] for s in line.partitions]
    values = {name: getattr(line, name) for name in names}
    values["sequence_number"] = values["sequence_number"] or 0
    values["min_sequence_number"] = values["min_sequence_number"] or 0
    return dict(values, content=int(line.content or 0), partitions=summaries, key_metadata=plain(line.key_metadata))


def make_manifest(io, folder: Path, name: str, version: int, spec: PartitionSpec, codec: str) -> ManifestFile:
    path = folder / f"{name}.avro"
    with write_manifest(version, spec, SCHEMA, io.new_output(str(path)), SNAPSHOT, codec) as writer:
        for how, entry in entries(spec):
            getattr(writer, how)(entry)
    line = writer.to_manifest_file()
    line.sequence_number = 0 if version == 1 else 9
    line.min_sequence_number = 0 if version == 1 else 3
    read = line.fetch_manifest_entry(io, discard_deleted=False)
    (FOLDER / path.name).write_bytes(path.read_bytes())
    write_expected(name, [dump_entry(entry, spec) for entry in read])
    return line


def write_expected(name: str, values: list):
    (FOLDER / f"{name}.json").write_text("[\n" + ",\n".join(json.dumps(value) for value in values) + "\n]\n")


def make_list(io, folder: Path, name: str, version: int, lines: list[ManifestFile], codec: str):
    path = folder / f"{name}.avro"
    with write_manifest_list(version, io.new_output(str(path)), SNAPSHOT, None if version == 1 else 5, 9, codec) as writer:
        writer.add_manifests(lines)
    (FOLDER / path.name).write_bytes(path.read_bytes())
    write_expected(name, [dump_line(line) for line in read_manifest_list(io.new_input(str(path)))])


def main():
    io = PyArrowFileIO()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        lines = {1: [], 2: []}
        for version, spec, codec in [(1, SPEC, "gzip"), (2, SPEC, "gzip"), (2, SPEC, "null"), (2, SPEC, "zstd"),
                                     (2, SPEC, "snappy"), (1, UNPARTITIONED, "gzip"), (2, UNPARTITIONED, "gzip")]:
            name = f"v{version}_{'partitioned' if spec.fields else 'plain'}_{codec}"
            line = make_manifest(io, folder, name, version, spec, codec)
            line._data[0] = f"s3://bucket/db/t/metadata/{name}.avro"
            lines[version].append(line)
        fresh = lines[2][-1]
        fresh.sequence_number = fresh.min_sequence_number = -1
        make_list(io, folder, "list_v1", 1, lines[1], "gzip")
        make_list(io, folder, "list_v2", 2, lines[1] + lines[2], "gzip")


if __name__ == "__main__":
    main()

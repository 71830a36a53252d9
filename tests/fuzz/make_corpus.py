"""Writes the seeds that other implementations make: manifests, manifest lists and metadata of PyIceberg, files of pyarrow.
(orc/spark-* and avro_rows/spark-* are data files of the tables that tests/engines/test_orc_and_avro.py makes.)

./dev python tests/fuzz/make_corpus.py
"""
import gzip
import shutil
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.orc as orc
import pyarrow.parquet as pq
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import IdentityTransform
from pyiceberg.types import DecimalType, LongType, NestedField, StringType

CORPUS = Path(__file__).resolve().parent / "corpus"
SCHEMA = Schema(NestedField(1, "id", LongType(), required=True), NestedField(2, "kind", StringType()),
                NestedField(3, "price", DecimalType(9, 2)))


def write_parquet_files():
    def column(name, kind, number):
        return pa.field(name, kind, metadata={"PARQUET:field_id": str(number)})

    nested = pa.list_(column("element", pa.struct([column("x", pa.float64(), 5), column("y", pa.decimal128(20, 3), 6)]), 4))
    schema = pa.schema([column("a", pa.int64(), 1), column("b", pa.string(), 2), column("c", nested, 3),
                        column("m", pa.map_(column("key", pa.string(), 8).with_nullable(False), column("value", pa.date32(), 9)), 7)])
    rows = [{"a": i, "b": None if i % 3 else "x" * i, "c": [{"x": i / 2, "y": None}, None] if i % 2 else [], "m": None} for i in range(20)]
    table = pa.Table.from_pylist(rows, schema=schema)
    (CORPUS / "parquet").mkdir(exist_ok=True)
    for codec in ("none", "zstd", "snappy"):
        for version in ("1.0", "2.0"):
            pq.write_table(table, CORPUS / "parquet" / f"pyarrow-{codec}-v{version[0]}.parquet", compression=codec, data_page_version=version,
                           use_dictionary=codec != "none", row_group_size=11)
    pq.write_table(table.select(["a"]), CORPUS / "parquet" / "pyarrow-delta.parquet", use_dictionary=False,
                   column_encoding={"a": "DELTA_BINARY_PACKED"})


def write_orc_files():
    def column(name, kind, number):
        return pa.field(name, kind, metadata={"iceberg.id": str(number)})

    nested = pa.list_(column("item", pa.struct([column("x", pa.float64(), 5), column("y", pa.decimal128(20, 3), 6)]), 4))
    schema = pa.schema([column("a", pa.int64(), 1), column("b", pa.string(), 2), column("c", nested, 3), column("t", pa.timestamp("us"), 7)])
    rows = [{"a": i * i if i % 7 else 1 << 60, "b": None if i % 3 else "x" * (i % 5), "c": [{"x": i / 2, "y": None}, None] if i % 2 else [], "t": i * 999} for i in range(40)]
    (CORPUS / "orc").mkdir(exist_ok=True)
    for number, codec in enumerate(("uncompressed", "zlib", "snappy", "lz4", "zstd")):
        orc.write_table(pa.Table.from_pylist(rows, schema=schema), CORPUS / "orc" / f"pyarrow-{codec}.orc", compression=codec,
                        file_version="0.12" if number % 2 == 0 else "0.11", dictionary_key_size_threshold=number % 2)


def main():
    write_parquet_files()
    write_orc_files()
    with tempfile.TemporaryDirectory() as folder:
        catalog = SqlCatalog("seeds", uri="sqlite:///:memory:", warehouse=f"file://{folder}")
        catalog.create_namespace("db")
        for version in ("1", "2"):
            for codec in ("null", "gzip", "zstd"):
                properties = {"format-version": version, "write.avro.compression-codec": codec}
                table = catalog.create_table(f"db.v{version}_{codec}", SCHEMA, properties=properties,
                                             partition_spec=PartitionSpec(PartitionField(2, 1000, IdentityTransform(), "kind")))
                rows = [{"id": i, "kind": kind, "price": None} for i, kind in enumerate(("a", "b", None))]
                table.append(pa.Table.from_pylist(rows, schema=table.schema().as_arrow()))
                table.delete("id = 1")
                for file in sorted(Path(table.location().removeprefix("file://"), "metadata").glob("*.avro")):
                    kind = "list" if file.name.startswith("snap-") else "manifest"
                    for target in ("avro", "manifest"):
                        if codec == "null" or not any(CORPUS.glob(f"{target}/pyiceberg-{kind}-v{version}-{codec}-*")):
                            number = len(list((CORPUS / target).glob(f"pyiceberg-{kind}-v{version}-{codec}-*")))
                            shutil.copy(file, CORPUS / target / f"pyiceberg-{kind}-v{version}-{codec}-{number}.avro")
                metadata = Path(table.metadata_location.removeprefix("file://")).read_bytes()
                text = gzip.decompress(metadata) if metadata[:2] == b"\x1f\x8b" else metadata
                (CORPUS / "table_metadata" / f"pyiceberg-v{version}.json").write_bytes(text.replace(folder.encode(), b"/warehouse"))


if __name__ == "__main__":
    main()

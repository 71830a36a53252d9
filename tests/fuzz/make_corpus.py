"""Writes the seeds that other implementations make: manifests, manifest lists and metadata of PyIceberg.

./dev python tests/fuzz/make_corpus.py
"""
import gzip
import shutil
import tempfile
from pathlib import Path

import pyarrow as pa
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import IdentityTransform
from pyiceberg.types import DecimalType, LongType, NestedField, StringType

CORPUS = Path(__file__).resolve().parent / "corpus"
SCHEMA = Schema(NestedField(1, "id", LongType(), required=True), NestedField(2, "kind", StringType()),
                NestedField(3, "price", DecimalType(9, 2)))


def main():
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

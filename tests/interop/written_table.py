"""A table's metadata, written by PyIceberg's own code around given data files, so that PyIceberg scans files that no catalog knows, and
Spark, too, for which the table is one of a Hadoop catalog."""
import base64
from pathlib import Path

from pyiceberg.io.pyarrow import PyArrowFileIO
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat, ManifestEntry, ManifestEntryStatus, write_manifest, write_manifest_list
from pyiceberg.partitioning import UNPARTITIONED_PARTITION_SPEC
from pyiceberg.schema import Schema
from pyiceberg.table import StaticTable
from pyiceberg.table.metadata import TableMetadataV2
from pyiceberg.typedef import Record

COUNTS = {"column-sizes": "column_sizes", "value-counts": "value_counts", "null-counts": "null_value_counts", "nan-counts": "nan_value_counts"}
BOUNDS = {"lower-bounds": "lower_bounds", "upper-bounds": "upper_bounds"}


def pairs(flat: list) -> dict:
    return dict(zip(flat[::2], flat[1::2]))


def data_file(file: dict) -> DataFile:
    """What a rewrite says of a file, as PyIceberg has it."""
    metrics = {theirs: pairs(file.get(ours, [])) for ours, theirs in COUNTS.items()}
    metrics |= {theirs: {i: base64.b64decode(text) for i, text in pairs(file.get(ours, [])).items()} for ours, theirs in BOUNDS.items()}
    return DataFile.from_args(content=DataFileContent.DATA, file_path=file["path"], file_format=FileFormat.PARQUET, partition=Record(),
                              record_count=file["records"], file_size_in_bytes=file["bytes"], split_offsets=file.get("split-offsets"),
                              equality_ids=None, sort_order_id=None, spec_id=0, key_metadata=None, **metrics)


def written_table(location: Path, schema: dict, files: list[dict]) -> StaticTable:
    folder = location / "metadata"
    folder.mkdir()
    parsed = Schema.model_validate(schema)
    io, snapshot = PyArrowFileIO(), 1
    with write_manifest(2, UNPARTITIONED_PARTITION_SPEC, parsed, io.new_output(f"{folder}/m.avro"), snapshot, "null") as manifest:
        for file in files:
            manifest.add_entry(ManifestEntry.from_args(status=ManifestEntryStatus.ADDED, snapshot_id=snapshot, sequence_number=None, file_sequence_number=None,
                                                       data_file=data_file(file)))
    with write_manifest_list(2, io.new_output(f"{folder}/list.avro"), snapshot, None, 1, "null") as manifests:
        manifests.add_manifests([manifest.to_manifest_file()])
    metadata = TableMetadataV2.model_validate({
        "format-version": 2, "table-uuid": "b4b0c2a3-5d0e-4c4f-8f63-0f3d5c1e7a90", "location": str(location), "last-sequence-number": 1, "last-updated-ms": 1,
        "last-column-id": parsed.highest_field_id, "current-schema-id": 0, "schemas": [schema], "partition-specs": [{"spec-id": 0, "fields": []}],
        "default-spec-id": 0, "last-partition-id": 999, "sort-orders": [{"order-id": 0, "fields": []}], "default-sort-order-id": 0, "properties": {},
        "current-snapshot-id": snapshot, "refs": {"main": {"snapshot-id": snapshot, "type": "branch"}},
        "snapshots": [{"snapshot-id": snapshot, "sequence-number": 1, "timestamp-ms": 1, "manifest-list": f"{folder}/list.avro", "schema-id": 0,
                       "summary": {"operation": "append"}}]})
    path = folder / "v1.metadata.json"
    path.write_text(metadata.model_dump_json())
    (folder / "version-hint.text").write_text("1")
    return StaticTable.from_metadata(str(path))

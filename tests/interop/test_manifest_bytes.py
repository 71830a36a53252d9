"""Manifests and manifest lists that Moraine writes, read by PyIceberg: every version, codec, type and null case."""
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from pyiceberg.avro.file import AvroFile
from pyiceberg.io.pyarrow import PyArrowFileIO
from pyiceberg.manifest import ManifestContent, ManifestFile, read_manifest_list
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden" / "manifest"
PROGRAM = Path(os.environ.get("MORAINE_WRITE_MANIFESTS", ROOT / "build" / "fast" / "tests" / "write_manifests"))

sys.path.insert(0, str(GOLDEN))
import make  # noqa: E402

NAMES = [f"v{version}_{kind}_{codec}" for version in (1, 2, 3) for kind in ("partitioned", "plain")
         for codec in ("null", "deflate", "zstd", "snappy")] + ["v2_deletes_deflate", "v3_deletes_deflate"]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("manifests")
    assert PROGRAM.exists(), f"{PROGRAM} is not built: run ./dev build"
    subprocess.run([PROGRAM, GOLDEN, folder], check=True)
    return folder


def header(path: Path) -> dict:
    with AvroFile(PyArrowFileIO().new_input(str(path))) as file:
        return dict(file.header.meta)


def same(read: list[dict], expected: list[dict]) -> bool:
    """Equal in all that PyIceberg knows of (row ids and deletion vectors are not among it)."""
    assert read == [{key: value[key] for key in got} for got, value in zip(read, expected, strict=True)]
    return True


@pytest.mark.parametrize("name", NAMES)
def test_manifest(written, name):
    path = written / f"{name}.avro"
    meta = header(path)
    version = int(name[1])
    assert meta["format-version"] == str(version)
    assert meta.get("content") == (None if version == 1 else "deletes" if "deletes" in name else "data")
    schema = Schema.model_validate_json(meta["schema"])
    assert schema.schema_id == int(meta["schema-id"])
    spec = PartitionSpec(*[PartitionField(**field) for field in json.loads(meta["partition-spec"])], spec_id=int(meta["partition-spec-id"]))
    line = ManifestFile.from_args(
        manifest_path=str(path), manifest_length=path.stat().st_size, partition_spec_id=spec.spec_id, content=ManifestContent.DATA,
        sequence_number=0 if version == 1 else 9, min_sequence_number=0, added_snapshot_id=7)
    read = line.fetch_manifest_entry(PyArrowFileIO(), discard_deleted=False)
    expected = json.loads((written / f"{name}.json").read_text())
    assert same([make.dump_entry(entry, spec, schema) for entry in read], expected)


@pytest.mark.parametrize("version", [1, 2, 3])
def test_manifest_list(written, version):
    path = written / f"list_v{version}.avro"
    meta = header(path)
    assert meta["snapshot-id"] == "7" and meta["parent-snapshot-id"] == "null" and meta["format-version"] == str(version)
    assert meta.get("sequence-number") == (None if version == 1 else "9")
    lines = list(read_manifest_list(PyArrowFileIO().new_input(str(path))))
    assert same([make.dump_line(line) for line in lines], json.loads((written / f"list_v{version}.json").read_text()))

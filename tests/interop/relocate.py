"""Copies an Iceberg table of tests/golden to another folder: every path in its files gets another prefix of the same length.

Lengths of files and strings stay, so Parquet files are patched in place (the paths in position deletes aren't compressed) and
Avro files are packed again. A manifest has another length then, which the manifest lists say.
"""
import re
import zlib
from pathlib import Path


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """Avro's zigzag number and where it ends."""
    value, shift = 0, 0
    while True:
        value |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
        if data[at - 1] < 0x80:
            return (value >> 1) ^ -(value & 1), at


def varint(value: int) -> bytes:
    value, out = value << 1, bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out + bytes([value]))


def repack_avro(data: bytes, change) -> bytes:
    """The same Avro file with every block of records changed."""
    sync = data[-16:]
    header_end = data.index(sync) + 16
    assert b"deflate" in data[:header_end], "only files packed with deflate are known"
    out, at = bytearray(data[:header_end]), header_end
    while at < len(data):
        count, at = read_varint(data, at)
        size, at = read_varint(data, at)
        packer = zlib.compressobj(wbits=-15)
        block = packer.compress(change(zlib.decompress(data[at:at + size], wbits=-15))) + packer.flush()
        out += varint(count) + varint(len(block)) + block + sync
        at += size + 16
    return bytes(out)


def with_new_lengths(block: bytes, lengths: dict[bytes, int]) -> bytes:
    """A list's records begin with a manifest's path and its length."""
    for path, length in lengths.items():
        if (found := block.find(path)) >= 0:
            end = found + len(path)
            block = block[:end] + varint(length) + block[read_varint(block, end)[1]:]
    return block


def relocate(golden: Path, folder: Path) -> Path:
    """Copies the table below folder; the path of its newest metadata file."""
    newest = max(golden.glob("metadata/*.metadata.json"), key=lambda file: int(re.sub(r"\D", "", file.name)))
    old = re.search(r'"location":"file:/*(/.*?_)/', newest.read_text())[1].encode()  # some paths begin with file:/, some with file:///
    pad = len(old) - len(f"{folder}/")
    assert 0 < pad < 256, f"the path is too long or too short for {len(old)} characters: {folder}"
    new = f"{folder}/{'_' * pad}".encode()
    home = folder / ("_" * pad) / "db" / golden.name
    lengths = {}
    files = sorted(file for file in golden.rglob("*") if file.is_file())
    for file in sorted(files, key=lambda file: file.name.startswith("snap-")):  # lists come after manifests
        target = home / file.relative_to(golden)
        target.parent.mkdir(parents=True, exist_ok=True)
        data = file.read_bytes()
        if file.suffix == ".avro":
            data = repack_avro(data, lambda block: with_new_lengths(block.replace(old, new), lengths))
            lengths[str(target).encode()] = len(data)
        else:
            data = data.replace(old, new)
        assert old not in data
        target.write_bytes(data)
    return home / "metadata" / newest.name

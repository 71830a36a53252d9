"""Statistics of a table as its metadata and its Puffin file have them."""
import json
import urllib.request

from maintained import table_path


def metadata_of(server, table: str) -> dict:
    """As the catalog answers: of ns.t."""
    namespace, name = table.split(".")
    with urllib.request.urlopen(f"{server.uri}/v1/default/namespaces/{namespace}/tables/{name}") as answer:
        return json.load(answer)["metadata"]


def statistics_of(server, table: str) -> dict:
    """The statistics file of the current snapshot."""
    metadata = metadata_of(server, table)
    found = [file for file in metadata.get("statistics", []) if file["snapshot-id"] == metadata["current-snapshot-id"]]
    assert len(found) == 1, (metadata.get("statistics"), table_path(table))
    return found[0]


def counts_of(server, table: str) -> dict[str, int]:
    """Distinct values by the name of a column at the top."""
    metadata = metadata_of(server, table)
    schema = next(schema for schema in metadata["schemas"] if schema["schema-id"] == metadata["current-schema-id"])
    names = {field["id"]: field["name"] for field in schema["fields"]}
    return {names[blob["fields"][0]]: int(blob["properties"]["ndv"]) for blob in statistics_of(server, table)["blob-metadata"]}


def sketches(data: bytes) -> dict[int, bytes]:
    """The sketches of a Puffin file by column, as a reader sees them."""
    import pyarrow as pa

    assert data[:4] == data[-4:] == b"PFA1"
    size = int.from_bytes(data[-12:-8], "little")
    footer = json.loads(data[-12 - size:-12])
    found = {}
    for blob in footer["blobs"]:
        packed = data[blob["offset"]:blob["offset"] + blob["length"]]
        if blob.get("compression-codec") == "zstd":
            packed = pa.input_stream(pa.BufferReader(packed), compression="zstd").read()
        found[blob["fields"][0]] = packed
    return found

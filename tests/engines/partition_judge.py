"""Partition statistics of one table, Moraine's and those of Spark's procedure: computed anew, and on top of each other's."""
import json
import os
import subprocess
from pathlib import Path

import pyarrow.parquet as pq
from harness import ROOT, Server
from maintained import maintain

COMMIT_DELTAS = Path(os.environ.get("MORAINE_COMMIT_DELTAS", ROOT / "build" / "fast" / "tests" / "commit_deltas"))
UPDATED = ("last_updated_at", "last_updated_snapshot_id")


class PartitionJudge:
    def __init__(self, server: Server, spark, catalog: str, table: str):
        self.server, self.spark, self.catalog, self.table = server, spark, catalog, table
        self.path = f"/iceberg/v1/namespaces/db/tables/{table}"

    def metadata(self) -> dict:
        status, answer, _ = self.server.get(self.path)
        assert status == 200, answer
        return answer["metadata"]

    def files(self) -> dict[int, dict]:
        return {file["snapshot-id"]: file for file in self.metadata().get("partition-statistics", [])}

    def update(self, *updates: dict):
        status, answer, _ = self.server.post(self.path, {"requirements": [], "updates": list(updates)})
        assert status == 200, answer

    def only(self, file: dict | None = None):
        """The table has no statistics but these."""
        gone = [{"action": "remove-partition-statistics", "snapshot-id": snapshot} for snapshot in self.files()]
        self.update(*gone, *([{"action": "set-partition-statistics", "partition-statistics": file}] if file else []))

    def current(self) -> dict:
        return self.files()[self.metadata()["current-snapshot-id"]]

    def ours(self) -> tuple[dict, bool]:
        """The file, and whether only changes were read."""
        run = maintain(self.server, f"db.{self.table}", "compute-statistics")
        file, told = self.current(), run["details"]["partitions"]
        assert (told["file"], told["count"]) == (file["statistics-path"], len(rows(file))), run
        assert Path(file["statistics-path"].removeprefix("file://")).stat().st_size == file["file-size-in-bytes"]
        return file, told["only-changes"]

    def theirs(self) -> dict:
        self.spark(f"CALL {self.catalog}.system.compute_partition_stats(table => 'db.{self.table}')")
        return self.current()

    def commit_delta(self, part: dict):
        delta = {"namespace": "db", "table": self.table, "parts": [{"spec": 0} | part]}
        done = subprocess.run([COMMIT_DELTAS, self.server.uri], input=json.dumps(delta) + "\n", capture_output=True, text=True, timeout=60)
        assert "snapshot" in json.loads(done.stdout), (done.stdout, done.stderr)


def rows(file: dict, but: tuple = ()) -> list[dict]:
    """Of partitions that hold something: Spark keeps those that were emptied by the last commit, Moraine none."""
    read = pq.read_table(file["statistics-path"].removeprefix("file://").removeprefix("file:")).to_pylist()
    counts = [name for name in read[0] if name.endswith(("_count", "_bytes"))] if read else []
    held = [row for row in read if any(row[name] for name in counts)]
    return sorted(({name: value for name, value in row.items() if name not in but} for row in held), key=str)

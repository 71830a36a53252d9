"""A table under judgement: what every snapshot, branch and tag of it reads, as others see it, and planted orphans."""
import os
import random
import time
import uuid
from pathlib import Path
from urllib.parse import unquote

LONG_AGO = 10 * 24 * 3600  #: older than what any rule of orphans spares


def as_rows(rows) -> list[tuple]:
    return sorted((tuple(row) for row in rows), key=str)


def points(metadata) -> dict[str, int]:
    """Snapshots by number, and branches and tags by name, as a query names them."""
    return {str(one.snapshot_id): one.snapshot_id for one in metadata.snapshots} | {f"'{name}'": ref.snapshot_id for name, ref in metadata.refs.items()}


def read_all(sql, table: str, metadata, columns: str = "id, kind, v") -> dict[str, list[tuple]]:
    """The rows of each point, in one statement of Spark's."""
    where = points(metadata)
    names = list(where)
    query = " UNION ALL ".join(f"SELECT {i} AS point, {columns} FROM {table} VERSION AS OF {name}" for i, name in enumerate(names))
    found: dict[str, list] = {name: [] for name in names}
    for row in sql(query):
        found[names[row[0]]].append(tuple(row[1:]))
    return {name: as_rows(rows) for name, rows in found.items()}


def folder_of(metadata) -> Path:
    return Path(metadata.location.removeprefix("file://"))


def expected_to_stay(metadata, newest: int) -> set[int]:
    """What the rules of the format keep, for branches and tags that have not expired: of each branch the newest, what tags name."""
    parents = {one.snapshot_id: one.parent_snapshot_id for one in metadata.snapshots}
    stay = set()
    for ref in metadata.refs.values():
        at = ref.snapshot_id
        for _ in range(newest if ref.snapshot_ref_type == "branch" else 1):
            if at not in parents:
                break
            stay.add(at)
            at = parents[at]
    return stay


def grow_old(folder: Path):
    """All files below look as if they had been made long ago."""
    then = time.time() - LONG_AGO
    for path in folder.rglob("*"):
        # The lists of runs are the cleaner's, which removes them at any moment.
        if path.is_file() and ".maintenance" not in path.relative_to(folder).parts:
            os.utime(path, (then, then))


def plant_orphans(folder: Path, seed: int) -> set[Path]:
    """Files that nobody names, in the folders and under the names that engines use; old but for one."""
    rng = random.Random(seed)
    data = [folder / "data", folder / "data" / "kind=a", folder / "data" / "kind=a b%2Fc", folder / "data" / "deep" / "er"]
    names = [f"00000-{rng.randrange(100)}-{uuid.UUID(int=rng.getrandbits(128))}-0-00001{end}"
             for end in (".parquet", "-deletes.parquet", "-deletes.puffin", ".orc", ".avro", " with space.parquet", "-ü.parquet", ".parquet.crc", "%20.parquet", "+a=b&c#d.parquet")]
    planted = {rng.choice(data) / name for name in names} | {data[2] / names[0], data[0] / names[1]}
    for name in ("snap-123-1-x.avro", "abc-m0.avro", "abc.stats", "00099-lost.metadata.json", "partition-stats-1.parquet"):
        planted.add(folder / "metadata" / name)
    for path in planted:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"nobody's")
    return planted


def hide_from_all(folder: Path) -> set[Path]:
    """Files in hidden folders, and young ones: nobody's business."""
    paths = {folder / "data" / "_temporary" / "0" / "part.parquet", folder / ".tool" / "state", folder / "data" / "_kind=x" / "0.parquet", folder / "data" / ".part-0.parquet"}
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"of another tool")
    return paths


def location_to_path(location: str) -> Path:
    return Path(location.removeprefix("file:").replace("///", "/"))


def in_quarantine(folder: Path) -> dict[Path, Path]:
    """Files that wait there: where they were, and where they are."""
    found = {}
    for path in (folder / ".quarantine").rglob("*"):
        if path.is_file() and path.name != "roots.json":
            _, _, _, *rest = path.relative_to(folder).parts
            found[folder.joinpath(*rest)] = path
    return found


def unescaped(paths) -> set[str]:
    return {unquote(str(path)) for path in paths}

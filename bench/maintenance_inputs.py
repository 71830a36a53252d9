"""Makes the tables of bench_maintenance.py, once, in build/bench-inputs/maintenance, and puts them back as they were between runs.

A table is made in `made/`, but calls itself by its place in `live/`, where hard links to its files stand. A run deletes and adds there;
`restore` links what is missing and takes away what came.
"""
import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / "build/bench-inputs/maintenance"
VERSION = 2  # of what maintained_table makes
PROGRAM = Path(os.environ.get("MORAINE_MAINTAINED_TABLE", ROOT / "build/fast/bench/maintained_table"))


def files_below(folder: Path) -> set[str]:
    """Relative paths of all files."""
    found: set[str] = set()
    waiting = [""]
    while waiting:
        inside = waiting.pop()
        try:
            entries = os.scandir(f"{folder}/{inside}")
        except FileNotFoundError:
            continue
        with entries:
            for entry in entries:
                path = inside + entry.name
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(path + "/")
                else:
                    found.add(path)
    return found


class Input:
    """A table of a kind (see bench/maintained_table.cc) and two numbers."""

    def __init__(self, kind: str, first: int, second: int, named: str = ""):
        self.name = f"{kind}_{first}_{second}" + ("_s3" if named else "")
        self.made, self.live = CACHE / f"made-{VERSION}" / self.name, CACHE / "live/db" / self.name
        self.location = named or f"file://{self.live}"
        if not (self.made / "complete").exists():
            print(f"making {self.name}", flush=True)
            shutil.rmtree(self.made, ignore_errors=True)
            shutil.rmtree(self.live, ignore_errors=True)
            (self.made / "table").mkdir(parents=True)
            subprocess.run([PROGRAM, "--named", self.location, kind, self.made / "table", str(first), str(second)], check=True, stdout=subprocess.DEVNULL)
            (self.made / "complete").touch()
        self.files = files_below(self.made / "table")

    @property
    def metadata(self) -> str:
        return f"{self.location}/metadata/v1.metadata.json"

    def restore(self):
        there = files_below(self.live)
        for path in there - self.files:
            (self.live / path).unlink()
        folders = set()
        for path in self.files - there:
            folder = path.rpartition("/")[0]
            if folder not in folders:
                (self.live / folder).mkdir(parents=True, exist_ok=True)
                folders.add(folder)
            os.link(self.made / "table" / path, self.live / path)
        # What a catalog of folders may write over.
        hint = "metadata/version-hint.text"
        (self.live / hint).unlink()
        shutil.copy2(self.made / "table" / hint, self.live / hint)

    def gone(self) -> set[str]:
        return self.files - files_below(self.live)

"""An engine in a process of its own, asked statement by statement over a pipe (flink/FlinkStatements.java)."""
import json
import os
import select
import subprocess
import time
from pathlib import Path

from harness import die_with_parent

MOST_ROWS = 100_000


class StatementFailed(Exception):
    pass


class Statements:
    """`with Statements(command, folder) as sql: sql("SELECT 1") == [(1,)]`; ended by its process id."""

    def __init__(self, command: list, folder: Path, environment: dict[str, str] | None = None):
        self.log = Path(folder) / "engine.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, cwd=folder, env=os.environ | (environment or {}), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                            stderr=log, preexec_fn=die_with_parent)
        self.pending = b""

    def __call__(self, statement: str, mode: str = "batch", most: int = MOST_ROWS, timeout: float = 180, on_row=None) -> list[tuple]:
        """Its rows; on_row(count) is called with each. Errors: StatementFailed with the engine's words."""
        self.process.stdin.write(f"{mode}\t{most}\t{' '.join(statement.split())}\n".encode())
        self.process.stdin.flush()
        end, rows = time.monotonic() + timeout, []
        while True:
            line = self.line(end, statement)
            if line == "ok":
                return rows
            if line.startswith("error "):
                raise StatementFailed(f"{statement}: {line.removeprefix('error ')}")
            rows.append(tuple(json.loads(line)))
            if on_row is not None:
                on_row(len(rows))

    def line(self, end: float, statement: str) -> str:
        """The next that is of an answer; others go to the log."""
        while not (line := self.any_line(end, statement)).startswith("> "):
            with self.log.open("a") as log:
                log.write(line + "\n")
        return line.removeprefix("> ")

    def any_line(self, end: float, statement: str) -> str:
        while b"\n" not in self.pending:
            ready = select.select([self.process.stdout], [], [], max(end - time.monotonic(), 0))[0]
            more = os.read(self.process.stdout.fileno(), 1 << 16) if ready else b""
            assert more, f"{statement}: {'it ended' if ready else 'it took too long'}:\n{self.log_tail()}"
            self.pending += more
        line, _, self.pending = self.pending.partition(b"\n")
        return line.decode(errors="replace")

    def log_tail(self, lines: int = 30) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

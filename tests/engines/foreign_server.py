"""Servers of other people that tests start and end by their process id: what reference_catalog.py and seaweed.py share."""
import os
import subprocess
import time
from pathlib import Path

from harness import die_with_parent


class ForeignServer:
    """A subclass has `name`, `start()`, which calls `launch`, and `answers()`."""
    name = "a server"

    def __init__(self, folder: Path, log: str):
        self.folder = Path(folder)
        self.log = self.folder / log
        self.process: subprocess.Popen | None = None

    def launch(self, command: list, timeout: float, environment: dict[str, str] | None = None):
        """Starts it in its folder and waits until it answers."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, env=os.environ | (environment or {}), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            cwd=self.folder, preexec_fn=die_with_parent)
        end = time.monotonic() + timeout
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > end:
                self.stop()
                raise AssertionError(f"{self.name} did not start:\n" + "\n".join(self.log.read_text(errors="replace").splitlines()[-30:]))
            time.sleep(0.1)
        return self

    def stop(self):
        """At once: what is stored survives that, and an orderly end may take its time."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

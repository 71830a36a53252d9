"""A Trino of one node, started by its main class: statements over HTTP, the catalog `ice` on an S3 store.

    with Trino(folder, {"iceberg.rest-catalog.uri": ...}) as trino:
        trino.sql("SELECT 1")     # [(1,)]
"""
import json
import shutil
import time
import urllib.request
from pathlib import Path

from foreign_server import ForeignServer
from harness import free_port
from installed import installed

class TrinoFailed(Exception):
    pass


class Trino(ForeignServer):
    name = "Trino"

    def __init__(self, folder: Path, catalog: dict[str, str]):
        super().__init__(folder, "trino.log")
        self.catalog = {"connector.name": "iceberg", "iceberg.catalog.type": "rest"} | catalog
        self.port = free_port()

    def start(self, timeout: float = 180):
        home = next((installed("trino") / "archives").glob("trino-server-*"))
        node = {"node.environment": "test", "node.id": "one", "node.data-dir": f"{self.folder}/data", "node.bind-ip": "127.0.0.1",
                "node.internal-address": "127.0.0.1", "node.external-address": "127.0.0.1"}
        self.write("etc/config.properties", {
            "coordinator": "true", "node-scheduler.include-coordinator": "true", "http-server.http.port": self.port,
            "discovery.uri": self.url, "query.max-memory": "400MB", "query.max-memory-per-node": "400MB", "memory.heap-headroom-per-node": "300MB"})
        self.write("etc/catalog/ice.properties", self.catalog)
        (self.folder / "plugin").symlink_to(home / "plugin")
        # Trino wants a newer Java than Debian has.
        java = next((installed("jdk") / "python").rglob("bin/java"))
        command = [java, "-Xmx1200m", "-XX:+UseSerialGC", "-XX:ReservedCodeCacheSize=256M", "-XX:-OmitStackTraceInFastThrow",
                   "-Djdk.attach.allowAttachSelf=true", "-Dfile.encoding=UTF-8", "--enable-native-access=ALL-UNNAMED",
                   "--sun-misc-unsafe-memory-access=allow", *[f"-D{key}={value}" for key, value in node.items()],
                   f"-Dconfig={self.folder}/etc/config.properties", "-cp", f"{home}/lib/*", "io.trino.server.TrinoServer"]
        return self.launch(command, timeout)

    def write(self, name: str, settings: dict):
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(self.url + "/v1/info", timeout=2) as answer:
                return not json.load(answer)["starting"]
        except OSError:
            return False

    def sql(self, statement: str, schema: str = "", timeout: float = 120) -> list[tuple]:
        """Its rows. Errors: TrinoFailed with Trino's words."""
        headers = {"X-Trino-User": "tests", "X-Trino-Catalog": "ice", "X-Trino-Schema": schema, "X-Trino-Time-Zone": "UTC"}
        first = request = urllib.request.Request(self.url + "/v1/statement", statement.encode(), headers)
        rows, end = [], time.monotonic() + timeout
        while True:
            with urllib.request.urlopen(request, timeout=30) as answer:
                page = json.load(answer)
            if page.get("error", {}).get("errorName") == "NO_NODES_AVAILABLE" and time.monotonic() < end:
                # Its one node missed its own heartbeat, as on a machine that is busy: nothing was begun.
                rows, request = [], first
                time.sleep(1)
                continue
            if "error" in page:
                raise TrinoFailed(f"{statement}: {page['error']['message']}")
            rows += map(tuple, page.get("data") or [])
            if "nextUri" not in page:
                return rows
            assert time.monotonic() < end, f"{statement}: it took too long"
            request = urllib.request.Request(page["nextUri"], headers={"X-Trino-User": "tests"})

    def stop(self):
        super().stop()
        shutil.rmtree(self.folder / "data", ignore_errors=True)

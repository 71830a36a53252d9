"""The reference server of Iceberg's REST compatibility kit: a catalog by other people, tables on the local disk.

    with ReferenceCatalog(folder) as reference:
        reference.uri
"""
import urllib.request
from pathlib import Path

from foreign_server import ForeignServer
from harness import free_port
from installed import installed, java


class ReferenceCatalog(ForeignServer):
    name = "the reference server"

    def __init__(self, folder: Path):
        super().__init__(folder, "reference.log")
        self.warehouse = self.folder / "warehouse"
        self.port = free_port()

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, timeout: float = 90):
        self.warehouse.mkdir(parents=True, exist_ok=True)
        # What begins with CATALOG_ becomes a property of the catalog behind it.
        settings = {"CATALOG_WAREHOUSE": f"file://{self.warehouse}", "CATALOG_REST_PORT": str(self.port), "CATALOG_JDBC_SCHEMA__VERSION": "V1",
                    "CATALOG_URI": f"jdbc:sqlite:file:reference{self.port}?mode=memory&cache=shared"}
        command = [java(), "-Xmx400m", "-XX:+UseSerialGC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", f"{installed('reference')}/jars/*",
                   "org.apache.iceberg.rest.RESTCatalogServer"]
        return self.launch(command, timeout, settings)

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(self.uri + "/v1/config", timeout=2) as answer:
                return answer.status == 200
        except OSError:
            return False

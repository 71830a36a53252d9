"""The reference server of Iceberg's REST compatibility kit: a catalog by other people, tables on the local disk.

    with ReferenceCatalog(folder) as reference:
        reference.uri
"""
import os
import shutil
import subprocess
import time
import urllib.request
from pathlib import Path

from harness import die_with_parent, free_port

HERE = Path(__file__).resolve().parent


class ReferenceCatalog:
    def __init__(self, folder: Path):
        self.folder = Path(folder)
        self.warehouse = self.folder / "warehouse"
        self.log = self.folder / "reference.log"
        self.port = free_port()
        self.process: subprocess.Popen | None = None

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, timeout: float = 90):
        installed = subprocess.run([HERE / "reference" / "install.sh"], check=True, capture_output=True, text=True)
        self.warehouse.mkdir(parents=True, exist_ok=True)
        java = Path(os.environ["JAVA_HOME"], "bin", "java") if "JAVA_HOME" in os.environ else shutil.which("java")
        # What begins with CATALOG_ becomes a property of the catalog behind it.
        settings = {"CATALOG_WAREHOUSE": f"file://{self.warehouse}", "CATALOG_REST_PORT": str(self.port), "CATALOG_JDBC_SCHEMA__VERSION": "V1",
                    "CATALOG_URI": f"jdbc:sqlite:file:reference{self.port}?mode=memory&cache=shared"}
        command = [java, "-Xmx400m", "-XX:+UseSerialGC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", f"{installed.stdout.strip()}/*",
                   "org.apache.iceberg.rest.RESTCatalogServer"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, env=os.environ | settings, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            preexec_fn=die_with_parent)
        end = time.monotonic() + timeout
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > end:
                self.stop()
                raise AssertionError("the reference server did not start:\n" + "\n".join(self.log.read_text(errors="replace").splitlines()[-30:]))
            time.sleep(0.1)
        return self

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(self.uri + "/v1/config", timeout=2) as answer:
                return answer.status == 200
        except OSError:
            return False

    def stop(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

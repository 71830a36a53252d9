"""Iceberg's REST compatibility kit against a live server: its suite as published, then the same tests with
everything on that the suite leaves off (reference/Whole*.java), on each kind of store with each kind of files.

kit_skips.txt names the tests that don't pass, each with its reason: those, and no others, do not.
"""
import shutil
import subprocess
import xml.etree.ElementTree as ET
from contextlib import ExitStack
from pathlib import Path

import pytest
from database_server import DatabaseServer
from harness import Server, die_with_parent
from installed import class_path, java
from seaweed import Seaweed

HERE = Path(__file__).resolve().parent
SECONDS = 600
#: Of the suite: the server is not the kit's own.
SWITCHES = {"rck.local": "false", "rck.requires-namespace-create": "true", "rck.supports-serverside-retry": "true", "rck.supports-names-with-dot": "true"}
#: Tests of the kit: 157 in its suite, and the same again.
TESTS = {"RESTCompatibilityKitCatalogTests": 106, "RESTCompatibilityKitViewCatalogTests": 51, "WholeTableTests": 106, "WholeViewTests": 51}


def listed(kind: str) -> set[str]:
    """The tests that kit_skips.txt lists as skipped, or as failing on S3 by what they are."""
    lines = (HERE / "kit_skips.txt").read_text().splitlines()
    return {line.split()[1] for line in lines if line.startswith(f"{kind} ")}


def run_kit(folder: Path, settings: dict[str, str], locations: str) -> dict[str, str]:
    """Test by class and name -> passed, skipped, or what went wrong."""
    properties = [f"-D{name}={value}" for name, value in (settings | SWITCHES).items()]
    select = ["RESTCompatibilityKitSuite", "WholeTableTests", "WholeViewTests"]
    command = [java(), "-Xmx768m", "-XX:+UseSerialGC", "-Duser.timezone=UTC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error", *properties,
               f"-Dmoraine.locations={locations}", "-cp", class_path("reference"), "org.junit.platform.console.ConsoleLauncher", "execute",
               *[f"--select-class=org.apache.iceberg.rest.{name}" for name in select], "--details=none", "--disable-banner",
               "--disable-ansi-colors", f"--reports-dir={folder}"]
    with (folder / "kit.log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder, preexec_fn=die_with_parent)
        try:
            process.wait(SECONDS)
        finally:
            process.kill()
            process.wait()
    found = {}
    for report in folder.glob("TEST-*.xml"):
        for case in ET.parse(report).iter("testcase"):
            name = f"{case.get('classname').rpartition('.')[2]}.{case.get('name').removesuffix('()')}"
            problem = case.find("failure") if case.find("failure") is not None else case.find("error")
            found[name] = ("skipped" if case.find("skipped") is not None else "passed" if problem is None else
                           f"{problem.get('message')}\n{(problem.text or '')[:1500]}")
    assert found, (folder / "kit.log").read_text()[-4000:]
    return found


@pytest.fixture
def empty_tmp():
    """Some tests of the suite name folders in /tmp."""
    folders = [Path("/tmp", name) for name in ("ns", "newdb", "ns1", "ns2", "other_ns", "a")]
    mine = [folder for folder in folders if not folder.exists()]
    yield
    for folder in mine:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("files", ["local", "s3"])
@pytest.mark.parametrize("store", ["sqlite", "postgresql"])
def test_compatibility_kit(tmp_path, monkeypatch, empty_tmp, store, files):
    with ExitStack() as stack:
        url = stack.enter_context(DatabaseServer("postgresql")).url if store == "postgresql" else None
        root, settings = None, {}
        if files == "s3":
            (tmp_path / "s3").mkdir()
            s3 = stack.enter_context(Seaweed(tmp_path / "s3"))
            s3.create_bucket("lake")
            root = "s3://lake/warehouse"
            settings = s3.properties | {"client.region": "us-east-1"}
            for name, value in s3.environment.items():
                monkeypatch.setenv(name, value)
        server = stack.enter_context(Server(tmp_path / "server", "--set", "warehouse.allowed-locations=file:///tmp", store=url, root=root))
        settings |= {"uri": server.uri, "warehouse": "default"}
        found = run_kit(tmp_path, settings, f"{server.root}/named")
        assert server.running(), server.log_tail()
    failed = {name: what for name, what in found.items() if what not in ("passed", "skipped")}
    assert failed.keys() == (listed("s3") if files == "s3" else set()), "\n\n".join(f"{name}: {what}" for name, what in sorted(failed.items()))
    assert {name for name, what in found.items() if what == "skipped"} == listed("skipped")
    assert {kind: sum(name.startswith(f"{kind}.") for name in found) for kind in TESTS} == TESTS

"""PyIceberg's own integration tests of a REST catalog, from its source archive, against a live server: all pass, none
is skipped.
"""
import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

from harness import Server
from installed import installed

HERE = Path(__file__).resolve().parent
TESTS = 93
#: Those that go to the address that conftest.py names; it is given this server's.
OF_A_SESSION = ("test_partition_evolution.py", "test_sort_order_update.py", "test_statistics_operations.py")

def run(folder: Path, *arguments, environment: dict[str, str]) -> dict[str, str]:
    """Test by name -> passed, skipped, or what went wrong."""
    report = folder / "report.xml"
    ended = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "stand_ins", "-p", "no:cacheprovider", "-o", "addopts=", f"--junitxml={report}", *arguments],
                           cwd=folder, env=os.environ | environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600)
    assert report.exists(), ended.stdout[-4000:] + ended.stderr[-4000:]
    found = {}
    for case in ET.parse(report).iter("testcase"):
        problem = case.find("failure") if case.find("failure") is not None else case.find("error")
        found[case.get("name")] = ("skipped" if case.find("skipped") is not None else "passed" if problem is None else (problem.get("message") or "")[:2000])
    return found


def test_suite_of_pyiceberg(tmp_path):
    folder = installed("pyiceberg")
    tests = shutil.copytree(next((folder / "sources").glob("pyiceberg-*/tests")), tmp_path / "tests")
    with Server(tmp_path / "server") as server:
        settings = tests / "conftest.py"
        # Slashes in names are left out unless a catalog says that it takes them, which a variable can't say.
        settings.write_text(settings.read_text().replace("http://localhost:8181", server.uri)
                            .replace('"supports_slash_in_identifier", False', '"supports_slash_in_identifier", True'))
        statistics = tests / "integration" / "test_statistics_operations.py"
        statistics.write_text(statistics.read_text().replace("s3://bucket/warehouse", server.root))
        environment = {"PYTHONPATH": os.pathsep.join([str(folder / "python"), str(HERE / "pyiceberg")]), "PYICEBERG_TEST_CATALOG": "judge",
                       "PYICEBERG_CATALOG__JUDGE__TYPE": "rest", "PYICEBERG_CATALOG__JUDGE__URI": server.uri,
                       "PYICEBERG_CATALOG__JUDGE__WAREHOUSE": "default"}
        found = run(tmp_path, "-k", "rest_test_catalog", "tests/integration/test_catalog.py", "tests/integration/test_rest_catalog.py", environment=environment)
        assert server.post("/iceberg/v1/namespaces", {"namespace": ["default"]})[0] == 200
        found |= run(tmp_path, "-k", "not hive", *[f"tests/integration/{name}" for name in OF_A_SESSION], environment=environment)
        assert server.running(), server.log_tail()
    others = {name: what for name, what in found.items() if what != "passed"}
    assert not others, "\n\n".join(f"{name}: {what}" for name, what in sorted(others.items()))
    assert len(found) == TESTS

"""PyIceberg's own integration tests of a REST catalog, from its source archive, against a live server.

pyiceberg_skips.txt names the tests that may be skipped, each with its reason: those, and no others, are.
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
#: Those that name the server's address; they are given this one's.
WITH_ADDRESS = ("test_partition_evolution.py", "test_sort_order_update.py", "test_statistics_operations.py")


def run(folder: Path, *arguments, environment: dict[str, str]) -> dict[str, str]:
    """Test by name -> passed, skipped, or what went wrong."""
    report = folder / "report.xml"
    ended = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "addopts=", f"--junitxml={report}", *arguments],
                           cwd=folder, env=os.environ | environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600)
    assert report.exists(), ended.stdout[-4000:] + ended.stderr[-4000:]
    found = {}
    for case in ET.parse(report).iter("testcase"):
        problem = case.find("failure") if case.find("failure") is not None else case.find("error")
        found[case.get("name")] = ("skipped" if case.find("skipped") is not None else "passed" if problem is None else (problem.text or "")[-3000:])
    return found


def test_suite_of_pyiceberg(tmp_path):
    folder = installed("pyiceberg")
    tests = shutil.copytree(next((folder / "sources").glob("pyiceberg-*/tests")), tmp_path / "tests")
    with Server(tmp_path / "server") as server:
        for name in WITH_ADDRESS:
            file = tests / "integration" / name
            file.write_text(file.read_text().replace("http://localhost:8181", server.uri))
        environment = {"PYTHONPATH": str(folder / "python"), "PYICEBERG_TEST_CATALOG": "judge", "PYICEBERG_CATALOG__JUDGE__TYPE": "rest",
                       "PYICEBERG_CATALOG__JUDGE__URI": server.uri, "PYICEBERG_CATALOG__JUDGE__WAREHOUSE": "default"}
        found = run(tmp_path, "-k", "rest_test_catalog", "tests/integration/test_catalog.py", "tests/integration/test_rest_catalog.py", environment=environment)
        assert server.post("/iceberg/v1/namespaces", {"namespace": ["default"]})[0] == 200
        found |= run(tmp_path, "-k", "not hive", *[f"tests/integration/{name}" for name in WITH_ADDRESS], environment=environment)
        assert server.running(), server.log_tail()
    failed = {name: what for name, what in found.items() if what not in ("passed", "skipped")}
    assert not failed, "\n\n".join(f"{name}: {what}" for name, what in sorted(failed.items()))
    lines = (HERE / "pyiceberg_skips.txt").read_text().splitlines()
    assert {name for name, what in found.items() if what == "skipped"} == {line.split()[0] for line in lines if line and not line.startswith("#")}
    assert len(found) == 0

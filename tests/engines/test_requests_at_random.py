"""Requests made at random from the documents in api/openapi, by schemathesis: no answer of 500 and more, no crash, and
answers that are as the documents say. A failure prints the request as a line of curl.

MORAINE_TEST_SEED gives the seed of another run; with MORAINE_FULL it takes ten times as long.
"""
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from harness import ROOT, Server, die_with_parent, until
from installed import installed

HERE = Path(__file__).resolve().parent
SECONDS = 30 * (10 if os.environ.get("MORAINE_FULL") == "1" else 1)
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
SCHEMA = {"type": "struct", "fields": [{"id": 1, "name": "id", "required": True, "type": "long"},
                                       {"id": 2, "name": "at", "required": False, "type": "timestamp"}]}


def fill(server: Server):
    """What schemathesis/hooks.py names; said again and again, since requests at random drop things."""
    for levels in (["db"], ["db", "inner"]):
        server.post("/iceberg/v1/namespaces", {"namespace": levels})
        path = "/iceberg/v1/namespaces/" + "%1F".join(levels)
        for i in range(8):
            server.post(f"{path}/tables", {"name": f"t{i}", "schema": SCHEMA, "properties": {"format-version": str(1 + i % 3)}})
        version = {"version-id": 1, "timestamp-ms": 1, "schema-id": 0, "summary": {}, "default-namespace": levels,
                   "representations": [{"type": "sql", "sql": "SELECT 1", "dialect": "spark"}]}
        for i in range(4):
            server.post(f"{path}/views", {"name": f"v{i}", "schema": SCHEMA, "view-version": version})


@pytest.mark.parametrize("document", ["iceberg-rest", "moraine"])
def test_requests_at_random(tmp_path, document):
    seed = int(os.environ.get("MORAINE_TEST_SEED") or random.SystemRandom().randrange(10**9))
    environment = {"PYTHONPATH": os.pathsep.join([str(installed("schemathesis") / "python"), str(HERE / "schemathesis")]), "SCHEMATHESIS_HOOKS": "hooks"}
    # The document as YAML is left out: schemathesis would hold what is in it against "a text".
    with Server(tmp_path / "server", "--set", "optimizing.poll-timeout=100ms", optimizer_threads=1) as server:
        command = [sys.executable, "-m", "schemathesis.cli", "--no-color", "--config-file", HERE / "schemathesis" / "schemathesis.toml", "run",
                   ROOT / "api" / "openapi" / f"{document}.yaml", "--url", server.url,
                   "--checks", CHECKS, "--phases", "examples,coverage,fuzzing", "--seed", str(seed), "--max-time", str(SECONDS), "--max-examples", "10",
                   "--continue-on-failure", "--request-timeout", "60",
                   "--warnings", "off", "--exclude-operation-id", "getOpenapiYaml", "--suppress-health-check", "all", "--generation-database", "none"]
        log = tmp_path / "schemathesis.log"
        with log.open("wb") as out:
            process = subprocess.Popen(command, cwd=tmp_path, env=os.environ | environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                       preexec_fn=die_with_parent)
            try:
                while True:
                    fill(server)
                    try:
                        status = process.wait(1)
                        break
                    except subprocess.TimeoutExpired:
                        assert server.running(), server.log_tail()
            finally:
                process.kill()
                process.wait()
        said = log.read_text(errors="replace")
        assert server.running(), server.log_tail()
        until(server.healthy, "the server answers /health", 60, server)
        assert status == 0, f"seed {seed}:\n{said[-20_000:]}\n{server.log_tail()}"
        assert "Test cases" in said or "generated" in said, said

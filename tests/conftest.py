"""Fixtures that all Python tests share: a server, and its catalog as PyIceberg sees it.

MORAINE_TEST_URI names another Iceberg REST catalog to run the interop and engine tests against, to find
out whether a failure is Moraine's or the test's.
"""
import os
from types import SimpleNamespace

import pytest
from harness import Server


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """One server for a whole test session, without optimizers, so that only the test changes its tables."""
    if uri := os.environ.get("MORAINE_TEST_URI"):
        yield SimpleNamespace(uri=uri, warehouse=None)
        return
    with Server(tmp_path_factory.mktemp("server")) as server:
        yield server
        assert server.running(), f"the server died:\n{server.log_tail()}"
    assert server.process.returncode == 0, server.log_tail()


@pytest.fixture(scope="session")
def catalog(server):
    from pyiceberg.catalog.rest import RestCatalog

    properties = {"uri": server.uri} | ({"warehouse": "default"} if server.warehouse else {})
    return RestCatalog("moraine", **properties)


@pytest.fixture
def namespace(catalog, request):
    """A fresh namespace, dropped with its tables afterwards."""
    name = "".join(c if c.isalnum() else "_" for c in request.node.name)[:60].lower()
    catalog.create_namespace(name)
    yield name
    for table in catalog.list_tables(name):
        catalog.drop_table(table)
    catalog.drop_namespace(name)

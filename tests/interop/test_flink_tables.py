"""Tables that Flink wrote with equality deletes (tests/golden/flink_equality_deletes): registered, read, optimized, read again."""
import pytest
from harness import ROOT, Server
from interop import duck
from interop.relocate import relocate
from optimizing import delete_files, optimize
from pyiceberg.catalog.rest import RestCatalog

GOLDEN = ROOT / "tests" / "golden" / "flink_equality_deletes"
TABLES = ["changes", "partitions", "upserts"]
OPTIMIZED = {"self-optimizing.enabled": "true", "self-optimizing.min-plan-interval": "0", "self-optimizing.hot-partition-delay": "0",
             "self-optimizing.minor.trigger.interval": "-1", "self-optimizing.minor.trigger.file-count": "1000",
             "self-optimizing.major.trigger.duplicate-ratio": "1"}


def as_text(rows) -> list[str]:
    def text(value):
        return "null" if value is None else value.isoformat() if hasattr(value, "isoformat") else str(value)

    return sorted("|".join(map(text, row)) for row in rows)


def rows_of_flink(table: str) -> list[str]:
    return (GOLDEN / f"{table}.rows.txt").read_text().splitlines()


def rows_of_duckdb(server, table: str) -> list[str]:
    with duck.attach(server.uri) as connection:
        return as_text(connection.execute(f"SELECT * FROM ice.db.{table}").fetchall())


def rows_of_pyiceberg(catalog, table: str) -> list[str]:
    frame = catalog.load_table(f"db.{table}").scan().to_arrow()
    return as_text(tuple(row[name] for name in frame.column_names) for row in frame.to_pylist())


def register(server, table: str) -> RestCatalog:
    catalog = RestCatalog("m", uri=server.uri, warehouse="default")
    catalog.create_namespace_if_not_exists("db")
    catalog.register_table(f"db.{table}", f"file://{relocate(GOLDEN / table, server.warehouse)}")
    return catalog


@pytest.mark.parametrize("kind", ["minor", "full"])
@pytest.mark.parametrize("table", TABLES)
def test_equality_deletes_of_flink_are_worked_in(tmp_path, table, kind):
    with Server(tmp_path / "s", optimizer_threads=1) as server:
        catalog = register(server, table)
        expected = rows_of_flink(table)
        if table == "upserts":  # DuckDB 1.5.5 takes null keys in equality deletes wrong, or stops
            assert rows_of_duckdb(server, table) == expected
        positions, equalities = delete_files(catalog, table)
        assert equalities >= 3 and (positions > 0 or table == "partitions")

        with catalog.load_table(f"db.{table}").transaction() as change:
            change.set_properties(OPTIMIZED)
        process = optimize(server, table, kind)
        assert process["type"] == kind
        assert delete_files(catalog, table) == (0, 0)
        assert rows_of_duckdb(server, table) == expected
        assert rows_of_pyiceberg(catalog, table) == expected
        summary = catalog.load_table(f"db.{table}").current_snapshot().summary
        assert (int(summary["total-records"]), int(summary["total-delete-files"])) == (len(expected), 0)


def test_a_registered_table_is_left_alone_unless_it_asks(tmp_path):
    with Server(tmp_path / "s", optimizer_threads=1) as server:
        catalog = register(server, "upserts")
        path = "/api/v1/warehouses/default/namespaces/db/tables/upserts"
        status, answer, _ = server.post(f"{path}/optimize", {"type": "full"})
        assert status == 409, answer
        assert len(catalog.load_table("db.upserts").snapshots()) == 3

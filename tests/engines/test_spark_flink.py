"""Spark reads the tables of Flink (tests/golden/flink_equality_deletes) as Flink does, before they are optimized and after."""
import pytest
from harness import Server
from interop import test_flink_tables as flink
from optimizing import delete_files, optimize


@pytest.mark.parametrize("table", flink.TABLES)
def test_spark_reads_tables_of_flink(spark, add_catalog, tmp_path, table):
    with Server(tmp_path / "s", optimizer_threads=1) as server:
        catalog = flink.register(server, table)
        name = f"flink_{table}"
        add_catalog(name, server)

        def rows():
            return flink.as_text(spark.sql(f"SELECT * FROM {name}.db.{table}").collect())

        assert rows() == flink.rows_of_flink(table)
        properties = ", ".join(f"'{key}' = '{value}'" for key, value in flink.OPTIMIZED.items())
        spark.sql(f"ALTER TABLE {name}.db.{table} SET TBLPROPERTIES ({properties})")
        optimize(server, table, "minor")
        assert delete_files(catalog, table) == (0, 0)
        assert rows() == flink.rows_of_flink(table)

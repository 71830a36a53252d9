"""Spark reads the tables of Flink (tests/golden/flink_equality_deletes) as Flink does, before they are optimized and after."""
import pytest
from harness import Server
from interop import test_flink_tables as flink


@pytest.mark.parametrize("table", flink.TABLES)
def test_spark_reads_tables_of_flink(spark, tmp_path, table):
    with Server(tmp_path / "s", optimizer_threads=1) as server:
        catalog = flink.register(server, table)
        name = f"flink_{table}"  # Spark keeps a catalog once it has been used
        for key, value in {"": "org.apache.iceberg.spark.SparkCatalog", ".type": "rest", ".uri": server.uri, ".warehouse": "default",
                           ".cache-enabled": "false"}.items():
            spark.conf.set(f"spark.sql.catalog.{name}{key}", value)

        def rows():
            return flink.as_text(spark.sql(f"SELECT * FROM {name}.db.{table}").collect())

        assert rows() == flink.rows_of_flink(table)
        properties = ", ".join(f"'{key}' = '{value}'" for key, value in flink.OPTIMIZED.items())
        spark.sql(f"ALTER TABLE {name}.db.{table} SET TBLPROPERTIES ({properties})")
        flink.optimize(server, table, "minor")
        assert flink.delete_files(catalog, table) == (0, 0)
        assert rows() == flink.rows_of_flink(table)

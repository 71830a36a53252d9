"""Spark 3.5 with the Iceberg runtime, one session for all engine tests; the catalog is `ice`."""
import os
import sys

import pytest
from installed import installed


@pytest.fixture(scope="session")
def spark(server, tmp_path_factory):
    folder = installed("spark35")
    sys.path.insert(0, str(folder / "python"))
    from pyspark.sql import SparkSession

    work = tmp_path_factory.mktemp("spark")
    os.environ |= {"SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable}
    catalog = "spark.sql.catalog.ice"
    settings = {
        "spark.driver.memory": "1g", "spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.extraJavaOptions": f"-Dderby.system.home={work}", "spark.ui.enabled": "false",
        "spark.jars": ",".join(map(str, sorted((folder / "jars").glob("*.jar")))),
        "spark.sql.shuffle.partitions": "2", "spark.sql.session.timeZone": "UTC", "spark.sql.warehouse.dir": str(work / "warehouse"),
        "spark.local.dir": str(work),
        "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
        catalog: "org.apache.iceberg.spark.SparkCatalog", f"{catalog}.type": "rest", f"{catalog}.uri": server.uri,
        f"{catalog}.cache-enabled": "false"}
    if server.warehouse:
        settings[f"{catalog}.warehouse"] = "default"
    builder = SparkSession.builder.master("local[2]").appName("moraine-tests")
    for name, value in settings.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    yield session
    session.stop()


@pytest.fixture
def sql(spark, namespace):
    """Runs a statement in the test's namespace (as {ns}); its rows as tuples."""
    spark.sql(f"USE ice.{namespace}")
    return lambda text: [tuple(row) for row in spark.sql(text.replace("{ns}", f"ice.{namespace}")).collect()]


@pytest.fixture
def add_catalog(spark):
    """Gives the catalog of another server a name of its own: Spark keeps a catalog once it has been used."""
    def add(name: str, server):
        for key, value in {"": "org.apache.iceberg.spark.SparkCatalog", ".type": "rest", ".uri": server.uri, ".warehouse": "default",
                           ".cache-enabled": "false"}.items():
            spark.conf.set(f"spark.sql.catalog.{name}{key}", value)

    return add

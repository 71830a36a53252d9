"""DuckDB with its Iceberg extension, as the packages of tools/python.txt carry it."""
import site
from pathlib import Path

import duckdb


def load_extension(connection: duckdb.DuckDBPyConnection, name: str):
    for folder in site.getsitepackages():
        file = Path(folder, f"duckdb_extension_{name}", "extensions", f"v{duckdb.__version__}", f"{name}.duckdb_extension")
        if file.exists():
            connection.execute(f"LOAD '{file}'")
            return
    raise FileNotFoundError(f"no package carries DuckDB's extension {name}")


def attach(uri: str, warehouse: str = "default") -> duckdb.DuckDBPyConnection:
    """A connection that sees the catalog as `ice`."""
    connection = duckdb.connect()
    for name in ("avro", "httpfs", "iceberg"):
        load_extension(connection, name)
    connection.execute(f"ATTACH '{warehouse}' AS ice (TYPE iceberg, ENDPOINT '{uri}', AUTHORIZATION_TYPE 'none')")
    return connection

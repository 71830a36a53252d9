"""Stand-ins for what PyIceberg's tests import and tests of a REST catalog never call: clients of Amazon's services, and
the catalogs that need them or a Hive Metastore. A plugin of pytest.
"""
import sys
import types
from unittest.mock import MagicMock

for name in ("boto3", "moto", "moto.server"):
    sys.modules[name] = MagicMock()
for name, catalog in (("hive", "HiveCatalog"), ("glue", "GlueCatalog"), ("dynamodb", "DynamoDbCatalog")):
    module = types.ModuleType(f"pyiceberg.catalog.{name}")
    setattr(module, catalog, type(catalog, (), {}))
    sys.modules[module.__name__] = module

package org.apache.iceberg.rest;

import java.util.List;
import org.apache.iceberg.catalog.Namespace;

/** Empties a catalog between tests; what can't be dropped fails the test that comes next. */
class Emptying {
  private Emptying() {}

  static void all(RESTCatalog catalog) {
    below(catalog, catalog.listNamespaces());
  }

  private static void below(RESTCatalog catalog, List<Namespace> namespaces) {
    for (Namespace namespace : namespaces) {
      below(catalog, catalog.listNamespaces(namespace));
      catalog.listTables(namespace).forEach(table -> catalog.dropTable(table, false));
      catalog.listViews(namespace).forEach(catalog::dropView);
      catalog.dropNamespace(namespace);
    }
  }
}

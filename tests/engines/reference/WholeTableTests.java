package org.apache.iceberg.rest;

import java.util.Map;
import org.apache.iceberg.catalog.CatalogTests;
import org.apache.iceberg.catalog.TableIdentifier;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;

/**
 * The kit's tests of tables, with all on that its suite leaves off for catalogs it does not know: namespaces
 * below others, names with dots and slashes, locations where the test says.
 */
public class WholeTableTests extends CatalogTests<RESTCatalog> {
  private static RESTCatalog rest;

  @BeforeAll
  static void connect() {
    rest = RCKUtils.initCatalogClient();
  }

  @BeforeEach
  void startEmpty() {
    Emptying.all(rest);
  }

  @AfterAll
  static void disconnect() throws Exception {
    Emptying.all(rest);
    rest.close();
  }

  @Override
  protected RESTCatalog catalog() {
    return rest;
  }

  @Override
  protected RESTCatalog initCatalog(String name, Map<String, String> properties) {
    return RCKUtils.initCatalogClient(properties);
  }

  @Override
  protected String baseTableLocation(TableIdentifier table) {
    return System.getProperty("moraine.locations") + "/" + table.namespace() + "/" + table.name();
  }

  @Override
  protected boolean requiresNamespaceCreate() {
    return true;
  }

  @Override
  protected boolean supportsNestedNamespaces() {
    return true;
  }

  @Override
  protected boolean supportsServerSideRetry() {
    return true;
  }

  @Override
  protected boolean supportsNamesWithDot() {
    return true;
  }

  @Override
  protected boolean supportsNamesWithSlashes() {
    return true;
  }
}

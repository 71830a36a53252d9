package org.apache.iceberg.rest;

import org.apache.iceberg.catalog.Catalog;
import org.apache.iceberg.view.ViewCatalogTests;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;

/** The kit's tests of views, as WholeTableTests are of tables. */
public class WholeViewTests extends ViewCatalogTests<RESTCatalog> {
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
  protected Catalog tableCatalog() {
    return rest;
  }

  @Override
  protected boolean requiresNamespaceCreate() {
    return true;
  }

  @Override
  protected boolean supportsServerSideRetry() {
    return true;
  }
}

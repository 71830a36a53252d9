#pragma once
// The Iceberg REST catalog protocol (rest-catalog OpenAPI, released with Iceberg 1.11): functions
// from request to response over the catalog, with no socket in sight. Served under /iceberg/v1 and,
// for a warehouse other than the default one, under /iceberg/v1/{warehouse}.

#include <string>
#include <vector>

#include "moraine/catalog/catalog.h"
#include "moraine/catalog/views.h"
#include "moraine/net/http.h"
#include "moraine/net/router.h"
#include "moraine/rest/request_parts.h"

namespace moraine::rest {

struct ServiceOptions {
  std::string base_path = "/iceberg/v1";
  std::string default_warehouse = "default";  ///< of paths without a prefix
};

/// Thread-safe. Borrows the catalog; must outlive the router that it was added to.
class Service {
 public:
  Service(catalog::Catalog& catalog, ServiceOptions options)
      : catalog_(catalog), views_(catalog), options_(std::move(options)) {}

  /// Adds every route, with and without prefix.
  void Register(net::Router& router);
  /// "GET /v1/{prefix}/namespaces", ...: what config tells clients.
  static std::vector<std::string> Endpoints();

 private:
  /// One request: where it came from and what its path says.
  struct Context {
    Call& call;
    const net::Request& request;
    const net::PathParams& params;
    std::string warehouse;
  };
  using Action = Result<net::Response> (Service::*)(const Context&);
  struct Route;
  static const std::vector<Route>& Routes();

  Result<net::Response> Config(const Context& context);
  Result<net::Response> NotServed(const Context& context);

  Result<net::Response> ListNamespaces(const Context& context);
  Result<net::Response> CreateNamespace(const Context& context);
  Result<net::Response> LoadNamespace(const Context& context);
  Result<net::Response> NamespaceExists(const Context& context);
  Result<net::Response> DropNamespace(const Context& context);
  Result<net::Response> UpdateNamespace(const Context& context);

  Result<net::Response> ListTables(const Context& context);
  Result<net::Response> CreateTable(const Context& context);
  Result<net::Response> RegisterTable(const Context& context);
  Result<net::Response> LoadTable(const Context& context);
  Result<net::Response> TableExists(const Context& context);
  Result<net::Response> CommitTable(const Context& context);
  Result<net::Response> DropTable(const Context& context);
  Result<net::Response> RenameTable(const Context& context);
  Result<net::Response> ReportMetrics(const Context& context);
  Result<net::Response> CommitTransaction(const Context& context);
  Result<net::Response> UnregisterTable(const Context& context);

  Result<net::Response> ListViews(const Context& context);
  Result<net::Response> CreateView(const Context& context);
  Result<net::Response> RegisterView(const Context& context);
  Result<net::Response> LoadView(const Context& context);
  Result<net::Response> ViewExists(const Context& context);
  Result<net::Response> CommitView(const Context& context);
  Result<net::Response> DropView(const Context& context);
  Result<net::Response> RenameView(const Context& context);

  catalog::Catalog& catalog_;
  catalog::Views views_;
  const ServiceOptions options_;
};

/// The {namespace} of a path.
Result<catalog::NamespaceName> NamespaceOf(const net::PathParams& params);
/// The {namespace} and {table} of a path.
Result<catalog::TableName> TableOf(const net::PathParams& params);

}  // namespace moraine::rest

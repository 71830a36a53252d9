#pragma once
// The Iceberg REST catalog protocol (rest-catalog OpenAPI, released with Iceberg 1.11): functions
// from request to response over the catalog, with no socket in sight. Served under /iceberg/v1 and,
// for a warehouse other than the default one, under /iceberg/v1/{warehouse}.

#include <optional>
#include <string>
#include <vector>

#include "moraine/catalog/catalog.h"
#include "moraine/catalog/storage_access.h"
#include "moraine/catalog/views.h"
#include "moraine/net/http.h"
#include "moraine/net/router.h"
#include "moraine/rest/keyed_requests.h"
#include "moraine/rest/load_answers.h"
#include "moraine/rest/request_parts.h"

namespace moraine::scanning {
class Scans;
}

namespace moraine::rest {

struct ServiceOptions {
  std::string base_path = "/iceberg/v1";
  std::string default_warehouse = "default";  ///< of paths without a prefix
  /// How long a request may come again under its key, as clients are told; 0: keys mean nothing.
  Millis idempotency_key_lifetime = Millis(30 * 60'000);
  scanning::Scans* scans = nullptr;      ///< outlives the service; null: no planning
  size_t answer_cache_bytes = 32 << 20;  ///< for loads, ready to be sent again
  size_t gzip_threshold_bytes = 1024;    ///< smaller answers are not compressed
};

/// Thread-safe. Borrows the catalog; must outlive the router that it was added to.
class Service {
 public:
  Service(catalog::Catalog& catalog, ServiceOptions options)
      : catalog_(catalog),
        views_(catalog),
        options_(std::move(options)),
        loads_(catalog, options_.answer_cache_bytes, options_.gzip_threshold_bytes) {}

  /// Adds every route, with and without prefix.
  void Register(net::Router& router);
  /// The answer to a request that needs nothing but memory, or but one look into the store; for
  /// net::ServerOptions::quick.
  std::optional<net::Answer> Quick(const net::Request& request);
  /// "GET /v1/{prefix}/namespaces", ...: what config tells clients.
  static std::vector<std::string> Endpoints();

 private:
  /// One request: where it came from and what its path says.
  struct Context {
    Call& call;
    const net::Request& request;
    const net::PathParams& params;
    std::string warehouse;
    /// Set by what stores nothing: its Idempotency-Key, if it has one, is not used.
    bool* takes_no_key = nullptr;
  };
  using Action = Result<net::Response> (Service::*)(const Context&);
  using ReplayAction = Result<net::Response> (Service::*)(const Context&, const catalog::Receipt&);
  struct Route;
  static const std::vector<Route>& Routes();
  net::Answer Serve(const Route& route, const Context& context);
  static net::Response Finished(Result<net::Response> response, const Route& route,
                                const Context& context);

  // keyed_service.cc
  enum class KeyTry { kFirst, kAgain };
  net::Answer ServeKeyed(const Route& route, const Context& context, KeyTry tried);
  /// Parks the request until the one with its key that is at work has ended.
  net::Answer WaitForKey(const Route& route, const Context& context, std::string id);
  net::Response RunKeyed(const Route& route, const Context& context,
                         const catalog::KeyedRequest& keyed);
  /// Of a request that changed nothing, or whose change kept no key.
  net::Response KeepAnswer(const Route& route, const Context& context,
                           const catalog::KeyedRequest& keyed, net::Response response);
  /// Keeps a failure that is final; finds out how the request ended otherwise.
  net::Response SettleFailure(const Route& route, const Context& context,
                              const catalog::KeyedRequest& keyed, const Status& status);
  net::Response Replay(const Route& route, const Context& context,
                       const catalog::KeyedRequest& keyed, const catalog::KeptAnswer& kept);
  Result<net::Response> ReplayNothing(const Context& context, const catalog::Receipt& receipt);
  /// Of what changes nothing: it is carried out again, and its key not kept.
  Result<net::Response> ReplayAnew(const Context& context, const catalog::Receipt& receipt);
  Result<net::Response> ReplayKept(const Context& context, const catalog::Receipt& receipt);
  Result<net::Response> ReplayLoad(const Context& context, const catalog::Receipt& receipt);
  Result<net::Response> ReplayCommit(const Context& context, const catalog::Receipt& receipt);
  Result<net::Response> ReplayCreateNamespace(const Context& context,
                                              const catalog::Receipt& receipt);

  Result<net::Response> Config(const Context& context);

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
  Result<net::Response> LoadCredentials(const Context& context);
  Result<net::Response> SignRequest(const Context& context);
  Result<net::Response> ListFunctions(const Context& context);
  Result<net::Response> LoadFunction(const Context& context);
  Result<net::Response> CommitTransaction(const Context& context);
  Result<net::Response> UnregisterTable(const Context& context);

  Result<net::Response> PlanScan(const Context& context);
  Result<net::Response> FetchPlan(const Context& context);
  Result<net::Response> CancelPlan(const Context& context);
  Result<net::Response> FetchScanTasks(const Context& context);

  Result<net::Response> ListViews(const Context& context);
  Result<net::Response> CreateView(const Context& context);
  Result<net::Response> RegisterView(const Context& context);
  Result<net::Response> LoadView(const Context& context);
  Result<net::Response> ViewExists(const Context& context);
  Result<net::Response> CommitView(const Context& context);
  Result<net::Response> DropView(const Context& context);
  Result<net::Response> RenameView(const Context& context);

  /// What this request is told of the table's storage: by X-Iceberg-Access-Delegation, and by what
  /// catalog::GrantStorage allows.
  struct Granted {
    catalog::StorageGrant told;
    catalog::WarehousesPtr by;  ///< null: nothing was asked for, or the store could not be asked
  };
  Granted GrantOf(const Context& context, const catalog::LoadedTable& table,
                  catalog::StorageUse use);
  /// The keys that a plan's reader is told, as JSON; empty: none.
  std::string CredentialsFor(const Context& context, const catalog::LoadedTable& table);
  /// The answer to a create or register that comes again, where it asks for access.
  std::optional<net::Response> GrantedReplay(const Context& context,
                                             const catalog::Catalog::MetadataText& text);

  catalog::Catalog& catalog_;
  catalog::Views views_;
  const ServiceOptions options_;
  KeysAtWork keys_at_work_;
  LoadAnswers loads_;
};

/// The {namespace} of a path.
Result<catalog::NamespaceName> NamespaceOf(const net::PathParams& params);
/// The {namespace} and {table} of a path.
Result<catalog::TableName> TableOf(const net::PathParams& params);

}  // namespace moraine::rest

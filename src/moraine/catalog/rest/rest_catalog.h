#pragma once
// Our client of any Iceberg REST catalog (rest-catalog OpenAPI as of Iceberg 1.11): load, list,
// commit, create, drop. Used by `moraine compact`, and by tests against other catalogs. What it
// sends again, and what it makes of lost answers, is in rest_session.h.

#include <memory>
#include <string>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/catalog/catalog.h"
#include "moraine/iceberg/metadata/table_metadata.h"
#include "moraine/iceberg/metadata/table_update.h"
#include "moraine/net/http_client.h"

namespace moraine::catalog {

class RestSession;

/// Keys to the files below a prefix, as the catalog lends them ("s3.access-key-id", ...).
struct StorageCredential {
  std::string prefix;
  iceberg::StringMap config;
};

/// A table as the catalog answered. Immutable.
struct RestTable {
  TableName name;
  std::string metadata_location;
  iceberg::TablePtr metadata;
  iceberg::StringMap config;
  std::vector<StorageCredential> credentials;
  std::string etag;
};
using RestTablePtr = std::shared_ptr<const RestTable>;

struct RestCatalogOptions {
  std::string uri;  ///< "https://host/catalog", with or without "/v1"
  /// warehouse, prefix, token, credential, ... : rest_login.h and the REST protocol's names.
  iceberg::StringMap properties;
};

/// Thread-safe. Errors of all calls: by the server's answer with its message (NotFound,
/// AlreadyExists, PermissionDenied, Unauthenticated, InvalidArgument, ...); Unavailable and
/// Exhausted after the retries; Corruption for an answer that can't be read, naming the field;
/// Deadline, Cancelled. Of those that change something also CommitUnknown: it may have been done.
class RestCatalog {
 public:
  /// Asks for the config. http outlives the catalog. Errors: InvalidArgument for a URI or property
  /// that is wrong, or when nothing at the URI speaks the protocol.
  static Result<std::unique_ptr<RestCatalog>> Open(Call& call, net::HttpTransport& http,
                                                   RestCatalogOptions options);
  ~RestCatalog();

  /// The client's properties with what the server adds and overrides.
  const iceberg::StringMap& properties() const;
  const std::string& uri() const;

  /// known: a table loaded before, returned itself when it has not changed since (ETag), or null.
  Result<RestTablePtr> LoadTable(Call& call, const TableName& name, const RestTablePtr& known);
  /// All pages. Errors: Unsupported when the server does not offer it.
  Result<std::vector<NamespaceName>> ListNamespaces(Call& call, const NamespaceName& parent);
  Result<std::vector<TableName>> ListTables(Call& call, const NamespaceName& ns);
  /// None where the server does not offer views.
  Result<std::vector<TableName>> ListViews(Call& call, const NamespaceName& ns);
  /// Its properties. Errors: NotFound.
  Result<iceberg::StringMap> LoadNamespace(Call& call, const NamespaceName& ns);
  /// Where the view's current metadata is. Errors: NotFound.
  Result<std::string> ViewMetadataLocation(Call& call, const TableName& name);

  /// Asks the server to apply the request to the table. An outcome that is not known is looked up:
  /// when the request adds a snapshot, the table is read again, and finding it is success; that has
  /// time of its own (commit.status-check.total-timeout-ms, 5 minutes). A token of the table's own
  /// that has ended is renewed. Errors:
  /// Conflict when a requirement does not hold (nothing was committed); CommitUnknown when it can't
  /// be told: delete nothing. Any other error: nothing was committed.
  Result<RestTablePtr> Commit(Call& call, const RestTable& table,
                              const iceberg::CommitRequest& request);

  Status CreateNamespace(Call& call, const NamespaceName& ns, const iceberg::StringMap& properties);
  /// Not staged; creation.stage is ignored.
  Result<RestTablePtr> MakeTable(Call& call, const CreateTable& creation);
  /// The table of this metadata file, under this name. Errors: AlreadyExists for a name that is
  /// taken.
  Result<RestTablePtr> RegisterTable(Call& call, const TableName& name,
                                     const std::string& metadata_location);
  /// The same of a view. Errors: also Unsupported, when the server does not offer it.
  Status RegisterView(Call& call, const TableName& name, const std::string& metadata_location);
  enum class Purge { kNo, kYes };
  Status DropTable(Call& call, const TableName& name, Purge purge);

 private:
  explicit RestCatalog(std::unique_ptr<RestSession> session);
  std::string NamespacePath(const NamespaceName& ns) const;
  std::string TablePath(const TableName& name) const;
  std::string ViewPath(const TableName& name) const;
  Result<RestTablePtr> Confirm(Call& call, const RestTable& table,
                               const iceberg::CommitRequest& request, Status unknown);

  std::unique_ptr<RestSession> session_;
};

/// What a file system needs to reach a location of the table: the catalog's properties, the table's
/// config over them, and over both the credentials with the longest prefix of the location. Keys of
/// a store are never mixed: those of one of these count as a whole; what the table's answer may say
/// is bounded by io::LentProperties.
iceberg::StringMap FileProperties(const iceberg::StringMap& catalog, const RestTable& table,
                                  std::string_view location);

}  // namespace moraine::catalog

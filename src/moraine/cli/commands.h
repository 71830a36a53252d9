#pragma once
// The commands, each a function from what the person typed to a Status. arguments.h reads flags
// into these structs; run.cc turns the Status into an exit code.

#include <cstdint>
#include <string>
#include <vector>

#include "moraine/cli/client.h"
#include "moraine/cli/console.h"

namespace moraine::cli {

/// What every command against a server takes.
struct ClientOptions {
  std::string server = "http://127.0.0.1:1630";
  std::string token_file;
  bool json = false;  ///< print the server's answer as it came
};

/// Where a command against a server works.
struct Session {
  Client& client;
  Console& console;
  bool json = false;

  /// Prints the answer's JSON if that was asked for.
  bool PrintedJson(const Answer& answer) const;
};

struct TableOptions {
  std::string table;  ///< as typed
  std::string warehouse = "default";
  int64_t limit = 1000;  ///< of files
  int64_t reports = 20;  ///< at most so many
  int64_t tables = 0;    ///< at most so many; 0: all
  std::string type;      ///< of optimizing; empty: the server decides
  std::string layout;    ///< likewise
  std::string dedup_key;
  std::string dedup_by;
  std::string branch;  ///< empty: main
  bool watch = false;
};
Status ListTables(Session& session, const TableOptions& options);
Status ShowTable(Session& session, const TableOptions& options);
Status ShowHealth(Session& session, const TableOptions& options);
Status ShowFiles(Session& session, const TableOptions& options);
Status ShowSnapshots(Session& session, const TableOptions& options);
Status ShowStatistics(Session& session, const TableOptions& options);
Status ShowRefs(Session& session, const TableOptions& options);
Status OptimizeTable(Session& session, const TableOptions& options);
Status ShowReports(Session& session, const TableOptions& options);

struct ProcessOptions {
  std::string process_id;
  std::string table;  ///< as typed; empty: of all tables
  std::string warehouse = "default";
  int64_t limit = 20;
  bool watch = false;
};
Status ListProcesses(Session& session, const ProcessOptions& options);
Status ShowProcess(Session& session, const ProcessOptions& options);
Status CancelProcess(Session& session, const ProcessOptions& options);

Status ListOptimizers(Session& session);

struct CatalogOptions {
  std::string ns;  ///< as typed; empty: the top
  std::string warehouse = "default";
};
Status ListWarehouses(Session& session);
Status ListNamespaces(Session& session, const CatalogOptions& options);
Status ListNamespaceTables(Session& session, const CatalogOptions& options);

struct WebhookOptions {
  std::string name;
  std::string url;
  std::vector<std::string> types;
  std::string warehouse;  ///< empty: all
  std::string ns;         ///< as typed
  std::string table;      ///< as typed
  std::string secret_file;
  std::string after;  ///< a number, "earliest" or "latest"; empty: the server's choice
};
Status CreateWebhook(Session& session, const WebhookOptions& options);
Status ListWebhooks(Session& session);
Status ShowWebhook(Session& session, const WebhookOptions& options);
Status PauseWebhook(Session& session, const WebhookOptions& options);
Status ResumeWebhook(Session& session, const WebhookOptions& options);
Status TestWebhook(Session& session, const WebhookOptions& options);
Status DeleteWebhook(Session& session, const WebhookOptions& options);

struct WarehouseOptions {
  std::string name;
  std::string root;
  std::vector<std::string> allowed_locations;
  /// PROPERTY=VALUE; VALUE as @FILE is the first line of the file; PROPERTY= takes it out.
  std::vector<std::string> storage, client_credentials, defaults, overrides;
  std::string send_credentials;  ///< "true", "false", or empty: as it is
  std::string remote_signing;
};
Status CreateWarehouse(Session& session, const WarehouseOptions& options);
Status SetWarehouse(Session& session, const WarehouseOptions& options);
Status ShowWarehouse(Session& session, const WarehouseOptions& options);
Status DropWarehouse(Session& session, const WarehouseOptions& options);

struct LogFlags {
  std::string level = "info";
  std::string format = "text";
  std::string file;
};

struct OptimizerFlags {
  ClientOptions connection;
  std::string group = "default";
  int32_t threads = 1;
  std::string memory = "512MiB";
  std::string spill_folder;  ///< empty: the system's for temporary files
  std::vector<std::string> allowed_locations;
  std::string config_file;  ///< whose section s3 holds
  LogFlags log;
};
/// Runs until SIGINT or SIGTERM; makes its own signal thread, so nothing else may run before it.
Status RunOptimizerProcess(const OptimizerFlags& flags);

struct ServerFlags {
  std::string config_file;
  bool print_config = false;
  /// Setting key and value, in the order in which they hold.
  std::vector<std::pair<std::string, std::string>> values;
};
/// As RunOptimizerProcess.
Status RunServerProcess(Console& console, const ServerFlags& flags);

}  // namespace moraine::cli

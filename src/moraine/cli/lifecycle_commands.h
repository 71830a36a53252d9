#pragma once
// What was dropped and how it comes back, protection, history and rollback, as commands: what the
// person typed, and the commands over it. arguments.cc reads flags into the struct.

#include <cstdint>
#include <string>

#include "moraine/cli/commands.h"

namespace moraine::cli {

enum class LifecycleObject { kTable, kView, kNamespace, kWarehouse };

struct LifecycleOptions {
  std::string name;  ///< of the table, view or namespace, as typed
  std::string warehouse = "default";
  bool view = false;  ///< the name is of a view
  int64_t id = 0;     ///< the number of what was dropped; 0: by its name
  std::string to;     ///< the name under which it comes back; empty: its own
  std::string reason;
  std::string time;          ///< of rollback: "2026-11-22T19:31:00Z", or "2h": so long ago
  int64_t snapshot_id = -1;  ///< likewise
  int64_t version = 0;       ///< likewise
  std::string branch;        ///< empty: main
  int64_t limit = 50;
  bool dry_run = false;
  bool recursive = false;
  bool force = false;
};

Status ListDropped(Session& session, const LifecycleOptions& options);
Status Undrop(Session& session, const LifecycleOptions& options, LifecycleObject object);
Status PurgeDropped(Session& session, const LifecycleOptions& options, LifecycleObject object);
Status DropNamespace(Session& session, const LifecycleOptions& options);
Status Protect(Session& session, const LifecycleOptions& options, LifecycleObject object);
Status Unprotect(Session& session, const LifecycleOptions& options, LifecycleObject object);
Status ShowHistory(Session& session, const LifecycleOptions& options);
Status RollBackTable(Session& session, const LifecycleOptions& options);

/// "2026-11-22T19:31:00Z", also without seconds or with a space, in UTC; or how long ago: "2h".
/// Errors: InvalidArgument.
Result<int64_t> ParseTimeOrAge(const std::string& text, int64_t now_ms);

}  // namespace moraine::cli

#pragma once
// Which listed files are never taken for orphans, by name, place and age. Pure; the rules stand in
// orphan_task.h.

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "moraine/base/status.h"
#include "moraine/iceberg/metadata/table_metadata.h"
#include "moraine/io/file_system.h"

namespace moraine::upkeep {

struct OrphanBody;

/// Whether a path below a table's folder is another tool's business: a segment begins with "." or
/// "_", but not what may be a partition's folder ("_day=1"). Not so in our own folder of lists,
/// whose files are named by their runs, nor what a process of ours left half written when it was
/// killed (".moraine-<32 hex>.tmp").
bool IsHidden(std::string_view relative_key);
/// The same where it is known which fields of partitions ("_day") begin so.
bool IsHidden(std::string_view relative_key, const std::set<std::string, std::less<>>& fields);

class OrphanRules {
 public:
  enum class Verdict { kCandidate, kYoung, kSpared };

  OrphanRules(const OrphanBody& body, const iceberg::TableMetadata& metadata);

  /// Of a file that lies below root_key.
  Verdict Of(const io::FileInfo& file, std::string_view key, std::string_view root_key) const;

 private:
  int64_t older_than_ms_ = 0;
  int64_t metadata_older_than_ms_ = 0;
  std::vector<std::string> names_;  // beginnings
  std::set<std::string, std::less<>> hidden_fields_;
};

}  // namespace moraine::upkeep

#pragma once
// Names as people type them: parts parted by dots, a part with dots of its own in double quotes
// (db."a.b"), a double quote inside quotes doubled. The last part of a table's name is the table.

#include <string>
#include <string_view>
#include <vector>

#include "moraine/base/status.h"

namespace moraine::cli {

struct TableRef {
  std::vector<std::string> levels;  ///< of the namespace, at least one
  std::string name;
  bool operator==(const TableRef&) const = default;
};

/// "db.t", "a.b.t", db."x.y". Errors: InvalidArgument.
Result<TableRef> ParseTableRef(std::string_view text);
/// "db", "a.b", "\"a.b\".c". Errors: InvalidArgument.
Result<std::vector<std::string>> ParseLevels(std::string_view text);
/// The inverse: quotes where they are needed.
std::string ShowLevels(const std::vector<std::string>& levels);
std::string ShowTable(const TableRef& table);

}  // namespace moraine::cli

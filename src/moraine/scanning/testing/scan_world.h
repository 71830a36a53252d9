#pragma once
// A table whose scans are planned, for tests: its files in memory, its plans in a store in memory,
// and a client that fetches all that an answer leaves to plan tasks.

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "moraine/base/json.h"
#include "moraine/base/testing/test_env.h"
#include "moraine/iceberg/testing/test_table.h"
#include "moraine/io/testing/memory_file_system.h"
#include "moraine/scanning/scans.h"
#include "moraine/store/database.h"

namespace moraine::scanning {

/// What a whole plan comes to.
struct WholePlan {
  struct File {
    Json data_file;
    std::string residual;
    std::multiset<std::string> deletes;  ///< short names
  };
  std::map<std::string, File> files;  ///< by short name
  int answers = 0;
  int repeated = 0;  ///< files that came twice
  int64_t largest_page = 0;

  std::vector<std::string> names() const;
};

class ScanWorld {
 public:
  explicit ScanWorld(const iceberg::TestTableOptions& table = {}, const ScanOptions& options = {});

  Call& call() { return call_; }
  testing::TestEnv& env() { return env_; }
  iceberg::TestTable& table() { return table_; }
  io::MemoryFileSystem& files() { return files_; }
  store::Database& database() { return *database_; }
  Scans& scans() { return *scans_; }
  /// Other limits, or another replica.
  std::unique_ptr<Scans> Another(const ScanOptions& options);
  catalog::LoadedTable Loaded(int64_t table_id = 7) const;

  /// request: JSON.
  Result<std::string> Plan(const std::string& request);
  Result<std::string> Plan(Scans& scans, const std::string& request);
  /// Plans, fetches what is submitted, and every plan task. Checks that answers are well-formed.
  WholePlan PlanAll(const std::string& request) { return PlanAll(*scans_, request); }
  WholePlan PlanAll(Scans& scans, const std::string& request);

 private:
  testing::TestEnv env_;
  Call call_;
  io::MemoryFileSystem files_;
  iceberg::TestTable table_;
  std::unique_ptr<store::Database> database_;
  std::unique_ptr<Scans> scans_;
};

/// The plan tasks of an answer.
std::vector<std::string> PlanTasksOf(const Json& answer);

}  // namespace moraine::scanning

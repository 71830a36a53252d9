#pragma once
// A catalog in memory for tests: store, files, clock and randomness of one small world, with one
// warehouse "default" at file:///wh and, unless told, one namespace "ns".

#include <memory>
#include <string>

#include "moraine/base/testing/faults.h"
#include "moraine/base/testing/test_env.h"
#include "moraine/catalog/catalog.h"
#include "moraine/io/testing/memory_file_system.h"
#include "moraine/store/testing/faulty_database.h"

namespace moraine::catalog {

inline constexpr char kTestWarehouse[] = "default";

/// (id long required, data string), unpartitioned.
CreateTable SimpleTable(TableName name);
/// What an engine sends for one append that it based on this table.
iceberg::CommitRequest AppendRequest(const LoadedTable& base, int64_t snapshot_id);
/// A commit without requirements beside the uuid.
iceberg::CommitRequest SetProperty(const LoadedTable& base, std::string key, std::string value);

class CatalogWorld {
 public:
  /// Checks that everything succeeds.
  explicit CatalogWorld(testing::TestClock clock = testing::TestClock::kSim);

  testing::TestEnv& env() { return env_; }
  Call call() { return env_.call(); }
  io::MemoryFileSystem& files() { return files_; }
  store::Database& database() { return *database_; }
  Catalog& catalog() { return *catalog_; }
  /// A second catalog over the same store and files, as another process would have; opened.
  std::unique_ptr<Catalog> Another();
  /// One whose every call to files and store asks the injector first. Lives as long as the world.
  Catalog& Faulty(testing::FaultInjector& faults);

  LoadedTablePtr MakeTable(const std::string& name);
  /// Loads past every cache; null if there is none.
  LoadedTablePtr Reload(const std::string& name);
  /// Rows of the feed for this table with this kind.
  size_t CountChanges(int64_t table_id, std::string_view kind);

 private:
  testing::TestEnv env_;
  io::MemoryFileSystem files_;
  std::unique_ptr<store::Database> database_;
  std::unique_ptr<Catalog> catalog_;
  std::unique_ptr<io::FileSystem> faulty_files_;
  std::unique_ptr<store::Database> faulty_database_;
  std::unique_ptr<Catalog> faulty_catalog_;
};

}  // namespace moraine::catalog

// Partitions that are too large for one task that puts rows in order: several tasks write a range
// each, and their outputs do not overlap.

#include <algorithm>
#include <functional>
#include <map>
#include <optional>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "moraine/base/testing/test_env.h"
#include "moraine/compact/compaction.h"
#include "moraine/iceberg/testing/row_delta.h"
#include "moraine/iceberg/testing/table_rows.h"
#include "moraine/iceberg/testing/test_table.h"
#include "moraine/io/testing/memory_file_system.h"

namespace moraine::compact {
namespace {

using iceberg::DataFile;
using iceberg::Value;

struct Shape {
  int format_version = 2;
  uint64_t ids = 1000;     ///< values of id
  uint64_t days = 30;      ///< values of day
  uint64_t nulls = 5;      ///< one of so many names is null; 0: none are
  bool clustered = false;  ///< files hold ids that follow each other
  bool deletes = true;
};

class World {
 public:
  World(const Shape& shape, uint64_t seed)
      : random(seed), table(disk, {.format_version = shape.format_version, .partitioned = false}) {
    Call call = MakeCall();
    for (uint64_t file = 0; file < 12; ++file) {
      iceberg::RowDeltaPart part{.rows = Rows(shape, file)};
      if (shape.deletes && file > 8) {  // later files come with deletes of earlier ones
        const auto live = iceberg::LiveEntries(disk, *table.metadata()).value();
        const auto& target = live[random.Below(live.size())].file;
        if (target.content == iceberg::FileContent::kData)
          part.positions = {{target.file_path, {0, 7, 8}}};
        part.key_columns = {"id"};
        part.keys = fmt::format("[[{}],[{}]]", random.Below(shape.ids), random.Below(shape.ids));
      }
      auto delta = iceberg::WriteRowDelta(call, disk, *table.metadata(), {part}, std::nullopt);
      MORAINE_CHECK(delta.ok(), delta.status().ToString());
      const Status landed = table.Commit(call, *delta).status();
      MORAINE_CHECK(landed.ok(), landed.ToString());
    }
  }

  std::string Rows(const Shape& shape, uint64_t file) {
    std::string rows;
    for (int i = 0; i < 60; ++i) {
      const uint64_t id =
          shape.clustered ? file * 100 + random.Below(100) : random.Below(shape.ids);
      const bool is_null = shape.nulls > 0 && random.Below(shape.nulls) == 0;
      rows += fmt::format("{}[{},{},{}]", i > 0 ? "," : "", id, random.Below(shape.days),
                          is_null ? "null" : fmt::format("\"name {}\"", random.Below(100'000)));
    }
    return "[" + rows + "]";
  }

  Call MakeCall() { return Call(env, std::chrono::hours(100)); }
  std::vector<std::string> TableRows() {
    return iceberg::TableRows(disk, *table.metadata()).value();
  }
  std::vector<DataFile> DataFiles() {
    std::vector<DataFile> files;
    for (auto& entry : iceberg::LiveEntries(disk, *table.metadata()).value()) {
      if (entry.file.content == iceberg::FileContent::kData) files.push_back(entry.file);
    }
    return files;
  }
  Result<CompactionReport> Compact(const std::string& layout, int64_t task_bytes,
                                   io::FileSystem* files = nullptr) {
    Call call = MakeCall();
    CompactionOptions options;
    options.table = "w.db.t";
    options.wish = planning::Wish::kFull;
    options.layout = layout;
    options.target_size_bytes = 1;
    options.arranged_task_bytes = task_bytes;
    options.threads = 1;
    return RunCompaction(call, files != nullptr ? *files : disk, table.door(), options, &progress);
  }

  testing::SimClock clock;
  testing::SeededRandom random;
  Env env{clock, random, NullLogger()};
  io::MemoryFileSystem disk;
  iceberg::TestTable table;
  Progress progress;
};

struct Bounds {
  Value low;
  Value high;
};

std::optional<Bounds> BoundsOf(const World& world, const DataFile& file, int32_t column) {
  const auto& type = *world.table.metadata()->CurrentSchema().FindField(column)->type;
  const auto* low = iceberg::FindBound(file.lower_bounds, column);
  const auto* high = iceberg::FindBound(file.upper_bounds, column);
  if (low == nullptr || high == nullptr) return std::nullopt;
  return Bounds{iceberg::ValueFromBytes(type, *low).value(),
                iceberg::ValueFromBytes(type, *high).value()};
}

bool Below(const Value& a, const Value& b) { return iceberg::CompareValues(a, b) < 0; }

/// The task of an output: "<process>-<task>-<attempt>-<number>...".
int TaskOf(const DataFile& file) {
  const std::string name = file.file_path.substr(file.file_path.rfind('/') + 1);
  return std::stoi(name.substr(37));
}

/// What all files of a task have together.
std::map<int, Bounds> BoundsOfTasks(World& world, int32_t column) {
  std::map<int, Bounds> tasks;
  for (const DataFile& file : world.DataFiles()) {
    const auto bounds = BoundsOf(world, file, column);
    if (!bounds) continue;
    auto [place, is_new] = tasks.emplace(TaskOf(file), *bounds);
    if (is_new) continue;
    place->second.low = std::min(place->second.low, bounds->low, Below);
    place->second.high = std::max(place->second.high, bounds->high, Below);
  }
  return tasks;
}

TEST(Ranges, OutputsOfASortDoNotOverlapInTheWholePartition) {
  struct Case {
    const char* layout;
    int32_t column;
    Shape shape;
    bool strict = true;  ///< no value is in two tasks
  };
  const Case cases[] = {
      {"sort(id)", 1, {}},
      {"sort(id desc)", 1, {.clustered = true}},
      {"sort(id, name)", 1, {.ids = 40}},
      {"sort(day, id)", 2, {.days = 3}, false},
      {"sort(name)", 3, {}},
      {"sort(name desc nulls first)", 3, {.nulls = 2}},
      {"sort(name asc nulls last)", 3, {.format_version = 3, .nulls = 2}},
      {"sort(id)", 1, {.format_version = 3}},
      {"sort(truncate(10, id), name)", 1, {}},
  };
  uint64_t seed = 1;
  for (const Case& one : cases) {
    SCOPED_TRACE(one.layout);
    World world(one.shape, ++seed);
    const auto rows = world.TableRows();
    const int64_t bytes = world.DataFiles()[0].file_size_in_bytes;
    const auto report = world.Compact(one.layout, bytes * 3);
    ASSERT_TRUE(report.ok()) << report.status().ToString();
    EXPECT_GE(report->tasks, 3);
    EXPECT_EQ(report->input_files, 12);
    EXPECT_EQ(report->deleted_rows, 12 * 60 - static_cast<int64_t>(rows.size()));
    EXPECT_EQ(world.TableRows(), rows);
    EXPECT_FALSE(report->layout.empty());
    const auto tasks = BoundsOfTasks(world, one.column);
    EXPECT_GE(tasks.size(), 2U);
    for (const auto& [a, left] : tasks) {
      for (const auto& [b, right] : tasks) {
        if (a == b || !one.strict) continue;
        const bool apart = Below(left.high, right.low) || Below(right.high, left.low);
        EXPECT_TRUE(apart) << a << " " << b;
      }
    }
    // And nothing is left to do.
    const auto again = world.Compact(one.layout, bytes * 3);
    ASSERT_TRUE(again.ok()) << again.status().ToString();
    EXPECT_EQ(again->tasks, 0);
  }
}

TEST(Ranges, OutputsOfACurveAreBoxesOfTheirOwn) {
  for (const char* layout : {"zorder(id, day)", "hilbert(id, day)", "zorder(id, day, name)"}) {
    SCOPED_TRACE(layout);
    World world({}, 5);
    const auto rows = world.TableRows();
    const auto report = world.Compact(layout, world.DataFiles()[0].file_size_in_bytes * 2);
    ASSERT_TRUE(report.ok()) << report.status().ToString();
    EXPECT_GE(report->tasks, 4);
    EXPECT_EQ(world.TableRows(), rows);
    std::vector<std::map<int, Bounds>> columns;
    for (const int32_t column : {1, 2, 3}) columns.push_back(BoundsOfTasks(world, column));
    for (const auto& [a, _] : columns[0]) {
      for (const auto& [b, unused] : columns[0]) {
        if (a == b) continue;
        const bool apart = std::any_of(columns.begin(), columns.end(), [&](const auto& bounds) {
          return Below(bounds.at(a).high, bounds.at(b).low) ||
                 Below(bounds.at(b).high, bounds.at(a).low);
        });
        EXPECT_TRUE(apart) << a << " " << b;
      }
    }
  }
}

TEST(Ranges, TasksReadOnlyFilesThatMayHoldTheirRows) {
  World world({.clustered = true, .deletes = false}, 9);
  const int64_t bytes = world.DataFiles()[0].file_size_in_bytes;
  ASSERT_TRUE(world.Compact("sort(id)", bytes * 3).ok());
  // Files of 100 ids each: only those at a cut are read twice.
  EXPECT_LE(world.progress.figures().bytes, bytes * 12 * 2);
}

TEST(Ranges, ABoundThatIsWrongChangesNothing) {
  World world({.clustered = true, .deletes = false}, 3);
  auto files = world.DataFiles();
  // A writer that claims less than the file holds.
  Call call = world.MakeCall();
  iceberg::SnapshotChanges changes;
  changes.operation = iceberg::SnapshotOperation::kOverwrite;
  changes.removed_data.push_back(iceberg::RemovedFile::Of(files[2]));
  DataFile liar = files[2];
  liar.file_path += "2";
  const auto content = io::ReadFile(call, world.disk, files[2].file_path, 1 << 20);
  ASSERT_TRUE(content.ok());
  world.disk.Put(liar.file_path, *content, 0);
  for (auto& [id, bound] : liar.upper_bounds) {
    if (id == 1) bound = *iceberg::FindBound(liar.lower_bounds, 1);
  }
  changes.added.push_back({liar, std::nullopt});
  ASSERT_TRUE(world.table.Commit(call, changes).ok());
  const int commits = world.table.commits();
  const auto report = world.Compact("sort(id)", world.DataFiles()[0].file_size_in_bytes * 3 / 4);
  EXPECT_EQ(report.status().code(), Code::kCorruption) << report.status().ToString();
  EXPECT_NE(report.status().message().find("outside of the bounds"), std::string_view::npos)
      << report.status().ToString();
  EXPECT_EQ(world.table.commits(), commits);
}

}  // namespace
}  // namespace moraine::compact

// Catalog, optimizing and the rewriting of real Parquet files together, in memory: whatever is
// appended, upserted and deleted while tables are optimized, their rows are those of a model. Seeds
// choose the table, the changes and who comes when.

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <random>
#include <set>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "moraine/base/check.h"
#include "moraine/base/text.h"
#include "moraine/iceberg/testing/row_delta.h"
#include "moraine/iceberg/testing/rows.h"
#include "moraine/iceberg/testing/table_rows.h"
#include "moraine/optimizing/testing/optimizing_world.h"
#include "moraine/rewrite/rewrite.h"

namespace moraine::server {
namespace {

using iceberg::FileContent;
using iceberg::ManifestEntry;
using iceberg::Optional;
using iceberg::RowDeltaPart;
using iceberg::Transform;
using iceberg::Type;
using iceberg::TypeKind;

constexpr char kTable[] = "t";
constexpr char kWarehouse[] = "w";
constexpr int kSteps = 40;
const std::vector<std::string> kKinds = {"null", "\"a\"", "\"b\""};

std::string Unquoted(const std::string& json) {
  return json.starts_with('"') ? json.substr(1, json.size() - 2) : json;
}

/// A row's key, as JSON.
struct Key {
  std::string id, kind;
  auto operator<=>(const Key&) const = default;
  std::string json() const { return fmt::format("[{},{}]", id, kind); }
};

struct Row {
  int64_t v = 0;        ///< no two rows ever have the same
  int32_t spec_id = 0;  ///< that it was written under
  bool extra = false;   ///< written when that column was there: it holds v, too
};

/// Changes of a table, to the table and to a model.
class Engine {
 public:
  Engine(uint64_t seed, optimizing::OptimizingWorld* world) : random_(seed), world_(*world) {
    partitioned_ = Chance(50);
    catalog::CreateTable create;
    create.name = {{"ns"}, kTable};
    create.schema = iceberg::Schema(0, {Optional(1, "id", Type::Primitive(TypeKind::kLong)),
                                        Optional(2, "kind", Type::Primitive(TypeKind::kString)),
                                        Optional(3, "v", Type::Primitive(TypeKind::kLong))});
    if (partitioned_) create.spec.fields.push_back({{2}, 1000, "kind", Transform::Identity()});
    create.properties = {{"self-optimizing.min-plan-interval", "0"},
                         {"self-optimizing.hot-partition-delay", "0"},
                         {"self-optimizing.minor.trigger.file-count", Pick({"1", "2", "4"})},
                         {"self-optimizing.minor.trigger.interval", Pick({"-1", "1000"})},
                         {"self-optimizing.major.trigger.duplicate-ratio", Pick({"0", "0.2", "1"})},
                         {"self-optimizing.full.trigger.interval", Pick({"-1", "-1", "100000"})},
                         {"self-optimizing.target-size", Pick({"1", "1200", "3000", "1000000"})},
                         {"self-optimizing.fragment-ratio", Pick({"2", "8"})},
                         {"self-optimizing.allow-partial-commit", Pick({"true", "false"})},
                         {"write.metadata.metrics.default", Pick({"full", "none"})}};
    Call call = world_.call();
    world_.engine().Create(call, kWarehouse, create).value();
  }

  bool Chance(uint64_t percent) { return random_() % 100 < percent; }
  size_t Below(size_t bound) { return random_() % bound; }
  std::string Pick(std::initializer_list<const char*> values) {
    return values.begin()[Below(values.size())];
  }

  void Change(int step) {
    if (step == kSteps / 3 && Chance(40)) return AddColumn();
    if (step == kSteps / 2 && !partitioned_ && Chance(60)) return Partition();
    Chance(75) ? Upsert() : DeletePositions();
  }

  void ExpectRows() {
    const auto table = world_.Load(kTable)->metadata;
    const auto rows = iceberg::TableRows(world_.disk(), *table);
    ASSERT_TRUE(rows.ok()) << rows.status().ToString();
    std::vector<std::string> expected;
    for (const auto& [key, row] : model_) {
      expected.push_back(fmt::format("{}, {}, {}", key.id, Unquoted(key.kind), row.v));
      if (extra_) expected.back() += row.extra ? fmt::format(", {}", row.v) : ", null";
    }
    std::sort(expected.begin(), expected.end());
    ASSERT_EQ(*rows, expected);
  }

  size_t rows() const { return model_.size(); }

 private:
  void Commit(iceberg::SnapshotChanges changes) {
    const Status status = world_.Commit(kTable, std::move(changes));
    MORAINE_CHECK(status.ok(), status.ToString());
  }

  void CommitParts(const std::vector<RowDeltaPart>& parts) {
    Call call = world_.call();
    const auto table = world_.Load(kTable)->metadata;
    const auto* snapshot = table->CurrentSnapshot();
    Commit(iceberg::WriteRowDelta(call, world_.disk(), *table, parts,
                                  snapshot ? std::optional(snapshot->snapshot_id) : std::nullopt)
               .value());
  }

  void CommitUpdates(std::vector<iceberg::TableUpdate> updates) {
    Call call = world_.call();
    iceberg::CommitRequest request;
    request.updates = std::move(updates);
    world_.engine().Commit(call, kWarehouse, {{"ns"}, kTable}, request, nullptr).value();
  }

  void AddColumn() {
    const auto table = world_.Load(kTable)->metadata;
    auto fields = table->CurrentSchema().fields();
    fields.push_back(Optional(4, "extra", Type::Primitive(TypeKind::kLong)));
    CommitUpdates({iceberg::update::AddSchema{iceberg::Schema(1, fields), 4},
                   iceberg::update::SetCurrentSchema{iceberg::kLastAdded}});
    extra_ = true;
  }

  void Partition() {
    iceberg::PartitionSpec spec;
    spec.spec_id = 1;
    spec.fields.push_back({{2}, 1000, "kind", Transform::Identity()});
    CommitUpdates({iceberg::update::AddPartitionSpec{spec},
                   iceberg::update::SetDefaultSpec{iceberg::kLastAdded}});
    partitioned_ = true;
    spec_id_ = 1;
  }

  /// Rows with the same key go, rows come; some of those are replaced in the same commit.
  void Upsert() {
    std::vector<RowDeltaPart> parts;
    for (const std::string& kind : partitioned_ ? kKinds : std::vector<std::string>{""}) {
      if (partitioned_ && Chance(30)) continue;
      RowDeltaPart part, global;
      part.spec_id = spec_id_;
      if (partitioned_) part.partition = {PartitionValue(kind)};
      part.key_columns = global.key_columns = {"id", "kind"};
      std::map<Key, int64_t> written;  // where in the file
      std::string rows, keys, global_keys;
      int64_t count = 0;
      for (size_t n = 1 + Below(12); n > 0; --n) {
        const size_t id = Below(30);
        const Key key = {id == 0 ? "null" : std::to_string(id),
                         partitioned_ ? kind : kKinds[Below(kKinds.size())]};
        if (auto again = written.find(key); again != written.end()) {
          part.dropped.push_back(again->second);
          written.erase(again);
        }
        // A partition's deletes do not reach what was written under the spec before.
        const auto known = model_.find(key);
        const bool elsewhere = known != model_.end() && known->second.spec_id != spec_id_;
        std::string& into = elsewhere ? global_keys : keys;
        into += (into.empty() ? "[" : ",") + key.json();
        model_.erase(key);
        if (Chance(20)) continue;  // deleted, and no new row
        model_[key] = {.v = ++last_v_, .spec_id = spec_id_, .extra = extra_};
        written[key] = count++;
        rows += fmt::format("{}[{},{},{}{}]", rows.empty() ? "[" : ",", key.id, key.kind, last_v_,
                            extra_ ? fmt::format(",{}", last_v_) : "");
      }
      if (!rows.empty()) part.rows = rows + "]";
      if (!keys.empty()) part.keys = keys + "]";
      parts.push_back(part);
      if (global_keys.empty()) continue;
      global.keys = global_keys + "]";
      parts.push_back(global);
    }
    if (!parts.empty()) CommitParts(parts);
  }

  static iceberg::Value PartitionValue(const std::string& kind) {
    return kind == "null" ? iceberg::Value() : iceberg::Value(Unquoted(kind));
  }

  /// Rows of some data files by their place, of one or several files in one delete file.
  void DeletePositions() {
    const auto table = world_.Load(kTable)->metadata;
    auto entries = iceberg::LiveEntries(world_.disk(), *table).value();
    std::erase_if(entries, [](const ManifestEntry& entry) {
      return entry.file.content != FileContent::kData;
    });
    if (entries.empty()) return;
    const auto& first = entries[Below(entries.size())].file;
    RowDeltaPart part;
    part.spec_id = first.spec_id;
    part.partition = first.partition;
    std::set<int64_t> gone;
    for (const ManifestEntry& entry : entries) {
      const bool near = entry.file.spec_id == first.spec_id &&
                        iceberg::SameTuple(entry.file.partition, first.partition);
      if (entry.file.file_path != first.file_path && !(near && Chance(30))) continue;
      const std::string text = iceberg::ReadText(world_.disk(), entry.file.file_path,
                                                 {table->CurrentSchema().fields()[2]});
      const auto rows = Split(text, '\n');
      for (size_t at = Below(2); at + 1 < rows.size(); at += 1 + Below(4)) {
        part.positions[entry.file.file_path].push_back(static_cast<int64_t>(at));
        gone.insert(std::stoll(std::string(rows[at])));
      }
    }
    if (part.positions.empty()) return;
    CommitParts({part});
    std::erase_if(model_, [&](const auto& row) { return gone.contains(row.second.v); });
  }

  std::mt19937_64 random_;
  optimizing::OptimizingWorld& world_;
  std::map<Key, Row> model_;
  bool partitioned_ = false;
  bool extra_ = false;
  int32_t spec_id_ = 0;
  int64_t last_v_ = 0;
};

/// Runs tasks; lost now and then, when it was silent for long.
class Worker {
 public:
  explicit Worker(optimizing::OptimizingWorld* world) : world_(*world) {}

  /// Takes a task, if one waits, and runs it; not reported.
  std::optional<tasks::TaskReport> RunTask() {
    Call call = world_.call();
    auto& queue = world_.parts().queue;
    auto handed = queue.TryPoll(call, token_, 0);
    if (handed.status().code() == Code::kNotFound) {
      token_ = queue.Register(call, {.threads = 2}).value().token;
      handed = queue.TryPoll(call, token_, 0);
    }
    if (!handed.value()) return std::nullopt;
    tasks::TaskReport report;
    report.token = token_;
    report.key = (*handed)->key;
    EXPECT_TRUE(queue.Acknowledge(call, token_, report.key).ok());
    const auto task = tasks::RewriteTaskFromJson((*handed)->task_json).value();
    rewrite::RewriteOptions options;
    options.threads = 1;  // the world's clock is for one thread
    const auto output = rewrite::RunRewrite(call, world_.disk(), task, options, nullptr);
    EXPECT_TRUE(output.ok()) << output.status().ToString();
    if (output.ok()) report.output_json = tasks::RewriteOutputToJson(*output, task);
    return report;
  }

  /// Refused when the task was given to another meanwhile.
  void Report(const tasks::TaskReport& report) {
    Call call = world_.call();
    const Status status = world_.parts().queue.Report(call, report);
    EXPECT_TRUE(status.ok() || status.code() == Code::kConflict || status.code() == Code::kNotFound)
        << status.ToString();
  }

 private:
  optimizing::OptimizingWorld& world_;
  std::string token_;
};

/// One seed; returns the types of the processes that were committed.
std::multiset<std::string> RunSeed(uint64_t seed) {
  optimizing::OptimizingWorld world;
  Engine engine(seed, &world);
  Worker worker(&world);
  std::vector<tasks::TaskReport> held;
  for (int step = 0; step < kSteps && !testing::Test::HasFatalFailure(); ++step) {
    if (engine.Chance(50)) engine.Change(step);
    const Status ticked = engine.Chance(60) ? world.Tick() : Status();
    EXPECT_TRUE(ticked.ok()) << ticked.ToString();
    for (size_t n = engine.Below(4); n > 0; --n) {
      if (auto report = worker.RunTask()) held.push_back(*report);
    }
    if (engine.Chance(60)) {  // else what is done is told only after other commits
      for (const auto& report : held) worker.Report(report);
      held.clear();
    }
    world.Advance(std::chrono::seconds(engine.Below(engine.Chance(5) ? 100 : 10)));
    engine.ExpectRows();
  }
  for (const auto& report : held) worker.Report(report);
  for (int round = 0; round < 12; ++round) {
    EXPECT_TRUE(world.Tick().ok());
    while (auto report = worker.RunTask()) worker.Report(*report);
    world.Advance(std::chrono::seconds(1));
  }
  engine.ExpectRows();
  std::multiset<std::string> types;
  Call call = world.call();
  for (const auto& snapshot : world.Load(kTable)->metadata->snapshots) {
    const auto type = snapshot->summary.find("optimizing.type");
    if (type != snapshot->summary.end()) types.insert(type->second);
  }
  return types;
}

TEST(OptimizingRows, AreThoseOfAModel) {
  std::multiset<std::string> types;
  for (uint64_t seed = 1; seed <= 8 && !HasFatalFailure(); ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    types.merge(RunSeed(seed));
  }
  for (const char* type : {"minor", "major", "full"}) EXPECT_GT(types.count(type), 0u) << type;
}

/// The files of a table of tests/golden, where the table says they are; the metadata's location.
std::string PutGolden(const std::string& table, io::MemoryFileSystem* disk) {
  namespace fs = std::filesystem;
  const fs::path home = fs::path(MORAINE_TEST_DATA_DIR) / "golden/flink_equality_deletes" / table;
  const std::string root = fmt::format("file:///flink{}/db/{}/", std::string(146, '_'), table);
  std::string newest;
  for (const auto& entry : fs::recursive_directory_iterator(home)) {
    if (!entry.is_regular_file()) continue;
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string location = root + fs::relative(entry.path(), home).string();
    disk->Put(location, std::string(std::istreambuf_iterator<char>(file), {}), 0);
    if (location.ends_with(".metadata.json")) newest = std::max(newest, location);
  }
  return newest;
}

size_t CountLines(const std::string& table) {
  std::ifstream file(
      fmt::format("{}/golden/flink_equality_deletes/{}.rows.txt", MORAINE_TEST_DATA_DIR, table));
  return static_cast<size_t>(std::count(std::istreambuf_iterator<char>(file), {}, '\n'));
}

TEST(OptimizingRows, OfTablesThatFlinkWroteStayTheSame) {
  for (const char* table : {"changes", "partitions", "upserts"}) {
    SCOPED_TRACE(table);
    optimizing::OptimizingWorld world;
    Worker worker(&world);
    const std::string metadata = PutGolden(table, &world.disk());
    Call call = world.call();
    auto warehouse = world.engine().FindWarehouse(call, kWarehouse).value();
    warehouse.allowed_locations.push_back(metadata.substr(0, metadata.find("/db/")));
    ASSERT_TRUE(world.engine().PutWarehouse(call, warehouse).ok());
    auto loaded = world.engine().Register(call, kWarehouse, {{"ns"}, kTable}, metadata).value();
    const auto before = iceberg::TableRows(world.disk(), *loaded->metadata).value();
    EXPECT_EQ(before.size(), CountLines(table));
    iceberg::CommitRequest request;
    request.updates = {
        iceberg::update::SetProperties{{{"self-optimizing.enabled", "true"},
                                        {"self-optimizing.min-plan-interval", "0"},
                                        {"self-optimizing.hot-partition-delay", "0"},
                                        {"self-optimizing.minor.trigger.file-count", "1"}}}};
    world.engine().Commit(call, kWarehouse, {{"ns"}, kTable}, request, nullptr).value();
    for (int round = 0; round < 4; ++round) {
      EXPECT_TRUE(world.Tick().ok());
      while (auto report = worker.RunTask()) worker.Report(*report);
    }
    loaded = world.Load(kTable);
    EXPECT_EQ(iceberg::TableRows(world.disk(), *loaded->metadata).value(), before);
    const auto entries = iceberg::LiveEntries(world.disk(), *loaded->metadata).value();
    for (const ManifestEntry& entry : entries)
      EXPECT_EQ(entry.file.content, FileContent::kData) << entry.file.file_path;
  }
}

}  // namespace
}  // namespace moraine::server

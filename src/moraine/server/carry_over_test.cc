// A writer that deletes rows by position all the time, between any two steps of a process and in
// the middle of its commits: every process lands with all of its tasks, and rows stay those of a
// model.

#include <functional>
#include <map>
#include <random>
#include <set>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "moraine/base/text.h"
#include "moraine/iceberg/commit/snapshot_producer.h"
#include "moraine/iceberg/testing/row_delta.h"
#include "moraine/iceberg/testing/rows.h"
#include "moraine/iceberg/testing/table_rows.h"
#include "moraine/optimizing/testing/hooked_files.h"
#include "moraine/optimizing/testing/optimizing_world.h"
#include "moraine/rewrite/rewrite.h"

namespace moraine::server {
namespace {

using iceberg::FileContent;
using iceberg::Optional;
using iceberg::RowDeltaPart;
using iceberg::Type;
using iceberg::TypeKind;
using optimizing::ProcessState;

constexpr char kTable[] = "t";

struct Shape {
  int format_version = 2;
  bool many_files_a_delete = false;  ///< else each delete file is about one data file
  const char* target = "1000000";
};

/// Appends and deletes rows; knows which are there.
class Writer {
 public:
  Writer(const Shape& shape, optimizing::OptimizingWorld* world) : shape_(shape), world_(*world) {
    catalog::CreateTable create;
    create.name = {{"ns"}, kTable};
    create.schema = iceberg::Schema(0, {Optional(1, "v", Type::Primitive(TypeKind::kLong))});
    create.properties = {{"format-version", std::to_string(shape.format_version)},
                         {"self-optimizing.enabled", "true"},
                         {"self-optimizing.min-plan-interval", "0"},
                         {"self-optimizing.hot-partition-delay", "0"},
                         {"self-optimizing.minor.trigger.file-count", "2"},
                         {"self-optimizing.major.trigger.duplicate-ratio", "0.1"},
                         {"self-optimizing.fragment-ratio", "8"},
                         {"self-optimizing.target-size", shape.target}};
    Call call = world_.call();
    const auto made = world_.engine().Create(call, "w", create);
    EXPECT_TRUE(made.ok()) << made.status().ToString();
  }

  void Append(int rows) {
    RowDeltaPart part;
    for (int i = 0; i < rows; ++i) {
      part.rows += fmt::format("{}[{}]", i == 0 ? "[" : ",", next_);
      alive_.insert(next_++);
    }
    part.rows += "]";
    EXPECT_TRUE(Commit({part}, world_.call()).ok());
  }

  /// Some rows of some files; false when the commit had to wait for another.
  bool Delete(Call call) {
    const auto table = world_.Load(kTable)->metadata;
    std::vector<RowDeltaPart> parts(1);
    std::set<int64_t> gone;
    for (const auto& entry : iceberg::LiveEntries(world_.disk(), *table).value()) {
      if (entry.file.content != FileContent::kData || random_() % 2 == 0) continue;
      const auto& rows = Rows(entry.file.file_path);
      if (!shape_.many_files_a_delete && shape_.format_version < 3) parts.emplace_back();
      for (size_t at = random_() % 9; at < rows.size(); at += 1 + random_() % 40) {
        parts.back().positions[entry.file.file_path].push_back(static_cast<int64_t>(at));
        gone.insert(rows[at]);
      }
    }
    std::erase_if(parts, [](const RowDeltaPart& part) { return part.positions.empty(); });
    if (parts.empty()) return true;
    if (!Commit(parts, std::move(call)).ok()) return false;
    ++deletes_;
    for (int64_t v : gone) alive_.erase(v);
    return true;
  }

  void ExpectRows() {
    const auto rows = iceberg::TableRows(world_.disk(), *world_.Load(kTable)->metadata);
    ASSERT_TRUE(rows.ok()) << rows.status().ToString();
    std::vector<std::string> expected;
    for (int64_t v : alive_) expected.push_back(std::to_string(v));
    std::sort(expected.begin(), expected.end());
    ASSERT_EQ(*rows, expected);
  }

  int deletes() const { return deletes_; }
  size_t alive() const { return alive_.size(); }

 private:
  Status Commit(const std::vector<RowDeltaPart>& parts, Call call) {
    const auto table = world_.Load(kTable)->metadata;
    const auto* snapshot = table->CurrentSnapshot();
    MORAINE_ASSIGN(
        auto changes,
        iceberg::WriteRowDelta(call, world_.disk(), *table, parts,
                               snapshot ? std::optional(snapshot->snapshot_id) : std::nullopt));
    iceberg::SnapshotProducer producer(world_.disk(), std::move(changes));
    MORAINE_ASSIGN(auto prepared, producer.Prepare(call, table));
    return world_.engine().Commit(call, "w", {{"ns"}, kTable}, prepared.request, nullptr).status();
  }

  /// Of a data file, the deleted ones among them.
  const std::vector<int64_t>& Rows(const std::string& path) {
    std::vector<int64_t>& rows = rows_[path];
    if (!rows.empty()) return rows;
    const auto field = world_.Load(kTable)->metadata->CurrentSchema().fields()[0];
    const std::string text = iceberg::ReadText(world_.disk(), path, {field});
    for (std::string_view line : Split(text, '\n')) {
      if (!line.empty()) rows.push_back(std::stoll(std::string(line)));
    }
    return rows;
  }

  const Shape shape_;
  optimizing::OptimizingWorld& world_;
  std::map<std::string, std::vector<int64_t>> rows_;
  std::mt19937_64 random_{5};
  std::set<int64_t> alive_;
  int64_t next_ = 0;
  int deletes_ = 0;
};

/// One process after another, with a delete between any two steps.
class CarryOverTest : public testing::TestWithParam<Shape> {
 protected:
  void Round() {
    writer_.Append(60);
    writer_.Append(40);
    Call call = world_.call();
    ASSERT_TRUE(world_.Tick().ok());
    Delete();
    while (auto report = RunTask()) {
      Delete();
      const Status reported = world_.parts().queue.Report(call, *report);
      ASSERT_TRUE(reported.ok()) << reported.ToString();
    }
    Delete();
    Commit();
    writer_.ExpectRows();
    world_.Advance(std::chrono::seconds(1));
  }

  void Delete() { EXPECT_TRUE(writer_.Delete(world_.call())); }

  std::optional<tasks::TaskReport> RunTask() {
    Call call = world_.call();
    auto& queue = world_.parts().queue;
    if (token_.empty()) token_ = queue.Register(call, {.threads = 1}).value().token;
    auto handed = queue.TryPoll(call, token_, 0).value();
    if (!handed) return std::nullopt;
    EXPECT_TRUE(queue.Acknowledge(call, token_, handed->key).ok());
    ++tasks_;
    const auto task = tasks::RewriteTaskFromJson(handed->task_json).value();
    rewrite::RewriteOptions options;
    options.threads = 1;  // the world's clock is for one thread
    const auto output = rewrite::RunRewrite(call, world_.disk(), task, options, nullptr);
    EXPECT_TRUE(output.ok()) << output.status().ToString();
    return tasks::TaskReport{token_, handed->key, tasks::RewriteOutputToJson(*output, task), "",
                             ""};
  }

  /// With a delete at every look that the committer takes at the table.
  void Commit() {
    optimizing::HookedFiles files(world_.disk());
    optimizing::HealthMonitor monitor(world_.engine(), files, world_.store(), {});
    optimizing::Committer committer(world_.engine(), files, world_.store(), monitor, {});
    int looks = 0;
    files.hook = [&] {
      if (++looks > 4) return;
      const auto again = std::exchange(files.hook, nullptr);
      writer_.Delete(Call(world_.call().env(), Millis(100)));
      files.hook = again;
    };
    Call call = world_.call();
    const auto before = world_.LastProcess();
    const auto ended = committer.CommitTick(call);
    ASSERT_TRUE(ended.ok()) << ended.status().ToString();
    files.hook = nullptr;
    if (*ended == 0) return;
    ++processes_;
    const auto process = world_.LastProcess().value();
    EXPECT_EQ(process.state, ProcessState::kSucceeded) << process.error;
    EXPECT_EQ(process.error, "");
    const auto& summary =
        world_.Load(kTable)->metadata->FindSnapshot(process.committed_snapshot_id)->summary;
    carried_ += summary.count("added-delete-files");
    ASSERT_TRUE(committer.CleanTick(call).ok());
  }

  optimizing::OptimizingWorld world_;
  Writer writer_{GetParam(), &world_};
  std::string token_;
  int tasks_ = 0;
  int processes_ = 0;
  size_t carried_ = 0;
};

TEST_P(CarryOverTest, EveryProcessLandsWhileRowsAreDeletedAllTheTime) {
  for (int round = 0; round < 6 && !HasFatalFailure(); ++round) Round();
  EXPECT_GE(processes_, 4);
  EXPECT_GE(carried_, 4u);
  EXPECT_GT(writer_.deletes(), 20);
  EXPECT_GT(writer_.alive(), 0u);
  // Nothing of refused commits and no position map is left.
  for (const std::string& location : world_.Leftovers(kTable))
    EXPECT_EQ(location.find("positions.map"), std::string::npos) << location;
}

INSTANTIATE_TEST_SUITE_P(Tables, CarryOverTest,
                         testing::Values(Shape{2, false}, Shape{2, true, "900"}),
                         [](const auto& info) {
                           return fmt::format("V{}{}{}", info.param.format_version,
                                              info.param.many_files_a_delete ? "Shared" : "",
                                              info.index);
                         });

}  // namespace
}  // namespace moraine::server

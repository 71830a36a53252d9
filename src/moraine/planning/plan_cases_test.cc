// The step family "plan" of tests/cases/plan: files of a table as one line each, and what
// optimizing would do with them, and why.
//
//   plan
//   set minor.trigger.file-count 3        a self-optimizing.* property
//   dedup 1 2 by 3                        one row for each key; "version 3" before it counts
//   last minor 2h                         how long ago; else: just now
//   partition day=1 written 10s           begins a partition; its last commit
//   data a b 1MiB rows 100 seq 5          files of this size (1000 rows unless said)
//   positions p of a rows 5               position deletes; of one file: it names that file
//   vector v of a rows 5                  a deletion vector
//   equality e of a b                     equality deletes; "global": of an unpartitioned spec; of
//                                         nothing: deletes that apply to no file any more
//   budget 100MiB                         of the process
//   some partitions                       others of the table were not looked at
//   ----
//   minor: 3 fragments and 0 equality delete files reach the trigger of 3
//   task day=1: rewrite a b

#include <algorithm>
#include <map>
#include <memory>

#include "case_runner/case_runner.h"
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include "moraine/base/text.h"
#include "moraine/planning/dedup_rules.h"
#include "moraine/planning/planner.h"

namespace moraine::planning {
namespace {

using iceberg::FileContent;
using Words = std::vector<std::string>;

constexpr int64_t kNow = 1'800'000'000'000;

Words WordsOf(std::string_view line) {
  Words words;
  for (std::string_view word : Split(line, ' ')) {
    if (!word.empty()) words.emplace_back(word);
  }
  return words;
}

class Scene {
 public:
  Status Read(std::string_view input) {
    for (std::string_view line : Split(input, '\n')) {
      const Words words = WordsOf(line);
      if (words.empty()) continue;
      Status status = ReadLine(words);
      if (!status.ok()) return std::move(status).Annotate(std::string(line));
    }
    return {};
  }

  std::string Plan() {
    OptimizingConfig config = ConfigOf(properties_);
    config.dedup = dedup_;
    config.dedup_by_file_age = !dedup_.is_none() && !dedup_.order_by && version_ < 3;
    std::vector<PartitionEvaluation> evaluations;
    for (const auto& partition : table_.partitions)
      evaluations.push_back(EvaluatePartition(table_, partition, config, times_, kNow));
    for (size_t i = 0; i < evaluations.size(); ++i)
      KeepAge(table_.partitions[i], config, &evaluations[i]);
    const ProcessPlan plan = PlanProcess(table_, evaluations, config, limits_);
    std::vector<std::string> lines = {
        fmt::format("{}: {}", OptimizingTypeName(plan.type), plan.reason)};
    if (plan.due_ms) lines.push_back(fmt::format("due in {} s", (*plan.due_ms - kNow) / 1000));
    for (size_t i = 0; evaluations.size() > 1 && i < evaluations.size(); ++i) {
      lines.push_back(fmt::format("partition {}: {}: {}", table_.partitions[i].path,
                                  OptimizingTypeName(evaluations[i].type), evaluations[i].reason));
    }
    for (const TaskPlan& task : plan.tasks) lines.push_back(TaskLine(task));
    Words removed;
    for (int32_t index : RemovableDeletes(table_, plan.tasks))
      removed.push_back(table_.deletes[static_cast<size_t>(index)].file.file_path);
    if (!removed.empty()) lines.push_back(fmt::format("removes {}", fmt::join(removed, " ")));
    if (plan.partitions_left > 0) lines.push_back(fmt::format("left {}", plan.partitions_left));
    for (const auto& problem : config.problems) lines.push_back(problem);
    return fmt::format("{}", fmt::join(lines, "\n"));
  }

 private:
  Status ReadLine(const Words& words) {
    const std::string& what = words[0];
    if (what == "some" || what == "partition") return ReadPartition(words);
    if (words.size() < 2) return InvalidArgument("too short");
    if (what == "set") {
      properties_["self-optimizing." + words[1]] = words.size() > 2 ? words[2] : "";
      return {};
    }
    if (what == "budget") {
      MORAINE_ASSIGN(limits_.budget_bytes, ParseByteSize(words[1]));
      return {};
    }
    if (what == "version") {
      MORAINE_ASSIGN(version_, ParseInt64(words[1]));
      return {};
    }
    if (what == "dedup") return ReadDedup(words);
    if (what == "last" && words.size() == 3) return ReadTime(words[1], words[2]);
    if (what == "data") return ReadData(words);
    if (what == "positions" || what == "vector" || what == "equality") return ReadDeletes(words);
    return InvalidArgument("what is this?");
  }

  Status ReadPartition(const Words& words) {
    if (words[0] == "some") {
      table_.whole_table = false;
      return {};
    }
    PartitionFiles& partition = table_.partitions.emplace_back();
    partition.path = words.size() > 1 ? words[1] : "";
    partition.partition = {iceberg::Value(static_cast<int32_t>(table_.partitions.size()))};
    if (words.size() == 4) {
      MORAINE_ASSIGN(const Millis ago, ParseDuration(words[3]));
      partition.last_write_ms = kNow - ago.count();
    }
    return {};
  }

  Status ReadTime(const std::string& type, const std::string& ago) {
    MORAINE_ASSIGN(const Millis age, ParseDuration(ago));
    int64_t& time = type == "minor"   ? times_.last_minor_ms
                    : type == "major" ? times_.last_major_ms
                                      : times_.last_full_ms;
    time = kNow - age.count();
    return {};
  }

  Status ReadDedup(const Words& words) {
    bool is_key = true;
    for (size_t i = 1; i < words.size(); ++i) {
      if (words[i] == "by") {
        is_key = false;
        continue;
      }
      MORAINE_ASSIGN(const int64_t id, ParseInt64(words[i]));
      if (is_key) dedup_.keys.push_back(static_cast<int32_t>(id));
      if (!is_key) dedup_.order_by = static_cast<int32_t>(id);
    }
    return {};
  }

  static Result<int64_t> TakeRows(Words* words, int64_t fallback) {
    return TakeNumber("rows", words, fallback);
  }
  /// "<what> N" at the end.
  static Result<int64_t> TakeNumber(std::string_view what, Words* words, int64_t fallback) {
    if (words->size() < 3 || (*words)[words->size() - 2] != what) return fallback;
    MORAINE_ASSIGN(const int64_t rows, ParseInt64(words->back()));
    words->resize(words->size() - 2);
    return rows;
  }

  Status ReadData(Words words) {
    MORAINE_ASSIGN(const int64_t sequence, TakeNumber("seq", &words, 0));
    MORAINE_ASSIGN(const int64_t rows, TakeRows(&words, 1000));
    MORAINE_ASSIGN(const int64_t size, ParseByteSize(words.back()));
    if (table_.partitions.empty()) table_.partitions.emplace_back();
    for (size_t i = 1; i + 1 < words.size(); ++i) {
      tasks::InputFile input;
      input.file.file_path = words[i];
      input.file.file_size_in_bytes = size;
      input.file.record_count = rows;
      input.sequence_number = sequence;
      if (version_ >= 3) input.file.first_row_id = 1;
      input.file.partition = table_.partitions.back().partition;
      table_.partitions.back().files.push_back(std::move(input));
    }
    return {};
  }

  Status ReadDeletes(Words words) {
    MORAINE_ASSIGN(const int64_t rows, TakeRows(&words, 1));
    const auto of = std::find(words.begin(), words.end(), "of");
    if (of == words.end()) return InvalidArgument("of which files?");
    const Words targets(of + 1, words.end());
    tasks::DeleteInput deletes;
    deletes.file.file_path = words[1];
    deletes.file.record_count = rows;
    deletes.file.file_size_in_bytes = 100;
    deletes.file.content =
        words[0] == "equality" ? FileContent::kEqualityDeletes : FileContent::kPositionDeletes;
    if (words[2] != "global") deletes.file.partition = table_.partitions.back().partition;
    if (words[0] != "equality" && targets.size() == 1)
      deletes.file.referenced_data_file = targets[0];
    if (words[0] == "vector") {
      deletes.file.format = iceberg::FileFormat::kPuffin;
      deletes.file.content_offset = 4 + static_cast<int64_t>(table_.deletes.size());
      deletes.file.content_size_in_bytes = 40;
    }
    const auto index = static_cast<int32_t>(table_.deletes.size());
    table_.deletes.push_back(std::move(deletes));
    size_t found = 0;
    for (auto& partition : table_.partitions) {
      for (auto& input : partition.files) {
        if (std::find(targets.begin(), targets.end(), input.file.file_path) == targets.end())
          continue;
        input.deletes.push_back(index);
        ++found;
      }
    }
    return found == targets.size() ? Status() : InvalidArgument("no such data file");
  }

  std::string TaskLine(const TaskPlan& task) const {
    const PartitionFiles& partition = table_.partitions[task.partition];
    std::string line = partition.path.empty() ? "task:" : fmt::format("task {}:", partition.path);
    if (task.deduplicated) line.insert(0, "dedup ");
    const auto add = [&](std::string_view what, const std::vector<size_t>& files) {
      if (files.empty()) return;
      line += fmt::format("{} {}", line.back() == ':' ? "" : ";", what);
      for (size_t file : files) line += " " + partition.files[file].file.file_path;
    };
    add("rewrite", task.rewrite);
    add("positions of", task.rewrite_positions);
    return line;
  }

  iceberg::StringMap properties_;
  int64_t version_ = 2;
  tasks::Dedup dedup_;
  OptimizingTimes times_{kNow, kNow, kNow};
  PlanLimits limits_;
  TableFiles table_{.whole_table = true};
};

std::unique_ptr<cases::World> MakePlanWorld() {
  auto world = std::make_unique<cases::World>();
  world->Add("plan", [](const cases::Step& step) -> Result<cases::Outcome> {
    Scene scene;
    MORAINE_TRY(scene.Read(step.input));
    return cases::Outcome{true, scene.Plan(), std::nullopt};
  });
  return world;
}

const bool kCases = cases::RegisterCases("plan", MakePlanWorld);

TEST(PlanCases, AreThere) { EXPECT_TRUE(kCases); }

}  // namespace
}  // namespace moraine::planning

// The step family "table" of tests/cases/table: a table, changes to it, and what it then is. Data
// files are only named.
//
//   table new [v1|v3] [unpartitioned] [key=value ...]     columns id 1, day 2, name 3, by day
//   table append | fast-append | delete | overwrite | replace-partitions | row-delta | rewrite
//     add data a day 1 [seq 2]          add positions p [of a] day 1     add vector v of a day 1
//     add equality e day 1 ids 0..9     remove a [day 1]                 remove deletes p, remove
//     vector v where day = 1                     since 2   (what it was decided from: the second
//     commit) no conflicting data | deletes     needs a   (data files that must still be there) to
//     BRANCH
//   table update                        requirements and updates as in the REST protocol
//   table scan [FILTER] | entries | metadata

#include <algorithm>
#include <map>
#include <memory>

#include "case_runner/case_runner.h"
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include "moraine/base/testing/test_env.h"
#include "moraine/base/text.h"
#include "moraine/iceberg/testing/test_table.h"
#include "moraine/io/testing/memory_file_system.h"

namespace moraine::iceberg {
namespace {

using Words = std::vector<std::string>;

constexpr int64_t kVectorOffset = 4;

Words WordsOf(std::string_view line) {
  Words words;
  for (std::string_view word : Split(line, ' ')) {
    if (!word.empty()) words.emplace_back(word);
  }
  return words;
}

/// The word behind this one, or "".
std::string After(const Words& words, std::string_view word) {
  const auto at = std::find(words.begin(), words.end(), word);
  return at == words.end() || at + 1 == words.end() ? "" : *(at + 1);
}

Result<int64_t> NumberAfter(const Words& words, std::string_view word) {
  return ParseInt64(After(words, word));
}

const std::map<std::string, SnapshotOperation>& Operations() {
  static const auto* operations = new std::map<std::string, SnapshotOperation>{
      {"append", SnapshotOperation::kAppend},
      {"fast-append", SnapshotOperation::kFastAppend},
      {"delete", SnapshotOperation::kDelete},
      {"overwrite", SnapshotOperation::kOverwrite},
      {"replace-partitions", SnapshotOperation::kReplacePartitions},
      {"row-delta", SnapshotOperation::kRowDelta},
      {"rewrite", SnapshotOperation::kRewriteFiles},
      {"rewrite-manifests", SnapshotOperation::kRewriteManifests}};
  return *operations;
}

/// "added data-files=1 records=100": a line for each first word of the summary's keys.
std::string SummaryText(const Snapshot& snapshot) {
  std::map<std::string, std::string> lines;
  for (const auto& [key, value] : snapshot.summary) {
    const size_t dash = key.find('-');
    const std::string first = key.substr(0, dash);
    if (value == "0" || dash == std::string::npos || key.ends_with("files-size")) continue;
    if (first != "added" && first != "deleted" && first != "removed" && first != "total") continue;
    lines[first] += fmt::format(" {}={}", key.substr(dash + 1), value);
  }
  std::string text = fmt::format("{}, sequence {}", snapshot.operation(), snapshot.sequence_number);
  for (const auto& [first, rest] : lines) text += fmt::format("\n{}{}", first, rest);
  return text;
}

cases::Outcome TextOutcome(std::string text) {
  return cases::Outcome{true, std::move(text), std::nullopt};
}

class TableWorld : public cases::World {
 public:
  TableWorld() {
    Add("table", [this](const cases::Step& step) { return RunStep(step); });
  }

 private:
  Result<cases::Outcome> RunStep(const cases::Step& step) {
    const Words words = WordsOf(step.words);
    if (words.empty()) return InvalidArgument("expected 'table WHAT'");
    if (words[0] == "new") return MakeTable(words);
    if (table_ == nullptr) return InvalidArgument("expected 'table new' first");
    if (Operations().contains(words[0])) return CommitFiles(words[0], step.input);
    if (words[0] == "update") return Update(step.input);
    if (words[0] == "metadata") return MetadataOutcome();
    Result<Words> lines =
        words[0] == "entries"
            ? table_->Entries(call_)
            : table_->Scan(call_, step.words.substr(std::min<size_t>(5, step.words.size())));
    if (!lines.ok()) return lines.status();
    return TextOutcome(lines->empty() ? "nothing" : fmt::format("{}", fmt::join(*lines, "\n")));
  }

  Result<cases::Outcome> MakeTable(const Words& words) {
    TestTableOptions options;
    for (size_t i = 1; i < words.size(); ++i) {
      const size_t equals = words[i].find('=');
      if (words[i] == "v1") options.format_version = 1;
      if (words[i] == "v3") options.format_version = 3;
      if (words[i] == "unpartitioned") options.partitioned = false;
      if (equals != std::string::npos)
        options.properties[words[i].substr(0, equals)] = words[i].substr(equals + 1);
    }
    files_ = std::make_unique<io::MemoryFileSystem>();
    table_ = std::make_unique<TestTable>(*files_, options);
    snapshots_ = {std::nullopt};
    return TextOutcome("");
  }

  Result<cases::Outcome> CommitFiles(const std::string& operation, std::string_view input) {
    SnapshotChanges changes;
    changes.operation = Operations().at(operation);
    for (std::string_view line : Split(input, '\n')) {
      const Words words = WordsOf(line);
      if (words.empty()) continue;
      Status status = ReadLine(words, line, &changes);
      if (!status.ok()) return std::move(status).Annotate(std::string(line));
    }
    MORAINE_ASSIGN(const CommitOutcome outcome, table_->Commit(call_, std::move(changes)));
    snapshots_.push_back(outcome.snapshot.snapshot_id);
    MORAINE_TRY(CheckCodec());
    return TextOutcome(SummaryText(outcome.snapshot));
  }

  Status ReadLine(const Words& words, std::string_view line, SnapshotChanges* changes) {
    const std::string& what = words[0];
    if (what == "add" && words.size() > 2) return ReadAdded(words, changes);
    if (what == "remove" && words.size() > 1) return ReadRemoved(words, changes);
    if (what == "where") {
      MORAINE_ASSIGN(changes->row_filter, ParseFilter(line.substr(line.find("where") + 5)));
      return {};
    }
    if (what == "since") {
      MORAINE_ASSIGN(const int64_t number, NumberAfter(words, "since"));
      if (number < 0 || number >= static_cast<int64_t>(snapshots_.size()))
        return InvalidArgument("no such commit");
      changes->checks.starting_snapshot_id = snapshots_[static_cast<size_t>(number)];
      return {};
    }
    if (line.find("no conflicting data") != std::string_view::npos) {
      changes->checks.no_conflicting_data = true;
    } else if (line.find("no conflicting deletes") != std::string_view::npos) {
      changes->checks.no_conflicting_deletes = true;
    } else if (what == "needs" && words.size() == 2) {
      changes->checks.required_data_files.push_back(table_->Path(words[1]));
    } else if (what == "to" && words.size() == 2) {
      changes->branch = words[1];
    } else {
      return InvalidArgument("what is this?");
    }
    return {};
  }

  Status ReadRemoved(const Words& words, SnapshotChanges* changes) {
    const bool deletes = words.size() > 2 && (words[1] == "deletes" || words[1] == "vector");
    RemovedFile removed;
    removed.path = table_->Path(words[deletes ? 2 : 1]);
    if (words[1] == "vector") removed.content_offset = kVectorOffset;
    if (!After(words, "day").empty()) {
      MORAINE_ASSIGN(const int64_t day, NumberAfter(words, "day"));
      removed.partition = RemovedFile::Of(table_->Data("", static_cast<int32_t>(day))).partition;
    }
    (deletes ? changes->removed_deletes : changes->removed_data).push_back(std::move(removed));
    return {};
  }

  Status ReadAdded(const Words& words, SnapshotChanges* changes) {
    const std::string& kind = words[1];
    const std::string& name = words[2];
    int32_t day = 0;
    if (!After(words, "day").empty()) {
      MORAINE_ASSIGN(const int64_t number, NumberAfter(words, "day"));
      day = static_cast<int32_t>(number);
    }
    AddedFile added;
    if (!After(words, "seq").empty()) {
      MORAINE_ASSIGN(added.data_sequence_number, NumberAfter(words, "seq"));
    }
    if (kind == "data") {
      added.file = table_->Data(name, day);
    } else if (kind == "positions") {
      added.file = table_->PositionDeletes(name, After(words, "of"), day);
    } else if (kind == "vector") {
      added.file = table_->DeletionVector(name, After(words, "of"), day, kVectorOffset);
    } else if (kind == "equality") {
      const std::string ids = After(words, "ids");
      const size_t dots = ids.find("..");
      if (dots == std::string::npos) return InvalidArgument("which ids?");
      MORAINE_ASSIGN(const int64_t low, ParseInt64(ids.substr(0, dots)));
      MORAINE_ASSIGN(const int64_t high, ParseInt64(ids.substr(dots + 2)));
      added.file = table_->EqualityDeletes(name, day, low, high);
    } else {
      return InvalidArgument("add what?");
    }
    changes->added.push_back(std::move(added));
    return {};
  }

  Result<cases::Outcome> Update(std::string_view input) {
    MORAINE_ASSIGN(const Json json, Json::Parse(input));
    MORAINE_ASSIGN(const CommitRequest request, CommitRequestFromJson(JsonCursor(json)));
    MORAINE_TRY(table_->Apply(request));
    MORAINE_TRY(CheckCodec());
    return MetadataOutcome();
  }

  Result<cases::Outcome> MetadataOutcome() {
    MORAINE_ASSIGN(Json json, Json::Parse(TableMetadataToJson(*table_->metadata())));
    return cases::Outcome{true, "", std::move(json)};
  }

  /// What is written is what is read again.
  Status CheckCodec() {
    MORAINE_ASSIGN(const auto again,
                   TableMetadataFromJson(TableMetadataToJson(*table_->metadata())));
    return again == *table_->metadata() ? Status()
                                        : Internal("the metadata's codec loses something");
  }

  testing::TestEnv env_;
  Call call_ = env_.call();
  std::unique_ptr<io::MemoryFileSystem> files_;
  std::unique_ptr<TestTable> table_;
  std::vector<std::optional<int64_t>> snapshots_;  // by number of the commit
};

const bool kCases = cases::RegisterCases("table", [] { return std::make_unique<TableWorld>(); });

TEST(TableCases, AreThere) { EXPECT_TRUE(kCases); }

}  // namespace
}  // namespace moraine::iceberg

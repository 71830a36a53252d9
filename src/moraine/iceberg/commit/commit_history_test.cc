// Random histories of commits beside a model that only knows which files there are.

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/base/testing/test_env.h"
#include "moraine/iceberg/manifest/manifest_reader.h"
#include "moraine/iceberg/scan/table_filter.h"
#include "moraine/iceberg/testing/test_table.h"
#include "moraine/io/testing/memory_file_system.h"

namespace moraine::iceberg {
namespace {

struct Live {
  DataFile file;
  int64_t sequence = 0;
};

class History {
 public:
  History(int version, uint64_t seed)
      : env_(seed),
        random_(seed),
        version_(version),
        table_(files_, {.format_version = version,
                        .properties = {{"commit.manifest.min-count-to-merge", "3"},
                                       {"commit.manifest.target-size-bytes", "12000"}}}) {}

  void Run(int steps) {
    for (int i = 0; i < steps && !::testing::Test::HasFailure(); ++i) {
      SCOPED_TRACE(fmt::format("step {}", i));
      Step();
      if (table_.metadata()->CurrentSnapshot() != nullptr) Check();
    }
  }

 private:
  int32_t Day() { return static_cast<int32_t>(random_.Below(3)); }
  std::string Name() { return "f" + std::to_string(next_++); }
  int64_t NextSequence() const {
    return version_ == 1 ? 0 : table_.metadata()->last_sequence_number + 1;
  }
  std::vector<std::string> SomeData(size_t most) {
    std::vector<std::string> paths;
    for (const auto& [path, live] : model_) {
      if (live.file.content == FileContent::kData && paths.size() < most && random_.Below(3) == 0)
        paths.push_back(path);
    }
    return paths;
  }

  void Commit(const SnapshotChanges& changes) {
    int64_t sequence = NextSequence();
    auto outcome = table_.Commit(call_, changes);
    ASSERT_TRUE(outcome.ok()) << outcome.status().ToString();
    for (const AddedFile& added : changes.added) {
      model_[added.file.file_path] = {
          added.file, version_ == 1 ? 0 : added.data_sequence_number.value_or(sequence)};
    }
    for (const RemovedFile& file : changes.removed_data) model_.erase(file.path);
    for (const RemovedFile& file : changes.removed_deletes) model_.erase(file.path);
  }

  void Step() {
    SnapshotChanges changes;
    if (const Snapshot* head = table_.metadata()->CurrentSnapshot()) {
      changes.checks.starting_snapshot_id = head->snapshot_id;
    }
    switch (random_.Below(7)) {
      case 0:
      case 1:
        changes.operation =
            random_.Below(2) == 0 ? SnapshotOperation::kFastAppend : SnapshotOperation::kAppend;
        for (uint64_t i = 0; i <= random_.Below(4); ++i)
          changes.added.push_back({table_.Data(Name(), Day()), {}});
        return Commit(changes);
      case 2:
        return Delta(std::move(changes));
      case 3:
        return RemoveOrRewrite(std::move(changes), SnapshotOperation::kOverwrite);
      case 4:
        return RemoveOrRewrite(std::move(changes), SnapshotOperation::kRewriteFiles);
      case 5:
        return Replace(std::move(changes));
      default:
        changes.operation = SnapshotOperation::kRewriteManifests;
        return Commit(changes);
    }
  }

  void Delta(SnapshotChanges changes) {
    if (version_ == 1) return;
    changes.operation = SnapshotOperation::kRowDelta;
    std::vector<std::string> about = SomeData(1);
    if (random_.Below(2) == 0 || about.empty() || version_ == 3) {
      int64_t low = static_cast<int64_t>(random_.Below(150));
      changes.added.push_back({table_.EqualityDeletes(Name(), Day(), low, low + 10), {}});
    } else {
      const DataFile& data = model_[about[0]].file;
      DataFile deletes =
          table_.PositionDeletes(Name(), ShortName(about[0]), std::get<int32_t>(data.partition[0]));
      if (random_.Below(2) == 0) deletes.referenced_data_file.reset();
      changes.added.push_back({deletes, {}});
    }
    Commit(changes);
  }

  void RemoveOrRewrite(SnapshotChanges changes, SnapshotOperation operation) {
    changes.operation = operation;
    changes.removed_must_exist = true;
    int64_t sequence = table_.metadata()->last_sequence_number;
    for (const std::string& path : SomeData(4)) {
      const DataFile& file = model_[path].file;
      changes.removed_data.push_back(RemovedFile::Of(file));
      if (operation != SnapshotOperation::kRewriteFiles || random_.Below(2) != 0) continue;
      AddedFile added{table_.Data(Name(), std::get<int32_t>(file.partition[0])), {}};
      if (version_ > 1 && random_.Below(2) == 0) added.data_sequence_number = sequence;
      changes.added.push_back(added);
    }
    if (!changes.removed_data.empty()) Commit(changes);
  }

  void Replace(SnapshotChanges changes) {
    changes.operation = SnapshotOperation::kReplacePartitions;
    int32_t day = Day();
    changes.added.push_back({table_.Data(Name(), day), {}});
    std::erase_if(model_, [&](const auto& one) {
      return std::get<int32_t>(one.second.file.partition[0]) == day;
    });
    Commit(changes);
  }

  /// Deletes that the commit may have dropped: they apply to no data file.
  bool IsDangling(const Live& deletes) const {
    return std::none_of(model_.begin(), model_.end(),
                        [&](const auto& one) { return Applies(deletes, one.second); });
  }
  bool Applies(const Live& deletes, const Live& data) const {
    if (data.file.content != FileContent::kData ||
        !SameTuple(data.file.partition, deletes.file.partition))
      return false;
    if (deletes.file.content == FileContent::kEqualityDeletes) {
      int64_t low = std::get<int64_t>(
          *ValueFromBytes(*Type::Primitive(TypeKind::kLong), deletes.file.lower_bounds[0].second));
      return data.sequence < deletes.sequence && low <= 99;
    }
    std::string_view about = ReferencedDataFile(deletes.file);
    return data.sequence <= deletes.sequence && (about.empty() || about == data.file.file_path);
  }

  void Check() {
    // Each live file once, with its sequence number.
    auto manifests = table_.Manifests(call_).value();
    std::map<std::string, int64_t> found;
    int64_t bytes = 0, records = 0, data_files = 0, delete_files = 0;
    for (const ManifestFile& manifest : manifests) {
      int64_t lowest = INT64_MAX, live = 0, live_rows = 0;
      auto spec = SpecOf(*table_.metadata(), manifest).value();
      auto visit = [&](ManifestEntry& entry) -> Status {
        EXPECT_TRUE(found.emplace(entry.file.file_path, *entry.sequence_number).second)
            << entry.file.file_path;
        lowest = std::min(lowest, *entry.sequence_number);
        ++live;
        live_rows += entry.file.record_count;
        bytes += entry.file.file_size_in_bytes;
        bool data = entry.file.content == FileContent::kData;
        (data ? data_files : delete_files) += 1;
        if (data) records += entry.file.record_count;
        return {};
      };
      ASSERT_TRUE(ReadManifest(call_, files_, manifest, *spec, table_.metadata()->CurrentSchema(),
                               {}, visit)
                      .ok());
      EXPECT_EQ(*manifest.added_files_count + *manifest.existing_files_count, live);
      EXPECT_EQ(*manifest.added_rows_count + *manifest.existing_rows_count, live_rows);
      if (live > 0) {
        EXPECT_LE(manifest.min_sequence_number, lowest);
      }
      EXPECT_LE(manifest.sequence_number, table_.metadata()->last_sequence_number);
    }
    // What the commit dropped as dangling goes from the model, too.
    std::erase_if(model_, [&](const auto& one) {
      return one.second.file.content != FileContent::kData && !found.contains(one.first) &&
             IsDangling(one.second);
    });
    std::map<std::string, int64_t> expected;
    for (const auto& [path, live] : model_) expected[path] = live.sequence;
    EXPECT_EQ(found, expected);
    auto total = [&](const char* key) { return table_.current().summary.at(key); };
    EXPECT_EQ(total("total-data-files"), std::to_string(data_files));
    EXPECT_EQ(total("total-delete-files"), std::to_string(delete_files));
    EXPECT_EQ(total("total-records"), std::to_string(records));
    EXPECT_EQ(total("total-files-size"), std::to_string(bytes));
    // Scanning matches deletes as the model does.
    std::vector<std::string> lines;
    for (const auto& [path, live] : model_) {
      if (live.file.content != FileContent::kData) continue;
      size_t deletes = 0;
      for (const auto& [other, one] : model_) {
        if (one.file.content != FileContent::kData && Applies(one, live)) ++deletes;
      }
      lines.push_back(fmt::format("{} seq={} deletes={}", ShortName(path), live.sequence, deletes));
    }
    std::sort(lines.begin(), lines.end());
    auto scanned = table_.Scan(call_).value();
    for (std::string& line : scanned) {
      size_t at = line.find('[');
      auto names = line.substr(at + 1, line.size() - at - 2);
      size_t count =
          names.empty() ? 0 : 1 + static_cast<size_t>(std::count(names.begin(), names.end(), ','));
      line = line.substr(0, at) + std::to_string(count);
    }
    std::sort(scanned.begin(), scanned.end());
    EXPECT_EQ(scanned, lines);
  }

  testing::TestEnv env_;
  testing::SeededRandom random_;
  const int version_;
  io::MemoryFileSystem files_;
  TestTable table_;
  Call call_ = env_.call();
  std::map<std::string, Live> model_;
  int next_ = 0;
};

class CommitHistory : public ::testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Format, CommitHistory, ::testing::Values(1, 2, 3));

TEST_P(CommitHistory, AgreesWithTheModel) {
  for (uint64_t seed = 1; seed <= 6 && !HasFailure(); ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    History(GetParam(), seed).Run(30);
  }
}

}  // namespace
}  // namespace moraine::iceberg

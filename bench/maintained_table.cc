// Makes the tables of bench_maintenance.py and prints one line of JSON about each. Manifests and
// metadata are real, as a catalog of folders has them (metadata/v1.metadata.json,
// version-hint.text); data files are there, old and empty.
//   maintained_table history ROOT SNAPSHOTS FILES    commits of as many files, each tenth of which
//                                                    also replaces four older ones
//   maintained_table folder ROOT FILES ORPHAN_EVERY  one snapshot of all files but each so many-th
//   maintained_table manifests ROOT MANIFESTS FILES  one snapshot of manifests whose partitions
//                                                    overlap, each with as many files
// ROOT is where it is written; --named LOCATION before it is how the table calls it.

#include <charconv>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "moraine/base/check.h"
#include "moraine/base/testing/test_env.h"
#include "moraine/iceberg/commit/commit_loop.h"
#include "moraine/iceberg/commit/snapshot_changes.h"
#include "moraine/iceberg/manifest/manifest_writer.h"
#include "moraine/iceberg/metadata/table_metadata.h"
#include "moraine/iceberg/metadata/table_update.h"
#include "moraine/io/file_system.h"

namespace moraine::bench {
namespace {

using namespace iceberg;  // NOLINT: a program, not a library

constexpr int64_t kStartMs = 1'700'000'000'000;
constexpr int64_t kPerManifest = 10'000;
constexpr int64_t kPerFolder = 10'000;
constexpr const char* kUuid = "5f8b14d8-0a14-4e6a-8b04-4ed0b5bd7d4c";

void Must(const Status& status) { MORAINE_CHECK(status.ok(), status.ToString()); }

uint64_t Mixed(int64_t i) { return static_cast<uint64_t>(i + 1) * 0x9E3779B97F4A7C15u; }

/// What a table calls `named` lies in the folder `root`.
class Place final : public io::FileSystem {
 public:
  Place(std::string root, std::string named)
      : root_(std::move(root)), named_(named.empty() ? "file://" + root_ : std::move(named)) {}

  const std::string& named() const { return named_; }
  std::string PathOf(const std::string& location) const {
    MORAINE_CHECK(location.starts_with(named_), location);
    return root_ + location.substr(named_.size());
  }

  Result<std::unique_ptr<io::RandomReader>> Open(Call& call, const std::string& location,
                                                 std::optional<int64_t> size) override {
    return local_->Open(call, PathOf(location), size);
  }
  Result<std::unique_ptr<io::Writer>> Create(Call& call, const std::string& location) override {
    return local_->Create(call, PathOf(location));
  }
  Result<io::FileInfo> Stat(Call& call, const std::string& location) override {
    return local_->Stat(call, PathOf(location));
  }
  Result<io::FileListing> List(Call& call, const std::string& prefix, const std::string& after,
                               size_t limit) override {
    return local_->List(call, prefix, after, limit);
  }
  std::vector<Status> DeleteMany(Call& call, std::span<const std::string> locations) override {
    std::vector<std::string> paths;
    for (const std::string& location : locations) paths.push_back(PathOf(location));
    return local_->DeleteMany(call, paths);
  }

  /// An empty file of long ago.
  void MakeOld(const std::string& location) {
    const std::filesystem::path path = PathOf(location);
    if (path.parent_path() != folder_) {
      folder_ = path.parent_path();
      std::filesystem::create_directories(folder_);
    }
    const int file = open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
    const timespec old = {.tv_sec = kStartMs / 1000, .tv_nsec = 0};
    const timespec times[2] = {old, old};
    MORAINE_CHECK(file >= 0 && futimens(file, times) == 0, "cannot write " + path.string());
    close(file);
  }

 private:
  const std::string root_;
  const std::string named_;
  std::unique_ptr<io::FileSystem> local_ = io::MakeLocalFileSystem();
  std::filesystem::path folder_;
};

class Table {
 public:
  Table(std::string root, std::string named) : place_(std::move(root), std::move(named)) {
    TableCreation creation;
    creation.table_uuid = kUuid;
    creation.location = place_.named();
    creation.schema = Schema(0, {{1, "id", true, *Type::FromString("long")},
                                 {2, "day", false, *Type::FromString("int")},
                                 {3, "name", false, *Type::FromString("string")}});
    creation.spec.fields.push_back({{2}, 1000, "day", Transform::Identity()});
    creation.now_ms = kStartMs;
    // What is cleaned is what bench_maintenance.py asks for.
    creation.properties = {
        {"self-optimizing.enabled", "false"},  {"maintenance.enabled", "false"},
        {"table-expire.enabled", "true"},      {"rewrite-manifests.enabled", "true"},
        {"clean-orphan-file.enabled", "true"}, {"clean-orphan-file.quarantine", "false"}};
    metadata_ = std::make_shared<const TableMetadata>(MakeTableMetadata(creation).value());
  }

  void MakeHistory(int64_t snapshots, int64_t files) {
    for (int64_t i = 0; i < snapshots; ++i) Commit(i, files);
    TableMetadata last = *metadata_;
    last.properties["snapshot.keep.duration"] = "1min";
    last.properties["snapshot.keep.min-count"] = std::to_string(snapshots / 2);
    Finish(std::move(last));
  }

  void MakeFolder(int64_t files, int64_t orphan_every) {
    std::vector<ManifestFile> manifests;
    for (int64_t begin = 0; begin < files; begin += kPerManifest) {
      auto writer = NewManifest();
      for (int64_t i = begin; i < std::min(begin + kPerManifest, files); ++i) {
        const DataFile file = FileOf(i / kPerFolder, i);
        place_.MakeOld(file.file_path);
        if (i % orphan_every != 0) Must(writer.Add(EntryOf(file)));
      }
      manifests.push_back(Written(&writer, begin / kPerManifest));
    }
    FinishWith(manifests);
  }

  /// Each manifest has files of days all over.
  void MakeManifests(int64_t count, int64_t files) {
    std::vector<ManifestFile> manifests;
    for (int64_t m = 0; m < count; ++m) {
      auto writer = NewManifest();
      for (int64_t k = 0; k < files; ++k) {
        const int64_t i = m * files + k;
        Must(writer.Add(EntryOf(FileOf(static_cast<int64_t>(Mixed(i) >> 32) % 100, i))));
      }
      manifests.push_back(Written(&writer, m));
    }
    FinishWith(manifests);
  }

 private:
  /// Sorted by i within a day.
  DataFile FileOf(int64_t day, int64_t i) const {
    DataFile file;
    file.file_path = fmt::format("{}/data/day={:05}/{:08}-{:016x}{:016x}-00001.parquet",
                                 place_.named(), day, i, Mixed(i), Mixed(i) * 31);
    file.spec_id = metadata_->default_spec_id;
    file.partition = {Value(static_cast<int32_t>(day))};
    file.record_count = 1000;
    file.file_size_in_bytes = 1 << 20;
    file.sort_order_id = 0;
    for (int32_t id : {1, 2, 3}) {
      file.column_sizes.emplace_back(id, 1 << 18);
      file.value_counts.emplace_back(id, file.record_count);
      file.null_value_counts.emplace_back(id, 0);
    }
    file.lower_bounds = {{1, ValueToBytes(*Type::FromString("long").value(), Value(i * 1000))},
                         {3, fmt::format("name {:08}", i)}};
    file.upper_bounds = {
        {1, ValueToBytes(*Type::FromString("long").value(), Value(i * 1000 + 999))},
        {3, fmt::format("name {:08}", i + 1)}};
    return file;
  }

  static ManifestEntry EntryOf(const DataFile& file) {
    ManifestEntry entry;
    entry.snapshot_id = 1;
    entry.file = file;
    return entry;
  }

  ManifestWriter NewManifest() const {
    ManifestWriterOptions options;
    options.snapshot_id = 1;
    return ManifestWriter(metadata_->FindSchema(0), metadata_->FindSpec(0), options);
  }

  ManifestFile Written(ManifestWriter* writer, int64_t number) {
    return writer
        ->Finish(call_, place_, fmt::format("{}/metadata/m{:06}.avro", place_.named(), number))
        .value();
  }

  void Commit(int64_t i, int64_t files) {
    env_.clock().Advance(std::chrono::minutes(1));
    SnapshotChanges changes;
    changes.operation = i % 10 == 9 ? SnapshotOperation::kOverwrite : SnapshotOperation::kAppend;
    for (int64_t k = 0; k < files; ++k) {
      const DataFile file = FileOf(i / 20, i * files + k);
      place_.MakeOld(file.file_path);
      changes.added.push_back({file, {}});
    }
    // Four whole commits out of the ten before.
    for (int64_t old = i - 9; i % 10 == 9 && old < i - 5; ++old) {
      for (int64_t k = 0; k < files; ++k) {
        changes.removed_data.push_back(RemovedFile::Of(FileOf(old / 20, old * files + k)));
      }
    }
    SnapshotProducer producer(place_, std::move(changes));
    Must(CommitWithRetry(call_, place_, producer, Door()).status());
  }

  CommitDoor Door() {
    CommitDoor door;
    door.load = [this](Call&) -> Result<TablePtr> { return metadata_; };
    door.commit = [this](Call& call, const CommitRequest& request) -> Result<TablePtr> {
      MORAINE_TRY(CheckRequirements(metadata_.get(), request.requirements));
      MORAINE_ASSIGN(TableMetadata next, ApplyUpdates(*metadata_, request.updates,
                                                      {.now_ms = ToMillis(call.clock().Wall())}));
      metadata_ = std::make_shared<const TableMetadata>(std::move(next));
      return metadata_;
    };
    return door;
  }

  void FinishWith(const std::vector<ManifestFile>& manifests) {
    auto snapshot = std::make_shared<Snapshot>();
    snapshot->snapshot_id = 1;
    snapshot->sequence_number = 1;
    snapshot->timestamp_ms = kStartMs;
    snapshot->schema_id = 0;
    snapshot->manifest_list = place_.named() + "/metadata/snap-1.avro";
    snapshot->summary = {{"operation", "append"}};
    ManifestListOptions options;
    options.snapshot_id = 1;
    options.sequence_number = 1;
    Must(WriteManifestList(call_, place_, snapshot->manifest_list, manifests, options).status());
    TableMetadata last = *metadata_;
    last.snapshots.push_back(std::move(snapshot));
    last.current_snapshot_id = 1;
    last.refs["main"] = {.snapshot_id = 1};
    last.snapshot_log.push_back({kStartMs, 1});
    last.last_sequence_number = 1;
    Finish(std::move(last));
  }

  void Finish(TableMetadata last) {
    const std::string location = place_.named() + "/metadata/v1.metadata.json";
    Must(io::WriteFile(call_, place_, location, TableMetadataToJson(last)));
    Must(io::WriteFile(call_, place_, place_.named() + "/metadata/version-hint.text", "1"));
    std::printf("{\"metadata\": \"%s\", \"snapshots\": %zu}\n", location.c_str(),
                last.snapshots.size());
  }

  testing::TestEnv env_;
  Call call_{env_.env(), std::chrono::hours(100'000)};
  Place place_;
  TablePtr metadata_;
};

int64_t NumberOf(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  MORAINE_CHECK(error == std::errc() && end == text.data() + text.size() && value > 0,
                "not a number: " + std::string(text));
  return value;
}

int Run(std::vector<std::string> words) {
  std::string named;
  if (words.size() > 2 && words[0] == "--named") {
    named = words[1];
    words.erase(words.begin(), words.begin() + 2);
  }
  MORAINE_CHECK(words.size() == 4, "maintained_table [--named LOCATION] KIND ROOT NUMBER NUMBER");
  Table table(words[1], named);
  const int64_t first = NumberOf(words[2]), second = NumberOf(words[3]);
  if (words[0] == "history") {
    table.MakeHistory(first, second);
  } else if (words[0] == "folder") {
    table.MakeFolder(first, second);
  } else {
    MORAINE_CHECK(words[0] == "manifests", words[0]);
    table.MakeManifests(first, second);
  }
  return 0;
}

}  // namespace
}  // namespace moraine::bench

int main(int count, char** arguments) {
  return moraine::bench::Run(std::vector<std::string>(arguments + 1, arguments + count));
}

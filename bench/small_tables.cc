#include "bench/small_tables.h"

#include <fstream>
#include <functional>
#include <memory>
#include <utility>
#include <variant>
#include <vector>

#include <fmt/format.h>

#include "moraine/base/call.h"
#include "moraine/base/check.h"
#include "moraine/iceberg/commit/snapshot_producer.h"
#include "moraine/iceberg/metadata/table_metadata.h"
#include "moraine/iceberg/metadata/table_update.h"
#include "moraine/io/testing/memory_file_system.h"

namespace moraine::bench {
namespace {

using iceberg::DataFile;
using iceberg::RemovedFile;
using iceberg::SnapshotChanges;
using iceberg::SnapshotOperation;

constexpr int64_t kMinuteMs = 60'000;
constexpr int64_t kDayMs = 24 * 60 * kMinuteMs;
constexpr int kManyManifests = 18;
constexpr char kFileContent[] = "a data file that nobody reads";

void MustBeOk(const Status& status) { MORAINE_CHECK(status.ok(), status.ToString()); }

class Table {
 public:
  Table(std::filesystem::path folder, int64_t begun_ms, iceberg::StringMap properties)
      : folder_(std::move(folder)), now_ms_(begun_ms) {
    iceberg::TableCreation creation;
    creation.table_uuid = MakeUuid(env_.random);
    creation.location = "file://" + folder_.string();
    creation.schema =
        iceberg::Schema(0, {{.id = 1,
                             .name = "id",
                             .required = true,
                             .type = iceberg::Type::Primitive(iceberg::TypeKind::kLong)}});
    creation.properties = std::move(properties);
    creation.now_ms = now_ms_;
    metadata_ = std::make_shared<const iceberg::TableMetadata>(
        iceberg::MakeTableMetadata(creation).value());
  }

  DataFile File(const std::string& name,
                iceberg::FileContent content = iceberg::FileContent::kData) const {
    DataFile file;
    file.content = content;
    file.file_path = fmt::format("{}/data/{}.parquet", metadata_->location, name);
    file.record_count = 10;
    file.file_size_in_bytes = sizeof kFileContent - 1;
    return file;
  }
  DataFile Deletes(const std::string& name) const {
    DataFile file = File(name, iceberg::FileContent::kPositionDeletes);
    return file;
  }

  void Commit(SnapshotOperation operation, const std::vector<DataFile>& added,
              const std::vector<DataFile>& removed = {}) {
    SnapshotChanges changes;
    changes.operation = operation;
    for (const auto& file : added) {
      changes.added.push_back({file, std::nullopt});
      files_.Put(file.file_path, kFileContent, now_ms_);
    }
    for (const auto& file : removed) changes.removed_data.push_back(RemovedFile::Of(file));
    iceberg::SnapshotProducer producer(files_, std::move(changes));
    Call call(env_, std::chrono::hours(1));
    auto prepared = producer.Prepare(call, metadata_);
    MustBeOk(prepared.status());
    now_ms_ += kMinuteMs;
    for (auto& update : prepared->request.updates) {
      if (auto* add = std::get_if<iceberg::update::AddSnapshot>(&update))
        add->snapshot.timestamp_ms = now_ms_;
    }
    auto next = iceberg::ApplyUpdates(*metadata_, prepared->request.updates, {now_ms_, ""});
    MustBeOk(next.status());
    metadata_ = std::make_shared<const iceberg::TableMetadata>(std::move(*next));
  }

  /// To the disk.
  std::string Write() {
    const std::string location = fmt::format("{}/metadata/00001-{}.metadata.json",
                                             metadata_->location, metadata_->table_uuid);
    files_.Put(location, iceberg::TableMetadataToJson(*metadata_), now_ms_);
    std::filesystem::create_directories(folder_ / "metadata");
    std::filesystem::create_directories(folder_ / "data");
    Call call(env_, std::chrono::hours(1));
    for (const std::string& one : files_.Locations()) {
      auto bytes = io::ReadFile(call, files_, one, 1 << 24);
      MustBeOk(bytes.status());
      std::ofstream(one.substr(std::string("file://").size()), std::ios::binary) << *bytes;
    }
    return location;
  }

 private:
  const std::filesystem::path folder_;
  const Env env_ = SystemEnv(NullLogger());
  io::MemoryFileSystem files_;
  int64_t now_ms_;
  iceberg::TablePtr metadata_;
};

}  // namespace

Chore MixedChore(int number) {
  switch (number % 20) {
    case 1:
      return Chore::kDeletes;
    case 2:
      return Chore::kManifests;
    case 3:
      return Chore::kOrphans;
    default:
      return number % 4 == 0 ? Chore::kSnapshots : Chore::kNothing;
  }
}

std::string MakeSmallTable(const std::filesystem::path& root, int number, Chore chore) {
  const int64_t now_ms = ToMillis(SystemClock().Wall());
  const bool is_old = chore == Chore::kSnapshots;
  iceberg::StringMap properties;
  if (chore == Chore::kOrphans) properties["clean-orphan-file.enabled"] = "true";
  Table table(root / fmt::format("t{:06}", number),
              is_old ? now_ms - 3 * kDayMs : now_ms - 60 * kMinuteMs, properties);
  const DataFile first = table.File("first");
  const DataFile second = table.File("second");
  table.Commit(SnapshotOperation::kFastAppend, {first});
  if (chore == Chore::kManifests) {
    for (int i = 1; i < kManyManifests; ++i)
      table.Commit(SnapshotOperation::kFastAppend, {table.File(fmt::format("more-{}", i))});
    return table.Write();
  }
  if (chore == Chore::kDeletes) table.Commit(SnapshotOperation::kRowDelta, {table.Deletes("gone")});
  table.Commit(SnapshotOperation::kOverwrite, {second}, {first});
  table.Commit(SnapshotOperation::kFastAppend, {table.File("third")});
  if (chore == Chore::kSnapshots) table.Commit(SnapshotOperation::kFastAppend, {table.File("4th")});
  return table.Write();
}

}  // namespace moraine::bench

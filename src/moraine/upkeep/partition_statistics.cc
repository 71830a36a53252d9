#include "moraine/upkeep/partition_statistics.h"

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <set>
#include <string_view>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "moraine/base/text.h"
#include "moraine/iceberg/manifest/capped_sum.h"
#include "moraine/iceberg/manifest/manifest_reader.h"
#include "moraine/iceberg/manifest/partition_value.h"
#include "moraine/iceberg/scan/table_filter.h"

namespace moraine::upkeep {
namespace {

using iceberg::DataFile;
using iceberg::EntryStatus;
using iceberg::FileContent;
using iceberg::ManifestContent;
using iceberg::ManifestEntry;
using iceberg::ManifestFile;
using iceberg::PartitionCounts;
using iceberg::PartitionKey;
using iceberg::PartitionStatistics;
using iceberg::PartitionTuple;
using iceberg::Snapshot;
using iceberg::TableMetadata;

/// What opening a file costs, as bytes that could be read instead.
constexpr int64_t kOpenBytes = 128 * 1024;
constexpr int64_t kListBytesPerManifest = 200;

/// Of a node, its place in the index and in the order, but for its tuple.
constexpr int64_t kBytesPerPartition = sizeof(PartitionKey) + sizeof(PartitionCounts) + 80;
constexpr size_t kShortText = 15;  // longer ones are on the heap

int64_t BytesOf(const PartitionTuple& tuple) {
  auto bytes = static_cast<int64_t>(tuple.size() * sizeof(iceberg::Value));
  for (const auto& value : tuple) {
    const auto* text = std::get_if<std::string>(&value);
    if (text != nullptr && text->size() > kShortText)
      bytes += static_cast<int64_t>(text->size()) + 32;
  }
  return kBytesPerPartition + bytes;
}

/// The numbers of a row that add up.
constexpr int64_t PartitionCounts::*kSums[] = {
    &PartitionCounts::data_records,
    &PartitionCounts::data_files,
    &PartitionCounts::data_bytes,
    &PartitionCounts::position_delete_records,
    &PartitionCounts::position_delete_files,
    &PartitionCounts::equality_delete_records,
    &PartitionCounts::equality_delete_files,
    &PartitionCounts::deletion_vectors,
};

void Count(const DataFile& file, int64_t sign, PartitionCounts* counts) {
  const auto add = [&](int64_t PartitionCounts::*sum, int64_t value) {
    counts->*sum = iceberg::AddCapped(counts->*sum, sign * value);
  };
  switch (file.content) {
    case FileContent::kData:
      add(&PartitionCounts::data_records, file.record_count);
      add(&PartitionCounts::data_files, 1);
      add(&PartitionCounts::data_bytes, file.file_size_in_bytes);
      break;
    case FileContent::kPositionDeletes:
      add(&PartitionCounts::position_delete_records, file.record_count);
      add(file.is_deletion_vector() ? &PartitionCounts::deletion_vectors
                                    : &PartitionCounts::position_delete_files,
          1);
      break;
    case FileContent::kEqualityDeletes:
      add(&PartitionCounts::equality_delete_records, file.record_count);
      add(&PartitionCounts::equality_delete_files, 1);
      break;
  }
}

void Update(PartitionCounts* counts, int64_t snapshot_id, int64_t at_ms) {
  if (counts->last_updated_ms && *counts->last_updated_ms >= at_ms) return;
  counts->last_updated_ms = at_ms;
  counts->last_updated_snapshot_id = snapshot_id;
}

bool IsEmpty(const PartitionCounts& counts) {
  return std::all_of(std::begin(kSums), std::end(kSums),
                     [&](auto sum) { return counts.*sum == 0; });
}

/// Files and records, of data and of deletes.
using Totals = std::array<int64_t, 4>;

/// Snapshots by id, for walks along parents.
using ById = std::unordered_map<int64_t, const Snapshot*>;
ById SnapshotsById(const TableMetadata& metadata) {
  ById by_id;
  for (const auto& snapshot : metadata.snapshots)
    by_id.emplace(snapshot->snapshot_id, snapshot.get());
  return by_id;
}

/// Whether another try, of all manifests, may do what failed.
bool MayDoWithout(const Status& status) {
  switch (status.code()) {
    case Code::kCorruption:
    case Code::kInvalidArgument:
    case Code::kNotFound:
    case Code::kUnsupported:
      return true;
    default:
      return false;
  }
}

class Computation {
 public:
  Computation(Call& call, io::FileSystem& files, const OpenedSnapshot& opened,
              PartitionTable* table, JobProgress* progress)
      : call_(call), files_(files), opened_(opened), table_(*table), progress_(progress) {}

  Result<StatisticsReport> Run(bool full) {
    const PartitionTable empty = table_;
    StatisticsWay way;
    way.reason = "all is counted anew";
    if (!full) way = ChooseStatisticsWay(opened_.metadata, opened_.snapshot, opened_.manifests);
    report_.reason = way.reason;
    if (way.previous) {
      const Status added = AddChanges(way);
      report_.incremental = added.ok() && table_.AddsUpTo(opened_.manifests);
      if (report_.incremental) return std::move(report_);
      if (!added.ok() && !MayDoWithout(added)) return added;
      report_.reason = added.ok() ? "the statistics before do not add up to the snapshot's files"
                                  : "the statistics before can't be used: " + added.ToString();
      table_ = empty;
    }
    MORAINE_TRY(AddAll());
    return std::move(report_);
  }

 private:
  Status AddChanges(const StatisticsWay& way) {
    MORAINE_TRY(iceberg::ReadPartitionStatistics(
        call_, files_, way.previous->statistics_path, std::nullopt, table_.partition_fields(),
        [&](PartitionStatistics& row) { return table_.Add(std::move(row)); }));
    for (const Snapshot* snapshot : way.since) {
      MORAINE_ASSIGN(const auto manifests,
                     iceberg::LoadManifests(call_, files_, opened_.metadata, *snapshot));
      for (const ManifestFile& manifest : manifests) {
        if (manifest.added_snapshot_id != snapshot->snapshot_id) continue;
        if (!manifest.has_added() && !manifest.has_deleted()) continue;
        MORAINE_TRY(Read(manifest, [&](const ManifestEntry& entry) -> Status {
          if (entry.status == EntryStatus::kExisting) return {};
          // Carried over from older manifests: counted there.
          if (entry.snapshot_id != snapshot->snapshot_id) return {};
          return table_.Add(entry, entry.is_live() ? PartitionTable::Change::kAdded
                                                   : PartitionTable::Change::kRemoved);
        }));
      }
    }
    return {};
  }

  Status AddAll() {
    for (const ManifestFile& manifest : opened_.manifests) {
      MORAINE_TRY(Read(manifest, [&](const ManifestEntry& entry) {
        return table_.Add(entry, entry.is_live() ? PartitionTable::Change::kAdded
                                                 : PartitionTable::Change::kSeen);
      }));
    }
    return {};
  }

  Status Read(const ManifestFile& manifest,
              const std::function<Status(const ManifestEntry&)>& visit) {
    MORAINE_TRY(call_.Check());
    MORAINE_ASSIGN(auto spec, iceberg::SpecOf(opened_.metadata, manifest));
    iceberg::ManifestReadOptions options;
    options.counts = options.bounds = false;
    options.deleted_entries = true;
    ++report_.manifests;
    if (progress_ != nullptr) progress_->bytes_read += manifest.manifest_length;
    return iceberg::ReadManifest(call_, files_, manifest, *spec, SchemaOf(opened_), options,
                                 [&](ManifestEntry& entry) -> Status {
                                   ++report_.entries;
                                   if (progress_ != nullptr) ++progress_->files;
                                   return visit(entry);
                                 });
  }

  Call& call_;
  io::FileSystem& files_;
  const OpenedSnapshot& opened_;
  PartitionTable& table_;
  JobProgress* progress_;
  StatisticsReport report_;
};

}  // namespace

std::string WhyNoPartitionStatistics(const TableMetadata& metadata) {
  auto fields = iceberg::UnifiedPartitionFields(metadata);
  if (!fields.ok()) return std::string(fields.status().message());
  if (fields->empty()) return "the table has no partitions";
  return "";
}

StatisticsWay ChooseStatisticsWay(const TableMetadata& metadata, const Snapshot& snapshot,
                                  const std::vector<ManifestFile>& manifests) {
  std::unordered_map<int64_t, const iceberg::PartitionStatisticsFile*> known;
  for (const auto& file : metadata.partition_statistics) known.emplace(file.snapshot_id, &file);
  StatisticsWay way;
  if (known.empty()) {
    way.reason = "no snapshot has partition statistics";
    return way;
  }
  int64_t all_bytes = 0;
  for (const ManifestFile& manifest : manifests)
    all_bytes = iceberg::AddCapped(all_bytes, manifest.manifest_length + kOpenBytes);
  // Each snapshot since: its list, and a manifest of its own at least.
  const int64_t bytes_each =
      2 * kOpenBytes + static_cast<int64_t>(manifests.size()) * kListBytesPerManifest;
  const ById snapshots = SnapshotsById(metadata);
  std::set<int64_t> seen;
  for (const Snapshot* at = &snapshot; at != nullptr && seen.insert(at->snapshot_id).second;) {
    if (auto file = known.find(at->snapshot_id); file != known.end()) {
      const auto since_bytes =
          iceberg::MultiplyCapped(static_cast<int64_t>(way.since.size()), bytes_each);
      if (way.since.size() > 1 && since_bytes > all_bytes) {
        way.reason = fmt::format("reading {} manifests is less than the changes of {} snapshots",
                                 manifests.size(), way.since.size());
        way.since.clear();
        return way;
      }
      way.previous = *file->second;
      return way;
    }
    way.since.push_back(at);
    auto parent =
        at->parent_snapshot_id ? snapshots.find(*at->parent_snapshot_id) : snapshots.end();
    at = parent == snapshots.end() ? nullptr : parent->second;
  }
  way.since.clear();
  way.reason = "no ancestor has partition statistics";
  return way;
}

Result<PartitionTable> PartitionTable::Make(const TableMetadata& metadata, int64_t memory_bytes) {
  PartitionTable table;
  table.memory_bytes_ = memory_bytes;
  MORAINE_ASSIGN(table.fields_, iceberg::UnifiedPartitionFields(metadata));
  for (const auto& spec : metadata.partition_specs) {
    auto& places = table.specs_[spec->spec_id].places;
    for (const auto& field : table.fields_) {
      const auto at = std::find_if(
          spec->fields.begin(), spec->fields.end(), [&](const iceberg::PartitionField& part) {
            return part.field_id == field.id &&
                   part.transform.kind() != iceberg::Transform::Kind::kVoid;
          });
      places.push_back(at == spec->fields.end() ? -1 : static_cast<int>(at - spec->fields.begin()));
    }
  }
  for (const auto& snapshot : metadata.snapshots)
    table.times_.emplace(snapshot->snapshot_id, snapshot->timestamp_ms);
  return table;
}

Result<PartitionTuple> PartitionTable::Unify(int32_t spec_id, const PartitionTuple& tuple) const {
  const auto spec = specs_.find(spec_id);
  if (spec == specs_.end())
    return Corruption(fmt::format("there is no partition spec {}", spec_id));
  PartitionTuple unified(fields_.size());
  for (size_t i = 0; i < fields_.size(); ++i) {
    const int place = spec->second.places[i];
    if (place < 0) continue;
    if (static_cast<size_t>(place) >= tuple.size()) {
      return Corruption(fmt::format("a partition of spec {} has {} values", spec_id, tuple.size()));
    }
    unified[i] = tuple[static_cast<size_t>(place)];
    if (!iceberg::FitsType(*fields_[i].type, unified[i])) {
      return Corruption(
          fmt::format("a value of {} is not a {}", fields_[i].name, fields_[i].type->ToString()));
    }
  }
  return unified;
}

Result<PartitionCounts*> PartitionTable::Find(PartitionKey key) {
  auto [at, is_new] = counts_.try_emplace(std::move(key));
  if (is_new) {
    bytes_ += BytesOf(at->first.tuple);
    if (bytes_ > memory_bytes_) {
      return Exhausted(fmt::format("{} of memory do not suffice for more than {} partitions",
                                   FormatByteSize(memory_bytes_), counts_.size()));
    }
  }
  return &at->second;
}

Status PartitionTable::Add(const ManifestEntry& entry, Change change) {
  MORAINE_ASSIGN(auto tuple, Unify(entry.file.spec_id, entry.file.partition));
  MORAINE_ASSIGN(PartitionCounts * counts, Find({entry.file.spec_id, std::move(tuple)}));
  Count(entry.file, static_cast<int64_t>(change), counts);
  if (!entry.snapshot_id) return {};
  const auto time = times_.find(*entry.snapshot_id);
  if (time != times_.end()) Update(counts, *entry.snapshot_id, time->second);
  return {};
}

Status PartitionTable::Add(PartitionStatistics row) {
  if (!specs_.contains(row.spec_id))
    return Corruption(fmt::format("there is no partition spec {}", row.spec_id));
  for (size_t i = 0; i < fields_.size(); ++i) {
    if (!iceberg::FitsType(*fields_[i].type, row.partition[i])) {
      return Corruption(
          fmt::format("a value of {} is not a {}", fields_[i].name, fields_[i].type->ToString()));
    }
  }
  MORAINE_ASSIGN(PartitionCounts * counts, Find({row.spec_id, std::move(row.partition)}));
  for (auto sum : kSums) counts->*sum = iceberg::AddCapped(counts->*sum, row.counts.*sum);
  if (row.counts.last_updated_ms && row.counts.last_updated_snapshot_id)
    Update(counts, *row.counts.last_updated_snapshot_id, *row.counts.last_updated_ms);
  return {};
}

bool PartitionTable::AddsUpTo(const std::vector<ManifestFile>& manifests) const {
  std::map<int32_t, Totals> listed;
  for (const ManifestFile& manifest : manifests) {
    if (!manifest.added_files_count || !manifest.existing_files_count ||
        !manifest.added_rows_count || !manifest.existing_rows_count)
      return false;
    const size_t at = manifest.content == ManifestContent::kData ? 0 : 2;
    Totals& totals = listed[manifest.partition_spec_id];
    totals[at] += *manifest.added_files_count + *manifest.existing_files_count;
    totals[at + 1] = iceberg::AddCapped(
        totals[at + 1],
        iceberg::AddCapped(*manifest.added_rows_count, *manifest.existing_rows_count));
  }
  std::map<int32_t, Totals> counted;
  for (const auto& [key, counts] : counts_) {
    if (std::any_of(std::begin(kSums), std::end(kSums), [&](auto sum) { return counts.*sum < 0; }))
      return false;
    Totals& totals = counted[key.spec_id];
    const int64_t more[] = {
        counts.data_files, counts.data_records,
        counts.position_delete_files + counts.deletion_vectors + counts.equality_delete_files,
        iceberg::AddCapped(counts.position_delete_records, counts.equality_delete_records)};
    for (size_t i = 0; i < totals.size(); ++i) totals[i] = iceberg::AddCapped(totals[i], more[i]);
  }
  const auto is_empty = [](const auto& item) { return item.second == Totals{}; };
  std::erase_if(listed, is_empty);
  std::erase_if(counted, is_empty);
  return listed == counted;
}

std::vector<iceberg::PartitionStatisticsRow> PartitionTable::Sorted() const {
  std::vector<iceberg::PartitionStatisticsRow> rows;
  rows.reserve(counts_.size());
  for (const auto& [key, counts] : counts_) {
    if (!IsEmpty(counts)) rows.push_back({key.spec_id, &key.tuple, &counts});
  }
  std::sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) {
    for (size_t i = 0; i < a.partition->size(); ++i) {
      const auto order = iceberg::CompareValues((*a.partition)[i], (*b.partition)[i]);
      if (order != 0) return order < 0;
    }
    return a.spec_id < b.spec_id;
  });
  return rows;
}

Result<StatisticsReport> ComputePartitionStatistics(Call& call, io::FileSystem& files,
                                                    const OpenedSnapshot& opened,
                                                    PartitionTable* table, JobProgress* progress,
                                                    bool full) {
  return Computation(call, files, opened, table, progress).Run(full);
}

}  // namespace moraine::upkeep

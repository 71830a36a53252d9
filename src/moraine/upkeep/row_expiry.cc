#include "moraine/upkeep/row_expiry.h"

#include <map>
#include <utility>

#include <fmt/format.h>

#include "moraine/iceberg/data/delete_filter.h"
#include "moraine/iceberg/data/matching_rows.h"
#include "moraine/iceberg/scan/delete_index.h"

namespace moraine::upkeep {

using iceberg::DataFile;

Result<RowExpiry> RowExpiry::Make(io::FileSystem& files, const OpenedSnapshot& opened,
                                  const ExpiryTimes& times, Options options) {
  RowExpiry expiry(files, opened, times, std::move(options));
  MORAINE_ASSIGN(expiry.mapping_, iceberg::NameMapping::OfTable(opened.metadata.properties));
  return expiry;
}

bool RowExpiry::MayHaveOldRows(const DataFile& file) const {
  auto end = times_.EndOfLowest(file);
  return !end || *end <= options_.threshold_us;
}

Result<iceberg::PositionSet> RowExpiry::Find(Call& call, const iceberg::FileTask& task,
                                             iceberg::PositionSet* before) const {
  const DataFile& file = task.file();
  std::vector<iceberg::DeleteSource> deletes;
  for (const auto& entry : task.deletes)
    deletes.push_back({&entry->file, entry->sequence_number.value_or(0)});
  iceberg::DeleteFilterOptions load;
  load.schema = opened_.metadata.FindSchema(opened_.metadata.current_schema_id);
  load.mapping = mapping_ ? &*mapping_ : nullptr;
  load.data_files = {file.file_path};
  load.memory_bytes = options_.memory_bytes / 2;
  MORAINE_ASSIGN(const auto filter, iceberg::DeleteFilter::Load(call, files_, deletes, load));
  if (const auto* known = filter.Positions(file.file_path)) before->Merge(*known);
  auto spec = opened_.metadata.FindSpec(file.spec_id);
  if (!spec) return Corruption(fmt::format("a file of an unknown spec: {}", file.file_path));
  iceberg::RowSearch search;
  search.column = *SchemaOf(opened_).FindField(times_.column());
  search.constants = iceberg::PartitionConstants(*spec, file.partition);
  search.mapping = load.mapping;
  search.memory_bytes = options_.memory_bytes / 4;
  search.picks = [&](const iceberg::Value& value) {
    auto end = times_.EndOfValue(value);
    return end && *end <= options_.threshold_us;
  };
  return iceberg::FindMatchingRows(call, files_, file, task.sequence_number(), filter, search);
}

Result<int64_t> RowExpiry::Delete(Call& call, const iceberg::FileTask& task) {
  iceberg::PositionSet before;
  MORAINE_ASSIGN(iceberg::PositionSet rows, Find(call, task, &before));
  const int64_t count = rows.cardinality();
  if (count == 0 || options_.dry_run) return count;
  if (opened_.metadata.format_version >= 3) {
    // A vector has all deleted positions of its file, and takes the place of what has some.
    before.CutAt(task.file().record_count);
    rows.Merge(before);
    for (const auto& entry : task.deletes) {
      if (!iceberg::ReferencedDataFile(entry->file).empty())
        replaced_.push_back(iceberg::RemovedFile::Of(entry->file));
    }
  }
  MORAINE_TRY(Write(call, task, std::move(rows)));
  return count;
}

Status RowExpiry::Write(Call& call, const iceberg::FileTask& task, iceberg::PositionSet rows) {
  const DataFile& file = task.file();
  if (opened_.metadata.format_version >= 3) {
    MORAINE_TRY(vectors_.Add(call, file.file_path, rows));
    vector_places_.emplace_back(file.spec_id, file.partition);
    return {};
  }
  std::map<std::string, iceberg::PositionSet> positions;
  positions.emplace(file.file_path, std::move(rows));
  iceberg::WriteOptions write;
  write.properties = opened_.metadata.properties;
  MORAINE_ASSIGN(
      DataFile written,
      iceberg::WritePositionDeletes(
          call, files_, fmt::format("{}{:05}-deletes.parquet", options_.prefix, added_.size()),
          positions, write));
  written.spec_id = file.spec_id;
  written.partition = file.partition;
  added_.push_back(std::move(written));
  return {};
}

Status RowExpiry::Finish(Call& call) {
  MORAINE_ASSIGN(auto written, vectors_.Close(call));
  for (size_t i = 0; i < written.size(); ++i) {
    written[i].spec_id = vector_places_[i].first;
    written[i].partition = vector_places_[i].second;
    added_.push_back(std::move(written[i]));
  }
  return {};
}

}  // namespace moraine::upkeep

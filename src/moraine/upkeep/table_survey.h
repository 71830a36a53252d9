#pragma once
// What the files of a table's current snapshot look like, for advice: sizes, partitions, deletes,
// and how much files overlap in the columns that filters name. Reads manifests one after the other;
// of a table with very many of them only some, and none that is larger than all that may be read,
// and says so. The call's deadline ends it; who asks sees to it that few run at once.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/iceberg/metadata/table_metadata.h"
#include "moraine/iceberg/types/type.h"
#include "moraine/io/file_system.h"

namespace moraine::upkeep {

struct SurveyOptions {
  /// Columns whose bounds are looked at, by full name; those of partitions and of the sort order
  /// come by themselves. At most kMostSurveyedColumns of all.
  std::vector<std::string> columns;
  int64_t manifest_bytes = int64_t{24} << 20;  ///< read of data manifests; of deletes as much again
  int64_t sampled_files = 3'000;               ///< whose bounds are kept
};
inline constexpr size_t kMostSurveyedColumns = 16;

/// Files by size: place i those from 2^i bytes on.
struct SizeHistogram {
  static constexpr size_t kPlaces = 48;
  std::array<double, kPlaces> files{};
  std::array<double, kPlaces> bytes{};
  void Add(int64_t size);
  /// Of files that are smaller; within a place as if sizes were spread evenly.
  double FilesBelow(int64_t size) const;
};

struct SurveyedColumn {
  int32_t field_id = 0;
  std::string name;
  iceberg::TypePtr type;
  double bounded = 0;  ///< part of the files that have bounds of it, or only nulls
  /// How many files may hold one value of it, on average.
  double depth = 0;
  int64_t distinct = 0;  ///< different lower bounds among the files looked at
  iceberg::Value least, greatest;
};

struct TableSurvey {
  int64_t snapshot_id = iceberg::kNoSnapshot;
  int64_t manifests = 0;  ///< of data
  int64_t manifests_read = 0;
  int64_t manifest_bytes = 0;
  int64_t delete_manifests = 0;
  bool is_complete() const { return manifests_read == manifests; }

  // Of the whole table; from the part that was read where is_complete() is false.
  int64_t data_files = 0;
  int64_t data_bytes = 0;
  int64_t records = 0;
  int64_t partitions = 0;  ///< 1 for a table without
  int64_t old_spec_files = 0;
  int64_t unsorted_files = 0;  ///< without the id of the table's sort order, where it has one
  int64_t parquet_files = 0;
  int64_t sampled_files = 0;
  SizeHistogram sizes;

  int64_t position_delete_files = 0;  ///< without vectors
  int64_t deletion_vectors = 0;
  int64_t equality_delete_files = 0;
  int64_t position_deletes = 0;  ///< rows of them, vectors' too
  int64_t equality_deletes = 0;
  std::optional<int64_t> oldest_equality_sequence;
  std::vector<SurveyedColumn> columns;  ///< in the order of the options
  const SurveyedColumn* Find(const std::string& name) const;
};

/// Errors: as LoadManifests and ReadManifest.
Result<TableSurvey> SurveyTable(Call& call, io::FileSystem& files,
                                const iceberg::TableMetadata& metadata,
                                const SurveyOptions& options);

}  // namespace moraine::upkeep

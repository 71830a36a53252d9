#pragma once
// Which delete files apply to which data file (table spec, "Scan planning"): by sequence number, by
// spec and partition, by path, and, for equality deletes, by metrics. Used by optimizing and by
// commit checks.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "moraine/base/status.h"
#include "moraine/iceberg/manifest/data_file.h"
#include "moraine/iceberg/metadata/table_metadata.h"

namespace moraine::iceberg {

/// A live delete file with its data sequence number.
using DeleteEntryPtr = std::shared_ptr<const ManifestEntry>;

/// The one data file that a position delete file or deletion vector is about, or "": by
/// referenced_data_file, or by equal path bounds.
std::string_view ReferencedDataFile(const DataFile& deletes);

/// A partition of one spec, as a key: tuples are compared bitwise, as the spec has it for deletes.
struct PartitionKey {
  int32_t spec_id = 0;
  PartitionTuple tuple;
  bool operator==(const PartitionKey& other) const {
    return spec_id == other.spec_id && SameTuple(tuple, other.tuple);
  }
};
struct PartitionKeyHash {
  size_t operator()(const PartitionKey& key) const {
    return HashTuple(key.tuple) * 31 + static_cast<size_t>(key.spec_id);
  }
};

/// Built once, then read by many threads.
class DeleteIndex {
 public:
  /// The metadata gives specs and the types of equality columns (of any schema, since a column may
  /// have been dropped). Errors: Corruption for two deletion vectors of one data file, for an entry
  /// without sequence number or of an unknown spec.
  static Result<DeleteIndex> Make(std::vector<DeleteEntryPtr> entries,
                                  const TableMetadata& metadata);

  DeleteIndex() = default;
  bool empty() const { return entries_.empty(); }
  const std::vector<DeleteEntryPtr>& entries() const { return entries_; }
  /// Columns whose metrics help to leave out equality deletes, ascending.
  const std::vector<int32_t>& equality_columns() const { return equality_columns_; }

  /// The deletes that apply to a data file of this data sequence number. Errors: Corruption for a
  /// deletion vector that is older than its data file or of another partition. Cost: the deletes of
  /// the partition.
  Result<std::vector<DeleteEntryPtr>> ForDataFile(int64_t sequence_number,
                                                  const DataFile& file) const;

 private:
  struct Known {  // what an equality delete file says of one equality column
    int32_t column = 0;
    TypePtr type;
    bool has_counts = false;
    bool all_null = false;
    bool no_null = false;
    bool no_nan = false;
    std::optional<Value> lower;
    std::optional<Value> upper;
  };
  struct Equality {
    DeleteEntryPtr entry;
    std::vector<Known> columns;
  };
  using Positions = std::vector<DeleteEntryPtr>;  // ascending by sequence number
  using Equalities = std::vector<Equality>;       // likewise

  Status Add(DeleteEntryPtr entry, const TableMetadata& metadata);
  Equality MakeEquality(DeleteEntryPtr entry, const TableMetadata& metadata);
  static bool MayApply(const Equality& equality, const DataFile& file);
  static void Match(const Equalities& equalities, int64_t sequence_number, const DataFile& file,
                    std::vector<DeleteEntryPtr>* found);
  static void Match(const Positions& positions, int64_t sequence_number,
                    std::vector<DeleteEntryPtr>* found);

  std::vector<DeleteEntryPtr> entries_;
  std::vector<int32_t> equality_columns_;
  std::unordered_map<std::string_view, DeleteEntryPtr> vectors_;  // keys live in the entries
  std::unordered_map<std::string_view, Positions> by_path_;
  std::unordered_map<PartitionKey, Positions, PartitionKeyHash> by_partition_;
  std::unordered_map<PartitionKey, Equalities, PartitionKeyHash> equality_by_partition_;
  Equalities global_equality_;
};

}  // namespace moraine::iceberg

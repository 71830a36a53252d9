#pragma once
// What Moraine keeps of a manifest once it has been read: counts per partition. Immutable, one per
// manifest path, stored as text. The health of a table is the sum of the digests of its current
// manifests (decision "health"), so after a commit only the new manifests are read.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/iceberg/manifest/data_file.h"
#include "moraine/iceberg/metadata/table_metadata.h"
#include "moraine/io/file_system.h"

namespace moraine::planning {

/// A partition across specs: the spec id and the tuple, as bytes that are equal when the tuples are
/// the same.
std::string PartitionKey(int32_t spec_id, const iceberg::PartitionTuple& partition);
struct PartitionId {
  int32_t spec_id = 0;
  iceberg::PartitionTuple partition;
};
/// Errors: Corruption.
Result<PartitionId> PartitionIdFromKey(std::string_view key);

/// File sizes by class: bucket b holds sizes in [2^(b/4), 2^((b+1)/4)), so a threshold is met
/// within 19 %.
class SizeHistogram {
 public:
  struct Bucket {
    int64_t files = 0;
    int64_t bytes = 0;
    bool operator==(const Bucket&) const = default;
  };
  static int BucketOf(int64_t size);

  void Add(int64_t size);
  void Merge(const SizeHistogram& other, int64_t sign);  ///< sign 1 adds, -1 takes away
  /// Files that may be as small as the threshold (pessimistic: the threshold's whole bucket
  /// counts).
  Bucket AtMost(int64_t threshold) const;
  /// No two files together are smaller than this; INT64_MAX if there are fewer than two.
  int64_t LeastOfTwo() const;
  const std::map<int, Bucket>& buckets() const { return buckets_; }
  void AddBucket(int bucket, Bucket content) { Merge(bucket, content, 1); }
  bool operator==(const SizeHistogram&) const = default;

 private:
  void Merge(int bucket, const Bucket& content, int64_t sign);
  std::map<int, Bucket> buckets_;  // only the ones that hold files
};

/// Live files of one partition, or a sum of such counts. Deletes are counted in the partition of
/// the delete file; those of an unpartitioned spec count there.
struct PartitionCounts {
  int64_t data_files = 0;
  int64_t data_bytes = 0;
  int64_t data_records = 0;
  int64_t position_delete_files = 0;
  int64_t position_delete_records = 0;
  int64_t equality_delete_files = 0;
  int64_t equality_delete_records = 0;
  int64_t delete_bytes = 0;
  SizeHistogram sizes;  ///< of data files

  void Merge(const PartitionCounts& other, int64_t sign);
  bool empty() const {
    return data_files == 0 && position_delete_files == 0 && equality_delete_files == 0;
  }
  bool operator==(const PartitionCounts&) const = default;
};

/// By partition key.
using ManifestDigest = std::map<std::string, PartitionCounts>;

void AddToDigest(const iceberg::DataFile& file, ManifestDigest* digest);
/// Reads the manifest (live entries, no metrics) and counts. Errors: as ReadManifest.
Result<ManifestDigest> DigestManifest(Call& call, io::FileSystem& files,
                                      const iceberg::TableMetadata& metadata,
                                      const iceberg::ManifestFile& manifest);

/// Text for the store. Errors: Corruption.
std::string DigestToText(const ManifestDigest& digest);
Result<ManifestDigest> DigestFromText(std::string_view text);

}  // namespace moraine::planning

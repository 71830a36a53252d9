#pragma once
// The manifests that a scan reads: of one snapshot, or, incremental, those that each append of a
// range added. The order is the same on every replica, so plan tasks name manifests by their place.
// Lists are kept in memory up to a bound, since every task of a plan asks for them.

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/iceberg/manifest/data_file.h"
#include "moraine/iceberg/metadata/table_metadata.h"
#include "moraine/io/file_system.h"
#include "moraine/scanning/scan_request.h"

namespace moraine::scanning {

struct ScanManifests {
  std::vector<iceberg::ManifestFile> data;
  std::vector<iceberg::ManifestFile> deletes;  ///< none for an incremental scan
  int64_t bytes = 0;                           ///< of memory, about
};
using ScanManifestsPtr = std::shared_ptr<const ScanManifests>;

/// Thread-safe. Borrows the files.
class ManifestLists {
 public:
  ManifestLists(io::FileSystem& files, int64_t max_bytes) : files_(files), max_bytes_(max_bytes) {}

  /// Errors: NotFound when the snapshot has expired, or its list is gone; as ReadManifestList.
  Result<ScanManifestsPtr> Get(Call& call, const iceberg::TableMetadata& metadata,
                               const ScanSpec& scan);
  /// What Get has to read for it: bytes of manifest lists; 0 for one in memory. Errors as Get.
  Result<int64_t> CostOf(Call& call, const iceberg::TableMetadata& metadata, const ScanSpec& scan);

 private:
  struct Kept {
    std::string key;
    ScanManifestsPtr manifests;
  };
  ScanManifestsPtr Find(const std::string& key);
  void Keep(const std::string& key, const ScanManifestsPtr& manifests);

  io::FileSystem& files_;
  const int64_t max_bytes_;
  std::mutex mutex_;
  std::list<Kept> newest_first_;                                       // under mutex_
  std::unordered_map<std::string, std::list<Kept>::iterator> by_key_;  // under mutex_
  int64_t bytes_ = 0;                                                  // under mutex_
};

}  // namespace moraine::scanning

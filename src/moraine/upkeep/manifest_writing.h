#pragma once
// Writes the entries of manifests of one spec again, in order of their partitions, in bounded
// memory. Used by manifest_rewrite alone.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/iceberg/manifest/data_file.h"
#include "moraine/iceberg/manifest/manifest_writer.h"
#include "moraine/io/file_system.h"
#include "moraine/tasks/maintenance_task.h"
#include "moraine/upkeep/manifest_overlap.h"
#include "moraine/upkeep/run_task.h"
#include "moraine/upkeep/snapshot_task.h"

namespace moraine::upkeep {

/// commit.manifest.target-size-bytes.
int64_t TargetManifestBytes(const iceberg::TableMetadata& metadata);

/// Names the manifests of one attempt. Used by one thread.
class ManifestWriting {
 public:
  ManifestWriting(Call& call, io::FileSystem& files, const OpenedSnapshot& opened,
                  const tasks::MaintenanceTask& task, int64_t memory_bytes)
      : call_(call), files_(files), opened_(opened), task_(task), memory_bytes_(memory_bytes) {}

  /// First counts what each partition has, cuts the partitions, in their order, into manifests of
  /// about the target size, then reads again and writes as many of these at a time as fit.
  Result<std::vector<iceberg::ManifestFile>> WriteInOrder(
      const std::vector<const iceberg::ManifestFile*>& manifests, JobProgress* progress);

 private:
  struct Less {
    bool operator()(const iceberg::PartitionTuple& a, const iceberg::PartitionTuple& b) const {
      return TupleLess(a, b);
    }
  };
  struct Share {
    int64_t files = 0;
    size_t cluster = 0;  ///< partitions that are written together
  };
  using Shares = std::map<iceberg::PartitionTuple, Share, Less>;
  struct Cluster {
    int64_t files = 0;
    int64_t bytes = 0;  ///< about
  };
  struct Clusters {
    Shares shares;
    std::vector<Cluster> clusters;
    int64_t files = 0;
  };

  /// What an entry takes in a large manifest, by those of the first ones.
  Result<int64_t> BytesPerEntry(const std::vector<const iceberg::ManifestFile*>& manifests) const;
  Result<Clusters> Plan(const std::vector<const iceberg::ManifestFile*>& manifests);
  /// How many manifests a cluster is cut into, all of about the same size: one but for partitions
  /// that are larger than a manifest.
  int64_t Pieces(const Cluster& cluster) const;
  /// Clusters from begin on that fit into the memory.
  size_t EndOfWave(const Clusters& clusters, size_t begin) const;
  Result<int64_t> WriteWave(const std::vector<const iceberg::ManifestFile*>& manifests,
                            const Clusters& clusters, size_t begin, size_t end,
                            std::vector<iceberg::ManifestFile>* written);
  Result<iceberg::ManifestWriter> NewWriter(const iceberg::ManifestFile& like) const;
  Status Finish(iceberg::ManifestWriter writer, std::vector<iceberg::ManifestFile>* written);

  Call& call_;
  io::FileSystem& files_;
  const OpenedSnapshot& opened_;
  const tasks::MaintenanceTask& task_;
  const int64_t memory_bytes_;
  int next_ = 0;
};

}  // namespace moraine::upkeep

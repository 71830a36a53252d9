#pragma once
// One row filter under each partition spec of a table: which manifests and files it can leave out.
// Made once per plan or commit attempt; used by scan and commit.

#include <cstdint>
#include <memory>
#include <vector>

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/iceberg/expression/expression.h"
#include "moraine/iceberg/expression/projection.h"
#include "moraine/iceberg/manifest/data_file.h"
#include "moraine/iceberg/metadata/table_metadata.h"
#include "moraine/io/file_system.h"

namespace moraine::iceberg {

/// Immutable, thread-safe; borrows nothing.
class TableFilter {
 public:
  /// nullptr is "every row". Binds to the schema. Errors: as Bind.
  static Result<TableFilter> Make(const ExpressionPtr& filter, const TableMetadata& metadata,
                                  const Schema& schema);

  const ExpressionPtr& bound() const { return bound_; }
  bool keeps_all() const { return bound_->op() == Expression::Op::kTrue; }
  /// Columns whose metrics the filter asks for, ascending: those that no identity partition field
  /// decides in every spec.
  const std::vector<int32_t>& metrics_columns() const { return metrics_columns_; }

  /// By partition summaries. An unknown spec: yes.
  bool MayMatch(const ManifestFile& manifest) const;
  /// By partition, then by metrics.
  bool MayMatch(const DataFile& file) const {
    return PartitionMayMatch(file) && MetricsMayMatch(bound_, file);
  }
  bool PartitionMayMatch(const DataFile& file) const;
  /// What remains to be tested on the rows of a file.
  ExpressionPtr ResidualOf(const DataFile& file) const;
  /// Whether the residual is the same for all partitions of the file's spec.
  bool residual_depends_on_partition(int32_t spec_id) const;

 private:
  struct PerSpec {
    PartitionSpecPtr spec;
    std::vector<TypePtr> types;
    ExpressionPtr projected;
    std::shared_ptr<const ResidualEvaluator> residual;
  };
  const PerSpec* Find(int32_t spec_id) const;

  ExpressionPtr bound_;
  std::vector<PerSpec> specs_;
  std::vector<int32_t> metrics_columns_;
};

/// The manifests of a snapshot, in list order. Errors: as ReadManifestList; Unsupported for a
/// version 1 snapshot with inline manifests in a table of several specs.
Result<std::vector<ManifestFile>> LoadManifests(Call& call, io::FileSystem& files,
                                                const TableMetadata& metadata,
                                                const Snapshot& snapshot);

/// The spec of a manifest. Errors: Corruption naming the manifest.
Result<PartitionSpecPtr> SpecOf(const TableMetadata& metadata, const ManifestFile& manifest);

}  // namespace moraine::iceberg

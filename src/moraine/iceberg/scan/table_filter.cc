#include "moraine/iceberg/scan/table_filter.h"

#include <algorithm>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "moraine/iceberg/manifest/manifest_reader.h"

namespace moraine::iceberg {

namespace {

using Op = Expression::Op;

void CollectColumns(const Expression& expression, std::set<int32_t>* columns) {
  if (expression.left()) CollectColumns(*expression.left(), columns);
  if (expression.right()) CollectColumns(*expression.right(), columns);
  if (expression.is_bound()) columns->insert(expression.field_id());
}

/// Rows of one partition agree on the column: its metrics would say nothing new.
bool DecidesColumn(const PartitionSpec& spec, int32_t column) {
  return std::any_of(spec.fields.begin(), spec.fields.end(), [&](const PartitionField& field) {
    return field.source_ids.size() == 1 && field.source_id() == column &&
           field.transform.kind() == Transform::Kind::kIdentity;
  });
}

}  // namespace

Result<TableFilter> TableFilter::Make(const ExpressionPtr& filter, const TableMetadata& metadata,
                                      const Schema& schema) {
  TableFilter result;
  if (filter) {
    MORAINE_ASSIGN(result.bound_, Bind(filter, schema));
  } else {
    result.bound_ = Expression::True();
  }
  std::set<int32_t> columns;
  CollectColumns(*result.bound_, &columns);
  for (int32_t column : columns) {
    bool decided =
        std::all_of(metadata.partition_specs.begin(), metadata.partition_specs.end(),
                    [&](const PartitionSpecPtr& spec) { return DecidesColumn(*spec, column); });
    if (!decided) result.metrics_columns_.push_back(column);
  }
  for (const PartitionSpecPtr& spec : metadata.partition_specs) {
    PerSpec one;
    one.spec = spec;
    one.types = PartitionTypes(*spec, schema);
    one.projected = ProjectInclusive(result.bound_, *spec, schema);
    one.residual = std::make_shared<const ResidualEvaluator>(result.bound_, *spec, schema);
    result.specs_.push_back(std::move(one));
  }
  return result;
}

const TableFilter::PerSpec* TableFilter::Find(int32_t spec_id) const {
  for (const PerSpec& one : specs_) {
    if (one.spec->spec_id == spec_id) return &one;
  }
  return nullptr;
}

bool TableFilter::MayMatch(const ManifestFile& manifest) const {
  const PerSpec* one = Find(manifest.partition_spec_id);
  return one == nullptr || ManifestMayMatch(one->projected, *one->spec, one->types, manifest);
}

bool TableFilter::PartitionMayMatch(const DataFile& file) const {
  const PerSpec* one = Find(file.spec_id);
  return one == nullptr || EvaluateOnPartition(one->projected, *one->spec, file.partition);
}

ExpressionPtr TableFilter::ResidualOf(const DataFile& file) const {
  const PerSpec* one = Find(file.spec_id);
  return one == nullptr ? bound_ : one->residual->ForPartition(file.partition);
}

bool TableFilter::residual_depends_on_partition(int32_t spec_id) const {
  const PerSpec* one = Find(spec_id);
  return one != nullptr && one->residual->depends_on_partition();
}

Result<std::vector<ManifestFile>> LoadManifests(Call& call, io::FileSystem& files,
                                                const TableMetadata& metadata,
                                                const Snapshot& snapshot) {
  if (!snapshot.manifest_list.empty()) return ReadManifestList(call, files, snapshot.manifest_list);
  if (snapshot.manifests.empty()) return std::vector<ManifestFile>();
  if (metadata.partition_specs.size() != 1) {
    return Unsupported(
        fmt::format("a version 1 snapshot without a manifest list in a table of several specs: {}",
                    snapshot.snapshot_id));
  }
  std::vector<ManifestFile> manifests;
  for (const std::string& path : snapshot.manifests) {
    MORAINE_ASSIGN(io::FileInfo info, files.Stat(call, path));
    ManifestFile manifest;
    manifest.manifest_path = path;
    manifest.manifest_length = info.size_bytes;
    manifest.partition_spec_id = metadata.partition_specs[0]->spec_id;
    manifest.added_snapshot_id = snapshot.snapshot_id;
    manifests.push_back(std::move(manifest));
  }
  return manifests;
}

Result<PartitionSpecPtr> SpecOf(const TableMetadata& metadata, const ManifestFile& manifest) {
  PartitionSpecPtr spec = metadata.FindSpec(manifest.partition_spec_id);
  if (!spec) {
    return Corruption(fmt::format("a manifest is of an unknown partition spec {}: {}",
                                  manifest.partition_spec_id, manifest.manifest_path));
  }
  return spec;
}

}  // namespace moraine::iceberg

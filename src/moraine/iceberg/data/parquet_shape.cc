#include "moraine/iceberg/data/parquet_shape.h"

#include <algorithm>
#include <utility>

#include <arrow/io/memory.h>
#include <arrow/type.h>
#include <arrow/type_traits.h>
#include <arrow/util/key_value_metadata.h>
#include <parquet/arrow/schema.h>
#include <parquet/file_writer.h>
#include <parquet/metadata.h>
#include <parquet/properties.h>
#include <parquet/schema.h>

#include "moraine/base/text.h"
#include "moraine/iceberg/data/arrow_schema.h"
#include "moraine/iceberg/data/column_metrics_internal.h"
#include "moraine/iceberg/data/column_projection.h"
#include "moraine/iceberg/data/foreign_errors_internal.h"
#include "moraine/iceberg/data/leaf_levels_internal.h"
#include "moraine/iceberg/data/parquet_properties_internal.h"
#include "moraine/iceberg/data/parquet_schema_internal.h"

namespace moraine::iceberg {
namespace {

constexpr char kShape[] = "the schema";
constexpr size_t kFooterEnd = 8;  // length and magic

int32_t CodecNumber(parquet::Compression::type codec) {
  switch (codec) {
    case parquet::Compression::SNAPPY:
      return 1;
    case parquet::Compression::GZIP:
      return 2;
    case parquet::Compression::BROTLI:
      return 4;
    case parquet::Compression::LZ4_HADOOP:
      return 5;
    case parquet::Compression::ZSTD:
      return 6;
    case parquet::Compression::LZ4:
      return 7;
    default:
      return 0;
  }
}

std::vector<LeafColumn> LeavesOf(const std::vector<Field>& fields, std::vector<ShapeLeaf>* shapes) {
  std::vector<LeafColumn> leaves;
  for (size_t i = 0; i < fields.size(); ++i) {
    for (LeafColumn& leaf : ListLeaves({fields[i]})) {
      const TypeKind kind = leaf.type->kind();
      const bool is_shape = kind == TypeKind::kGeometry || kind == TypeKind::kGeography;
      shapes->push_back({i, leaf.id, kind == TypeKind::kFloat || kind == TypeKind::kDouble,
                         kind == TypeKind::kDecimal, !is_shape && !leaf.is_variant});
      leaves.push_back(std::move(leaf));
    }
  }
  return leaves;
}

bool IsOff(const WriteOptions& options, const char* property, const std::string& name) {
  const std::string* text = FindParquetProperty(options, property + name);
  return text != nullptr && ToLowerAscii(*text) == "false";
}

bool MustEncode(const WriteOptions& options, const LeafColumn& leaf) {
  const bool has_filter = HasBloomFilter(options, leaf.name) && !leaf.is_repeated &&
                          leaf.type->kind() != TypeKind::kBoolean;
  return has_filter || IsOff(options, "dict-encoding-enabled.column.", leaf.name);
}

Result<ParquetShape> MakeShape(const WriteOptions& options) {
  ParquetShape shape;
  const std::vector<LeafColumn> leaves = LeavesOf(options.schema->fields(), &shape.leaves);
  MORAINE_ASSIGN(auto root, ToParquetSchema(options.schema->fields()));
  parquet::SchemaDescriptor descriptor;
  descriptor.Init(root);
  std::vector<std::string> names;
  for (const LeafColumn& leaf : leaves) names.push_back(leaf.name);
  MORAINE_ASSIGN(const auto properties, MakeWriterProperties(options, descriptor, names, {}));
  shape.must_encode.resize(options.schema->fields().size());
  for (size_t i = 0; i < leaves.size(); ++i) {
    if (MustEncode(options, leaves[i])) shape.must_encode[shape.leaves[i].field] = true;
    if (IsOff(options, "stats-enabled.column.", names[i])) shape.leaves[i].has_bounds = false;
  }
  if (!names.empty()) {
    const auto path = descriptor.Column(0)->path();
    shape.codec = CodecNumber(properties->compression(path));
    const int level = properties->compression_level(path);
    shape.level = level == arrow::util::kUseDefaultCompressionLevel ? -1 : level;
  }
  shape.version2 = properties->data_page_version() == parquet::ParquetDataPageVersion::V2;
  shape.page_bytes = properties->data_pagesize();
  shape.page_rows = properties->max_rows_per_page();
  shape.dictionary_bytes = properties->dictionary_pagesize_limit();
  shape.row_group_bytes = WantedRowGroupBytes(options);

  MORAINE_FILE_ASSIGN(kShape, auto sink, arrow::io::BufferOutputStream::Create());
  auto writer =
      parquet::ParquetFileWriter::Open(sink, std::move(root), properties, FileKeyValues(options));
  writer->Close();
  MORAINE_FILE_ASSIGN(kShape, const auto buffer, sink->Finish());
  const std::string_view bytes(reinterpret_cast<const char*>(buffer->data()),
                               static_cast<size_t>(buffer->size()));
  shape.footer = bytes.substr(4, bytes.size() - 4 - kFooterEnd);
  return shape;
}

std::shared_ptr<parquet::FileMetaData> ParseFooter(std::string_view footer) {
  return parquet::FileMetaData::Make(footer.data(), static_cast<int64_t>(footer.size()));
}

const FileColumn* Find(const std::vector<FileColumn>& columns, int32_t id) {
  const FileColumn* found = nullptr;
  for (const FileColumn& column : columns) {
    if (column.id != id) continue;
    if (found != nullptr) return nullptr;  // twice
    found = &column;
  }
  return found;
}

// Appends the column's leaves in the order of the field's. False: it is not the same.
bool Match(const Field& field, const FileColumn& column, std::vector<int>* leaves) {
  const Type& type = *field.type;
  if (type.kind() == TypeKind::kVariant || type.kind() == TypeKind::kUnknown) return false;
  if (!type.is_nested()) {
    if (column.leaf_index < 0 || !column.type->Equals(*ToArrowType(type))) return false;
    leaves->push_back(column.leaf_index);
    return true;
  }
  if (column.leaf_index >= 0) return false;
  const bool is_struct = type.kind() == TypeKind::kStruct;
  const arrow::Type::type id = column.type->id();
  const bool same_kind = is_struct                       ? id == arrow::Type::STRUCT
                         : type.kind() == TypeKind::kMap ? id == arrow::Type::MAP
                                                         : arrow::is_list(id);
  if (!same_kind) return false;
  if (!is_struct && column.children.size() != type.fields().size()) return false;
  for (size_t i = 0; i < type.fields().size(); ++i) {
    const Field& child = type.fields()[i];
    // Elements, keys and values are told by their place.
    const FileColumn* found = is_struct ? Find(column.children, child.id) : &column.children[i];
    if (found == nullptr || !Match(child, *found, leaves)) return false;
  }
  return true;
}

}  // namespace

Result<ParquetShape> MakeParquetShape(const WriteOptions& options) {
  return GuardFile(kShape, [&] { return MakeShape(options); });
}

Result<std::vector<std::vector<int>>> MatchColumns(const std::vector<Field>& fields,
                                                   std::string_view footer,
                                                   const NameMapping* mapping) {
  using Leaves = std::vector<std::vector<int>>;
  return GuardFile("a footer", [&]() -> Result<Leaves> {
    const auto metadata = ParseFooter(footer);
    parquet::arrow::SchemaManifest manifest;
    parquet::ArrowReaderProperties properties(/*use_threads=*/false);
    properties.set_coerce_int96_timestamp_unit(arrow::TimeUnit::MICRO);
    MORAINE_FILE_TRY(
        "a footer", parquet::arrow::SchemaManifest::Make(
                        metadata->schema(), /*key_value_metadata=*/nullptr, properties, &manifest));
    std::vector<FileColumn> columns = ToFileColumns(manifest);
    if (!HasFieldIds(columns) && mapping != nullptr) ApplyNameMapping(*mapping, &columns);
    Leaves matched(fields.size());
    for (size_t i = 0; i < fields.size(); ++i) {
      const FileColumn* column = Find(columns, fields[i].id);
      if (column != nullptr && !Match(fields[i], *column, &matched[i])) matched[i].clear();
    }
    return matched;
  });
}

Result<DataFile> DescribeParquetFile(const WriteOptions& options, const std::string& location,
                                     int64_t file_size, std::string_view footer,
                                     const std::vector<LeafTotals>& totals) {
  return GuardFile(location, [&]() -> Result<DataFile> {
    const auto metadata = ParseFooter(footer);
    std::vector<ShapeLeaf> shapes;
    const std::vector<LeafColumn> leaves = LeavesOf(options.schema->fields(), &shapes);
    std::vector<LeafCounts> counts;
    for (const LeafTotals& total : totals) counts.push_back({total.nulls, total.nans});
    DataFile file;
    file.content = options.content;
    file.format = FileFormat::kParquet;
    file.file_path = location;
    file.file_size_in_bytes = file_size;
    file.sort_order_id = options.sort_order_id;
    SetMetrics(*metadata, leaves, counts,
               options.modes
                   ? *options.modes
                   : MetricsModes(*options.schema, options.properties, options.sorted_ids),
               &file);
    return file;
  });
}

}  // namespace moraine::iceberg

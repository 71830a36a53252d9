#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include <arrow/util/compression.h>
#include <arrow/util/key_value_metadata.h>
#include <parquet/bloom_filter.h>
#include <parquet/properties.h>
#include <parquet/schema.h>

#include "moraine/base/text.h"
#include "moraine/iceberg/data/parquet_properties_internal.h"

namespace moraine::iceberg {
namespace {

constexpr int64_t kRowGroupBytes = int64_t{128} << 20;
constexpr int64_t kPageBytes = int64_t{1} << 20;
constexpr int64_t kPageRows = 20000;
constexpr int64_t kDictionaryBytes = int64_t{2} << 20;
constexpr int64_t kBloomFilterBytes = int64_t{1} << 20;
constexpr int kZstdLevel = 3;  // the library's own default, and Java's
constexpr int64_t kMinPageBytes = int64_t{8} << 10;

std::optional<parquet::Compression::type> CodecFromName(const std::string& name) {
  static const auto* codecs = new std::map<std::string, parquet::Compression::type>{
      {"zstd", parquet::Compression::ZSTD},
      {"snappy", parquet::Compression::SNAPPY},
      {"gzip", parquet::Compression::GZIP},
      {"brotli", parquet::Compression::BROTLI},
      {"lz4", parquet::Compression::LZ4_HADOOP},
      {"lz4_raw", parquet::Compression::LZ4},
      {"uncompressed", parquet::Compression::UNCOMPRESSED},
  };
  const auto it = codecs->find(ToLowerAscii(name));
  if (it == codecs->end()) return std::nullopt;
  return it->second;
}

Status SetCompression(const WriteOptions& options, parquet::WriterProperties::Builder* builder) {
  auto codec = parquet::Compression::ZSTD;
  if (const std::string* name = FindParquetProperty(options, "compression-codec")) {
    codec = CodecFromName(*name).value_or(codec);
  }
  if (!arrow::util::Codec::IsAvailable(codec)) {
    return Unsupported("write.parquet.compression-codec: not built in: " +
                       arrow::util::Codec::GetCodecAsString(codec));
  }
  builder->compression(codec);
  const bool is_zstd = codec == parquet::Compression::ZSTD;
  const int64_t level = ParquetIntProperty(options, "compression-level", is_zstd ? kZstdLevel : -1);
  if (level >= 0 && arrow::util::Codec::SupportsCompressionLevel(codec)) {
    const int64_t most = arrow::util::Codec::MaximumCompressionLevel(codec).ValueOr(22);
    builder->compression_level(static_cast<int>(std::min(level, most)));
  }
  return {};
}

// Distinct values for which a split-block filter has this size.
int64_t ValuesForBytes(int64_t bytes, double fpp) {
  const double bits = static_cast<double>(bytes) * 8;
  return std::max<int64_t>(1,
                           static_cast<int64_t>(-bits / 8 * std::log(1 - std::pow(fpp, 1.0 / 8))));
}

double FalsePositives(const WriteOptions& options, const std::string& column) {
  const std::string* text = FindParquetProperty(options, "bloom-filter-fpp.column." + column);
  if (text == nullptr) return 0.01;
  const double fpp = ParseDouble(*text).ok() ? *ParseDouble(*text) : 0.01;
  return fpp > 0 && fpp < 1 ? fpp : 0.01;
}

void SetBloomFilter(const WriteOptions& options, const std::string& column,
                    const parquet::ColumnDescriptor& leaf,
                    parquet::WriterProperties::Builder* builder) {
  if (!HasBloomFilter(options, column)) return;
  if (leaf.physical_type() == parquet::Type::BOOLEAN || leaf.max_repetition_level() > 0) return;
  parquet::BloomFilterOptions filter;
  filter.fpp = FalsePositives(options, column);
  const int64_t most = ValuesForBytes(
      std::clamp(ParquetIntProperty(options, "bloom-filter-max-bytes", kBloomFilterBytes),
                 int64_t{32}, options.memory_bytes / 16),
      filter.fpp);
  filter.ndv = std::clamp(ParquetIntProperty(options, "bloom-filter-ndv.column." + column, most),
                          int64_t{1}, most);
  builder->enable_bloom_filter(leaf.path(), filter);
}

bool IsFalse(const std::string* text) { return text != nullptr && ToLowerAscii(*text) == "false"; }

void SetColumn(const WriteOptions& options, const std::string& column,
               const parquet::ColumnDescriptor& leaf, parquet::WriterProperties::Builder* builder) {
  // Row ids are unique: a dictionary of them would only be written beside its indices.
  const bool is_unique = leaf.schema_node()->field_id() == kRowIdFieldId;
  if (is_unique ||
      IsFalse(FindParquetProperty(options, "dict-encoding-enabled.column." + column))) {
    builder->disable_dictionary(leaf.path());
  }
  if (IsFalse(FindParquetProperty(options, "stats-enabled.column." + column))) {
    builder->disable_statistics(leaf.path());
  }
  SetBloomFilter(options, column, leaf, builder);
}

}  // namespace

const std::string* FindParquetProperty(const WriteOptions& options, const std::string& name) {
  if (options.content != FileContent::kData) {
    const auto it = options.properties.find("write.delete.parquet." + name);
    if (it != options.properties.end()) return &it->second;
  }
  const auto it = options.properties.find("write.parquet." + name);
  return it != options.properties.end() ? &it->second : nullptr;
}

bool HasBloomFilter(const WriteOptions& options, const std::string& column) {
  const std::string* enabled =
      FindParquetProperty(options, "bloom-filter-enabled.column." + column);
  return enabled != nullptr && ToLowerAscii(*enabled) == "true";
}

int64_t ParquetIntProperty(const WriteOptions& options, const std::string& name, int64_t fallback) {
  const std::string* text = FindParquetProperty(options, name);
  if (text == nullptr) return fallback;
  Result<int64_t> value = ParseInt64(*text);
  return value.ok() && *value > 0 ? *value : fallback;
}

int64_t WantedRowGroupBytes(const WriteOptions& options) {
  return ParquetIntProperty(options, "row-group-size-bytes", kRowGroupBytes);
}

int64_t RowGroupBytes(const WriteOptions& options) {
  const int64_t wanted = WantedRowGroupBytes(options);
  // Pages wait in memory until their row group ends; buffers that grow by doubling need the rest.
  return std::max<int64_t>(1, std::min(wanted, options.memory_bytes / 2));
}

Result<std::shared_ptr<parquet::WriterProperties>> MakeWriterProperties(
    const WriteOptions& options, const parquet::SchemaDescriptor& schema,
    const std::vector<std::string>& leaf_names, const std::vector<bool>& plain) {
  parquet::WriterProperties::Builder builder;
  if (options.pool != nullptr) builder.memory_pool(options.pool);
  MORAINE_TRY(SetCompression(options, &builder));
  // Each leaf holds an open page and a dictionary.
  const int64_t leaf_share =
      std::max(options.memory_bytes / 8 / std::max(schema.num_columns(), 1), kMinPageBytes);
  builder.data_pagesize(
      std::min(ParquetIntProperty(options, "page-size-bytes", kPageBytes), leaf_share));
  builder.max_rows_per_page(ParquetIntProperty(options, "page-row-limit", kPageRows));
  builder.dictionary_pagesize_limit(
      std::min(ParquetIntProperty(options, "dict-size-bytes", kDictionaryBytes), leaf_share));
  const std::string* version = FindParquetProperty(options, "page-version");
  if (version != nullptr && ToLowerAscii(*version) == "v2") {
    builder.data_page_version(parquet::ParquetDataPageVersion::V2);
  }
  builder.version(parquet::ParquetVersion::PARQUET_2_6);
  builder.created_by("moraine version " MORAINE_VERSION " (build arrow)");
  for (int i = 0; i < schema.num_columns(); ++i) {
    SetColumn(options, leaf_names[i], *schema.Column(i), &builder);
    if (!plain.empty() && plain[i]) builder.disable_dictionary(schema.Column(i)->path());
  }
  return builder.build();
}

std::shared_ptr<const arrow::KeyValueMetadata> FileKeyValues(const WriteOptions& options) {
  std::vector<std::string> keys = {"iceberg.schema"};
  std::vector<std::string> values = {SchemaToJson(*options.schema)};
  for (const auto& [key, value] : options.key_values) {
    keys.push_back(key);
    values.push_back(value);
  }
  return arrow::key_value_metadata(std::move(keys), std::move(values));
}

}  // namespace moraine::iceberg

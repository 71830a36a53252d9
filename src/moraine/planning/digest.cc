#include "moraine/planning/digest.h"

#include <cmath>
#include <cstring>

#include <fmt/format.h>

#include "moraine/base/text.h"
#include "moraine/iceberg/manifest/capped_sum.h"
#include "moraine/iceberg/manifest/manifest_reader.h"

namespace moraine::planning {
namespace {

using iceberg::AddCapped;
using iceberg::MultiplyCapped;

constexpr char kDigestFormat = 1;

void PutVarint(uint64_t value, std::string* out) {
  while (value >= 0x80) {
    out->push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out->push_back(static_cast<char>(value));
}

/// Takes bytes off the front; every call checks the length.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : bytes_(bytes) {}

  bool empty() const { return bytes_.empty(); }
  Result<uint64_t> Varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      MORAINE_ASSIGN(auto byte, Take(1));
      value |= static_cast<uint64_t>(byte[0] & 0x7f) << shift;
      if ((byte[0] & 0x80) == 0) return value;
    }
    return Corruption("digest: a number is too long");
  }
  Result<int64_t> Count() {
    MORAINE_ASSIGN(uint64_t value, Varint());
    if (value > INT64_MAX) return Corruption("digest: a count beyond all bounds");
    return static_cast<int64_t>(value);
  }
  Result<std::string_view> Take(uint64_t size) {
    if (size > bytes_.size()) return Corruption("digest: ends early");
    auto taken = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return taken;
  }

 private:
  std::string_view bytes_;
};

template <typename T>
void PutFixed(T value, std::string* out) {
  char bytes[sizeof(T)];
  std::memcpy(bytes, &value, sizeof(T));
  out->append(bytes, sizeof(T));
}

template <typename T>
Result<iceberg::Value> TakeFixed(ByteReader& in) {
  MORAINE_ASSIGN(auto bytes, in.Take(sizeof(T)));
  T value;
  std::memcpy(&value, bytes.data(), sizeof(T));
  return iceberg::Value(value);
}

void PutValue(const iceberg::Value& value, std::string* out) {
  out->push_back(static_cast<char>(value.index()));
  if (auto* v = std::get_if<bool>(&value)) PutFixed(*v, out);
  if (auto* v = std::get_if<int32_t>(&value)) PutFixed(*v, out);
  if (auto* v = std::get_if<int64_t>(&value)) PutFixed(*v, out);
  // All NaNs are one partition value.
  if (auto* v = std::get_if<float>(&value)) PutFixed(std::isnan(*v) ? NAN : *v, out);
  if (auto* v = std::get_if<double>(&value))
    PutFixed(std::isnan(*v) ? static_cast<double>(NAN) : *v, out);
  if (auto* v = std::get_if<iceberg::Int128>(&value)) PutFixed(*v, out);
  if (auto* v = std::get_if<std::string>(&value)) {
    PutVarint(v->size(), out);
    out->append(*v);
  }
}

Result<iceberg::Value> TakeValue(ByteReader& in) {
  MORAINE_ASSIGN(auto tag, in.Take(1));
  switch (tag[0]) {
    case 0:
      return iceberg::Value();
    case 1: {
      MORAINE_ASSIGN(auto byte, in.Take(1));
      return iceberg::Value(byte[0] != 0);
    }
    case 2:
      return TakeFixed<int32_t>(in);
    case 3:
      return TakeFixed<int64_t>(in);
    case 4:
      return TakeFixed<float>(in);
    case 5:
      return TakeFixed<double>(in);
    case 6:
      return TakeFixed<iceberg::Int128>(in);
    case 7: {
      MORAINE_ASSIGN(uint64_t size, in.Varint());
      MORAINE_ASSIGN(auto bytes, in.Take(size));
      return iceberg::Value(std::string(bytes));
    }
    default:
      return Corruption(fmt::format("digest: unknown kind of value {}", static_cast<int>(tag[0])));
  }
}

}  // namespace

std::string PartitionKey(int32_t spec_id, const iceberg::PartitionTuple& partition) {
  std::string key;
  PutVarint(static_cast<uint32_t>(spec_id), &key);
  for (const auto& value : partition) PutValue(value, &key);
  return key;
}

Result<PartitionId> PartitionIdFromKey(std::string_view key) {
  ByteReader in(key);
  PartitionId id;
  MORAINE_ASSIGN(uint64_t spec_id, in.Varint());
  id.spec_id = static_cast<int32_t>(spec_id);
  while (!in.empty()) {
    MORAINE_ASSIGN(auto value, TakeValue(in));
    id.partition.push_back(std::move(value));
  }
  return id;
}

int SizeHistogram::BucketOf(int64_t size) {
  return size <= 1 ? 0 : static_cast<int>(std::floor(std::log2(static_cast<double>(size)) * 4));
}

void SizeHistogram::Add(int64_t size) { Merge(BucketOf(size), {1, size}, 1); }

void SizeHistogram::Merge(int bucket, const Bucket& content, int64_t sign) {
  auto& mine = buckets_[bucket];
  mine.files = AddCapped(mine.files, sign * content.files);
  mine.bytes = AddCapped(mine.bytes, sign * content.bytes);
  if (mine.files == 0) buckets_.erase(bucket);
}

void SizeHistogram::Merge(const SizeHistogram& other, int64_t sign) {
  for (const auto& [bucket, content] : other.buckets_) Merge(bucket, content, sign);
}

SizeHistogram::Bucket SizeHistogram::AtMost(int64_t threshold) const {
  Bucket sum;
  for (const auto& [bucket, content] : buckets_) {
    if (bucket > BucketOf(threshold)) break;
    sum.files = AddCapped(sum.files, content.files);
    sum.bytes = AddCapped(sum.bytes, content.bytes);
  }
  return sum;
}

int64_t SizeHistogram::LeastOfTwo() const {
  int64_t smallest = -1;  // known once its bucket holds it alone
  for (const auto& [bucket, content] : buckets_) {
    // A hair less than the bucket's edge, for sizes that doubles round up to it.
    auto least = bucket == 0 ? 0 : static_cast<int64_t>(std::exp2(bucket / 4.0) * (1 - 1e-12));
    if (smallest >= 0) return AddCapped(smallest, content.files == 1 ? content.bytes : least);
    if (content.files == 2) return content.bytes;
    if (content.files > 2) return MultiplyCapped(2, least);
    smallest = content.bytes;
  }
  return INT64_MAX;
}

void PartitionCounts::Merge(const PartitionCounts& other, int64_t sign) {
  data_files = AddCapped(data_files, sign * other.data_files);
  data_bytes = AddCapped(data_bytes, sign * other.data_bytes);
  data_records = AddCapped(data_records, sign * other.data_records);
  position_delete_files = AddCapped(position_delete_files, sign * other.position_delete_files);
  position_delete_records =
      AddCapped(position_delete_records, sign * other.position_delete_records);
  equality_delete_files = AddCapped(equality_delete_files, sign * other.equality_delete_files);
  equality_delete_records =
      AddCapped(equality_delete_records, sign * other.equality_delete_records);
  delete_bytes = AddCapped(delete_bytes, sign * other.delete_bytes);
  sizes.Merge(other.sizes, sign);
}

void AddToDigest(const iceberg::DataFile& file, ManifestDigest* digest) {
  auto& counts = (*digest)[PartitionKey(file.spec_id, file.partition)];
  switch (file.content) {
    case iceberg::FileContent::kData:
      counts.data_files += 1;
      counts.data_bytes = AddCapped(counts.data_bytes, file.file_size_in_bytes);
      counts.data_records = AddCapped(counts.data_records, file.record_count);
      counts.sizes.Add(file.file_size_in_bytes);
      break;
    case iceberg::FileContent::kPositionDeletes:
      counts.position_delete_files += 1;
      counts.position_delete_records = AddCapped(counts.position_delete_records, file.record_count);
      counts.delete_bytes = AddCapped(counts.delete_bytes,
                                      file.content_size_in_bytes.value_or(file.file_size_in_bytes));
      break;
    case iceberg::FileContent::kEqualityDeletes:
      counts.equality_delete_files += 1;
      counts.equality_delete_records = AddCapped(counts.equality_delete_records, file.record_count);
      counts.delete_bytes = AddCapped(counts.delete_bytes, file.file_size_in_bytes);
      break;
  }
}

Result<ManifestDigest> DigestManifest(Call& call, io::FileSystem& files,
                                      const iceberg::TableMetadata& metadata,
                                      const iceberg::ManifestFile& manifest) {
  auto spec = metadata.FindSpec(manifest.partition_spec_id);
  if (spec == nullptr) {
    return Corruption(
        fmt::format("manifest {} names the partition spec {}, which the table does not have",
                    manifest.manifest_path, manifest.partition_spec_id));
  }
  iceberg::ManifestReadOptions options;
  options.counts = false;
  options.bounds = false;
  ManifestDigest digest;
  MORAINE_TRY(iceberg::ReadManifest(call, files, manifest, *spec, metadata.CurrentSchema(), options,
                                    [&](iceberg::ManifestEntry& entry) {
                                      if (entry.is_live()) AddToDigest(entry.file, &digest);
                                      return Status();
                                    }));
  return digest;
}

std::string DigestToText(const ManifestDigest& digest) {
  std::string bytes(1, kDigestFormat);
  PutVarint(digest.size(), &bytes);
  for (const auto& [key, counts] : digest) {
    PutVarint(key.size(), &bytes);
    bytes += key;
    for (int64_t count :
         {counts.data_files, counts.data_bytes, counts.data_records, counts.position_delete_files,
          counts.position_delete_records, counts.equality_delete_files,
          counts.equality_delete_records, counts.delete_bytes}) {
      PutVarint(static_cast<uint64_t>(count), &bytes);
    }
    PutVarint(counts.sizes.buckets().size(), &bytes);
    for (const auto& [bucket, content] : counts.sizes.buckets()) {
      PutVarint(static_cast<uint64_t>(bucket), &bytes);
      PutVarint(static_cast<uint64_t>(content.files), &bytes);
      PutVarint(static_cast<uint64_t>(content.bytes), &bytes);
    }
  }
  return Base64Encode(bytes);
}

namespace {

Result<PartitionCounts> TakeCounts(ByteReader& in) {
  PartitionCounts counts;
  for (int64_t* field :
       {&counts.data_files, &counts.data_bytes, &counts.data_records, &counts.position_delete_files,
        &counts.position_delete_records, &counts.equality_delete_files,
        &counts.equality_delete_records, &counts.delete_bytes}) {
    MORAINE_ASSIGN(*field, in.Count());
  }
  MORAINE_ASSIGN(uint64_t buckets, in.Varint());
  for (uint64_t i = 0; i < buckets; ++i) {
    MORAINE_ASSIGN(uint64_t bucket, in.Varint());
    SizeHistogram::Bucket content;
    MORAINE_ASSIGN(content.files, in.Count());
    MORAINE_ASSIGN(content.bytes, in.Count());
    if (bucket > 256) return Corruption("digest: a size class that does not exist");
    counts.sizes.AddBucket(static_cast<int>(bucket), content);
  }
  return counts;
}

}  // namespace

Result<ManifestDigest> DigestFromText(std::string_view text) {
  auto bytes = Base64Decode(text);
  if (!bytes.ok()) return Corruption("digest: not base64 text");
  ByteReader in(*bytes);
  MORAINE_ASSIGN(auto format, in.Take(1));
  if (format[0] != kDigestFormat) return Corruption("digest: an unknown format");
  MORAINE_ASSIGN(uint64_t partitions, in.Varint());
  ManifestDigest digest;
  for (uint64_t i = 0; i < partitions; ++i) {
    MORAINE_ASSIGN(uint64_t size, in.Varint());
    MORAINE_ASSIGN(auto key, in.Take(size));
    MORAINE_ASSIGN(digest[std::string(key)], TakeCounts(in));
  }
  return digest;
}

}  // namespace moraine::planning

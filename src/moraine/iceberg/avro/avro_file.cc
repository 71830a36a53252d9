#include "moraine/iceberg/avro/avro_file.h"

#define XXH_INLINE_ALL
#include <cstring>

#include <fmt/format.h>
#include <xxhash.h>

#include "moraine/iceberg/avro/avro_cursor.h"

namespace moraine::iceberg {
namespace {

constexpr std::string_view kMagic("Obj\x01", 4);
constexpr size_t kSyncBytes = 16;
constexpr size_t kBlockBytes = 64 << 10;

}  // namespace

Result<AvroFileReader> AvroFileReader::Open(std::string_view bytes) {
  if (!bytes.starts_with(kMagic)) {
    return Corruption("not an Avro file: it does not begin with 'Obj' and 1");
  }
  AvroCursor cursor(bytes);
  cursor.ReadFixed(kMagic.size());
  std::vector<std::pair<std::string_view, std::string_view>> metadata;
  // Two lengths make an entry two bytes at least.
  while (const uint64_t count = cursor.ReadBlockCount(2)) {
    for (uint64_t i = 0; i < count && cursor.ok(); ++i) {
      const std::string_view key = cursor.ReadBytes();
      metadata.emplace_back(key, cursor.ReadBytes());
    }
  }
  const std::string_view sync = cursor.ReadFixed(kSyncBytes);
  if (!cursor.ok()) {
    return Corruption(fmt::format("the Avro header is broken at offset {}", cursor.position()));
  }
  const auto find = [&](std::string_view key) -> std::optional<std::string_view> {
    for (const auto& [name, value] : metadata) {
      if (name == key) return value;
    }
    return std::nullopt;
  };
  MORAINE_ASSIGN(AvroCodec codec, AvroCodecFromName(find("avro.codec").value_or("null")));
  AvroFileReader reader(bytes, codec);
  reader.schema_text_ = find("avro.schema").value_or("");
  MORAINE_ASSIGN(reader.schema_, AvroSchema::Parse(reader.schema_text_));
  reader.metadata_ = std::move(metadata);
  reader.sync_ = sync;
  reader.position_ = cursor.position();
  return reader;
}

std::optional<std::string_view> AvroFileReader::FindMetadata(std::string_view key) const {
  for (const auto& [name, value] : metadata_) {
    if (name == key) return value;
  }
  return std::nullopt;
}

Result<bool> AvroFileReader::NextBlock(int64_t max_bytes) {
  while (position_ < bytes_.size()) {
    AvroCursor cursor(bytes_.substr(position_));
    block_offset_ = static_cast<int64_t>(position_);
    const auto broken = [&](std::string_view problem) {
      return Corruption(fmt::format("Avro block at offset {}: {}", block_offset_, problem));
    };
    const int64_t count = cursor.ReadLong();
    const std::string_view packed = cursor.ReadBytes();
    const std::string_view sync = cursor.ReadFixed(kSyncBytes);
    if (!cursor.ok()) return broken("the file ends within it");
    if (sync != sync_) return broken("its sync marker is not that of the file");
    position_ += cursor.position();
    Result<std::string_view> data = decompressor_.Decompress(packed, max_bytes);
    if (!data.ok()) {
      return std::move(data).status().Annotate(
          fmt::format("Avro block at offset {}", block_offset_));
    }
    const size_t least = schema_.node(schema_.root()).min_bytes;
    const uint64_t most = least > 0 ? data->size() / least : UINT32_MAX;
    if (count < 0 || static_cast<uint64_t>(count) > most) {
      return broken(fmt::format("it cannot hold {} records in {} bytes", count, data->size()));
    }
    if (count == 0) {
      if (!data->empty()) return broken("it has bytes but no records");
      continue;
    }
    record_count_ = count;
    data_ = *data;
    return true;
  }
  return false;
}

Status AvroFileWriter::EndRecord() {
  ++block_records_;
  record_begin_ = block_.size();
  if (block_.size() >= kBlockBytes) return CloseBlock();
  return {};
}

Status AvroFileWriter::CloseBlock() {
  if (block_records_ == 0) return {};
  MORAINE_TRY(compressor_.Compress(block_, &packed_));
  blocks_.push_back({block_records_, packed_.size()});
  raw_bytes_ += static_cast<int64_t>(block_.size());
  block_.clear();
  record_begin_ = 0;
  block_records_ = 0;
  return {};
}

int64_t AvroFileWriter::size_bytes() const {
  const auto packed = static_cast<int64_t>(packed_.size());
  const auto open = static_cast<int64_t>(block_.size());
  if (codec_ == AvroCodec::kNull) return packed + open;
  if (raw_bytes_ == 0) return open / 3;
  return packed + static_cast<int64_t>(static_cast<double>(open) * static_cast<double>(packed) /
                                       static_cast<double>(raw_bytes_));
}

Result<std::string> AvroFileWriter::Finish(std::string_view schema_json, const Metadata& metadata) {
  DropRecord();
  MORAINE_TRY(CloseBlock());
  std::string file(kMagic);
  AvroEncoder encoder(&file);
  encoder.Long(static_cast<int64_t>(metadata.size()) + 2);
  encoder.Bytes("avro.schema");
  encoder.Bytes(schema_json);
  encoder.Bytes("avro.codec");
  encoder.Bytes(AvroCodecName(codec_));
  for (const auto& [key, value] : metadata) {
    encoder.Bytes(key);
    encoder.Bytes(value);
  }
  encoder.Long(0);
  const XXH64_hash_t seed = XXH3_64bits(file.data(), file.size());
  const XXH128_hash_t hash = XXH3_128bits_withSeed(packed_.data(), packed_.size(), seed);
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, hash);
  const std::string_view sync(reinterpret_cast<const char*>(canonical.digest), kSyncBytes);
  file.append(sync);
  file.reserve(file.size() + packed_.size() + blocks_.size() * (kSyncBytes + 10));
  size_t begin = 0;
  for (const Block& block : blocks_) {
    encoder.Long(block.records);
    encoder.Bytes(std::string_view(packed_).substr(begin, block.end - begin));
    file.append(sync);
    begin = block.end;
  }
  packed_.clear();
  blocks_.clear();
  raw_bytes_ = 0;
  return file;
}

}  // namespace moraine::iceberg

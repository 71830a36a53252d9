#include "moraine/iceberg/avro/avro_stream.h"

#include <algorithm>
#include <span>
#include <utility>

#include <fmt/format.h>

#include "moraine/iceberg/avro/avro_cursor.h"
#include "moraine/iceberg/avro/avro_file.h"

namespace moraine::iceberg {
namespace {

constexpr int64_t kReadBytes = int64_t{1} << 20;
constexpr int64_t kFirstHeaderBytes = int64_t{64} << 10;
constexpr int64_t kMostHeaderBytes = int64_t{16} << 20;
constexpr int64_t kMostBlockHeadBytes = 20;  // two varints
// Records of nothing but nulls take no bytes, so no bytes say how many there can be.
constexpr uint64_t kMostEmptyRecords = uint64_t{1} << 24;

}  // namespace

Result<AvroStream> AvroStream::Open(Call& call, std::unique_ptr<io::RandomReader> file) {
  AvroStream stream(std::move(file));
  MORAINE_TRY(stream.ReadHeader(call));
  return stream;
}

Status AvroStream::Load(Call& call, int64_t bytes) {
  const auto loaded = static_cast<int64_t>(buffer_.size()) - (position_ - buffer_begin_);
  const int64_t left = file_->size() - position_;
  if (loaded >= std::min(bytes, left)) return {};
  buffer_.erase(0, static_cast<size_t>(position_ - buffer_begin_));
  buffer_begin_ = position_;
  buffer_.resize(static_cast<size_t>(std::min(std::max(bytes, kReadBytes), left)));
  const std::span<char> rest = std::span<char>(buffer_).subspan(static_cast<size_t>(loaded));
  return file_->ReadAt(call, position_ + loaded, rest);
}

// How long a header is, only reading it tells.
Status AvroStream::ReadHeader(Call& call) {
  for (int64_t bytes = kFirstHeaderBytes;; bytes *= 4) {
    MORAINE_TRY(Load(call, bytes));
    Result<AvroFileReader> header = AvroFileReader::Open(window());
    if (!header.ok()) {
      if (bytes >= file_->size() || bytes >= kMostHeaderBytes) return std::move(header).status();
      continue;
    }
    MORAINE_ASSIGN(const AvroCodec codec,
                   AvroCodecFromName(header->FindMetadata("avro.codec").value_or("null")));
    decompressor_.emplace(codec);
    schema_ = header->schema();
    sync_ = std::string(header->sync());
    position_ = header->position();
    position_before_ = position_;
    return {};
  }
}

Status AvroStream::Broken(std::string_view problem) const {
  return Corruption(fmt::format("Avro block at offset {}: {}", position_before_, problem));
}

Result<bool> AvroStream::OpenBlock(std::string_view packed, int64_t count, int64_t max_bytes) {
  Result<std::string_view> data = decompressor_->Decompress(packed, max_bytes);
  if (!data.ok()) {
    return std::move(data).status().Annotate(
        fmt::format("Avro block at offset {}", position_before_));
  }
  const size_t least = schema_.node(schema_.root()).min_bytes;
  const uint64_t most = least > 0 ? data->size() / least : kMostEmptyRecords;
  if (count < 0 || static_cast<uint64_t>(count) > most) {
    return Broken(fmt::format("it cannot hold {} records in {} bytes", count, data->size()));
  }
  if (count == 0 && !data->empty()) return Broken("it has bytes but no records");
  record_count_ = count;
  data_ = *data;
  return count > 0;
}

Result<bool> AvroStream::NextBlock(Call& call, int64_t max_bytes) {
  while (position_ < file_->size()) {
    position_before_ = position_;
    MORAINE_TRY(Load(call, kMostBlockHeadBytes));
    AvroCursor head(window());
    const int64_t count = head.ReadLong();
    const int64_t size = head.ReadLong();
    const int64_t left = file_->size() - position_ - static_cast<int64_t>(head.position());
    const auto sync_bytes = static_cast<int64_t>(sync_.size());
    if (!head.ok() || size < 0 || size > left - sync_bytes)
      return Broken("the file ends within it");
    if (size > max_bytes) {
      return Exhausted(fmt::format("Avro block at offset {}: it has {} bytes, {} are allowed",
                                   position_before_, size, max_bytes));
    }
    const auto head_bytes = static_cast<int64_t>(head.position());
    MORAINE_TRY(Load(call, head_bytes + size + sync_bytes));
    const std::string_view block = window().substr(static_cast<size_t>(head_bytes));
    if (block.substr(static_cast<size_t>(size), sync_.size()) != sync_) {
      return Broken("its sync marker is not that of the file");
    }
    position_ += head_bytes + size + sync_bytes;
    MORAINE_ASSIGN(const bool has_records,
                   OpenBlock(block.substr(0, static_cast<size_t>(size)), count, max_bytes));
    if (has_records) return true;
  }
  return false;
}

}  // namespace moraine::iceberg

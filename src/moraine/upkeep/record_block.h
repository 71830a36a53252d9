#pragma once
// Blocks of records (a key, which is mostly a path, and a few bytes about it) as bytes: keys share
// the beginning of the one before, and the whole is one zstd frame with its checksum. What
// path_sort spills and what file_list writes.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "moraine/base/status.h"

namespace moraine::upkeep {

inline constexpr size_t kMaxBlockBytes = size_t{4} << 20;
/// Of a key, and of what belongs to it.
inline constexpr size_t kMaxRecordBytes = size_t{64} << 10;

void AppendVarint(uint64_t value, std::string* out);
/// Takes a number off the front. Errors: Corruption.
Result<uint64_t> TakeVarint(std::string_view* bytes);

class BlockBuilder {
 public:
  /// Errors: InvalidArgument for a record that is larger than kMaxRecordBytes.
  Status Add(std::string_view key, std::string_view payload);
  size_t raw_bytes() const { return raw_.size(); }
  int64_t records() const { return records_; }
  /// The block; the builder is empty again. Errors: Internal.
  Result<std::string> Finish();

 private:
  std::string raw_;
  std::string last_key_;
  int64_t records_ = 0;
};

/// Walks a block. Errors of all: Corruption.
class BlockReader {
 public:
  /// Takes a block apart.
  static Result<BlockReader> Decode(std::string_view block);
  BlockReader() = default;

  /// False at the end.
  Result<bool> Next();
  /// Valid until Next.
  const std::string& key() const { return key_; }
  std::string_view payload() const {
    return std::string_view(raw_).substr(payload_at_, payload_size_);
  }

 private:
  std::string raw_;
  size_t at_ = 0;
  std::string key_;
  size_t payload_at_ = 0;
  size_t payload_size_ = 0;
};

}  // namespace moraine::upkeep

#pragma once
// Avro object container files of any size (Avro spec, "Object Container Files"): the blocks one
// after the other, with one in memory. Called by the reader of Avro data files; avro_file.h is the
// like for files that lie in memory.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/iceberg/avro/avro_codec.h"
#include "moraine/iceberg/avro/avro_schema.h"
#include "moraine/io/file_system.h"

namespace moraine::iceberg {

/// Used by one thread.
class AvroStream {
 public:
  /// Reads the header. Errors: as io; Corruption; Unsupported for the codecs bzip2 and xz.
  static Result<AvroStream> Open(Call& call, std::unique_ptr<io::RandomReader> file);

  const AvroSchema& schema() const { return schema_; }

  /// Goes to the next block that has records; false at the end of the file. Errors: as io;
  /// Corruption; Exhausted if a block, packed or unpacked, has more than max_bytes.
  Result<bool> NextBlock(Call& call, int64_t max_bytes);
  int64_t record_count() const { return record_count_; }
  std::string_view data() const { return data_; }  ///< until the next call of NextBlock
  int64_t block_offset() const { return position_before_; }

 private:
  explicit AvroStream(std::unique_ptr<io::RandomReader> file) : file_(std::move(file)) {}

  Status ReadHeader(Call& call);
  /// Has at least these bytes at position_ in the window; fewer only at the end of the file.
  Status Load(Call& call, int64_t bytes);
  std::string_view window() const {
    return std::string_view(buffer_).substr(static_cast<size_t>(position_ - buffer_begin_));
  }
  Status Broken(std::string_view problem) const;
  Result<bool> OpenBlock(std::string_view packed, int64_t count, int64_t max_bytes);

  std::unique_ptr<io::RandomReader> file_;
  std::optional<AvroDecompressor> decompressor_;
  AvroSchema schema_;
  std::string sync_;
  std::string buffer_;  // of the file from buffer_begin_ on
  int64_t buffer_begin_ = 0;
  int64_t position_ = 0;         // of the next block
  int64_t position_before_ = 0;  // of the last
  int64_t record_count_ = 0;
  std::string_view data_;
};

}  // namespace moraine::iceberg

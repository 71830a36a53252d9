#pragma once
// Avro object container files in memory (Avro spec, "Object Container Files"): header, metadata,
// sync markers, compressed blocks. Called by the manifest codecs; knows nothing of what records
// mean.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "moraine/base/status.h"
#include "moraine/iceberg/avro/avro_codec.h"
#include "moraine/iceberg/avro/avro_encoder.h"
#include "moraine/iceberg/avro/avro_schema.h"

namespace moraine::iceberg {

/// Walks the blocks of a file that lies in memory. Used by one thread.
class AvroFileReader {
 public:
  /// Borrows bytes. Errors: Corruption; Unsupported for the codecs bzip2 and xz.
  static Result<AvroFileReader> Open(std::string_view bytes);

  const AvroSchema& schema() const { return schema_; }
  /// The text of avro.schema: files with equal text can share what was compiled from it.
  std::string_view schema_text() const { return schema_text_; }
  /// The metadata's value, or nothing.
  std::optional<std::string_view> FindMetadata(std::string_view key) const;
  const std::vector<std::pair<std::string_view, std::string_view>>& metadata() const {
    return metadata_;
  }

  /// Goes to the next block that has records; false at the end of the file. Errors: Corruption;
  /// Exhausted if a block holds more than max_bytes.
  Result<bool> NextBlock(int64_t max_bytes);
  int64_t record_count() const { return record_count_; }
  std::string_view data() const { return data_; }  ///< until the next call of NextBlock
  int64_t block_offset() const { return block_offset_; }
  /// Of the next block; after Open, the bytes of the header.
  int64_t position() const { return static_cast<int64_t>(position_); }
  std::string_view sync() const { return sync_; }  ///< what ends each block

 private:
  AvroFileReader(std::string_view bytes, AvroCodec codec) : bytes_(bytes), decompressor_(codec) {}

  std::string_view bytes_;
  AvroDecompressor decompressor_;
  AvroSchema schema_;
  std::string_view schema_text_;
  std::vector<std::pair<std::string_view, std::string_view>> metadata_;
  std::string_view sync_;
  size_t position_ = 0;
  int64_t block_offset_ = 0;
  int64_t record_count_ = 0;
  std::string_view data_;
};

/// Collects records as compressed blocks in memory, then gives the file's bytes. Equal input gives
/// equal bytes: the sync marker is a hash of the contents. Used by one thread.
class AvroFileWriter {
 public:
  explicit AvroFileWriter(AvroCodec codec) : codec_(codec), compressor_(codec) {}

  /// Where the next record is to be written.
  AvroEncoder record() { return AvroEncoder(&block_); }
  /// Ends the record; closes the block if it is full.
  Status EndRecord();
  /// Drops what was written of the record since the last EndRecord.
  void DropRecord() { block_.resize(record_begin_); }
  /// Bytes so far, counting what is still to be compressed at the ratio met before.
  int64_t size_bytes() const;

  using Metadata = std::vector<std::pair<std::string, std::string>>;
  /// The whole file. The writer is empty afterwards.
  Result<std::string> Finish(std::string_view schema_json, const Metadata& metadata);

 private:
  struct Block {
    int64_t records;
    size_t end;  // in packed_
  };
  Status CloseBlock();

  AvroCodec codec_;
  AvroCompressor compressor_;
  std::string block_;
  size_t record_begin_ = 0;
  int64_t block_records_ = 0;
  std::string packed_;
  std::vector<Block> blocks_;
  int64_t raw_bytes_ = 0;
};

}  // namespace moraine::iceberg

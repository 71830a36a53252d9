#pragma once
// Writes a Puffin file (Puffin spec): blobs one after the other, then the footer, uncompressed as
// all others write it. Used by the writer of deletion vectors.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "moraine/base/call.h"
#include "moraine/base/status.h"
#include "moraine/iceberg/puffin/puffin_metadata.h"
#include "moraine/io/file_system.h"

namespace moraine::iceberg {

/// Used by one thread at a time.
class PuffinWriter {
 public:
  /// Errors: as io, AlreadyExists.
  static Result<PuffinWriter> Create(Call& call, io::FileSystem& files,
                                     const std::string& location);

  /// Appends a blob; offset and length are filled in and returned with the rest. Errors: as io,
  /// Unsupported for lz4.
  Result<PuffinBlob> Add(Call& call, PuffinBlob blob, std::string_view bytes);
  /// Writes the footer, makes the file durable and returns its size. Call once.
  Result<int64_t> Close(Call& call);

  const PuffinMetadata& metadata() const { return metadata_; }
  /// After Close: file-footer-size-in-bytes of table metadata.
  int64_t footer_size_bytes() const { return footer_size_bytes_; }

 private:
  explicit PuffinWriter(std::unique_ptr<io::Writer> file) : file_(std::move(file)) {}

  std::unique_ptr<io::Writer> file_;
  PuffinMetadata metadata_;
  int64_t footer_size_bytes_ = 0;
};

}  // namespace moraine::iceberg

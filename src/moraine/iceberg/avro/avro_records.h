#pragma once
// The loop over all records of an Avro file, with the checks that every reader needs. Called by the
// manifest and manifest list decoders.

#include <cstdint>

#include <fmt/format.h>

#include "moraine/base/status.h"
#include "moraine/iceberg/avro/avro_cursor.h"
#include "moraine/iceberg/avro/avro_file.h"

namespace moraine::iceberg {

/// Calls decode(AvroCursor&) -> Status for each record; decode may leave it to this loop to see
/// that the cursor has failed, if it can tell so itself before anything it hands on
/// (AvroCursor::ok). max_bytes bounds what all blocks together unpack to. Errors: Corruption naming
/// the block's offset in the file and the record's offset in the block; Exhausted beyond max_bytes.
template <typename Decode>
Status ForEachAvroRecord(AvroFileReader* file, int64_t max_bytes, Decode&& decode) {
  while (true) {
    MORAINE_ASSIGN(const bool more, file->NextBlock(max_bytes));
    if (!more) return {};
    max_bytes -= static_cast<int64_t>(file->data().size());
    AvroCursor cursor(file->data());
    for (int64_t i = 0; i < file->record_count(); ++i) {
      Status status = decode(cursor);
      if (!cursor.ok()) [[unlikely]] {
        return Corruption(
            fmt::format("Avro block at offset {}: record {} is broken at byte {} of the "
                        "unpacked block",
                        file->block_offset(), i, cursor.position()));
      }
      if (!status.ok()) [[unlikely]]
        return status;
    }
    if (!cursor.at_end()) {
      return Corruption(fmt::format("Avro block at offset {}: {} bytes are left after its records",
                                    file->block_offset(), cursor.remaining()));
    }
  }
}

}  // namespace moraine::iceberg

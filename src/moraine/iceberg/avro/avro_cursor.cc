#include "moraine/iceberg/avro/avro_cursor.h"

namespace moraine::iceberg {

uint64_t AvroCursor::ReadSlowVarint() {
  uint64_t value = 0;
  for (int shift = 0; shift < 70; shift += 7) {
    if (p_ == end_) break;
    const uint8_t byte = *p_++;
    if (shift == 63 && byte > 1) break;
    value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
  Fail();
  return 0;
}

}  // namespace moraine::iceberg

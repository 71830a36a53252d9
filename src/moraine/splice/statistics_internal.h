#pragma once
// Pieces that footers, page headers and page indexes share, as Thrift values. Internal to splice.

#include <cstdint>
#include <vector>

#include "moraine/base/status.h"
#include "moraine/splice/format.h"
#include "moraine/splice/thrift.h"

namespace moraine::splice {

void ReadStatistics(ThriftReader& in, Statistics* out);
void WriteStatistics(ThriftWriter& out, int16_t id, const Statistics& stats);
std::vector<int64_t> ReadNumbers(ThriftReader& in, const ThriftField& field);
void WriteNumbers(ThriftWriter& out, int16_t id, const std::vector<int64_t>& numbers);
/// Corruption that says what is wrong with "what", if anything is.
Status ToStatus(const ThriftReader& in, const char* what);

}  // namespace moraine::splice

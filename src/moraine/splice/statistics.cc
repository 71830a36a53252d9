#include <string>

#include "moraine/splice/statistics_internal.h"

namespace moraine::splice {

void ReadStatistics(ThriftReader& in, Statistics* out) {
  in.Struct([&](const ThriftField& field) {
    switch (field.id) {
      case 3:
        out->null_count = in.I64(field);
        return;
      case 5:
        out->max = std::string(in.Binary(field));
        return;
      case 6:
        out->min = std::string(in.Binary(field));
        return;
      case 7:
        out->is_max_exact = in.Bool(field);
        return;
      case 8:
        out->is_min_exact = in.Bool(field);
        return;
      default:
        in.Skip(field.type);
    }
  });
  if (out->null_count && *out->null_count < 0) in.Fail("has a negative null count");
}

void WriteStatistics(ThriftWriter& out, int16_t id, const Statistics& stats) {
  out.BeginStruct(id);
  if (stats.null_count) out.I64(3, *stats.null_count);
  if (stats.max) out.Binary(5, *stats.max);
  if (stats.min) out.Binary(6, *stats.min);
  if (stats.max && stats.is_max_exact) out.Bool(7, *stats.is_max_exact);
  if (stats.min && stats.is_min_exact) out.Bool(8, *stats.is_min_exact);
  out.EndStruct();
}

std::vector<int64_t> ReadNumbers(ThriftReader& in, const ThriftField& field) {
  std::vector<int64_t> numbers;
  in.List(field, ThriftType::kI64, [&] { numbers.push_back(in.I64Item()); });
  return numbers;
}

void WriteNumbers(ThriftWriter& out, int16_t id, const std::vector<int64_t>& numbers) {
  out.BeginList(id, ThriftType::kI64, numbers.size());
  for (int64_t number : numbers) out.I64Item(number);
}

Status ToStatus(const ThriftReader& in, const char* what) {
  return in.ok() ? Status() : Corruption(std::string(what) + " " + in.error());
}

}  // namespace moraine::splice

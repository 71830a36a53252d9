#include <string>
#include <vector>

#include "moraine/splice/footer.h"
#include "moraine/splice/statistics_internal.h"
#include "moraine/splice/thrift.h"

namespace moraine::splice {

Result<std::vector<PageLocation>> ParseOffsetIndex(std::string_view bytes) {
  ThriftReader in(bytes);
  std::vector<PageLocation> pages;
  in.Struct([&](const ThriftField& field) {
    if (field.id != 1) return in.Skip(field.type);
    in.List(field, ThriftType::kStruct, [&] {
      PageLocation page;
      in.Struct([&](const ThriftField& inner) {
        switch (inner.id) {
          case 1:
            page.offset = in.I64(inner);
            return;
          case 2:
            page.compressed_size = in.I32(inner);
            return;
          case 3:
            page.first_row = in.I64(inner);
            return;
          default:
            in.Skip(inner.type);
        }
      });
      pages.push_back(page);
    });
  });
  MORAINE_TRY(ToStatus(in, "an offset index"));
  return pages;
}

std::string OffsetIndexBytes(const std::vector<PageLocation>& pages) {
  std::string bytes;
  ThriftWriter out(&bytes);
  out.BeginStruct();
  out.BeginList(1, ThriftType::kStruct, pages.size());
  for (const PageLocation& page : pages) {
    out.BeginStruct();
    out.I64(1, page.offset);
    out.I32(2, page.compressed_size);
    out.I64(3, page.first_row);
    out.EndStruct();
  }
  out.EndStruct();
  return bytes;
}

Result<ColumnIndex> ParseColumnIndex(std::string_view bytes) {
  ThriftReader in(bytes);
  ColumnIndex index;
  const auto strings = [&](const ThriftField& field, std::vector<std::string>* out) {
    in.List(field, ThriftType::kBinary, [&] { out->emplace_back(in.BinaryItem()); });
  };
  in.Struct([&](const ThriftField& field) {
    switch (field.id) {
      case 1:
        in.List(field, ThriftType::kTrue, [&] { index.null_pages.push_back(in.BoolItem()); });
        return;
      case 2:
        return strings(field, &index.min_values);
      case 3:
        return strings(field, &index.max_values);
      case 4:
        index.order = static_cast<BoundaryOrder>(in.I32(field));
        return;
      case 5:
        index.null_counts = ReadNumbers(in, field);
        return;
      default:
        in.Skip(field.type);
    }
  });
  MORAINE_TRY(ToStatus(in, "a column index"));
  const size_t pages = index.null_pages.size();
  if (index.min_values.size() != pages || index.max_values.size() != pages ||
      (!index.null_counts.empty() && index.null_counts.size() != pages)) {
    return Corruption("a column index has lists of different lengths");
  }
  return index;
}

std::string ColumnIndexBytes(const ColumnIndex& index) {
  std::string bytes;
  ThriftWriter out(&bytes);
  out.BeginStruct();
  out.BeginList(1, ThriftType::kTrue, index.null_pages.size());
  for (bool is_null : index.null_pages) out.BoolItem(is_null);
  out.BeginList(2, ThriftType::kBinary, index.min_values.size());
  for (const std::string& value : index.min_values) out.BinaryItem(value);
  out.BeginList(3, ThriftType::kBinary, index.max_values.size());
  for (const std::string& value : index.max_values) out.BinaryItem(value);
  out.I32(4, static_cast<int32_t>(index.order));
  if (!index.null_counts.empty()) WriteNumbers(out, 5, index.null_counts);
  out.EndStruct();
  return bytes;
}

}  // namespace moraine::splice

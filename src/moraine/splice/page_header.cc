#include "moraine/splice/footer.h"
#include "moraine/splice/statistics_internal.h"
#include "moraine/splice/thrift.h"

namespace moraine::splice {
namespace {

void ReadDataHeader(ThriftReader& in, PageHeader* out) {
  in.Struct([&](const ThriftField& field) {
    switch (field.id) {
      case 1:
        out->num_values = in.I32(field);
        return;
      case 2:
        out->encoding = static_cast<Encoding>(in.I32(field));
        return;
      case 3:
        out->definition_encoding = static_cast<Encoding>(in.I32(field));
        return;
      case 4:
        out->repetition_encoding = static_cast<Encoding>(in.I32(field));
        return;
      case 5:
        ReadStatistics(in, &out->statistics);
        return;
      default:
        in.Skip(field.type);
    }
  });
}

void ReadDataHeaderV2(ThriftReader& in, PageHeader* out) {
  in.Struct([&](const ThriftField& field) {
    switch (field.id) {
      case 1:
        out->num_values = in.I32(field);
        return;
      case 2:
        out->num_nulls = in.I32(field);
        return;
      case 3:
        out->num_rows = in.I32(field);
        return;
      case 4:
        out->encoding = static_cast<Encoding>(in.I32(field));
        return;
      case 5:
        out->definition_bytes = in.I32(field);
        return;
      case 6:
        out->repetition_bytes = in.I32(field);
        return;
      case 7:
        out->is_compressed = in.Bool(field);
        return;
      case 8:
        ReadStatistics(in, &out->statistics);
        return;
      default:
        in.Skip(field.type);
    }
  });
}

void ReadDictionaryHeader(ThriftReader& in, PageHeader* out) {
  in.Struct([&](const ThriftField& field) {
    if (field.id == 1) {
      out->num_values = in.I32(field);
    } else if (field.id == 2) {
      out->encoding = static_cast<Encoding>(in.I32(field));
    } else {
      in.Skip(field.type);
    }
  });
}

void ReadHeaderField(ThriftReader& in, const ThriftField& field, PageHeader* out) {
  switch (field.id) {
    case 1:
      out->type = static_cast<PageType>(in.I32(field));
      return;
    case 2:
      out->uncompressed_size = in.I32(field);
      return;
    case 3:
      out->compressed_size = in.I32(field);
      return;
    case 5:
      ReadDataHeader(in, out);
      return;
    case 7:
      ReadDictionaryHeader(in, out);
      return;
    case 8:
      ReadDataHeaderV2(in, out);
      return;
    default:
      in.Skip(field.type);
  }
}

Status CheckHeader(const PageHeader& header) {
  if (header.uncompressed_size < 0 || header.compressed_size < 0 || header.num_values < 0) {
    return Corruption("a page header has a negative size");
  }
  if (header.type != PageType::kDataV2) return {};
  const int64_t levels = int64_t{header.definition_bytes} + header.repetition_bytes;
  if (header.definition_bytes < 0 || header.repetition_bytes < 0 || header.num_rows < 0 ||
      header.num_nulls < 0 || header.num_nulls > header.num_values ||
      levels > header.compressed_size || levels > header.uncompressed_size) {
    return Corruption("a page header has sizes that cannot be");
  }
  return {};
}

}  // namespace

Result<ParsedHeader> ParsePageHeader(std::string_view bytes, bool* needs_more) {
  ThriftReader in(bytes);
  ParsedHeader parsed;
  in.Struct([&](const ThriftField& field) { ReadHeaderField(in, field, &parsed.header); });
  *needs_more = !in.ok();
  MORAINE_TRY(ToStatus(in, "a page header"));
  parsed.size = in.position();
  MORAINE_TRY(CheckHeader(parsed.header));
  return parsed;
}

std::string PageHeaderBytes(const PageHeader& header) {
  std::string bytes;
  ThriftWriter out(&bytes);
  out.BeginStruct();
  out.I32(1, static_cast<int32_t>(header.type));
  out.I32(2, header.uncompressed_size);
  out.I32(3, header.compressed_size);
  switch (header.type) {
    case PageType::kDictionary:
      out.BeginStruct(7);
      out.I32(1, header.num_values);
      out.I32(2, static_cast<int32_t>(header.encoding));
      out.EndStruct();
      break;
    case PageType::kDataV2:
      out.BeginStruct(8);
      out.I32(1, header.num_values);
      out.I32(2, header.num_nulls);
      out.I32(3, header.num_rows);
      out.I32(4, static_cast<int32_t>(header.encoding));
      out.I32(5, header.definition_bytes);
      out.I32(6, header.repetition_bytes);
      out.Bool(7, header.is_compressed);
      out.EndStruct();
      break;
    default:
      out.BeginStruct(5);
      out.I32(1, header.num_values);
      out.I32(2, static_cast<int32_t>(header.encoding));
      out.I32(3, static_cast<int32_t>(Encoding::kRle));
      out.I32(4, static_cast<int32_t>(Encoding::kRle));
      out.EndStruct();
  }
  out.EndStruct();
  return bytes;
}

}  // namespace moraine::splice

#include "moraine/splice/footer.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "moraine/splice/schema_tree.h"
#include "moraine/splice/statistics_internal.h"
#include "moraine/splice/thrift.h"

namespace moraine::splice {
namespace {

constexpr int64_t kTailBytes = int64_t{64} << 10;
constexpr char kMagic[] = "PAR1";
constexpr size_t kFooterEnd = 8;  // length and magic

void ReadSizeStatistics(ThriftReader& in, SizeStatistics* out) {
  in.Struct([&](const ThriftField& field) {
    switch (field.id) {
      case 1:
        out->unencoded_bytes = in.I64(field);
        return;
      case 2:
        out->repetition_histogram = ReadNumbers(in, field);
        return;
      case 3:
        out->definition_histogram = ReadNumbers(in, field);
        return;
      default:
        in.Skip(field.type);
    }
  });
}

void WriteSizeStatistics(ThriftWriter& out, int16_t id, const SizeStatistics& stats) {
  out.BeginStruct(id);
  if (stats.unencoded_bytes) out.I64(1, *stats.unencoded_bytes);
  if (!stats.repetition_histogram.empty()) WriteNumbers(out, 2, stats.repetition_histogram);
  if (!stats.definition_histogram.empty()) WriteNumbers(out, 3, stats.definition_histogram);
  out.EndStruct();
}

EncodingStats ReadEncodingStats(ThriftReader& in) {
  EncodingStats stats;
  in.Struct([&](const ThriftField& field) {
    switch (field.id) {
      case 1:
        stats.page = static_cast<PageType>(in.I32(field));
        return;
      case 2:
        stats.encoding = static_cast<Encoding>(in.I32(field));
        return;
      case 3:
        stats.count = in.I32(field);
        return;
      default:
        in.Skip(field.type);
    }
  });
  return stats;
}

void ReadChunkField(ThriftReader& in, const ThriftField& field, ChunkMetadata* out) {
  switch (field.id) {
    case 1:
      out->type = static_cast<Physical>(in.I32(field));
      return;
    case 2:
      in.List(field, ThriftType::kI32,
              [&] { out->encodings.push_back(static_cast<Encoding>(in.I32Item())); });
      return;
    case 4:
      out->codec = in.I32(field);
      return;
    case 5:
      out->num_values = in.I64(field);
      return;
    case 6:
      out->total_uncompressed_size = in.I64(field);
      return;
    case 7:
      out->total_compressed_size = in.I64(field);
      return;
    case 9:
      out->data_page_offset = in.I64(field);
      return;
    case 11:
      out->dictionary_page_offset = in.I64(field);
      return;
    case 12:
      ReadStatistics(in, &out->statistics);
      return;
    case 13:
      in.List(field, ThriftType::kStruct,
              [&] { out->encoding_stats.push_back(ReadEncodingStats(in)); });
      return;
    case 14:
      out->bloom_filter.offset = in.I64(field);
      return;
    case 15:
      out->bloom_filter.size = in.I32(field);
      return;
    case 16:
      ReadSizeStatistics(in, &out->size_statistics.emplace());
      return;
    default:
      in.Skip(field.type);
  }
}

struct ReadProblems {
  bool is_encrypted = false;
  bool is_elsewhere = false;
};

ChunkMetadata ReadChunk(ThriftReader& in, ReadProblems* problems) {
  ChunkMetadata chunk;
  bool has_metadata = false;
  in.Struct([&](const ThriftField& field) {
    switch (field.id) {
      case 1:
        problems->is_elsewhere |= !in.Binary(field).empty();
        return;
      case 3:
        has_metadata = true;
        in.Struct([&](const ThriftField& inner) { ReadChunkField(in, inner, &chunk); });
        return;
      case 4:
        chunk.offset_index.offset = in.I64(field);
        return;
      case 5:
        chunk.offset_index.size = in.I32(field);
        return;
      case 6:
        chunk.column_index.offset = in.I64(field);
        return;
      case 7:
        chunk.column_index.size = in.I32(field);
        return;
      case 8:
        problems->is_encrypted = true;
        in.Skip(field.type);
        return;
      default:
        in.Skip(field.type);
    }
  });
  problems->is_encrypted |= !has_metadata;
  return chunk;
}

void WriteChunkMetadata(ThriftWriter& out, const ChunkMetadata& chunk, const Leaf& leaf) {
  out.BeginStruct(3);
  out.I32(1, static_cast<int32_t>(chunk.type));
  out.BeginList(2, ThriftType::kI32, chunk.encodings.size());
  for (Encoding encoding : chunk.encodings) out.I32Item(static_cast<int32_t>(encoding));
  out.BeginList(3, ThriftType::kBinary, leaf.path.size());
  for (const std::string& part : leaf.path) out.BinaryItem(part);
  out.I32(4, chunk.codec);
  out.I64(5, chunk.num_values);
  out.I64(6, chunk.total_uncompressed_size);
  out.I64(7, chunk.total_compressed_size);
  out.I64(9, chunk.data_page_offset);
  if (chunk.dictionary_page_offset) out.I64(11, *chunk.dictionary_page_offset);
  WriteStatistics(out, 12, chunk.statistics);
  out.BeginList(13, ThriftType::kStruct, chunk.encoding_stats.size());
  for (const EncodingStats& stats : chunk.encoding_stats) {
    out.BeginStruct();
    out.I32(1, static_cast<int32_t>(stats.page));
    out.I32(2, static_cast<int32_t>(stats.encoding));
    out.I32(3, stats.count);
    out.EndStruct();
  }
  if (chunk.bloom_filter.size > 0) {
    out.I64(14, chunk.bloom_filter.offset);
    out.I32(15, static_cast<int32_t>(chunk.bloom_filter.size));
  }
  if (chunk.size_statistics) WriteSizeStatistics(out, 16, *chunk.size_statistics);
  out.EndStruct();
}

void WriteChunk(ThriftWriter& out, const ChunkMetadata& chunk, const Leaf& leaf) {
  out.BeginStruct();
  out.I64(2, 0);  // no second copy of the chunk's metadata
  WriteChunkMetadata(out, chunk, leaf);
  if (chunk.offset_index.size > 0) {
    out.I64(4, chunk.offset_index.offset);
    out.I32(5, static_cast<int32_t>(chunk.offset_index.size));
  }
  if (chunk.column_index.size > 0) {
    out.I64(6, chunk.column_index.offset);
    out.I32(7, static_cast<int32_t>(chunk.column_index.size));
  }
  out.EndStruct();
}

RowGroupMetadata ReadRowGroup(ThriftReader& in, size_t leaves, ReadProblems* problems) {
  RowGroupMetadata group;
  in.Struct([&](const ThriftField& field) {
    switch (field.id) {
      case 1:
        in.List(field, ThriftType::kStruct, [&] {
          if (group.columns.size() >= leaves) return in.Fail("has too many column chunks");
          group.columns.push_back(ReadChunk(in, problems));
        });
        return;
      case 3:
        group.num_rows = in.I64(field);
        return;
      default:
        in.Skip(field.type);
    }
  });
  return group;
}

void WriteRowGroup(ThriftWriter& out, const RowGroupMetadata& group,
                   const std::vector<Leaf>& leaves, int16_t ordinal) {
  int64_t plain_bytes = 0;
  int64_t bytes = 0;
  for (const ChunkMetadata& chunk : group.columns) {
    plain_bytes += chunk.total_uncompressed_size;
    bytes += chunk.total_compressed_size;
  }
  out.BeginStruct();
  out.BeginList(1, ThriftType::kStruct, group.columns.size());
  for (size_t i = 0; i < group.columns.size(); ++i) WriteChunk(out, group.columns[i], leaves[i]);
  out.I64(2, plain_bytes);
  out.I64(3, group.num_rows);
  if (!group.columns.empty()) out.I64(5, group.columns[0].start());
  out.I64(6, bytes);
  out.I16(7, ordinal);
  out.EndStruct();
}

bool IsInFile(const Extent& extent, int64_t file_size) {
  return extent.offset >= 0 && extent.size >= 0 && extent.offset <= file_size &&
         extent.size <= file_size - extent.offset;
}

Status CheckChunk(const Leaf& leaf, int64_t file_size, ChunkMetadata* checked) {
  ChunkMetadata& chunk = *checked;
  if (chunk.type != leaf.type) return Corruption("a column chunk is of another type");
  if (chunk.num_values < 0) return Corruption("a column chunk has a negative number of values");
  if (chunk.total_compressed_size < 0 ||
      !IsInFile({chunk.start(), chunk.total_compressed_size}, file_size)) {
    return Corruption("a column chunk does not lie in the file");
  }
  std::optional<int64_t>& nulls = chunk.statistics.null_count;
  if (nulls && *nulls > chunk.num_values) nulls.reset();
  return {};
}

// Indexes are optional: those that cannot be are as if they were not there.
void DropBadExtents(int64_t file_size, ChunkMetadata* chunk) {
  for (Extent* extent : {&chunk->offset_index, &chunk->column_index, &chunk->bloom_filter}) {
    if (!IsInFile(*extent, file_size) || extent->offset == 0) *extent = Extent();
  }
}

Status CheckMetadata(int64_t file_size, FileMetadata* metadata) {
  int64_t rows = 0;
  for (RowGroupMetadata& group : metadata->row_groups) {
    if (group.columns.size() != metadata->leaves.size()) {
      return Corruption("a row group has not as many column chunks as the schema has columns");
    }
    if (group.num_rows < 0 || group.num_rows > INT64_MAX - rows) {
      return Corruption("a row group has " + std::to_string(group.num_rows) + " rows");
    }
    rows += group.num_rows;
    for (size_t i = 0; i < group.columns.size(); ++i) {
      MORAINE_TRY(CheckChunk(metadata->leaves[i], file_size, &group.columns[i]));
      DropBadExtents(file_size, &group.columns[i]);
    }
  }
  if (rows == metadata->num_rows) return {};
  return Corruption("the row groups have " + std::to_string(rows) + " rows, the file claims " +
                    std::to_string(metadata->num_rows));
}

void ReadKeyValue(ThriftReader& in, FileMetadata* out) {
  std::pair<std::string, std::string> entry;
  in.Struct([&](const ThriftField& field) {
    if (field.id == 1) {
      entry.first = std::string(in.Binary(field));
    } else if (field.id == 2) {
      entry.second = std::string(in.Binary(field));
    } else {
      in.Skip(field.type);
    }
  });
  out->key_values.push_back(std::move(entry));
}

void ReadMetadataField(ThriftReader& in, const ThriftField& field, std::string_view bytes,
                       FileMetadata* out, ReadProblems* problems) {
  switch (field.id) {
    case 2: {
      const size_t begin = in.position();
      in.Skip(field.type);
      if (!in.ok()) return;
      out->schema = std::string(bytes.substr(begin, in.position() - begin));
      Result<std::vector<Leaf>> leaves = ParseLeaves(out->schema);
      if (leaves.ok()) out->leaves = std::move(*leaves);
      return;
    }
    case 3:
      out->num_rows = in.I64(field);
      return;
    case 4:
      in.List(field, ThriftType::kStruct,
              [&] { out->row_groups.push_back(ReadRowGroup(in, out->leaves.size(), problems)); });
      return;
    case 5:
      in.List(field, ThriftType::kStruct, [&] { ReadKeyValue(in, out); });
      return;
    case 6:
      out->created_by = std::string(in.Binary(field));
      return;
    case 8:
      problems->is_encrypted = true;
      in.Skip(field.type);
      return;
    default:
      in.Skip(field.type);
  }
}

uint32_t LittleEndian(const char* bytes) {
  uint32_t value;
  std::memcpy(&value, bytes, sizeof(value));
  return value;
}

}  // namespace

Result<FileMetadata> ParseFileMetadata(std::string_view bytes, int64_t file_size) {
  ThriftReader in(bytes);
  FileMetadata metadata;
  ReadProblems problems;
  in.Struct(
      [&](const ThriftField& field) { ReadMetadataField(in, field, bytes, &metadata, &problems); });
  MORAINE_TRY(ToStatus(in, "the footer"));
  if (problems.is_encrypted) return Unsupported("the file is encrypted");
  if (problems.is_elsewhere) return Unsupported("its columns lie in other files");
  // Said again, with what is wrong.
  if (metadata.leaves.empty()) {
    MORAINE_ASSIGN(metadata.leaves, ParseLeaves(metadata.schema));
  }
  MORAINE_TRY(CheckMetadata(file_size, &metadata));
  return metadata;
}

Result<std::string> ReadFooter(Call& call, io::RandomReader& file, const std::string& location,
                               int64_t max_bytes) {
  const int64_t size = file.size();
  if (size < 12) return Corruption(location + ": too short for a Parquet file");
  std::string tail(static_cast<size_t>(std::min(size, kTailBytes)), '\0');
  MORAINE_TRY(file.ReadAt(call, size - static_cast<int64_t>(tail.size()), tail));
  if (tail.compare(tail.size() - 4, 4, kMagic) != 0) {
    return Corruption(location + ": does not end as a Parquet file");
  }
  const int64_t length = LittleEndian(tail.data() + tail.size() - kFooterEnd);
  if (length > max_bytes) {
    return Exhausted(location + ": its footer has " + std::to_string(length) + " bytes, at most " +
                     std::to_string(max_bytes) + " are read with the memory given");
  }
  if (length > size - 12) {
    return Corruption(location + ": its footer of " + std::to_string(length) +
                      " bytes does not fit into its " + std::to_string(size));
  }
  const size_t end = static_cast<size_t>(length) + kFooterEnd;
  if (end > tail.size()) {
    tail.assign(end, '\0');
    MORAINE_TRY(file.ReadAt(call, size - static_cast<int64_t>(end), tail));
  }
  tail.resize(tail.size() - kFooterEnd);
  tail.erase(0, tail.size() - static_cast<size_t>(length));
  return tail;
}

std::string FooterBytes(const FileMetadata& metadata) {
  std::string bytes;
  ThriftWriter out(&bytes);
  out.BeginStruct();
  out.I32(1, 2);
  out.Raw(2, ThriftType::kList, metadata.schema);
  out.I64(3, metadata.num_rows);
  out.BeginList(4, ThriftType::kStruct, metadata.row_groups.size());
  int16_t ordinal = 0;
  for (const RowGroupMetadata& group : metadata.row_groups) {
    WriteRowGroup(out, group, metadata.leaves, ordinal);
    if (ordinal < INT16_MAX) ++ordinal;
  }
  out.BeginList(5, ThriftType::kStruct, metadata.key_values.size());
  for (const auto& [key, value] : metadata.key_values) {
    out.BeginStruct();
    out.Binary(1, key);
    out.Binary(2, value);
    out.EndStruct();
  }
  out.Binary(6, metadata.created_by);
  out.BeginList(7, ThriftType::kStruct, metadata.leaves.size());
  for (size_t i = 0; i < metadata.leaves.size(); ++i) {
    out.BeginStruct();
    out.BeginStruct(1);  // the order of the column's type
    out.EndStruct();
    out.EndStruct();
  }
  out.EndStruct();
  const auto length = static_cast<uint32_t>(bytes.size());
  bytes.append(reinterpret_cast<const char*>(&length), sizeof(length));
  bytes.append(kMagic, 4);
  return bytes;
}

}  // namespace moraine::splice

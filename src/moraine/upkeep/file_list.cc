#include "moraine/upkeep/file_list.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace moraine::upkeep {
namespace {

constexpr std::string_view kMagic = "MRNLIST1";
constexpr int64_t kTailBytes = 24;  // offset and size of the footer, the magic
constexpr size_t kBlockBytes = size_t{256} << 10;
constexpr int64_t kMaxFooterBytes = int64_t{64} << 20;
constexpr size_t kMaxStoredBlock = 2 * kMaxBlockBytes;

void AppendFixed64(uint64_t value, std::string* out) {
  for (int i = 0; i < 8; ++i) *out += static_cast<char>(value >> (8 * i));
}

uint64_t Fixed64(std::string_view bytes) {
  uint64_t value = 0;
  for (int i = 7; i >= 0; --i) {
    value = value << 8 | static_cast<unsigned char>(bytes[static_cast<size_t>(i)]);
  }
  return value;
}

Status Broken(const std::string& location, std::string_view what) {
  return Corruption(fmt::format("a list of files is broken: {}: {}", location, what));
}

/// A count, size or offset: never negative in memory.
Result<int64_t> TakeCount(std::string_view* bytes) {
  MORAINE_ASSIGN(const uint64_t value, TakeVarint(bytes));
  if (value > static_cast<uint64_t>(INT64_MAX)) return Corruption("a number is too large");
  return static_cast<int64_t>(value);
}

uint64_t ZigZag(int64_t value) {
  return (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63);
}
int64_t UnZigZag(uint64_t value) {
  return static_cast<int64_t>(value >> 1) ^ -static_cast<int64_t>(value & 1);
}

}  // namespace

Result<FileListWriter> FileListWriter::Make(Call& call, io::FileSystem& files,
                                            std::string location) {
  MORAINE_ASSIGN(auto writer, files.Create(call, location));
  FileListWriter out(std::move(writer), std::move(location));
  MORAINE_TRY(out.writer_->Append(call, kMagic));
  out.offset_ = static_cast<int64_t>(kMagic.size());
  return out;
}

Status FileListWriter::Add(Call& call, const io::FileInfo& file) {
  std::string payload;
  AppendVarint(ZigZag(file.size_bytes), &payload);
  AppendVarint(ZigZag(file.modified_ms), &payload);
  MORAINE_TRY(block_.Add(file.location, payload));
  ++entries_;
  bytes_ += file.size_bytes;
  return block_.raw_bytes() < kBlockBytes ? Status() : Flush(call);
}

Status FileListWriter::Flush(Call& call) {
  const int64_t records = block_.records();
  if (records == 0) return {};
  MORAINE_ASSIGN(const std::string bytes, block_.Finish());
  MORAINE_TRY(writer_->Append(call, bytes));
  blocks_.push_back({offset_, static_cast<int64_t>(bytes.size()), entries_ - records});
  offset_ += static_cast<int64_t>(bytes.size());
  return {};
}

Status FileListWriter::Close(Call& call) {
  MORAINE_TRY(Flush(call));
  std::string footer;
  AppendVarint(static_cast<uint64_t>(entries_), &footer);
  AppendVarint(ZigZag(bytes_), &footer);
  AppendVarint(blocks_.size(), &footer);
  for (const Block& block : blocks_) {
    AppendVarint(static_cast<uint64_t>(block.offset), &footer);
    AppendVarint(static_cast<uint64_t>(block.size), &footer);
    AppendVarint(static_cast<uint64_t>(block.first), &footer);
  }
  const uint64_t size = footer.size();
  AppendFixed64(static_cast<uint64_t>(offset_), &footer);
  AppendFixed64(size, &footer);
  footer += kMagic;
  MORAINE_TRY(writer_->Append(call, footer));
  return writer_->Close(call);
}

Result<FileListReader> FileListReader::Open(Call& call, io::FileSystem& files,
                                            const std::string& location) {
  FileListReader out;
  MORAINE_ASSIGN(out.reader_, files.Open(call, location, std::nullopt));
  out.location_ = location;
  MORAINE_TRY(out.ReadFooter(call));
  return out;
}

Status FileListReader::ReadFooter(Call& call) {
  const auto magic = static_cast<int64_t>(kMagic.size());
  if (reader_->size() < magic + kTailBytes) return Broken(location_, "too short");
  std::string tail(kTailBytes, '\0');
  MORAINE_TRY(reader_->ReadAt(call, reader_->size() - kTailBytes, tail));
  if (std::string_view(tail).substr(16) != kMagic) return Broken(location_, "it has no end");
  const uint64_t offset = Fixed64(tail);
  const uint64_t size = Fixed64(std::string_view(tail).substr(8));
  const auto end = static_cast<uint64_t>(reader_->size() - kTailBytes);
  if (size > kMaxFooterBytes || offset < kMagic.size() || offset > end || size != end - offset) {
    return Broken(location_, "its end names a place that is not in it");
  }
  std::string footer(size, '\0');
  MORAINE_TRY(reader_->ReadAt(call, static_cast<int64_t>(offset), footer));
  std::string_view rest = footer;
  MORAINE_ASSIGN(entries_, TakeCount(&rest));
  MORAINE_ASSIGN(const uint64_t bytes, TakeVarint(&rest));
  bytes_ = UnZigZag(bytes);
  MORAINE_ASSIGN(const int64_t count, TakeCount(&rest));
  if (count > static_cast<int64_t>(rest.size())) return Broken(location_, "its footer");
  int64_t first = 0;
  for (int64_t i = 0; i < count; ++i) {
    Block block;
    MORAINE_ASSIGN(block.offset, TakeCount(&rest));
    MORAINE_ASSIGN(block.size, TakeCount(&rest));
    MORAINE_ASSIGN(block.first, TakeCount(&rest));
    const bool inside = block.offset >= magic && block.offset <= static_cast<int64_t>(offset) &&
                        block.size <= static_cast<int64_t>(offset) - block.offset &&
                        block.size <= static_cast<int64_t>(kMaxStoredBlock);
    if (!inside || block.first < first || block.first >= entries_) {
      return Broken(location_, "its footer names a block that is not in it");
    }
    first = block.first;
    blocks_.push_back(block);
  }
  if (blocks_.empty() != (entries_ == 0)) return Broken(location_, "its footer");
  return {};
}

Status FileListReader::ReadBlock(Call& call) {
  const Block& block = blocks_[next_block_];
  std::string bytes(static_cast<size_t>(block.size), '\0');
  MORAINE_TRY(reader_->ReadAt(call, block.offset, bytes));
  auto decoded = BlockReader::Decode(bytes);
  if (!decoded.ok()) return std::move(decoded).status().Annotate("in " + location_);
  block_ = std::move(*decoded);
  ++next_block_;
  return {};
}

Status FileListReader::Seek(Call& call, int64_t entry) {
  block_ = BlockReader();
  if (entry < 0 || entry >= entries_) {
    next_block_ = blocks_.size();
    return {};
  }
  auto after = std::upper_bound(blocks_.begin(), blocks_.end(), entry,
                                [](int64_t at, const Block& block) { return at < block.first; });
  if (after == blocks_.begin()) return Broken(location_, "its first block is missing");
  next_block_ = static_cast<size_t>(after - blocks_.begin()) - 1;
  int64_t at = blocks_[next_block_].first;
  MORAINE_TRY(ReadBlock(call));
  for (; at < entry; ++at) {
    MORAINE_ASSIGN(const bool more, block_.Next());
    if (!more) return Broken(location_, "a block is shorter than the footer says");
  }
  return {};
}

Result<bool> FileListReader::Next(Call& call, io::FileInfo* file) {
  for (;;) {
    MORAINE_ASSIGN(const bool more, block_.Next());
    if (more) break;
    if (next_block_ == blocks_.size()) return false;
    MORAINE_TRY(ReadBlock(call));
  }
  std::string_view payload = block_.payload();
  MORAINE_ASSIGN(const uint64_t size, TakeVarint(&payload));
  MORAINE_ASSIGN(const uint64_t modified, TakeVarint(&payload));
  file->location = block_.key();
  file->size_bytes = UnZigZag(size);
  file->modified_ms = UnZigZag(modified);
  return true;
}

Result<std::vector<io::FileInfo>> FileListReader::Read(Call& call, int64_t first, int64_t count) {
  MORAINE_TRY(Seek(call, first));
  std::vector<io::FileInfo> out;
  io::FileInfo file;
  while (static_cast<int64_t>(out.size()) < count) {
    MORAINE_ASSIGN(const bool more, Next(call, &file));
    if (!more) break;
    out.push_back(std::move(file));
  }
  return out;
}

}  // namespace moraine::upkeep

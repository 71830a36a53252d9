#include <algorithm>
#include <span>

#include <arrow/util/compression.h>
#include <fmt/format.h>

#include "moraine/iceberg/data/orc_file_internal.h"
#include "moraine/iceberg/data/orc_runs_internal.h"
#include "moraine/io/arrow_status.h"

namespace moraine::iceberg {
namespace {

constexpr int64_t kMostBlockBytes = int64_t{1} << 23;  // a chunk's length has 23 bits
constexpr int64_t kMostMessageBytes = int64_t{64} << 20;
// What a small footer could ask for memory without end with.
constexpr size_t kMostTypes = size_t{1} << 16;
constexpr size_t kMostStripes = size_t{1} << 20;
constexpr size_t kMostStreamsOfType = 16;
constexpr std::string_view kMagic = "ORC";

// Protobuf. Broken bytes end it, and ok() tells.
class ProtoFields {
 public:
  explicit ProtoFields(std::string_view bytes) : bytes_(bytes) {}

  /// The next field; false at the end.
  bool Next() {
    if (bytes_.empty() || !ok_) return false;
    uint64_t tag = 0;
    ok_ = Varint(&tag);
    number_ = static_cast<uint32_t>(tag >> 3);
    value_ = 0;
    text_ = {};
    switch (tag & 7) {
      case 0:
        ok_ = ok_ && Varint(&value_);
        break;
      case 1:
        ok_ = ok_ && Take(8);
        break;
      case 2:
        ok_ = ok_ && Varint(&value_) && Take(value_);
        break;
      case 5:
        ok_ = ok_ && Take(4);
        break;
      default:
        ok_ = false;
    }
    return ok_;
  }
  bool ok() const { return ok_; }
  uint32_t number() const { return number_; }
  std::string_view text() const { return text_; }
  uint64_t value() const { return value_; }
  uint32_t small() const { return static_cast<uint32_t>(std::min<uint64_t>(value_, UINT32_MAX)); }
  /// Never negative: what is too large for a length is too large for any file.
  int64_t length() const { return static_cast<int64_t>(std::min<uint64_t>(value_, INT64_MAX)); }
  int64_t zigzag() const {
    return static_cast<int64_t>(value_ >> 1) ^ -static_cast<int64_t>(value_ & 1);
  }
  /// Of a repeated number, packed or not.
  void AppendNumbers(std::vector<uint32_t>* numbers) {
    if (text_.empty()) return numbers->push_back(small());
    ProtoFields packed(text_);
    while (!packed.bytes_.empty()) {
      if (!packed.Varint(&packed.value_)) break;
      numbers->push_back(packed.small());
    }
  }

 private:
  bool Varint(uint64_t* value) {
    *value = 0;
    for (int shift = 0; shift < 64 && !bytes_.empty(); shift += 7) {
      const auto byte = static_cast<uint8_t>(bytes_[0]);
      bytes_.remove_prefix(1);
      *value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return true;
    }
    return false;
  }
  bool Take(uint64_t size) {
    if (size > bytes_.size()) return false;
    text_ = bytes_.substr(0, static_cast<size_t>(size));
    bytes_.remove_prefix(static_cast<size_t>(size));
    return true;
  }

  std::string_view bytes_;
  bool ok_ = true;
  uint32_t number_ = 0;
  uint64_t value_ = 0;
  std::string_view text_;
};

Result<OrcType> ParseType(std::string_view bytes, size_t number) {
  OrcType type;
  ProtoFields fields(bytes);
  while (fields.Next()) {
    switch (fields.number()) {
      case 1:
        type.kind =
            static_cast<OrcKind>(std::min(fields.small(), static_cast<uint32_t>(OrcKind::kOther)));
        break;
      case 2:
        fields.AppendNumbers(&type.subtypes);
        break;
      case 3:
        if (type.names.size() == kMostTypes) return Unsupported("an ORC type of too many fields");
        type.names.emplace_back(fields.text());
        break;
      case 5:
        type.precision = fields.small();
        break;
      case 6:
        type.scale = fields.small();
        break;
      case 7: {
        std::pair<std::string, std::string> attribute;
        for (ProtoFields pair(fields.text()); pair.Next();) {
          (pair.number() == 1 ? attribute.first : attribute.second) = std::string(pair.text());
        }
        type.attributes.push_back(std::move(attribute));
        break;
      }
      default:
        break;
    }
  }
  const bool is_struct = type.kind == OrcKind::kStruct;
  const bool is_list = type.kind == OrcKind::kList;
  const bool is_map = type.kind == OrcKind::kMap;
  const bool fits = fields.ok() && (!is_struct || type.names.size() == type.subtypes.size()) &&
                    (!is_list || type.subtypes.size() == 1) &&
                    (!is_map || type.subtypes.size() == 2) &&
                    std::all_of(type.subtypes.begin(), type.subtypes.end(),
                                [&](uint32_t child) { return child > number; });
  if (!fits) return Corruption(fmt::format("type {} of the ORC file is broken", number));
  return type;
}

OrcStatistics ParseStatistics(std::string_view bytes) {
  OrcStatistics statistics;
  for (ProtoFields column(bytes); column.Next();) {
    if (column.number() == 1) statistics.values = column.length();
    const bool is_string = column.number() == 4;
    if (!is_string && column.number() != 8) continue;
    for (ProtoFields fields(column.text()); fields.Next();) {
      const bool is_sum = fields.number() == (is_string ? 3 : 1);
      if (is_sum && fields.zigzag() >= 0) statistics.text_bytes = fields.zigzag();
    }
  }
  return statistics;
}

}  // namespace

std::string_view OrcType::attribute(std::string_view key) const {
  for (const auto& [name, value] : attributes) {
    if (name == key) return value;
  }
  return {};
}

OrcFile::OrcFile(const Call& call, std::unique_ptr<io::RandomReader> file, arrow::MemoryPool* pool)
    : call_(call), file_(std::move(file)), pool_(pool) {}
OrcFile::~OrcFile() = default;

Result<std::unique_ptr<OrcFile>> OrcFile::Open(const Call& call,
                                               std::unique_ptr<io::RandomReader> file,
                                               arrow::MemoryPool* pool) {
  std::unique_ptr<OrcFile> opened(new OrcFile(call, std::move(file), pool));
  MORAINE_TRY(opened->ReadTail());
  return opened;
}

Status OrcFile::MakeCodec(uint32_t compression) {
  enum : uint32_t { kNone = 0, kZlib = 1, kSnappy = 2, kLz4 = 4, kZstd = 5 };
  switch (compression) {
    case kNone:
      return {};
    case kZlib:
      unpacker_.emplace(AvroCodec::kDeflate);
      return {};
    case kZstd:
      unpacker_.emplace(AvroCodec::kZstd);
      return {};
    case kSnappy:
    case kLz4: {
      using arrow::Compression;
      MORAINE_ASSIGN(codec_, arrow::util::Codec::Create(compression == kLz4 ? Compression::LZ4
                                                                            : Compression::SNAPPY));
      return {};
    }
    default:
      return Unsupported(fmt::format("an ORC file of compression {}", compression));
  }
}

Result<std::string_view> OrcFile::Unpack(std::string_view chunk) {
  const auto broken = [](std::string_view why) {
    return Corruption(fmt::format("a chunk of a stream can't be unpacked: {}", why));
  };
  if (unpacker_) {
    Result<std::string_view> unpacked = unpacker_->Decompress(chunk, block_bytes_);
    if (!unpacked.ok()) return broken(unpacked.status().message());
    return unpacked;
  }
  unpacked_.resize(static_cast<size_t>(block_bytes_));
  const auto size = codec_->Decompress(static_cast<int64_t>(chunk.size()),
                                       reinterpret_cast<const uint8_t*>(chunk.data()), block_bytes_,
                                       reinterpret_cast<uint8_t*>(unpacked_.data()));
  if (!size.ok()) return broken(size.status().message());
  if (*size < 0 || *size > block_bytes_) return broken("it has another size");
  return std::string_view(unpacked_).substr(0, static_cast<size_t>(*size));
}

Result<std::string> OrcFile::ReadMessage(int64_t offset, int64_t length) {
  OrcBytes bytes(this, offset, length, length);
  std::string message;
  MORAINE_TRY(bytes.ReadAll(kMostMessageBytes, [&](std::string_view piece) {
    message += piece;
    return Status();
  }));
  return message;
}

Status OrcFile::ReadPostscript(std::string_view postscript, int64_t* footer_length) {
  ProtoFields fields(postscript);
  uint32_t compression = 0;
  int64_t block_bytes = int64_t{256} << 10;
  std::string_view magic;
  while (fields.Next()) {
    if (fields.number() == 1) *footer_length = fields.length();
    if (fields.number() == 2) compression = fields.small();
    if (fields.number() == 3) block_bytes = fields.length();
    if (fields.number() == 8000) magic = fields.text();
  }
  if (!fields.ok() || magic != kMagic) return Corruption("not an ORC file: its end is not one's");
  block_bytes_ = std::clamp<int64_t>(block_bytes, 1, kMostBlockBytes);
  return MakeCodec(compression);
}

Status OrcFile::ReadTail() {
  const int64_t size = file_->size();
  if (size < 4) return Corruption("too short for an ORC file");
  std::string end(static_cast<size_t>(std::min<int64_t>(size, 256)), '\0');
  MORAINE_TRY(file_->ReadAt(call_, size - static_cast<int64_t>(end.size()), end));
  const auto length = static_cast<uint8_t>(end.back());
  if (length >= end.size()) return Corruption("not an ORC file: its end is not one's");
  const std::string_view postscript = std::string_view(end).substr(end.size() - 1 - length, length);
  int64_t footer_length = 0;
  MORAINE_TRY(ReadPostscript(postscript, &footer_length));
  const int64_t left = size - 1 - length;
  if (footer_length <= 0 || footer_length > std::min(left, kMostMessageBytes)) {
    return Corruption(fmt::format("an ORC footer of {} bytes", footer_length));
  }
  MORAINE_ASSIGN(const std::string footer, ReadMessage(left - footer_length, footer_length));
  MORAINE_TRY(ParseFooter(footer));
  return CheckStripes();
}

Status OrcFile::ParseFooter(std::string_view footer) {
  ProtoFields fields(footer);
  while (fields.Next()) {
    switch (fields.number()) {
      case 3:
        MORAINE_TRY(ParseStripe(fields.text()));
        break;
      case 4: {
        if (types_.size() == kMostTypes) return Unsupported("an ORC file of too many columns");
        MORAINE_ASSIGN(OrcType type, ParseType(fields.text(), types_.size()));
        types_.push_back(std::move(type));
        break;
      }
      case 6:
        rows_ = fields.length();
        break;
      case 7:
        if (statistics_.size() == kMostTypes) return Corruption("the ORC footer is broken");
        statistics_.push_back(ParseStatistics(fields.text()));
        break;
      case 10:
        return Unsupported("an encrypted ORC file");
      default:
        break;
    }
  }
  if (!fields.ok() || types_.empty() || types_[0].kind != OrcKind::kStruct) {
    return Corruption("the ORC footer is broken");
  }
  std::vector<bool> has_parent(types_.size(), false);
  for (const OrcType& type : types_) {
    for (uint32_t child : type.subtypes) {
      if (child >= types_.size() || has_parent[child]) {
        return Corruption("the types of the ORC file are no tree");
      }
      has_parent[child] = true;
    }
  }
  return {};
}

Status OrcFile::ParseStripe(std::string_view bytes) {
  OrcStripe stripe;
  int64_t index = 0;
  int64_t data = 0;
  ProtoFields fields(bytes);
  while (fields.Next()) {
    if (fields.number() == 1) stripe.offset = fields.length();
    if (fields.number() == 2) index = fields.length();
    if (fields.number() == 3) data = fields.length();
    if (fields.number() == 4) stripe.footer_length = fields.length();
    if (fields.number() == 5) stripe.rows = fields.length();
  }
  const int64_t size = file_->size();
  const bool fits = fields.ok() && stripe.offset <= size && index <= size - stripe.offset &&
                    data <= size - stripe.offset - index &&
                    stripe.footer_length <= size - stripe.offset - index - data &&
                    stripe.footer_length <= kMostMessageBytes &&
                    (stripe.rows == 0 || index + data > 0);
  if (!fits) return Corruption(fmt::format("stripe {} lies outside the file", stripes_.size()));
  if (stripes_.size() == kMostStripes) return Unsupported("an ORC file of too many stripes");
  stripe.data_length = index + data;
  stripes_.push_back(stripe);
  return {};
}

// Counts that we add up.
Status OrcFile::CheckStripes() const {
  int64_t rows = 0;
  for (const OrcStripe& stripe : stripes_) {
    if (stripe.rows > INT64_MAX - rows) return Corruption("stripes of too many rows");
    rows += stripe.rows;
  }
  if (rows == rows_) return {};
  return Corruption(fmt::format("the stripes have {} rows, the file claims {}", rows, rows_));
}

Result<OrcStripeFooter> OrcFile::ReadStripeFooter(const OrcStripe& stripe) {
  MORAINE_ASSIGN(const std::string bytes,
                 ReadMessage(stripe.offset + stripe.data_length, stripe.footer_length));
  OrcStripeFooter footer;
  int64_t offset = 0;  // in the stripe
  ProtoFields fields(bytes);
  while (fields.Next()) {
    if (fields.number() == 3) footer.time_zone = std::string(fields.text());
    if (fields.number() == 2) {
      if (footer.encodings.size() == types_.size()) {
        return Corruption("the footer of a stripe has more encodings than there are columns");
      }
      OrcEncoding& encoding = footer.encodings.emplace_back();
      for (ProtoFields inner(fields.text()); inner.Next();) {
        if (inner.number() == 1) encoding.kind = inner.small();
        if (inner.number() == 2) encoding.dictionary_size = inner.small();
      }
      if (encoding.kind > OrcEncoding::kDictionaryV2) {
        return Unsupported(fmt::format("encoding {} of ORC", encoding.kind));
      }
    }
    if (fields.number() != 1) continue;
    OrcStream stream;
    for (ProtoFields inner(fields.text()); inner.Next();) {
      if (inner.number() == 1) stream.kind = inner.small();
      if (inner.number() == 2) stream.column = inner.small();
      if (inner.number() == 3) stream.length = inner.length();
    }
    if (stream.length > stripe.data_length - offset) {
      return Corruption("a stream lies outside its stripe");
    }
    if (footer.streams.size() == types_.size() * kMostStreamsOfType) {
      return Corruption("the footer of a stripe has too many streams");
    }
    stream.offset = stripe.offset + offset;
    offset += stream.length;
    footer.streams.push_back(stream);
  }
  if (!fields.ok() || footer.encodings.size() != types_.size()) {
    return Corruption("the footer of a stripe is broken");
  }
  return footer;
}

}  // namespace moraine::iceberg

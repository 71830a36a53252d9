#include "moraine/splice/thrift.h"

namespace moraine::splice {

char ThriftReader::Byte() {
  if (at_ >= bytes_.size()) Fail("ends too early");
  return ok() ? bytes_[at_++] : '\0';
}

uint64_t ThriftReader::Varint() {
  uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    const auto byte = static_cast<uint8_t>(Byte());
    value |= static_cast<uint64_t>(byte & 0x7F) << shift;
    if ((byte & 0x80) == 0) return value;
  }
  Fail("has a number that is too long");
  return 0;
}

int64_t ThriftReader::ZigZag() {
  const uint64_t value = Varint();
  return static_cast<int64_t>(value >> 1) ^ -static_cast<int64_t>(value & 1);
}

ThriftField ThriftReader::FieldHeader(int16_t last) {
  const auto byte = static_cast<uint8_t>(Byte());
  ThriftField field;
  if (!ok() || byte == 0) return field;
  const uint8_t type = byte & 0x0F;
  if (type == 0 || type > static_cast<uint8_t>(ThriftType::kStruct)) {
    Fail("has a field of an unknown type");
    return field;
  }
  field.type = static_cast<ThriftType>(type);
  const uint8_t delta = byte >> 4;
  const int64_t id = delta != 0 ? last + delta : ZigZag();
  if (id < INT16_MIN || id > INT16_MAX) {
    Fail("has a field with an id out of range");
    return ThriftField();
  }
  field.id = static_cast<int16_t>(id);
  return field;
}

bool ThriftReader::Bool(const ThriftField& field) {
  if (field.type != ThriftType::kTrue && field.type != ThriftType::kFalse) {
    Fail("has a field that should be a boolean");
  }
  return field.type == ThriftType::kTrue;
}

int32_t ThriftReader::I32(const ThriftField& field) {
  if (field.type != ThriftType::kI32 && field.type != ThriftType::kI16) {
    Fail("has a field that should be a 32-bit number");
    return 0;
  }
  const int64_t value = ZigZag();
  if (value < INT32_MIN || value > INT32_MAX) Fail("has a 32-bit number out of range");
  return ok() ? static_cast<int32_t>(value) : 0;
}

int64_t ThriftReader::I64(const ThriftField& field) {
  if (field.type != ThriftType::kI64) {
    Fail("has a field that should be a 64-bit number");
    return 0;
  }
  return ZigZag();
}

std::string_view ThriftReader::BinaryItem() {
  const uint64_t size = Varint();
  if (size > bytes_.size() - at_) Fail("has a string that is longer than the rest");
  if (!ok()) return {};
  const std::string_view value = bytes_.substr(at_, size);
  at_ += size;
  return value;
}

std::string_view ThriftReader::Binary(const ThriftField& field) {
  if (field.type != ThriftType::kBinary) {
    Fail("has a field that should be a string");
    return {};
  }
  return BinaryItem();
}

size_t ThriftReader::ListHeader(const ThriftField& field, ThriftType item) {
  if (field.type != ThriftType::kList && field.type != ThriftType::kSet) {
    Fail("has a field that should be a list");
    return 0;
  }
  const auto byte = static_cast<uint8_t>(Byte());
  uint64_t count = byte >> 4;
  if (count == 15) count = Varint();
  const auto type = static_cast<ThriftType>(byte & 0x0F);
  const bool both_bools = (type == ThriftType::kTrue || type == ThriftType::kFalse) &&
                          (item == ThriftType::kTrue || item == ThriftType::kFalse);
  if (count > 0 && type != item && !both_bools) Fail("has a list of the wrong type");
  if (count > bytes_.size() - at_) Fail("has a list that is longer than the rest");
  return ok() ? count : 0;
}

void ThriftReader::Skip(ThriftType type) {
  switch (type) {
    case ThriftType::kStop:
    case ThriftType::kTrue:
    case ThriftType::kFalse:
      return;
    case ThriftType::kByte:
      Byte();
      return;
    case ThriftType::kI16:
    case ThriftType::kI32:
    case ThriftType::kI64:
      Varint();
      return;
    case ThriftType::kDouble:
      if (bytes_.size() - at_ < 8) return Fail("ends too early");
      at_ += 8;
      return;
    case ThriftType::kBinary:
      BinaryItem();
      return;
    case ThriftType::kStruct:
      Struct([this](const ThriftField& field) { Skip(field.type); });
      return;
    case ThriftType::kList:
    case ThriftType::kSet:
    case ThriftType::kMap:
      break;
  }
  if (++depth_ > kMaxDepth) return Fail("lists are nested too deeply");
  const auto skip_item = [this](ThriftType item) {
    // In lists booleans take a byte.
    const bool is_bool = item == ThriftType::kTrue || item == ThriftType::kFalse;
    Skip(is_bool ? ThriftType::kByte : item);
  };
  if (type == ThriftType::kMap) {
    const uint64_t count = Varint();
    const auto types = count > 0 ? static_cast<uint8_t>(Byte()) : uint8_t{0};
    const uint8_t most = static_cast<uint8_t>(ThriftType::kStruct);
    const bool is_known = (types >> 4) - 1 < most && (types & 0x0F) - 1 < most && types >> 4 != 0 &&
                          (types & 0x0F) != 0;
    if (count > 0 && !is_known) Fail("has a map of an unknown type");
    if (count > bytes_.size() - at_) Fail("has a map that is longer than the rest");
    for (uint64_t i = 0; i < count && ok(); ++i) {
      skip_item(static_cast<ThriftType>(types >> 4));
      skip_item(static_cast<ThriftType>(types & 0x0F));
    }
  } else {
    const auto byte = static_cast<uint8_t>(Byte());
    uint64_t count = byte >> 4;
    if (count == 15) count = Varint();
    if (count > bytes_.size() - at_) Fail("has a list that is longer than the rest");
    const uint8_t item = byte & 0x0F;
    if (count > 0 && (item == 0 || item > static_cast<uint8_t>(ThriftType::kStruct))) {
      Fail("has a list of an unknown type");
    }
    for (uint64_t i = 0; i < count && ok(); ++i) skip_item(static_cast<ThriftType>(item));
  }
  --depth_;
}

void ThriftWriter::Varint(uint64_t value) {
  while (value >= 0x80) {
    out_.push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out_.push_back(static_cast<char>(value));
}

void ThriftWriter::ZigZag(int64_t value) {
  Varint((static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63));
}

void ThriftWriter::Header(int16_t id, ThriftType type) {
  const int delta = id - last_ids_.back();
  if (delta > 0 && delta <= 15) {
    out_.push_back(static_cast<char>(delta << 4 | static_cast<int>(type)));
  } else {
    out_.push_back(static_cast<char>(type));
    ZigZag(id);
  }
  last_ids_.back() = id;
}

void ThriftWriter::I16(int16_t id, int16_t value) {
  Header(id, ThriftType::kI16);
  ZigZag(value);
}

void ThriftWriter::I32(int16_t id, int32_t value) {
  Header(id, ThriftType::kI32);
  ZigZag(value);
}

void ThriftWriter::I64(int16_t id, int64_t value) {
  Header(id, ThriftType::kI64);
  ZigZag(value);
}

void ThriftWriter::BinaryItem(std::string_view value) {
  Varint(value.size());
  out_.append(value);
}

void ThriftWriter::Binary(int16_t id, std::string_view value) {
  Header(id, ThriftType::kBinary);
  BinaryItem(value);
}

void ThriftWriter::BeginList(int16_t id, ThriftType item, size_t count) {
  Header(id, ThriftType::kList);
  if (count < 15) {
    out_.push_back(static_cast<char>(count << 4 | static_cast<size_t>(item)));
  } else {
    out_.push_back(static_cast<char>(0xF0 | static_cast<int>(item)));
    Varint(count);
  }
}

}  // namespace moraine::splice

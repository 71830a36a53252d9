#pragma once
// The Thrift compact protocol, as far as Parquet's footers, page headers and indexes use it (Thrift
// specification, "Compact protocol"). Bytes are foreign: the reader never goes past them, never
// allocates more than they hold, and keeps its first error until it is asked for.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "moraine/base/status.h"

namespace moraine::splice {

enum class ThriftType : uint8_t {
  kStop = 0,
  kTrue = 1,
  kFalse = 2,
  kByte = 3,
  kI16 = 4,
  kI32 = 5,
  kI64 = 6,
  kDouble = 7,
  kBinary = 8,
  kList = 9,
  kSet = 10,
  kMap = 11,
  kStruct = 12,
};

struct ThriftField {
  int16_t id = 0;
  ThriftType type = ThriftType::kStop;
};

/// Reads values one after the other. After an error every read answers zero and ok() is false.
class ThriftReader {
 public:
  explicit ThriftReader(std::string_view bytes) : bytes_(bytes) {}

  bool ok() const { return error_ == nullptr; }
  /// What was wrong, or nullptr.
  const char* error() const { return error_; }
  /// Bytes read so far.
  size_t position() const { return at_; }
  void Fail(const char* error) {
    if (error_ == nullptr) error_ = error;
  }

  /// Calls on_field(field) for each field of a struct. It must read the value or Skip it.
  template <typename OnField>
  void Struct(const OnField& on_field) {
    if (++depth_ > kMaxDepth) Fail("structs are nested too deeply");
    int16_t last = 0;
    while (ok()) {
      const ThriftField field = FieldHeader(last);
      if (field.type == ThriftType::kStop) break;
      last = field.id;
      on_field(field);
    }
    --depth_;
  }
  /// Calls on_item() for each item of a list, whose items must have this type; count may be
  /// reserved: each item takes a byte at least.
  template <typename OnItem>
  void List(const ThriftField& field, ThriftType item, const OnItem& on_item) {
    const size_t count = ListHeader(field, item);
    for (size_t i = 0; i < count && ok(); ++i) on_item();
  }

  bool Bool(const ThriftField& field);
  /// An item of a list of booleans.
  bool BoolItem() { return static_cast<uint8_t>(Byte()) == 1; }
  int32_t I32(const ThriftField& field);
  int64_t I64(const ThriftField& field);
  std::string_view Binary(const ThriftField& field);
  int32_t I32Item() { return static_cast<int32_t>(ZigZag()); }
  int64_t I64Item() { return ZigZag(); }
  std::string_view BinaryItem();
  /// The type that a list's header claims is compared with; booleans may be either.
  size_t ListHeader(const ThriftField& field, ThriftType item);
  void Skip(ThriftType type);

 private:
  static constexpr int kMaxDepth = 24;

  ThriftField FieldHeader(int16_t last);
  char Byte();
  uint64_t Varint();
  int64_t ZigZag();

  std::string_view bytes_;
  size_t at_ = 0;
  int depth_ = 0;
  const char* error_ = nullptr;
};

/// Appends values to a string. Fields of a struct must come in ascending order of id.
class ThriftWriter {
 public:
  explicit ThriftWriter(std::string* out) : out_(*out) {}

  void BeginStruct() { last_ids_.push_back(0); }
  void EndStruct() {
    out_.push_back(0);
    last_ids_.pop_back();
  }
  void Bool(int16_t id, bool value) { Header(id, value ? ThriftType::kTrue : ThriftType::kFalse); }
  void I16(int16_t id, int16_t value);
  void I32(int16_t id, int32_t value);
  void I64(int16_t id, int64_t value);
  void Binary(int16_t id, std::string_view value);
  /// The struct's own fields follow, then EndStruct.
  void BeginStruct(int16_t id) {
    Header(id, ThriftType::kStruct);
    BeginStruct();
  }
  /// That many items follow.
  void BeginList(int16_t id, ThriftType item, size_t count);
  void BoolItem(bool value) { out_.push_back(value ? 1 : 2); }
  void I32Item(int32_t value) { ZigZag(value); }
  void I64Item(int64_t value) { ZigZag(value); }
  void BinaryItem(std::string_view value);
  /// A value that is encoded already.
  void Raw(int16_t id, ThriftType type, std::string_view encoded) {
    Header(id, type);
    out_.append(encoded);
  }

 private:
  void Header(int16_t id, ThriftType type);
  void Varint(uint64_t value);
  void ZigZag(int64_t value);

  std::string& out_;
  std::vector<int16_t> last_ids_;
};

}  // namespace moraine::splice

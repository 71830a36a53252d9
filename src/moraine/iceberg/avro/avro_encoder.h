#pragma once
// Appends Avro primitives to text (Avro spec, "Binary Encoding").

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace moraine::iceberg {

class AvroEncoder {
 public:
  /// Writes to the end of out, which must outlive the encoder.
  explicit AvroEncoder(std::string* out) : out_(out) {}

  void Long(int64_t value) {
    uint64_t raw = static_cast<uint64_t>(value) << 1 ^ static_cast<uint64_t>(value >> 63);
    while (raw >= 0x80) {
      out_->push_back(static_cast<char>(raw | 0x80));
      raw >>= 7;
    }
    out_->push_back(static_cast<char>(raw));
  }
  void Int(int32_t value) { Long(value); }
  void Bool(bool value) { out_->push_back(value ? 1 : 0); }
  void Float(float value) { Raw(value); }
  void Double(double value) { Raw(value); }
  void Bytes(std::string_view bytes) {
    Long(static_cast<int64_t>(bytes.size()));
    out_->append(bytes);
  }
  void Fixed(std::string_view bytes) { out_->append(bytes); }
  /// The branch of a union with null first; the value follows if it is there.
  void Present(bool present) { out_->push_back(present ? 2 : 0); }

 private:
  template <typename T>
  void Raw(T value) {
    char bytes[sizeof(T)];
    std::memcpy(bytes, &value, sizeof(T));
    out_->append(bytes, sizeof(T));
  }
  std::string* out_;
};

}  // namespace moraine::iceberg

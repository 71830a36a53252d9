#pragma once
// Partition transforms (table spec, "Partition transforms", appendix B for the bucket hash).

#include <optional>
#include <string>
#include <string_view>

#include "moraine/base/status.h"
#include "moraine/iceberg/types/type.h"
#include "moraine/iceberg/types/value.h"

namespace moraine::iceberg {

class Transform {
 public:
  enum class Kind { kIdentity, kBucket, kTruncate, kYear, kMonth, kDay, kHour, kVoid, kUnknown };

  static Transform Identity() { return {Kind::kIdentity, 0, "identity"}; }
  static Transform Void() { return {Kind::kVoid, 0, "void"}; }
  /// Any text parses; what the spec does not define becomes kUnknown and keeps its text. Errors:
  /// InvalidArgument for bucket or truncate with a width below 1 or over 2^31-1.
  static Result<Transform> FromString(std::string_view text);

  Kind kind() const { return kind_; }
  int32_t width() const { return width_; }
  const std::string& ToString() const { return text_; }
  bool operator==(const Transform& other) const { return text_ == other.text_; }

  /// Whether the source type is one the transform takes.
  bool Accepts(const Type& source) const;
  /// The type of results: source type, int, or date for day; unknown where the transform is.
  TypePtr ResultType(const TypePtr& source) const;
  /// Null gives null. The value must be of the source type.
  Value Apply(const Type& source, const Value& value) const;
  bool preserves_order() const;
  /// As in partition paths: year 47 -> "2017", day -> "2017-11-16", else ValueToText; strings of a
  /// transform that is not known as they are.
  std::string ToHumanText(const Type& source, const Value& value) const;

 private:
  Transform(Kind kind, int32_t width, std::string text)
      : kind_(kind), width_(width), text_(std::move(text)) {}
  Kind kind_;
  int32_t width_;
  std::string text_;
};

/// Murmur3 x86 32-bit with seed 0 over the spec's bytes of the value.
int32_t BucketHash(const Type& type, const Value& value);

}  // namespace moraine::iceberg

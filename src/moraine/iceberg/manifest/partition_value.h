#pragma once
// One field of a partition tuple between its Avro form and a Value. The reader is compiled per file
// from what the file has and what the spec says; it takes every form that writers use (day as int
// or date, decimals as fixed or bytes, int where a long is now expected).

#include <string_view>

#include "moraine/base/status.h"
#include "moraine/iceberg/avro/avro_cursor.h"
#include "moraine/iceberg/avro/avro_encoder.h"
#include "moraine/iceberg/avro/avro_schema.h"
#include "moraine/iceberg/types/type.h"
#include "moraine/iceberg/types/value.h"

namespace moraine::iceberg {

class PartitionValueReader {
 public:
  /// wanted of kind unknown (the source column is gone, or nobody here knows the transform) takes
  /// the file's own type; int and float come as long and double.
  /// Errors: Corruption naming the field.
  static Result<PartitionValueReader> Make(const Type& wanted, const AvroNode& stored,
                                           std::string_view field_name);
  /// Reads a value that is there (not null). Broken bytes make the cursor fail.
  void Read(AvroCursor* cursor, Value* out) const;

  /// Whether this is a field of type fixed, which Iceberg Java 1.8 to 1.10 writes (and expects) as
  /// bytes with their length in front, against the Avro schema that it gives.
  bool may_be_counted() const { return form_ == Form::kFixed && !is_uuid_; }
  /// Reads a fixed value in that form.
  void ExpectCounted() { form_ = Form::kCountedFixed; }

 private:
  enum class Form : uint8_t {
    kNull,
    kBoolean,
    kInt,
    kLong,
    kFloat,
    kDouble,
    kFloatAsDouble,
    kBytes,
    kFixed,
    kCountedFixed,
    kDecimalBytes,
    kDecimalFixed,
    kUuidText,
  };
  Form form_ = Form::kNull;
  size_t size_ = 0;  // of fixed forms
  bool is_uuid_ = false;
};

/// The type to give a partition field in the Avro schema: fixed becomes binary, which all readers
/// take alike (see may_be_counted); every other type is itself.
TypePtr StoredPartitionType(const TypePtr& type);
/// Appends a value that is not null in the Avro form of its stored type (avro_type.h).
/// Errors: InvalidArgument if the value's physical form is not the type's.
Status WritePartitionValue(const Type& type, const Value& value, AvroEncoder* out);
/// Whether the value has the physical form of the type (null: always), and fits a fixed length.
bool FitsType(const Type& type, const Value& value);
/// A type that stores the value's physical form, for a field whose own type is not known any more.
TypePtr TypeOfForm(const Value& value);

}  // namespace moraine::iceberg

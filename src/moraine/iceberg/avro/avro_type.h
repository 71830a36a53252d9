#pragma once
// The Avro form of Iceberg types (table spec, appendix A "Avro"), named as Java names them: r102,
// k117_v118, decimal_9_2, fixed_16, uuid_fixed.

#include <string>
#include <string_view>

#include "moraine/iceberg/types/type.h"

namespace moraine::iceberg {

/// The JSON text of an Avro record schema for a struct, with field-id, element-id, key-id and
/// value-id. Optional fields are unions with null first and default null. A type name needed twice
/// gets the field's id added, since some readers know neither references by name nor names defined
/// twice.
std::string AvroSchemaJson(const Type& root, std::string_view root_name);

/// Bytes of an Avro fixed that holds decimals of this precision.
int DecimalRequiredBytes(int precision);
/// The name as Avro allows it: a digit in front gets '_', any other character becomes _x and its
/// code.
std::string AvroCompatibleName(std::string_view name);

}  // namespace moraine::iceberg

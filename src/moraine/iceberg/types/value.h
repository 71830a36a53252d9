#pragma once
// Values of primitive types: bounds, partition tuples, defaults, literals of expressions.
//
// A Value holds the physical form only; its type stands beside it (a schema field, a partition
// field). All functions here follow the table spec, appendix D (binary and JSON single-value
// serialization).

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "moraine/base/json.h"
#include "moraine/base/status.h"

namespace moraine::iceberg {

class Type;
__extension__ typedef __int128 Int128;

/// Physical forms:
///   boolean bool | int, date int32 | long, time, timestamps int64 | float | double |
///   decimal Int128 (unscaled) | string, uuid (16 bytes), fixed, binary, geometry std::string.
/// monostate is null.
using Value =
    std::variant<std::monostate, bool, int32_t, int64_t, float, double, Int128, std::string>;

inline bool IsNull(const Value& value) { return value.index() == 0; }
bool IsNaN(const Value& value);

/// The order of the spec: null first, then false < true, numbers by value (floats by total order:
/// -NaN < -inf .. -0 < +0 .. inf < NaN), strings and bytes as unsigned bytes, uuid as unsigned
/// bytes. Both values must be null or of the same physical form (a programmer error else).
std::strong_ordering CompareValues(const Value& a, const Value& b);
/// Equal as partition values are: the same form and bits, all NaNs alike, -0.0 and +0.0 different.
bool SameValue(const Value& a, const Value& b);
size_t HashValue(const Value& value);

using PartitionTuple = std::vector<Value>;
bool SameTuple(const PartitionTuple& a, const PartitionTuple& b);
size_t HashTuple(const PartitionTuple& tuple);

/// Binary single-value form (bounds). Null has none (programmer error).
std::string ValueToBytes(const Type& type, const Value& value);
/// Reads bounds; accepts what type promotion leaves behind (4 bytes for a long, float for a
/// double). Errors: Corruption for a wrong length.
Result<Value> ValueFromBytes(const Type& type, std::string_view bytes);

/// JSON single-value form (defaults, REST expressions).
Json ValueToJson(const Type& type, const Value& value);
Result<Value> ValueFromJson(const Type& type, const JsonCursor& json);

/// For people and partition paths: "2017-11-16", "14.20", "null". Java's Transform.toHumanString.
std::string ValueToText(const Type& type, const Value& value);

}  // namespace moraine::iceberg

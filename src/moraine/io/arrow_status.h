#pragma once
// Arrow's outcomes as ours, so that MORAINE_TRY and MORAINE_ASSIGN take arrow::Status and
// arrow::Result; and ours through Arrow and back without losing the code (it rides in a
// StatusDetail).

#include <utility>

#include <arrow/result.h>
#include <arrow/status.h>

#include "moraine/base/status.h"

namespace moraine {

/// The code that rode along, else: OutOfMemory and CapacityError are Exhausted, NotImplemented is
/// Unsupported, KeyError is NotFound, and what Arrow calls invalid, I/O, type, index or
/// serialization error is Corruption: our own I/O errors carry their code, so these speak of a
/// file's content.
Status ToStatus(const arrow::Status& status);

template <typename T>
Status ToStatus(arrow::Result<T>&& result) {
  return ToStatus(result.status());
}
template <typename T>
T TakeValue(arrow::Result<T>&& result) {
  return std::move(result).ValueUnsafe();
}

namespace io {

/// For callbacks that Arrow calls.
arrow::Status ToArrow(const Status& status);

}  // namespace io
}  // namespace moraine

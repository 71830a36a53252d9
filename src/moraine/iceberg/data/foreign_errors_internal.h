#pragma once
// The door where exceptions and statuses of Arrow and Parquet become ours: what a file's bytes
// caused is Corruption, what the memory budget refused is Exhausted, what io reported keeps its
// code.

#include <string>
#include <utility>

#include "moraine/base/status.h"

namespace arrow {
class Status;
}

namespace moraine::iceberg {

Status FileError(const arrow::Status& status, const std::string& location);
/// Of the exception being handled; call inside a catch block only.
Status CurrentFileError(const std::string& location);

/// Calls body, which returns Status or Result<T>, and turns what it throws into an error.
template <typename Body>
auto GuardFile(const std::string& location, Body&& body) -> decltype(body()) {
  try {
    return std::forward<Body>(body)();
  } catch (...) {
    return CurrentFileError(location);
  }
}

/// As MORAINE_TRY and MORAINE_ASSIGN, for Arrow's own types, with FileError.
#define MORAINE_FILE_TRY(location, ...)                                    \
  do {                                                                     \
    const ::arrow::Status moraine_file_status = (__VA_ARGS__);             \
    if (!moraine_file_status.ok()) [[unlikely]] {                          \
      return ::moraine::iceberg::FileError(moraine_file_status, location); \
    }                                                                      \
  } while (false)
#define MORAINE_FILE_ASSIGN(location, lhs, ...)                                               \
  MORAINE_FILE_ASSIGN_INNER(MORAINE_CONCAT(moraine_file_result_, __COUNTER__), location, lhs, \
                            __VA_ARGS__)
#define MORAINE_FILE_ASSIGN_INNER(result, location, lhs, ...)        \
  auto result = (__VA_ARGS__);                                       \
  if (!result.ok()) [[unlikely]] {                                   \
    return ::moraine::iceberg::FileError(result.status(), location); \
  }                                                                  \
  lhs = std::move(result).ValueUnsafe()

}  // namespace moraine::iceberg

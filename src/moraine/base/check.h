#pragma once
// Checks of our own invariants: always on, they print and abort. Bytes, requests and files from
// outside never reach a check: those give a Status (Corruption, InvalidArgument).

#include <string_view>

namespace moraine {

[[noreturn]] void CheckFailed(const char* file, int line, const char* expression,
                              std::string_view detail);

}  // namespace moraine

/// MORAINE_CHECK(condition, detail): aborts with file, line, the expression and the detail.
#define MORAINE_CHECK(condition, detail)                              \
  do {                                                                \
    if (!(condition)) [[unlikely]] {                                  \
      ::moraine::CheckFailed(__FILE__, __LINE__, #condition, detail); \
    }                                                                 \
  } while (false)

#include "moraine/optimizing/failures.h"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>

#include "moraine/base/text.h"

namespace moraine::optimizing {
namespace {

/// The error without runs of hex digits and dashes that hold a digit: ids, numbers, parts of paths.
std::string Shape(std::string_view error) {
  std::string shape;
  for (size_t i = 0; i < error.size();) {
    size_t end = i;
    bool digit = false;
    for (; end < error.size(); ++end) {
      auto c = static_cast<unsigned char>(error[end]);
      if (!std::isxdigit(c) && c != '-') break;
      digit |= std::isdigit(c) != 0;
    }
    if (end == i) {
      shape.push_back(error[i++]);
      continue;
    }
    shape += digit ? std::string_view("#") : error.substr(i, end - i);
    i = end;
  }
  return shape;
}

}  // namespace

Millis BackOff(int64_t failures, Millis first, Millis last) {
  Millis wait = first;
  for (int64_t i = 1; i < failures && wait < last; ++i) wait *= 2;
  return std::min(wait, last);
}

Millis BackOff(int64_t failures, const Options& options) {
  return BackOff(failures, options.backoff_first, options.backoff_last);
}

bool SameFailure(std::string_view a, std::string_view b) { return Shape(a) == Shape(b); }

void NoteFailure(TableState* state, std::string_view what, const std::string& error,
                 FailureKind kind, const Options& options, int64_t now_ms) {
  std::string failure = fmt::format("{}: {}", what, error);
  bool same = state->failures > 0 && SameFailure(state->last_failure, failure);
  state->failures += 1;
  state->equal_failures = same ? state->equal_failures + 1 : 1;
  state->last_failure = std::move(failure);
  if (kind == FailureKind::kLasting && state->equal_failures >= options.max_equal_failures) {
    state->retry_ms = kWaitForPerson;
    state->failed_schema_id = -1;
    // The next look notes the schema that did not work.
    state->due_ms = now_ms;
    state->reason =
        fmt::format("{} {} times in the same way, waits for a person or a new schema: {}", what,
                    state->equal_failures, error);
    return;
  }
  state->retry_ms = now_ms + BackOff(state->failures, options).count();
  state->due_ms = state->retry_ms;
  std::string often =
      state->failures > 1 ? fmt::format(" {} times in a row", state->failures) : std::string();
  state->reason = fmt::format("{}{}, is tried again at {}: {}", what, often,
                              FormatTime(FromMillis(state->retry_ms)), error);
}

void ForgetFailures(TableState* state) {
  state->failures = 0;
  state->equal_failures = 0;
  state->last_failure.clear();
  state->retry_ms = 0;
  state->failed_schema_id = -1;
}

void ForgetFailures(TableState* state, std::string_view what) {
  if (state->last_failure.starts_with(what)) ForgetFailures(state);
}

}  // namespace moraine::optimizing

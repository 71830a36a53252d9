#pragma once
// What a failure does to a table's row: it is counted, the wait doubles, and the row says in one
// sentence what failed, how often in a row, and when it is tried again. Pure; used where planning,
// a process or a look at the table's files failed.

#include <cstdint>
#include <string>
#include <string_view>

#include "moraine/optimizing/options.h"
#include "moraine/optimizing/table_state.h"

namespace moraine::optimizing {

/// The nth failure in a row: how long to wait. Doubles from the first wait up to the last.
Millis BackOff(int64_t failures, Millis first, Millis last);
Millis BackOff(int64_t failures, const Options& options);

/// Whether two errors say the same, ids, paths' numbers and times apart.
bool SameFailure(std::string_view a, std::string_view b);

/// What may pass by itself (a store or a disk that is away) never waits for a person.
enum class FailureKind { kLasting, kPassing };

/// Counts the failure. what: "planning failed", "the minor process failed". Sets failures,
/// last_failure, retry_ms, due_ms and the reason; the status is the caller's.
void NoteFailure(TableState* state, std::string_view what, const std::string& error,
                 FailureKind kind, const Options& options, int64_t now_ms);
/// Forgets all failures.
void ForgetFailures(TableState* state);
/// Forgets them if the last one was of this kind.
void ForgetFailures(TableState* state, std::string_view what);

}  // namespace moraine::optimizing

#pragma once
// SIGINT and SIGTERM as a stop: blocked in every thread, waited for by the main one.

#include <string_view>

namespace moraine::cli {

/// Blocks the stop signals for this thread and all that it makes later. Call before making threads.
void BlockStopSignals();
/// Waits until one of them comes.
void WaitForStopSignal();

}  // namespace moraine::cli

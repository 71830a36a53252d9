#pragma once
// A store that counts what is asked of it.

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

#include "moraine/store/database.h"

namespace moraine::bench {

struct StoreCounts {
  std::atomic<int64_t> statements = 0;
  std::atomic<int64_t> reads = 0;   ///< transactions
  std::atomic<int64_t> writes = 0;  ///< transactions
};

/// counts outlives it.
std::unique_ptr<store::Database> MakeCountingDatabase(std::unique_ptr<store::Database> inner,
                                                      StoreCounts* counts);

}  // namespace moraine::bench

#pragma once
// Random numbers and ids made from them, as parameters, so that every test run has a seed.

#include <cstdint>
#include <string>
#include <string_view>

#include "moraine/base/clock.h"

namespace moraine {

/// Thread-safe.
class Random {
 public:
  virtual ~Random() = default;
  virtual uint64_t Next() = 0;
  /// Uniform in [0, bound); bound > 0.
  uint64_t Below(uint64_t bound) { return Next() % bound; }
};

/// Seeded once by the operating system.
Random& SystemRandom();

/// A random UUID (version 4): 36 characters, lower case.
std::string MakeUuid(Random& random);
/// A UUID that sorts by time (version 7). Ids of processes, tasks and attempts.
std::string MakeOrderedUuid(Random& random, WallTime now);
/// A positive snapshot id: 63 random bits, as Java makes it.
int64_t MakeSnapshotId(Random& random);
/// Whether the text has the form of a UUID.
bool IsUuid(std::string_view text);

}  // namespace moraine

#pragma once
// Faults on purpose. A double (FaultyFileSystem, FaultyDatabase) asks the injector at each of its
// calls whether this one fails, and how. EveryFault runs a scenario once cleanly to count its
// calls, then again with a fault at each call, so that every line between two calls is a line where
// the work died once.
//
//   EveryFault([](FaultInjector& faults) {
//     MemoryFileSystem disk;
//     FaultyFileSystem files(disk, faults);
//     Status first = DoTheWork(files);       // fails where the fault is
//     faults.Stop();                         // the faults are over: what follows is neither
//     counted nor hit Check(first, disk);                    // old state or new, never between
//     EXPECT_TRUE(DoTheWork(files).ok());    // and the retry gives the clean result
//   });

#include <chrono>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "moraine/base/status.h"

namespace moraine::testing {

enum class FaultKind {
  kBefore,  ///< fails, nothing was done
  kAfter,   ///< was done, and yet is reported as failed
  kTorn,    ///< half of it was done, and it is reported as failed
  kSlow,    ///< works, after a delay
};

std::string_view FaultKindName(FaultKind kind);

struct Fault {
  FaultKind kind = FaultKind::kBefore;
  Code code = Code::kUnavailable;  ///< what the caller is told
  std::chrono::nanoseconds delay{0};
  Status ToStatus() const;
};

/// Which call fails: the nth (from 1) of those with this operation whose subject has the pattern in
/// it.
/// "*" in a pattern stands for any text; an empty operation or pattern fits all.
struct FaultRule {
  std::string operation;
  std::string pattern;
  size_t nth = 1;
  Fault fault;
};

enum class Effect { kReads, kChanges };

/// Thread-safe.
class FaultInjector {
 public:
  struct Record {
    std::string operation;
    std::string subject;
    Effect effect;
  };

  /// Arms one rule; it fires once.
  void Arm(FaultRule rule);
  /// Arms the call with this number, from 0 over all calls.
  void ArmCall(size_t index, Fault fault);
  /// From now on calls are neither counted nor hit.
  void Stop();

  /// A double asks this once for each of its calls.
  std::optional<Fault> Next(std::string_view operation, std::string_view subject, Effect effect);

  std::vector<Record> calls() const;
  size_t count() const;
  /// Faults that happened.
  size_t fired() const;

 private:
  struct Armed {
    FaultRule rule;
    size_t seen = 0;
    bool done = false;
  };

  mutable std::mutex mutex_;
  std::vector<Record> calls_;
  std::vector<Armed> rules_;
  std::optional<std::pair<size_t, Fault>> by_index_;
  size_t fired_ = 0;
  bool stopped_ = false;
};

struct EveryFaultOptions {
  std::vector<FaultKind> kinds = {FaultKind::kBefore, FaultKind::kAfter};
  size_t exhaustive_calls = 150;  ///< more calls than this: a sample instead
  size_t samples = 100;
  uint64_t seed = 1;
};

struct EveryFaultReport {
  size_t calls = 0;  ///< of the clean run
  size_t runs = 0;   ///< with a fault
  size_t fired = 0;  ///< runs whose fault happened (threads may take another way)
};

/// Calls that only read get kBefore alone. Failures of GoogleTest inside the scenario name the
/// fault; the first run that fails ends it.
EveryFaultReport EveryFault(const std::function<void(FaultInjector&)>& scenario,
                            const EveryFaultOptions& options = {});

}  // namespace moraine::testing

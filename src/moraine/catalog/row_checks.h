#pragma once
// Asks the store whether rows are still as they were read, where others write to it, too. Those who
// ask while a question is on its way are put together into the next one: a statement for many, on
// a thread of its own, so that nobody's thread waits.

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <vector>

#include "moraine/base/executor.h"
#include "moraine/catalog/catalog.h"
#include "moraine/store/database.h"

namespace moraine::catalog {

/// Thread-safe.
class RowChecks {
 public:
  explicit RowChecks(store::Database& database) : database_(database) {}
  ~RowChecks();

  /// Before the first question. env outlives this.
  void Begin(const Env& env);
  /// Calls done once: whether the row was the same at some moment after this call. False, too, when
  /// that can't be found out, or not in a moment. done runs on the thread of the checks, or on the
  /// caller's; it must be short.
  void Ask(const KnownRow& row, std::function<void(bool same)> done);

 private:
  struct Question {
    KnownRow row;
    std::function<void(bool same)> done;
  };

  void Work(std::stop_token stop);
  void Answer(const Env& env, std::stop_token stop, const std::vector<Question>& questions);

  store::Database& database_;
  std::mutex mutex_;
  std::condition_variable_any asked_;
  std::optional<Env> env_;           // under mutex_
  std::vector<Question> questions_;  // under mutex_
  Thread thread_;
};

}  // namespace moraine::catalog

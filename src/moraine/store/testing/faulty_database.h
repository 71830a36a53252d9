#pragma once
// Any database, with faults. Operations, as FaultRule and EveryFault name them: "begin", "query",
// "execute", "commit"; the subject is the statement ("write" or "read" for begin and commit).
//
// A commit fails in two ways, both reported as CommitUnknown, as a lost connection would: before
// (rolled back) and after (committed, only the reply was lost). A statement that fails spoils its
// transaction: the body can't commit any more.

#include "moraine/base/testing/faults.h"
#include "moraine/store/database.h"

namespace moraine::store {

/// Thread-safe. The inner database and the injector must outlive it.
class FaultyDatabase final : public Database {
 public:
  FaultyDatabase(Database& inner, testing::FaultInjector& faults)
      : inner_(inner), faults_(faults) {}

  Status Run(Call& call, Access access, const std::function<Status(Transaction&)>& body) override;
  std::string_view dialect() const override { return inner_.dialect(); }
  Result<std::string> Backup(Call& call, std::string_view label) override;
  Result<bool> Observe(Call& call, std::weak_ptr<RowObserver> observer) override {
    return inner_.Observe(call, std::move(observer));
  }

 private:
  Database& inner_;
  testing::FaultInjector& faults_;
};

/// A new database in memory.
std::unique_ptr<Database> MakeMemoryDatabase(Call& call);

}  // namespace moraine::store

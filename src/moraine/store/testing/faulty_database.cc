#include "moraine/store/testing/faulty_database.h"

namespace moraine::store {

using testing::Effect;
using testing::Fault;
using testing::FaultKind;

namespace {

bool Fails(const std::optional<Fault>& fault) { return fault && fault->kind != FaultKind::kSlow; }

class FaultyTransaction final : public Transaction {
 public:
  FaultyTransaction(Transaction& inner, testing::FaultInjector& faults)
      : inner_(inner), faults_(faults) {}

  const Status& broken() const { return broken_; }

  Result<int64_t> Execute(std::string_view sql, const std::vector<Value>& parameters) override {
    MORAINE_TRY(broken_);
    // To fail after it was done is to fail before: the transaction is lost either way.
    if (auto fault = faults_.Next("execute", sql, Effect::kReads); Fails(fault)) {
      return broken_ = fault->ToStatus();
    }
    return inner_.Execute(sql, parameters);
  }
  Result<std::vector<Row>> Query(std::string_view sql, const std::vector<Value>& parameters,
                                 size_t max_rows) override {
    MORAINE_TRY(broken_);
    if (auto fault = faults_.Next("query", sql, Effect::kReads); Fails(fault)) {
      return broken_ = fault->ToStatus();
    }
    return inner_.Query(sql, parameters, max_rows);
  }
  Result<int64_t> LastInsertId() override { return inner_.LastInsertId(); }
  Result<int64_t> NowMs() override { return inner_.NowMs(); }
  std::string_view dialect() const override { return inner_.dialect(); }

 private:
  Transaction& inner_;
  testing::FaultInjector& faults_;
  Status broken_;
};

}  // namespace

Status FaultyDatabase::Run(Call& call, Access access,
                           const std::function<Status(Transaction&)>& body) {
  const std::string_view subject = access == Access::kWrite ? "write" : "read";
  if (auto fault = faults_.Next("begin", subject, Effect::kReads); Fails(fault)) {
    return fault->ToStatus();
  }
  std::optional<Fault> lost;
  Status status = inner_.Run(call, access, [&](Transaction& inner) -> Status {
    FaultyTransaction transaction(inner, faults_);
    MORAINE_TRY(body(transaction));
    MORAINE_TRY(transaction.broken());
    if (access == Access::kRead) return {};
    lost = faults_.Next("commit", subject, Effect::kChanges);
    if (Fails(lost) && lost->kind != FaultKind::kAfter) return lost->ToStatus();
    return {};
  });
  if (Fails(lost)) return CommitUnknown("injected fault: the reply to COMMIT was lost");
  return status;
}

Result<std::string> FaultyDatabase::Backup(Call& call, std::string_view label) {
  if (auto fault = faults_.Next("backup", label, Effect::kReads); Fails(fault)) {
    return fault->ToStatus();
  }
  return inner_.Backup(call, label);
}

std::unique_ptr<Database> MakeMemoryDatabase(Call& call) {
  return OpenDatabase(call, "sqlite://:memory:", {}).value();
}

}  // namespace moraine::store

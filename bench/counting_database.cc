#include "bench/counting_database.h"

#include <string>
#include <vector>

#include "moraine/store/execute_later.h"

namespace moraine::bench {
namespace {

using store::Access;
using store::Row;
using store::Transaction;
using store::Value;

class CountingTransaction final : public Transaction, public store::PutsOff {
 public:
  CountingTransaction(Transaction& inner, StoreCounts* counts) : inner_(inner), counts_(*counts) {}

  Result<int64_t> Execute(std::string_view sql, const std::vector<Value>& parameters) override {
    ++counts_.statements;
    return inner_.Execute(sql, parameters);
  }
  Result<std::vector<Row>> Query(std::string_view sql, const std::vector<Value>& parameters,
                                 size_t max_rows) override {
    ++counts_.statements;
    return inner_.Query(sql, parameters, max_rows);
  }
  Status ExecuteLater(std::string_view sql, const std::vector<Value>& parameters) override {
    ++counts_.statements;
    return store::ExecuteLater(inner_, sql, parameters);
  }
  Result<int64_t> LastInsertId() override { return inner_.LastInsertId(); }
  Result<int64_t> NowMs() override { return inner_.NowMs(); }
  std::string_view dialect() const override { return inner_.dialect(); }

 private:
  Transaction& inner_;
  StoreCounts& counts_;
};

class CountingDatabase final : public store::Database {
 public:
  CountingDatabase(std::unique_ptr<store::Database> inner, StoreCounts* counts)
      : inner_(std::move(inner)), counts_(*counts) {}

  Status Run(Call& call, Access access, const std::function<Status(Transaction&)>& body) override {
    ++(access == Access::kRead ? counts_.reads : counts_.writes);
    return inner_->Run(call, access, [&](Transaction& inner) {
      CountingTransaction transaction(inner, &counts_);
      return body(transaction);
    });
  }
  std::string_view dialect() const override { return inner_->dialect(); }
  Result<std::string> Backup(Call& call, std::string_view label) override {
    return inner_->Backup(call, label);
  }
  Result<bool> Observe(Call& call, std::weak_ptr<store::RowObserver> observer) override {
    return inner_->Observe(call, std::move(observer));
  }

 private:
  const std::unique_ptr<store::Database> inner_;
  StoreCounts& counts_;
};

}  // namespace

std::unique_ptr<store::Database> MakeCountingDatabase(std::unique_ptr<store::Database> inner,
                                                      StoreCounts* counts) {
  return std::make_unique<CountingDatabase>(std::move(inner), counts);
}

}  // namespace moraine::bench

#pragma once
// Any store as one that several processes have, for tests of servers that share work: on SQLite
// there would be no leases.

#include <functional>
#include <string>
#include <string_view>

#include "moraine/store/database.h"

namespace moraine::store {

class SharedDatabase final : public Database {
 public:
  explicit SharedDatabase(Database& inner) : inner_(inner) {}
  Status Run(Call& call, Access access, const std::function<Status(Transaction&)>& body) override {
    return inner_.Run(call, access, body);
  }
  std::string_view dialect() const override {
    return inner_.dialect() == "sqlite" ? "shared" : inner_.dialect();
  }
  Result<std::string> Backup(Call& call, std::string_view label) override {
    return inner_.Backup(call, label);
  }

 private:
  Database& inner_;
};

}  // namespace moraine::store

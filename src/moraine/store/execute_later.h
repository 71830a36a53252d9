#pragma once
// Statements whose outcome nobody looks at: where the store is a server they go out with the next
// statement, or with COMMIT, and cost no wait of their own.

#include <string_view>
#include <vector>

#include "moraine/store/database.h"

namespace moraine::store {

/// What transactions that can put statements off offer beside Transaction.
class PutsOff {
 public:
  virtual ~PutsOff() = default;
  virtual Status ExecuteLater(std::string_view sql, const std::vector<Value>& parameters) = 0;
};

/// As Transaction::Execute, for a statement that changes as many rows as it should if it does not
/// fail: an INSERT. Its error may come with the next statement, or with the commit, and spoils the
/// transaction all the same.
inline Status ExecuteLater(Transaction& transaction, std::string_view sql,
                           const std::vector<Value>& parameters) {
  if (auto* putting_off = dynamic_cast<PutsOff*>(&transaction)) {
    return putting_off->ExecuteLater(sql, parameters);
  }
  return transaction.Execute(sql, parameters).status();
}

}  // namespace moraine::store

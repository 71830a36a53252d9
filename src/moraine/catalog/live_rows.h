#pragma once
// Rows of tables and views that are known to be as the store has them, without asking it: where
// this process alone writes to the store, which then tells of every row that changes. Whoever made
// something of a row keeps its flag, and knows by that alone whether the row is still the same.
//
// A row is forgotten when a statement changes it, before the change can be read, and is learnt
// again by the next who reads it, unless it changed while he read.

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "moraine/catalog/rows_internal.h"
#include "moraine/store/database.h"

namespace moraine::catalog {

/// Thread-safe.
class LiveRows final : public store::RowObserver {
 public:
  explicit LiveRows(size_t limit) : limit_(limit) {}

  /// Only after this is anything kept: the store tells of changes.
  void Begin();

  /// The row of this name, with its flag; what is not a table or view of this kind is not found.
  std::optional<TabularRow> Find(int64_t warehouse_id, const TableName& name, TabularKind kind);
  /// To be taken before a row is read that is to be kept.
  uint64_t Moment();
  /// Keeps the row, and gives it its flag, unless it may have changed since that moment.
  void Put(uint64_t moment, TabularRow* row);

  void OnRow(std::string_view table, int64_t id, Change change) override;
  void OnEnd() override;

 private:
  static constexpr size_t kStripes = 4096;
  static constexpr uint64_t kChanging = UINT64_MAX;
  struct Kept {
    TabularRow row;
    std::shared_ptr<std::atomic<bool>> current;
  };
  using Rows = std::unordered_map<std::string, Kept>;

  static std::string KeyOf(int64_t warehouse_id, const TableName& name);
  /// With mutex_, all three.
  void Forget(Rows::iterator row);
  void ForgetAll();
  void Change(uint64_t* changed);

  const size_t limit_;
  std::mutex mutex_;
  bool begun_ = false;
  Rows rows_;
  std::unordered_map<int64_t, std::string> keys_;  ///< by id
  uint64_t moment_ = 1;                            ///< counts the ends of transactions
  /// When rows changed last, by their ids' last bits, or kChanging: their transaction is open.
  std::array<uint64_t, kStripes> changed_{};
  uint64_t all_changed_ = 0;  ///< the same of all rows
  std::vector<uint64_t*> changing_;
};

}  // namespace moraine::catalog

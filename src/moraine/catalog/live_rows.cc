#include "moraine/catalog/live_rows.h"

namespace moraine::catalog {

void LiveRows::Begin() {
  std::lock_guard lock(mutex_);
  begun_ = true;
}

std::string LiveRows::KeyOf(int64_t warehouse_id, const TableName& name) {
  std::string key = std::to_string(warehouse_id);
  key += '\0';  // never part of a name
  key += PathKey(name.ns);
  key += '\0';
  key += name.name;
  return key;
}

std::optional<TabularRow> LiveRows::Find(int64_t warehouse_id, const TableName& name,
                                         TabularKind kind) {
  std::string key = KeyOf(warehouse_id, name);
  std::lock_guard lock(mutex_);
  auto found = rows_.find(key);
  if (found == rows_.end() || found->second.row.kind != kind) return std::nullopt;
  return found->second.row;
}

uint64_t LiveRows::Moment() {
  std::lock_guard lock(mutex_);
  return moment_;
}

void LiveRows::Put(uint64_t moment, TabularRow* row) {
  std::string key = KeyOf(row->warehouse_id, row->name);
  std::lock_guard lock(mutex_);
  uint64_t changed = std::max(all_changed_, changed_[static_cast<size_t>(row->id) % kStripes]);
  if (!begun_ || limit_ == 0 || changed > moment) return;
  auto found = rows_.find(key);
  if (found != rows_.end()) {
    row->current = found->second.current;
    return;
  }
  // Any of them: whoever needs it soon finds it in the store.
  if (rows_.size() >= limit_) Forget(rows_.begin());
  Kept kept{*row, std::make_shared<std::atomic<bool>>(true)};
  kept.row.current = kept.current;
  row->current = kept.current;
  keys_[row->id] = key;
  rows_.emplace(std::move(key), std::move(kept));
}

void LiveRows::Forget(Rows::iterator row) {
  row->second.current->store(false);
  keys_.erase(row->second.row.id);
  rows_.erase(row);
}

void LiveRows::ForgetAll() {
  for (auto& [key, kept] : rows_) kept.current->store(false);
  rows_.clear();
  keys_.clear();
}

void LiveRows::Change(uint64_t* changed) {
  if (*changed == kChanging) return;
  *changed = kChanging;
  changing_.push_back(changed);
}

void LiveRows::OnRow(std::string_view table, int64_t id, RowObserver::Change change) {
  const bool is_tabular = table == "tabular";
  // Where a row's namespace or warehouse changes there may be other names, or none.
  const bool is_above =
      (table == "namespace" || table == "warehouse") && change != RowObserver::Change::kInserted;
  if (!is_tabular && !is_above) return;
  std::lock_guard lock(mutex_);
  if (is_above) {
    ForgetAll();
    return Change(&all_changed_);
  }
  Change(&changed_[static_cast<size_t>(id) % kStripes]);
  auto key = keys_.find(id);
  if (key != keys_.end()) Forget(rows_.find(key->second));
}

void LiveRows::OnEnd() {
  std::lock_guard lock(mutex_);
  if (changing_.empty()) return;
  ++moment_;
  for (uint64_t* changed : changing_) *changed = moment_;
  changing_.clear();
}

}  // namespace moraine::catalog

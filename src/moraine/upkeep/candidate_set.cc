#include "moraine/upkeep/candidate_set.h"

#include <algorithm>
#include <cstring>
#include <tuple>
#include <utility>

#include "moraine/io/location.h"

namespace moraine::upkeep {
namespace {

constexpr size_t kChunkBytes = size_t{64} << 10;
constexpr size_t kFolderBytes = 128;  // in the map, beside the name
constexpr size_t kFirstSlots = 1024;

}  // namespace

size_t CandidateSet::SlotOf(uint64_t hash) const {
  const size_t mask = slots_.size() - 1;
  // The high bits tell shares of the hashes apart; the low ones differ within one.
  size_t at = static_cast<size_t>(hash) & mask;
  while (slots_[at] != 0 && items_[slots_[at] - 1].hash != hash) at = (at + 1) & mask;
  return at;
}

void CandidateSet::Grow() {
  slots_.assign(std::max(kFirstSlots, slots_.size() * 2), 0);
  for (size_t i = 0; i < items_.size(); ++i) {
    slots_[SlotOf(items_[i].hash)] = static_cast<uint32_t>(i + 1);
  }
}

uint32_t CandidateSet::FolderOf(std::string_view folder) {
  if (!items_.empty() && *folders_[items_.back().folder] == folder) return items_.back().folder;
  auto [at, is_new] =
      folder_ids_.try_emplace(std::string(folder), static_cast<uint32_t>(folders_.size()));
  if (is_new) {
    folders_.push_back(&at->first);
    folder_bytes_ += folder.size() + kFolderBytes;
  }
  return at->second;
}

const char* CandidateSet::Keep(std::string_view name) {
  if (chunks_.empty() || used_ + name.size() > chunk_size_) {
    chunk_size_ = std::max(kChunkBytes, name.size());
    chunks_.push_back(std::make_unique_for_overwrite<char[]>(chunk_size_));
    chunk_bytes_ += chunk_size_;
    used_ = 0;
  }
  char* to = chunks_.back().get() + used_;
  if (!name.empty()) std::memcpy(to, name.data(), name.size());
  used_ += name.size();
  return to;
}

void CandidateSet::Add(uint64_t hash, std::string_view path, int64_t bytes, uint8_t kind) {
  // At most three quarters full.
  if (items_.size() * 4 >= slots_.size() * 3) Grow();
  const size_t slot = SlotOf(hash);
  if (slots_[slot] != 0) return;
  const std::string_view name = io::BaseName(path);
  const uint32_t folder = FolderOf(path.substr(0, path.size() - name.size()));
  items_.push_back({hash, Keep(name), bytes, static_cast<uint32_t>(name.size()), folder, kind});
  slots_[slot] = static_cast<uint32_t>(items_.size());
  ++live_;
}

void CandidateSet::Erase(uint64_t hash) {
  if (slots_.empty()) return;
  const uint32_t found = slots_[SlotOf(hash)];
  if (found == 0) return;
  Item& item = items_[found - 1];
  if (std::exchange(item.is_live, false)) --live_;
}

void CandidateSet::KeepUpTo(uint64_t hash) {
  CandidateSet kept;
  for (const Item& item : items_) {
    if (!item.is_live || item.hash > hash) continue;
    std::string path = *folders_[item.folder];
    path += NameOf(item);
    kept.Add(item.hash, path, item.bytes, item.kind);
  }
  *this = std::move(kept);
}

size_t CandidateSet::held_bytes() const {
  return items_.capacity() * sizeof(Item) + slots_.size() * sizeof(uint32_t) + chunk_bytes_ +
         folder_bytes_;
}

Status CandidateSet::Visit(const std::function<Status(const Candidate&)>& visit) const {
  std::vector<uint32_t> order;
  order.reserve(live_);
  for (size_t i = 0; i < items_.size(); ++i) {
    if (items_[i].is_live) order.push_back(static_cast<uint32_t>(i));
  }
  std::sort(order.begin(), order.end(), [this](uint32_t a, uint32_t b) {
    const Item &left = items_[a], &right = items_[b];
    if (left.folder != right.folder) return *folders_[left.folder] < *folders_[right.folder];
    return NameOf(left) < NameOf(right);
  });
  Candidate candidate;
  for (uint32_t i : order) {
    const Item& item = items_[i];
    candidate.path = *folders_[item.folder];
    candidate.path += NameOf(item);
    candidate.bytes = item.bytes;
    candidate.kind = item.kind;
    MORAINE_TRY(visit(candidate));
  }
  return {};
}

}  // namespace moraine::upkeep

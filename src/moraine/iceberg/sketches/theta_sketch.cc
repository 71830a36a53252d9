#include "moraine/iceberg/sketches/theta_sketch.h"

#include <algorithm>

namespace moraine::iceberg {
namespace {

constexpr size_t kFirstSlots = 32;
constexpr size_t kMostSlots = 2 * ThetaSketch::kNominal;

bool IsFull(size_t count, size_t slots) { return count * 4 > slots * 3; }

}  // namespace

void ThetaSketch::Insert(uint64_t hash) {
  if (slots_.empty()) slots_.resize(kFirstSlots);
  const size_t mask = slots_.size() - 1;
  size_t at = hash & mask;
  while (slots_[at] != 0) {
    if (slots_[at] == hash) return;
    at = (at + 1) & mask;
  }
  slots_[at] = hash;
  ++count_;
  if (!IsFull(count_, slots_.size())) return;
  std::vector<uint64_t> hashes = Hashes();
  if (slots_.size() < kMostSlots) {
    slots_.resize(slots_.size() * 2);
  } else {
    Trim(&hashes, &theta_);
  }
  Refill(hashes);
}

void ThetaSketch::Refill(const std::vector<uint64_t>& hashes) {
  std::fill(slots_.begin(), slots_.end(), 0);
  count_ = hashes.size();
  const size_t mask = slots_.size() - 1;
  for (const uint64_t hash : hashes) {
    size_t at = hash & mask;
    while (slots_[at] != 0) at = (at + 1) & mask;
    slots_[at] = hash;
  }
}

std::vector<uint64_t> ThetaSketch::Hashes() const {
  std::vector<uint64_t> hashes;
  hashes.reserve(count_);
  std::copy_if(slots_.begin(), slots_.end(), std::back_inserter(hashes),
               [](uint64_t hash) { return hash != 0; });
  return hashes;
}

void ThetaSketch::Trim(std::vector<uint64_t>* hashes, uint64_t* theta) {
  if (hashes->size() <= kNominal) return;
  const auto last = hashes->begin() + kNominal;
  std::nth_element(hashes->begin(), last, hashes->end());
  *theta = *last;
  hashes->resize(kNominal);
}

void ThetaSketch::Merge(const CompactSketch& other) {
  if (other.theta < theta_) {
    theta_ = other.theta;
    std::vector<uint64_t> hashes = Hashes();
    std::erase_if(hashes, [this](uint64_t hash) { return hash >= theta_; });
    Refill(hashes);
  }
  for (const uint64_t hash : other.hashes) Add(hash);
}

CompactSketch ThetaSketch::Compact() const {
  CompactSketch compact;
  compact.theta = theta_;
  compact.hashes = Hashes();
  Trim(&compact.hashes, &compact.theta);
  std::sort(compact.hashes.begin(), compact.hashes.end());
  return compact;
}

}  // namespace moraine::iceberg

#include "moraine/maintenance/testing/fateful.h"

#include <algorithm>
#include <utility>

namespace moraine::maintenance {
namespace {

Status Failed() { return Unavailable("the fate of this call"); }

class FatefulWriter final : public io::Writer {
 public:
  FatefulWriter(std::unique_ptr<io::Writer> inner, Fate& fate)
      : inner_(std::move(inner)), fate_(fate) {}
  Status Append(Call& call, std::string_view bytes) override { return inner_->Append(call, bytes); }
  Status Close(Call& call) override {
    const Fate::Verdict verdict = fate_.Next();
    if (verdict == Fate::Verdict::kBefore) return Failed();
    MORAINE_TRY(inner_->Close(call));
    return verdict == Fate::Verdict::kAfter ? Failed() : Status();
  }
  int64_t bytes_written() const override { return inner_->bytes_written(); }

 private:
  std::unique_ptr<io::Writer> inner_;
  Fate& fate_;
};

}  // namespace

Fate::Verdict Fate::Next() {
  std::lock_guard lock(mutex_);
  if (dead_) return Verdict::kBefore;
  if (!sealed_ || left_-- > 0) return Verdict::kGoOn;
  const Kind kind = *std::exchange(sealed_, std::nullopt);
  dead_ = kind == Kind::kDiesBefore || kind == Kind::kDiesAfter;
  return kind == Kind::kFailsBefore || kind == Kind::kDiesBefore ? Verdict::kBefore
                                                                 : Verdict::kAfter;
}

Result<std::unique_ptr<io::RandomReader>> FatefulFiles::Open(Call& call,
                                                             const std::string& location,
                                                             std::optional<int64_t> known_size) {
  if (fate_.Next() != Fate::Verdict::kGoOn) return Failed();
  return inner_.Open(call, location, known_size);
}

Result<std::unique_ptr<io::Writer>> FatefulFiles::Create(Call& call, const std::string& location) {
  if (fate_.Next() != Fate::Verdict::kGoOn) return Failed();
  MORAINE_ASSIGN(auto writer, inner_.Create(call, location));
  return std::unique_ptr<io::Writer>(std::make_unique<FatefulWriter>(std::move(writer), fate_));
}

Result<io::FileInfo> FatefulFiles::Stat(Call& call, const std::string& location) {
  if (fate_.Next() != Fate::Verdict::kGoOn) return Failed();
  return inner_.Stat(call, location);
}

Result<io::FileListing> FatefulFiles::List(Call& call, const std::string& prefix,
                                           const std::string& after, size_t limit) {
  if (fate_.Next() != Fate::Verdict::kGoOn) return Failed();
  return inner_.List(call, prefix, after, limit);
}

std::vector<Status> FatefulFiles::DeleteMany(Call& call, std::span<const std::string> locations) {
  const Fate::Verdict verdict = fate_.Next();
  if (verdict == Fate::Verdict::kGoOn) return inner_.DeleteMany(call, locations);
  if (verdict == Fate::Verdict::kAfter) {
    // Some went, and nobody was told.
    static_cast<void>(inner_.DeleteMany(call, locations.first((locations.size() + 1) / 2)));
  }
  return std::vector<Status>(locations.size(), Failed());
}

Status FatefulDatabase::Run(Call& call, store::Access access,
                            const std::function<Status(store::Transaction&)>& body) {
  const Fate::Verdict verdict = fate_.Next();
  if (verdict == Fate::Verdict::kBefore) return Failed();
  MORAINE_TRY(inner_.Run(call, access, body));
  if (verdict == Fate::Verdict::kGoOn) return {};
  return access == store::Access::kWrite ? CommitUnknown("the reply was lost") : Failed();
}

void WatchedFiles::InterruptAfter(int64_t calls, std::function<void()> act) {
  std::lock_guard lock(mutex_);
  calls_left_ = calls;
  act_ = std::move(act);
}

void WatchedFiles::Count() {
  std::function<void()> act;
  {
    std::lock_guard lock(mutex_);
    if (calls_left_ < 0 || calls_left_-- > 0) return;
    act = std::exchange(act_, nullptr);
  }
  if (act) act();
}

void WatchedFiles::HideFrom(std::optional<int64_t> modified_ms) {
  std::lock_guard lock(mutex_);
  hidden_from_ = modified_ms;
}

void WatchedFiles::ShowDeleted(bool shows) {
  std::lock_guard lock(mutex_);
  shows_deleted_ = shows;
}

std::vector<std::string> WatchedFiles::TakeDeleted() {
  std::lock_guard lock(mutex_);
  return std::exchange(deleted_, {});
}

Result<std::unique_ptr<io::RandomReader>> WatchedFiles::Open(Call& call,
                                                             const std::string& location,
                                                             std::optional<int64_t> known_size) {
  Count();
  if (!on_open) return disk_.Open(call, location, known_size);
  const std::string instead = on_open(location);
  if (instead == location) return disk_.Open(call, location, known_size);
  return disk_.Open(call, instead, std::nullopt);
}

Result<io::FileListing> WatchedFiles::List(Call& call, const std::string& prefix,
                                           const std::string& after, size_t limit) {
  Count();
  MORAINE_ASSIGN(auto listing, disk_.List(call, prefix, after, limit));
  std::lock_guard lock(mutex_);
  if (hidden_from_) {
    // The last one of a page stays, so that the caller can go on behind it.
    std::vector<io::FileInfo> seen;
    for (size_t i = 0; i < listing.files.size(); ++i) {
      const bool is_last = !listing.complete && i + 1 == listing.files.size();
      if (is_last || listing.files[i].modified_ms < *hidden_from_)
        seen.push_back(std::move(listing.files[i]));
    }
    listing.files = std::move(seen);
  }
  if (shows_deleted_ && listing.complete) {
    for (const auto& gone : graveyard_) {
      if (gone.location.starts_with(prefix) && gone.location > after) listing.files.push_back(gone);
    }
    std::sort(listing.files.begin(), listing.files.end(),
              [](const auto& a, const auto& b) { return a.location < b.location; });
    const auto same = [](const auto& a, const auto& b) { return a.location == b.location; };
    listing.files.erase(std::unique(listing.files.begin(), listing.files.end(), same),
                        listing.files.end());
  }
  return listing;
}

std::vector<Status> WatchedFiles::DeleteMany(Call& call, std::span<const std::string> locations) {
  Count();
  {
    std::lock_guard lock(mutex_);
    for (const std::string& location : locations) {
      auto info = disk_.Stat(call, location);
      if (!info.ok()) continue;
      deleted_.push_back(location);
      graveyard_.push_back(*info);
    }
  }
  return disk_.DeleteMany(call, locations);
}

}  // namespace moraine::maintenance

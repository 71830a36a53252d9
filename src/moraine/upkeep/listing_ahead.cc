#include "moraine/upkeep/listing_ahead.h"

#include <exception>
#include <new>
#include <utility>

#include "moraine/io/name_listing.h"

namespace moraine::upkeep {
namespace {

/// The same request, which ends with the source, too.
Call OwnCall(Call& call, const std::stop_source& stop) {
  Call own(call.env(), call.remaining(), stop.get_token());
  own.set_principal(call.principal());
  own.set_trace_id(call.trace_id());
  return own;
}

}  // namespace

ListingAhead::ListingAhead(Call& call, io::FileSystem& files, std::vector<std::string> folders,
                           size_t page)
    : files_(files),
      folders_(std::move(folders)),
      page_(page),
      call_(OwnCall(call, stop_)),
      when_caller_stops_(call.stop(), [this] { stop_.request_stop(); }),
      thread_("listing", [this](std::stop_token) { ListAll(); }) {}

ListingAhead::~ListingAhead() {
  stop_.request_stop();
  thread_.Join();
}

Result<std::optional<ListingAhead::Page>> ListingAhead::Next() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return waiting_ || end_; });
  if (waiting_) {
    auto page = std::exchange(waiting_, std::nullopt);
    changed_.notify_all();
    return page;
  }
  MORAINE_TRY(*end_);
  return std::optional<Page>();
}

/// Throws nothing: who waits for a page must hear how it ended.
void ListingAhead::ListAll() {
  try {
    End(List());
  } catch (const std::bad_alloc&) {
    End(Exhausted("no memory for a page of a listing"));
  } catch (const std::exception& error) {
    End(Internal(error.what()));
  }
}

Status ListingAhead::List() {
  for (size_t i = 0; i < folders_.size(); ++i) {
    std::string after;
    for (bool more = true; more;) {
      MORAINE_TRY(call_.Check());
      MORAINE_ASSIGN(auto listing, io::ListNames(call_, files_, folders_[i], after, page_));
      more = !listing.complete && !listing.files.empty();
      if (more) after = listing.files.back().location;
      MORAINE_TRY(Push({i, std::move(listing.files)}));
    }
  }
  return {};
}

Status ListingAhead::Push(Page page) {
  std::unique_lock lock(mutex_);
  if (!changed_.wait(lock, call_.stop(), [&] { return !waiting_; }))
    return Cancelled("the listing is no longer wanted");
  waiting_ = std::move(page);
  changed_.notify_all();
  return {};
}

void ListingAhead::End(Status status) {
  std::lock_guard lock(mutex_);
  end_ = std::move(status);
  changed_.notify_all();
}

}  // namespace moraine::upkeep

// The feed of events: pages that may be waited for, and streams (server-sent events, of the HTML
// standard). Both begin behind a number and go on from where they were; neither costs a thread
// while nothing happens.

#include <algorithm>

#include <fmt/format.h>

#include "moraine/api/impl_internal.h"
#include "moraine/base/text.h"

namespace moraine::api {
namespace {

using events::EventFilter;
using events::EventPtr;
using events::Feed;
using net::Answer;
using net::Later;
using net::PathParams;
using net::Request;
using net::Response;

constexpr size_t kDefaultLimit = 100;
constexpr size_t kMaxLimit = 1'000;
constexpr Millis kMaxWait{60'000};
constexpr size_t kReadEvents = 500;
/// So many events that somebody does not want are passed over in one look.
constexpr size_t kScanEvents = 5'000;
constexpr size_t kPartBytes = 256 << 10;
constexpr int64_t kReconnectMs = 1'000;

Result<EventFilter> FilterOf(const Request& request) {
  EventFilter filter;
  if (auto types = request.Query("types")) {
    std::vector<std::string> texts;
    for (auto text : Split(*types, ',')) texts.emplace_back(text);
    MORAINE_ASSIGN(filter.types, events::TypesFrom(texts));
  }
  filter.warehouse = request.Query("warehouse").value_or("");
  if (auto ns = request.Query("namespace"); ns && !ns->empty()) filter.ns = LevelsOf(*ns);
  filter.table = request.Query("table").value_or("");
  if (filter.warehouse.empty() && !filter.ns.empty()) filter.warehouse = "default";
  MORAINE_TRY(events::CheckFilter(filter));
  return filter;
}

/// Behind which event to begin: Last-Event-ID, then "after": a number, "earliest" or "latest".
Result<int64_t> AfterOf(Call& call, Feed& feed, const Request& request) {
  std::string_view name = "Last-Event-ID";
  auto text = request.headers.Get(name);
  if (!text || text->empty()) {
    name = "after";
    text = request.Query(name);
  }
  if (!text || *text == "earliest") return feed.BeforeOldest(call);
  MORAINE_ASSIGN(int64_t newest, feed.Newest(call));
  if (*text == "latest") return newest;
  auto after = ParseInt64(*text);
  if (!after.ok() || *after < 0) {
    return InvalidArgument(
        fmt::format("{}: expected the number of an event, earliest or latest, got '{}'", name,
                    text->substr(0, 100)));
  }
  if (*after > newest) {
    return InvalidArgument(fmt::format(
        "{}: {} is ahead of the newest event, {}: the store was set back, or is another one. Read "
        "the tables anew and go on with after={}",
        name, *after, newest, newest));
  }
  return *after;
}

/// 410: the reader was away for too long.
Response Gone(const events::Gap& gap, int64_t newest) {
  std::string body;
  JsonWriter(&body)
      .BeginObject()
      .Key("error")
      .BeginObject()
      .Field("message",
             fmt::format("events {} to {} are no longer kept (events.retention): read the tables "
                         "anew, then go on with after={}, the newest event of now",
                         gap.first, gap.last, newest))
      .Field("type", "Gone")
      .Field("code", 410)
      .EndObject()
      .EndObject();
  return Response::Json(410, std::move(body));
}

Response GoneOf(Call& call, Feed& feed, const events::Gap& gap) {
  auto newest = feed.Newest(call);
  return newest.ok() ? Gone(gap, *newest) : ErrorResponse(newest.status());
}

/// A reader's place in the feed, and what it wants.
struct Reader {
  Feed& feed;
  EventFilter filter;
  int64_t position;
  size_t limit;

  struct Found {
    std::vector<EventPtr> events;
    std::optional<events::Gap> gap;
    bool more = false;  ///< there may be more, but the look was long enough
  };
  /// Events that are wanted, and moves on behind them and over those that are not.
  Result<Found> Next(Call& call, Feed::Freshness freshness);
};

Result<Reader::Found> Reader::Next(Call& call, Feed::Freshness freshness) {
  Found found;
  size_t bytes = 0;
  size_t scanned = 0;
  while (scanned < kScanEvents) {
    MORAINE_ASSIGN(auto slice, feed.Read(call, position, std::min(kReadEvents, limit), freshness));
    if (slice.gap) {
      // What came before it is given first.
      if (found.events.empty()) found.gap = slice.gap;
      break;
    }
    for (const auto& event : slice.events) {
      if (found.events.size() == limit || bytes > kPartBytes) break;
      position = event->sequence;
      ++scanned;
      if (!filter.Matches(*event)) continue;
      bytes += event->json.size();
      found.events.push_back(event);
    }
    bool full = found.events.size() == limit || bytes > kPartBytes;
    if (full || slice.events.empty()) break;
    // What is there goes out before the store is asked for more.
    if (!found.events.empty()) break;
  }
  found.more = scanned >= kScanEvents;
  return found;
}

/// {"events": [...], "next": 42}
Response PageOf(const Reader& reader, const Reader::Found& found) {
  std::string text;
  JsonWriter out(&text);
  out.BeginObject().Key("events").BeginArray();
  for (const auto& event : found.events) out.Raw(event->json);
  out.EndArray().Field("next", reader.position).EndObject();
  Response response = Response::Json(200, std::move(text));
  response.headers.Set("Cache-Control", "no-store");
  return response;
}

/// One request for a page, over as many looks as it takes.
class Poll : public std::enable_shared_from_this<Poll> {
 public:
  Poll(Reader reader, MonoTime until) : reader_(std::move(reader)), until_(until) {}

  Answer Look(Call& call, Feed::Freshness freshness) {
    uint64_t seen = reader_.feed.heard();
    auto found = reader_.Next(call, freshness);
    if (!found.ok()) return ErrorResponse(found.status());
    if (found->gap) return GoneOf(call, reader_.feed, *found->gap);
    bool answers = !found->events.empty() || found->more || call.clock().Mono() >= until_;
    if (answers) return PageOf(reader_, *found);
    auto later = std::make_shared<Later>();
    later->until = until_;
    later->on_parked = [self = shared_from_this(), seen](std::shared_ptr<net::Waiter> waiter) {
      self->reader_.feed.Park(std::move(waiter), seen);
    };
    later->resume = [self = shared_from_this()](Call& next, Later::Reason reason) -> Answer {
      if (reason == Later::Reason::kTimedOut) return PageOf(self->reader_, {});
      return self->Look(next, Feed::Freshness::kAnnounced);
    };
    return later;
  }

 private:
  Reader reader_;
  const MonoTime until_;
};

/// A stream of events, until its reader goes away.
class Stream : public std::enable_shared_from_this<Stream> {
 public:
  Stream(Reader reader, Millis heartbeat, std::shared_ptr<void> slot)
      : reader_(std::move(reader)),
        told_(reader_.position),
        heartbeat_(heartbeat),
        slot_(std::move(slot)) {}

  /// The head, and what there is at once.
  Answer Begin(Call& call) {
    due_ = call.clock().Mono() + heartbeat_;
    auto found = reader_.Next(call, Feed::Freshness::kStore);
    if (!found.ok()) return ErrorResponse(found.status());
    if (found->gap) return GoneOf(call, reader_.feed, *found->gap);
    Response response = Part(fmt::format("retry: {}\n\n{}", kReconnectMs, TextOf(found->events)));
    response.headers.Set("Content-Type", "text/event-stream");
    response.headers.Set("Cache-Control", "no-store");
    response.headers.Set("X-Accel-Buffering", "no");
    return response;
  }

 private:
  Answer Next(Call& call) {
    uint64_t seen = reader_.feed.heard();
    auto found = reader_.Next(call, Feed::Freshness::kAnnounced);
    // The reader comes again, from where it was: then it is told what is wrong.
    if (!found.ok()) return ErrorResponse(found.status());
    if (found->gap) return Response::Empty(410);
    if (!found->events.empty()) return Part(TextOf(found->events));
    if (found->more || call.clock().Mono() >= due_) return Part(Heartbeat(call));
    auto later = std::make_shared<Later>();
    later->until = due_;
    later->on_parked = [self = shared_from_this(), seen](std::shared_ptr<net::Waiter> waiter) {
      self->reader_.feed.Park(std::move(waiter), seen);
    };
    later->resume = [self = shared_from_this()](Call& next, Later::Reason reason) -> Answer {
      if (reason == Later::Reason::kTimedOut) return self->Part(self->Heartbeat(next));
      return self->Next(next);
    };
    return later;
  }

  Response Part(std::string text) {
    Response response;
    response.body.push_back(std::make_shared<const std::string>(std::move(text)));
    response.next = [self = shared_from_this()](Call& call) { return self->Next(call); };
    return response;
  }

  /// A comment; and the place, where the reader was told of none for what it does not want.
  std::string Heartbeat(Call& call) {
    due_ = call.clock().Mono() + heartbeat_;
    std::string place = told_ == reader_.position ? "" : fmt::format("id: {}\n", reader_.position);
    told_ = reader_.position;
    return fmt::format("{}: heartbeat\n\n", place);
  }

  std::string TextOf(const std::vector<EventPtr>& events) {
    std::string text;
    for (const auto& event : events) {
      fmt::format_to(std::back_inserter(text), "id: {}\nevent: {}{}\ndata: {}\n\n", event->sequence,
                     events::kTypePrefix, event->type, event->json);
    }
    if (!events.empty()) told_ = events.back()->sequence;
    return text;
  }

  Reader reader_;
  int64_t told_;  ///< the last place that the reader knows
  const std::chrono::nanoseconds heartbeat_;
  const std::shared_ptr<void> slot_;
  MonoTime due_{};
};

bool WantsStream(const Request& request) {
  auto accept = request.headers.Get("Accept");
  return accept && accept->find("text/event-stream") != accept->npos;
}

Result<Millis> WaitOf(const Request& request) {
  auto text = request.Query("wait");
  if (!text) return Millis(0);
  auto wait = ParseDuration(*text);
  if (!wait.ok() || wait->count() < 0) {
    return InvalidArgument(
        fmt::format("wait: expected a time such as 20s, got '{}'", text->substr(0, 100)));
  }
  return std::min(*wait, kMaxWait);
}

Result<Reader> ReaderOf(Call& call, Feed& feed, const Request& request) {
  MORAINE_ASSIGN(auto filter, FilterOf(request));
  MORAINE_ASSIGN(size_t limit, LimitOf(request, kDefaultLimit, kMaxLimit));
  MORAINE_ASSIGN(int64_t after, AfterOf(call, feed, request));
  return Reader{feed, std::move(filter), after, limit};
}

}  // namespace

void Service::Impl::AddEvents(net::Router& router) {
  router.Add(net::Method::kGet, "/api/v1/events",
             [service = events](Call& call, const Request& request, const PathParams&) -> Answer {
               auto wait = WaitOf(request);
               if (!wait.ok()) return ErrorResponse(wait.status());
               auto reader = ReaderOf(call, service->feed(), request);
               if (!reader.ok()) return ErrorResponse(reader.status());
               if (!WantsStream(request)) {
                 MonoTime until = call.clock().Mono() + *wait;
                 return std::make_shared<Poll>(std::move(*reader), until)
                     ->Look(call, Feed::Freshness::kStore);
               }
               auto slot = service->TakeStream();
               if (!slot) {
                 return ErrorResponse(Exhausted(
                     fmt::format("there are {} streams of events already (events.max-streams)",
                                 service->options().max_streams)));
               }
               return std::make_shared<Stream>(std::move(*reader), service->options().heartbeat,
                                               std::move(slot))
                   ->Begin(call);
             });
}

}  // namespace moraine::api

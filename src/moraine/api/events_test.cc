// Events and webhooks over the management API; each answer is held against its document.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/api/testing/api_world.h"

namespace moraine::api {
namespace {

using net::Answer;
using net::Later;
using net::Method;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

std::vector<int64_t> NumbersOf(const Json& page) {
  std::vector<int64_t> numbers;
  for (const auto& event : page.Find("events")->as_array()) {
    numbers.push_back(*event.Find("data")->Find("sequence")->int64());
  }
  return numbers;
}

class KeptWaiter final : public net::Waiter {
 public:
  void Wake() override { ++woken; }
  int woken = 0;
};

/// A stream as the server drives it, without a socket.
class Reader {
 public:
  Reader(ApiWorld& world, const std::string& target, const std::string& last_id = "")
      : world_(world) {
    net::Headers headers;
    headers.Add("Accept", "text/event-stream");
    if (!last_id.empty()) headers.Add("Last-Event-ID", last_id);
    Take(world.Serve(Method::kGet, target, "", headers));
  }

  int status() const { return status_; }
  const net::Headers& headers() const { return headers_; }
  bool open() const { return next_ != nullptr; }
  bool woken() const { return waiter_->woken > 0; }
  /// What there is by now; stops where the stream waits.
  std::string Text() {
    while (next_ && !later_) {
      Call call = world_.call();
      Take(next_(call));
    }
    return std::exchange(text_, "");
  }
  std::string Resume(Later::Reason reason) {
    auto later = std::exchange(later_, nullptr);
    Call call = world_.call();
    Take(later->resume(call, reason));
    return Text();
  }
  MonoTime until() const { return later_->until; }

 private:
  void Take(Answer answer) {
    if (auto* later = std::get_if<std::shared_ptr<Later>>(&answer)) {
      later_ = *later;
      waiter_ = std::make_shared<KeptWaiter>();
      later_->on_parked(waiter_);
      return;
    }
    auto& response = std::get<net::Response>(answer);
    if (status_ == 0) {
      status_ = response.status;
      headers_ = response.headers;
    }
    text_ += response.BodyText();
    next_ = response.next;
  }

  ApiWorld& world_;
  int status_ = 0;
  net::Headers headers_;
  std::string text_;
  std::function<Answer(Call&)> next_;
  std::shared_ptr<Later> later_;
  std::shared_ptr<KeptWaiter> waiter_;
};

class EventsTest : public testing::Test {
 protected:
  /// The namespace of the world is event 1.
  EventsTest() { world_.world().MakeTable("a"); }

  void Trim(int64_t up_to) {
    world_.world().Advance(std::chrono::hours(1));
    Call call = world_.call();
    ASSERT_TRUE(
        world_.world().engine().TrimChanges(call, ToMillis(call.clock().Wall()), up_to).ok());
  }

  ApiWorld world_;
};

TEST_F(EventsTest, PagesGoOnWhereTheOneBeforeEnded) {
  world_.world().MakeTable("b");
  Json page = world_.Get("/api/v1/events?limit=2");
  EXPECT_EQ(NumbersOf(page), (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(page.Find("next")->int64(), 2);
  page = world_.Get("/api/v1/events?after=2");
  EXPECT_EQ(NumbersOf(page), (std::vector<int64_t>{3}));
  EXPECT_EQ(page.Find("events")->as_array()[0].Find("type")->as_string(),
            "io.moraine.table.created");
  page = world_.Get("/api/v1/events?after=3");
  EXPECT_TRUE(NumbersOf(page).empty());
  EXPECT_EQ(page.Find("next")->int64(), 3);
  EXPECT_EQ(world_.Get("/api/v1/events?after=latest").Find("next")->int64(), 3);
  EXPECT_EQ(NumbersOf(world_.Get("/api/v1/events?after=earliest")).size(), 3u);
}

TEST_F(EventsTest, FiltersPassOverTheOthers) {
  auto count = [&](const std::string& query) {
    return NumbersOf(world_.Get("/api/v1/events?" + query)).size();
  };
  world_.world().MakeTable("b");
  ASSERT_TRUE(world_.world().Append("b", {"f"}).ok());
  EXPECT_EQ(count("types=table.committed"), 1u);
  EXPECT_EQ(count("types=io.moraine.table.created,namespace.*"), 3u);
  EXPECT_EQ(count("warehouse=w"), 4u);
  EXPECT_EQ(count("warehouse=other"), 0u);
  EXPECT_EQ(count("warehouse=w&namespace=ns&table=b"), 2u);
  EXPECT_EQ(count("warehouse=w&namespace=ns"), 4u);
  EXPECT_EQ(count("warehouse=w&namespace=n"), 0u);
  Json none = world_.Get("/api/v1/events?types=view.*");
  EXPECT_EQ(none.Find("next")->int64(), 4);
}

TEST_F(EventsTest, RefusesWhatCantBeMeant) {
  for (const char* query : {"after=x", "after=-1", "after=99", "limit=0", "limit=1001", "wait=soon",
                            "types=tables", "table=t"}) {
    auto response = world_.Send(Method::kGet, std::string("/api/v1/events?") + query);
    EXPECT_EQ(response.status, 400) << query << response.BodyText();
  }
}

TEST_F(EventsTest, SaysWhatToDoWhenEventsAreGone) {
  world_.world().MakeTable("b");
  Trim(2);
  auto response = world_.Send(Method::kGet, "/api/v1/events?after=0");
  EXPECT_EQ(response.status, 410);
  EXPECT_THAT(response.BodyText(), HasSubstr("events 1 to 2 are no longer kept"));
  EXPECT_THAT(response.BodyText(), HasSubstr("after=3"));
  EXPECT_EQ(Reader(world_, "/api/v1/events", "1").status(), 410);
  EXPECT_EQ(NumbersOf(world_.Get("/api/v1/events")), (std::vector<int64_t>{3}));
}

TEST_F(EventsTest, APollWaitsForTheNextEvent) {
  Answer answer = world_.Serve(Method::kGet, "/api/v1/events?after=2&wait=30s");
  auto later = std::get<std::shared_ptr<Later>>(answer);
  auto waiter = std::make_shared<KeptWaiter>();
  later->on_parked(waiter);
  EXPECT_EQ(waiter->woken, 0);
  world_.world().MakeTable("b");
  EXPECT_EQ(waiter->woken, 1);
  Call call = world_.call();
  auto page = net::AnswerNow(call, later->resume(call, Later::Reason::kWoken));
  EXPECT_EQ(NumbersOf(Json::Parse(page.BodyText()).value()), (std::vector<int64_t>{3}));
}

TEST_F(EventsTest, APollThatWaitsForOthersSaysHowFarItCame) {
  Answer answer = world_.Serve(Method::kGet, "/api/v1/events?after=2&wait=30s&types=view.*");
  auto later = std::get<std::shared_ptr<Later>>(answer);
  later->on_parked(std::make_shared<KeptWaiter>());
  world_.world().MakeTable("b");
  Call call = world_.call();
  auto again = std::get<std::shared_ptr<Later>>(later->resume(call, Later::Reason::kWoken));
  EXPECT_EQ(again->until, later->until);
  auto page = std::get<net::Response>(again->resume(call, Later::Reason::kTimedOut));
  EXPECT_EQ(page.BodyText(), R"({"events":[],"next":3})");
}

TEST_F(EventsTest, AStreamTellsEventsAsTheyCome) {
  Reader reader(world_, "/api/v1/events?after=1");
  EXPECT_EQ(reader.status(), 200);
  EXPECT_EQ(reader.headers().Get("Content-Type"), "text/event-stream");
  std::string text = reader.Text();
  EXPECT_THAT(text, StartsWith("retry: 1000\n\nid: 2\nevent: io.moraine.table.created\ndata: {"));
  EXPECT_THAT(text, EndsWith("}\n\n"));
  EXPECT_FALSE(reader.woken());
  world_.world().MakeTable("b");
  world_.world().MakeTable("c");
  EXPECT_TRUE(reader.woken());
  text = reader.Resume(Later::Reason::kWoken);
  EXPECT_THAT(text, StartsWith("id: 3\n"));
  EXPECT_THAT(text, HasSubstr("\n\nid: 4\n"));
  EXPECT_THAT(Reader(world_, "/api/v1/events?after=1", "3").Text(),
              StartsWith("retry: 1000\n\nid: 4\n"));
}

TEST_F(EventsTest, AQuietStreamIsHeardOf) {
  Reader reader(world_, "/api/v1/events?after=2&types=view.*");
  EXPECT_EQ(reader.Text(), "retry: 1000\n\n");
  Call call = world_.call();
  EXPECT_EQ(reader.until() - call.clock().Mono(), std::chrono::seconds(15));
  EXPECT_EQ(reader.Resume(Later::Reason::kTimedOut), ": heartbeat\n\n");
  world_.world().MakeTable("b");
  EXPECT_EQ(reader.Resume(Later::Reason::kWoken), "");
  EXPECT_EQ(reader.Resume(Later::Reason::kTimedOut), "id: 3\n: heartbeat\n\n");
}

TEST_F(EventsTest, AReaderThatCameTooLateIsCutOff) {
  Reader reader(world_, "/api/v1/events?after=2");
  reader.Text();
  EXPECT_TRUE(reader.open());
  events::Options options;
  for (int i = 0; i < 3; ++i) world_.world().MakeTable(fmt::format("t{}", i));
  Trim(4);
  EXPECT_EQ(reader.Resume(Later::Reason::kWoken), "");
  EXPECT_FALSE(reader.open());
}

TEST_F(EventsTest, ThereAreOnlySoManyStreams) {
  std::vector<std::unique_ptr<Reader>> readers;
  for (size_t i = 0; i < world_.events().options().max_streams; ++i) {
    readers.push_back(std::make_unique<Reader>(world_, "/api/v1/events"));
    ASSERT_EQ(readers.back()->status(), 200);
  }
  EXPECT_EQ(Reader(world_, "/api/v1/events").status(), 429);
  readers.pop_back();
  EXPECT_EQ(Reader(world_, "/api/v1/events").status(), 200);
}

TEST_F(EventsTest, WebhooksLiveAndDie) {
  Json made =
      world_.Post("/api/v1/webhooks",
                  R"({"name":"etl","url":"http://127.0.0.1:9/x","types":["io.moraine.table.*"],
          "warehouse":"w","namespace":["ns"],"table":"a","after":"earliest"})");
  EXPECT_THAT(made.Find("secret")->as_string(), StartsWith("whsec_"));
  EXPECT_EQ(made.Find("after")->int64(), 0);
  EXPECT_EQ(made.Find("waiting")->int64(), 2);
  Json shown = world_.Get("/api/v1/webhooks/etl");
  EXPECT_EQ(shown.Find("secret"), nullptr);
  EXPECT_EQ(shown.Find("warehouse")->as_string(), "w");
  EXPECT_EQ(world_.Get("/api/v1/webhooks").Find("webhooks")->as_array().size(), 1u);

  std::string sent;
  world_.OnDelivery([&](Call&, const net::Request& request) {
    sent = request.body;
    return net::Response::Empty(200);
  });
  InlineExecutor pool;
  Call call = world_.call();
  ASSERT_TRUE(world_.events().webhooks().Tick(call, pool).ok());
  EXPECT_THAT(sent, HasSubstr("io.moraine.table.created"));
  EXPECT_EQ(world_.Get("/api/v1/webhooks/etl").Find("delivered-events")->int64(), 1);

  EXPECT_EQ(world_.Send(Method::kPost, "/api/v1/webhooks/etl/pause", "{}").status, 204);
  EXPECT_EQ(world_.Get("/api/v1/webhooks/etl").Find("state")->as_string(), "paused");
  EXPECT_EQ(world_.Send(Method::kPost, "/api/v1/webhooks/etl/resume", R"({"after":1})").status,
            204);
  EXPECT_EQ(world_.Get("/api/v1/webhooks/etl").Find("after")->int64(), 1);
  Json test = world_.Post("/api/v1/webhooks/etl/test", "{}");
  EXPECT_TRUE(test.Find("delivered")->as_bool());
  EXPECT_EQ(world_.Send(Method::kDelete, "/api/v1/webhooks/etl").status, 204);
  EXPECT_EQ(world_.Send(Method::kDelete, "/api/v1/webhooks/etl").status, 404);
  EXPECT_EQ(world_.Send(Method::kGet, "/api/v1/webhooks/etl").status, 404);
}

TEST_F(EventsTest, WebhooksThatCantBeAreRefused) {
  struct Case {
    const char* body;
    int status;
  };
  const Case cases[] = {
      {R"({"name":"x"})", 400},
      {R"({"name":"x","url":"nowhere"})", 400},
      {R"({"name":"x","url":"http://192.0.2.1/"})", 403},
      {R"({"name":"x","url":"http://localhost/","types":"table.*"})", 400},
      {R"({"name":"x","url":"http://localhost/","types":["x.y"]})", 400},
      {R"({"name":"x","url":"http://localhost/","after":"soon"})", 400},
      {R"({"name":"x","url":"http://localhost/","after":1.5})", 400},
      {R"({"name":"x","url":"http://localhost/","secret":"s"})", 400},
      {"[]", 400},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(world_.Send(Method::kPost, "/api/v1/webhooks", c.body).status, c.status) << c.body;
  }
}

}  // namespace
}  // namespace moraine::api

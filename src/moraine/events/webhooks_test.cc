#include "moraine/events/webhooks.h"

#include <deque>
#include <new>
#include <set>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "moraine/base/json.h"
#include "moraine/base/testing/faults.h"
#include "moraine/base/text.h"
#include "moraine/catalog/testing/catalog_world.h"
#include "moraine/events/schema.h"
#include "moraine/events/service.h"
#include "moraine/store/testing/faulty_database.h"

namespace moraine::events {
namespace {

using catalog::CatalogWorld;

/// Takes what is sent to it, and answers by script, then 204.
class Receiver final : public net::HttpTransport {
 public:
  struct Answer {
    int status = 204;
    std::string retry_after = {};
    Status lost = {};  ///< instead of an answer
  };

  Result<net::Response> Send(Call& call, std::string_view base_url,
                             const net::Request& request) override {
    std::lock_guard lock(mutex_);
    urls.emplace_back(fmt::format("{}{}", base_url, request.path));
    last = request;
    if (auto once = std::exchange(on_request, nullptr)) once(call);
    Answer answer;
    if (!answers.empty()) {
      answer = answers.front();
      answers.pop_front();
    }
    bool taken = answer.status / 100 == 2;
    if (taken) Take(request);
    if (!answer.lost.ok()) return answer.lost;
    net::Response response = net::Response::Empty(answer.status);
    if (!answer.retry_after.empty()) response.headers.Add("Retry-After", answer.retry_after);
    return response;
  }

  std::deque<Answer> answers;
  std::vector<std::string> urls;
  std::vector<int64_t> numbers;     ///< of the events taken, in order, with repetitions
  std::vector<std::string> others;  ///< types of what has no number
  size_t batches = 0;
  net::Request last;
  std::function<void(Call&)> on_request;  ///< once

 private:
  void Take(const net::Request& request) {
    ++batches;
    Json body = Json::Parse(request.body).value();
    for (const auto& event : body.as_array()) {
      const Json* sequence = event.Find("data")->Find("sequence");
      if (sequence != nullptr) {
        numbers.push_back(*sequence->int64());
      } else {
        others.push_back(event.Find("type")->as_string());
      }
    }
  }

  std::mutex mutex_;
};

/// Webhooks of one server; another one may stand beside it.
struct Node {
  Node(catalog::Catalog& catalog, store::Database& database, Receiver& receiver,
       const Options& options)
      : feed(catalog, options), webhooks(feed, database, receiver, options) {}
  Feed feed;
  Webhooks webhooks;
};

class WebhooksTest : public testing::Test {
 protected:
  WebhooksTest() {
    options_.batch_events = 3;
    Call call = world_.call();
    EXPECT_TRUE(store::Migrate(call, world_.database(), "events", Migrations()).ok());
    Restart();
  }

  void Restart() {
    node_ = std::make_unique<Node>(world_.catalog(), world_.database(), receiver_, options_);
  }
  Webhooks& webhooks() { return node_->webhooks; }

  Webhook Make(EventFilter filter = {}, std::optional<int64_t> after = 0) {
    Call call = world_.call();
    auto made = webhooks().Create(call, {.name = "hook",
                                         .url = "http://127.0.0.1:9/in",
                                         .filter = std::move(filter),
                                         .secret = {},
                                         .after = after});
    EXPECT_TRUE(made.ok()) << made.status().ToString();
    return made.ok() ? *made : Webhook();
  }
  void Tick() {
    Call call = world_.call();
    Status ticked = webhooks().Tick(call, inline_);
    EXPECT_TRUE(ticked.ok()) << ticked.ToString();
  }
  Webhook Find() {
    Call call = world_.call();
    return webhooks().Find(call, "hook").value();
  }
  void Advance(std::chrono::nanoseconds by) { world_.env().clock().Advance(by); }

  CatalogWorld world_;  // one event: its namespace
  Options options_;
  Receiver receiver_;
  InlineExecutor inline_;
  std::unique_ptr<Node> node_;
};

std::vector<int64_t> UpTo(int64_t last) {
  std::vector<int64_t> numbers;
  for (int64_t i = 1; i <= last; ++i) numbers.push_back(i);
  return numbers;
}

TEST_F(WebhooksTest, DeliversInOrderInBatchesAndRemembersHowFar) {
  for (int i = 0; i < 7; ++i) world_.MakeTable(fmt::format("t{}", i));
  Webhook made = Make();
  Tick();
  EXPECT_EQ(receiver_.numbers, UpTo(8));
  EXPECT_EQ(receiver_.batches, 3u);
  EXPECT_EQ(receiver_.urls[0], "http://127.0.0.1:9/in");
  Webhook now = Find();
  EXPECT_EQ(now.delivered_seq, 8);
  EXPECT_EQ(now.delivered_events, 8);
  EXPECT_EQ(now.last_status, 204);
  EXPECT_EQ(now.lease_until_ms, 0);
  Tick();
  EXPECT_EQ(receiver_.batches, 3u);
  Restart();
  world_.MakeTable("u");
  Tick();
  EXPECT_EQ(receiver_.numbers, UpTo(9));
  const auto& headers = receiver_.last.headers;
  EXPECT_EQ(headers.Get("Content-Type"), "application/cloudevents-batch+json; charset=utf-8");
  EXPECT_EQ(headers.Get("webhook-id"), "hook-9-9");
  int64_t time = ParseInt64(*headers.Get("webhook-timestamp")).value();
  EXPECT_EQ(time, ToMillis(world_.env().clock().Wall()) / 1000);
  EXPECT_EQ(headers.Get("webhook-signature"),
            Signature(made.secret, "hook-9-9", time, receiver_.last.body));
}

TEST_F(WebhooksTest, ADeliveryThatThrowsIsTriedAgain) {
  Make();
  receiver_.on_request = [](Call&) { throw std::bad_alloc(); };
  Tick();
  EXPECT_EQ(receiver_.batches, 0u);
  Advance(std::chrono::minutes(30));  // its lease is over
  Tick();
  EXPECT_EQ(receiver_.numbers, UpTo(1));
}

TEST_F(WebhooksTest, BeginsWithWhatIsNewUnlessTold) {
  world_.MakeTable("a");
  Make({}, std::nullopt);
  world_.MakeTable("b");
  Tick();
  EXPECT_EQ(receiver_.numbers, (std::vector<int64_t>{3}));
}

TEST_F(WebhooksTest, TriesAgainLaterAndLaterAndThenPauses) {
  options_.max_failures = 3;
  Restart();
  Make();
  receiver_.answers = {{.status = 500}, {.status = 302}, {.status = 429, .retry_after = "120"}};
  Tick();
  EXPECT_EQ(Find().failures, 1);
  EXPECT_EQ(Find().reason, "the receiver answered 500 Internal Server Error");
  Tick();
  EXPECT_EQ(receiver_.urls.size(), 1u);  // not yet
  Advance(std::chrono::seconds(1));
  Tick();
  EXPECT_EQ(receiver_.urls.size(), 2u);
  Advance(std::chrono::seconds(2));
  Tick();
  Webhook paused = Find();
  EXPECT_EQ(paused.state, WebhookState::kPaused);
  EXPECT_EQ(paused.reason,
            "3 deliveries in a row failed; the last one: the receiver answered 429 "
            "Too Many Requests");
  EXPECT_EQ(world_.env().log().Count("a webhook was paused"), 1u);
  Advance(std::chrono::hours(10));
  Tick();
  EXPECT_EQ(receiver_.urls.size(), 3u);
  Call call = world_.call();
  ASSERT_TRUE(webhooks().Resume(call, "hook", std::nullopt).ok());
  Tick();
  EXPECT_EQ(receiver_.numbers, UpTo(1));
  EXPECT_EQ(Find().failures, 0);
}

TEST_F(WebhooksTest, ALostAnswerMeansOnceMore) {
  Make();
  receiver_.answers = {{.status = 204, .lost = CommitUnknown("the answer was lost")}};
  Tick();
  Advance(std::chrono::seconds(1));
  Tick();
  EXPECT_EQ(receiver_.numbers, (std::vector<int64_t>{1, 1}));
  EXPECT_EQ(Find().delivered_seq, 1);
}

TEST_F(WebhooksTest, PassesOverWhatIsNotWanted) {
  Make({.types = {"table.dropped"}});
  for (int i = 0; i < 5; ++i) world_.MakeTable(fmt::format("t{}", i));
  Tick();
  EXPECT_EQ(receiver_.batches, 0u);
  EXPECT_EQ(Find().delivered_seq, 0);  // not worth a write yet
  Advance(std::chrono::seconds(11));
  world_.MakeTable("u");
  Tick();
  EXPECT_EQ(Find().delivered_seq, 7);
  Call call = world_.call();
  ASSERT_TRUE(world_.catalog()
                  .Drop(call, catalog::kTestWarehouse, {{"ns"}, "u"}, catalog::Catalog::Purge::kNo)
                  .ok());
  Tick();
  EXPECT_EQ(receiver_.numbers, (std::vector<int64_t>{8}));
  EXPECT_EQ(Find().delivered_seq, 8);
}

TEST_F(WebhooksTest, WhatWasPassedOverIsWrittenDownThoughNothingNewComes) {
  Make({.types = {"table.dropped"}});
  for (int i = 0; i < 5; ++i) world_.MakeTable(fmt::format("t{}", i));
  Tick();
  EXPECT_EQ(Find().delivered_seq, 0);
  Advance(std::chrono::seconds(11));
  Tick();
  EXPECT_EQ(Find().delivered_seq, 6);
  // Another server goes on after the events were removed: nothing that was wanted was lost.
  Advance(std::chrono::hours(1));
  Call call = world_.call();
  ASSERT_TRUE(world_.catalog().TrimChanges(call, ToMillis(call.clock().Wall()), 6).ok());
  Restart();
  ASSERT_TRUE(world_.catalog()
                  .Drop(call, catalog::kTestWarehouse, {{"ns"}, "t0"}, catalog::Catalog::Purge::kNo)
                  .ok());
  Tick();
  EXPECT_EQ(receiver_.others, (std::vector<std::string>{}));
  EXPECT_EQ(receiver_.numbers, (std::vector<int64_t>{7}));
  EXPECT_EQ(Find().lost_events, 0);
}

TEST_F(WebhooksTest, WhatWasPassedOverIsWrittenDownAtTheEnd) {
  Make({.types = {"table.dropped"}});
  world_.MakeTable("t");
  Tick();
  EXPECT_EQ(Find().delivered_seq, 0);
  Call call = world_.call();
  ASSERT_TRUE(webhooks().Close(call).ok());
  EXPECT_EQ(Find().delivered_seq, 2);
}

TEST_F(WebhooksTest, IsToldOfWhatWasRemoved) {
  Make();
  for (int i = 0; i < 4; ++i) world_.MakeTable(fmt::format("t{}", i));
  Advance(std::chrono::hours(1));
  Call call = world_.call();
  EXPECT_EQ(world_.catalog().LastChange(call).value(), 5);  // gives them numbers, on servers
  ASSERT_TRUE(world_.catalog().TrimChanges(call, ToMillis(call.clock().Wall()), 3).ok());
  Tick();
  EXPECT_EQ(receiver_.others, (std::vector<std::string>{"io.moraine.events.lost"}));
  EXPECT_EQ(receiver_.numbers, (std::vector<int64_t>{4, 5}));
  EXPECT_EQ(Find().lost_events, 3);
  EXPECT_EQ(Find().delivered_seq, 5);
}

TEST_F(WebhooksTest, OneServerAtATimeDelivers) {
  const int64_t id = Make().id;
  receiver_.on_request = [&](Call&) {
    Call call = world_.call();
    auto taken =
        store::RunFor(call, world_.database(), store::Access::kWrite,
                      [&](store::Transaction& t) { return TakeLease(t, id, "other", 1'000); });
    EXPECT_FALSE(taken.value());
  };
  Tick();
  EXPECT_EQ(receiver_.numbers, UpTo(1));
}

TEST_F(WebhooksTest, ADeadServersWorkIsTakenOver) {
  const int64_t id = Make().id;
  Call call = world_.call();
  auto lease = [&](const char* owner) {
    return store::RunFor(call, world_.database(), store::Access::kWrite,
                         [&](store::Transaction& t) { return TakeLease(t, id, owner, 30'000); })
        .value();
  };
  auto dead = lease("dead");
  ASSERT_TRUE(dead);
  Tick();
  EXPECT_EQ(receiver_.batches, 0u);
  Advance(std::chrono::seconds(31));
  Tick();
  EXPECT_EQ(receiver_.numbers, UpTo(1));
  // It was not dead, only slow: what it says does not count any more.
  dead->delivered_seq = 77;
  auto saved = store::RunFor(
      call, world_.database(), store::Access::kWrite,
      [&](store::Transaction& t) { return SaveDelivery(t, *dead, Lease::kRelease, 0); });
  EXPECT_FALSE(saved.value());
  EXPECT_EQ(Find().delivered_seq, 1);
}

TEST_F(WebhooksTest, PausedOrDeletedMeanwhileStaysSo) {
  Make();
  world_.MakeTable("a");
  receiver_.on_request = [&](Call&) {
    Call call = world_.call();
    EXPECT_TRUE(webhooks().Pause(call, "hook").ok());
  };
  Tick();
  EXPECT_EQ(Find().state, WebhookState::kPaused);
  EXPECT_EQ(Find().delivered_seq, 0);  // what was sent is sent again: at least once
  Call call = world_.call();
  EXPECT_TRUE(webhooks().Delete(call, "hook").ok());
  EXPECT_EQ(webhooks().Delete(call, "hook").code(), Code::kNotFound);
  EXPECT_EQ(webhooks().Find(call, "hook").status().code(), Code::kNotFound);
  Tick();
}

TEST_F(WebhooksTest, RefusesWhatCantBe) {
  Call call = world_.call();
  auto create = [&](NewWebhook wanted) { return webhooks().Create(call, wanted).status().code(); };
  NewWebhook good{.name = "n", .url = "http://localhost/", .filter = {}, .secret = {}, .after = {}};
  auto with = [&](auto change) {
    NewWebhook wanted = good;
    change(wanted);
    return create(wanted);
  };
  EXPECT_EQ(with([](auto& w) { w.name = "a/b"; }), Code::kInvalidArgument);
  EXPECT_EQ(with([](auto& w) { w.name = ".."; }), Code::kInvalidArgument);
  EXPECT_EQ(with([](auto& w) { w.url = "http://10.1.1.1/"; }), Code::kPermissionDenied);
  EXPECT_EQ(with([](auto& w) { w.secret = "weak"; }), Code::kInvalidArgument);
  EXPECT_EQ(with([](auto& w) { w.after = 99; }), Code::kInvalidArgument);
  EXPECT_EQ(with([](auto& w) { w.filter.table = "t"; }), Code::kInvalidArgument);
  EXPECT_EQ(create(good), Code::kOk);
  EXPECT_EQ(create(good), Code::kAlreadyExists);
  options_.max_webhooks = 1;
  Restart();
  EXPECT_EQ(with([](auto& w) { w.name = "m"; }), Code::kExhausted);
}

TEST_F(WebhooksTest, ATestChangesNothing) {
  Make();
  Call call = world_.call();
  receiver_.answers = {{.status = 401}};
  auto refused = webhooks().Test(call, "hook").value();
  EXPECT_FALSE(refused.attempt.delivered());
  EXPECT_EQ(refused.attempt.status, 401);
  EXPECT_TRUE(webhooks().Test(call, "hook")->attempt.delivered());
  EXPECT_EQ(receiver_.others, (std::vector<std::string>{"io.moraine.webhook.test"}));
  EXPECT_EQ(Find().failures, 0);
  EXPECT_EQ(Find().delivered_seq, 0);
}

TEST_F(WebhooksTest, AHostThatIsNoLongerAllowedGetsNothing) {
  Make();
  options_.allowed_hosts = {"elsewhere"};
  Restart();
  Tick();
  EXPECT_TRUE(receiver_.urls.empty());
  EXPECT_EQ(Find().failures, 1);
  EXPECT_NE(Find().reason.find("events.webhook-hosts"), std::string::npos);
}

/// Whatever call to the store fails: every event arrives, in order, and none is skipped.
TEST(WebhookFaults, NoEventIsLost) {
  testing::EveryFault([](testing::FaultInjector& faults) {
    CatalogWorld world;
    Options options;
    options.batch_events = 2;
    Receiver receiver;
    InlineExecutor inline_executor;
    Call setup = world.call();
    ASSERT_TRUE(store::Migrate(setup, world.database(), "events", Migrations()).ok());
    for (int i = 0; i < 4; ++i) world.MakeTable(fmt::format("t{}", i));
    Feed steady_feed(world.catalog(), options);
    Webhooks steady(steady_feed, world.database(), receiver, options);
    ASSERT_TRUE(steady
                    .Create(setup, {.name = "hook",
                                    .url = "http://localhost/",
                                    .filter = {},
                                    .secret = {},
                                    .after = 0})
                    .ok());
    store::FaultyDatabase database(world.database(), faults);
    Feed feed(world.catalog(), options);
    Webhooks webhooks(feed, database, receiver, options);
    Call call = world.call();
    (void)webhooks.Tick(call, inline_executor);
    faults.Stop();
    for (int i = 0; i < 3; ++i) {
      world.env().clock().Advance(std::chrono::minutes(1));
      Call again = world.call();
      EXPECT_TRUE(webhooks.Tick(again, inline_executor).ok());
    }
    int64_t seen = 0;
    for (int64_t number : receiver.numbers) {
      EXPECT_LE(number, seen + 1) << "an event was skipped";
      seen = std::max(seen, number);
    }
    EXPECT_EQ(seen, 5);
    Call last = world.call();
    EXPECT_EQ(steady.Find(last, "hook")->delivered_seq, 5);
  });
}

}  // namespace
}  // namespace moraine::events

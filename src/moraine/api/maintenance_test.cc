#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/api/testing/api_world.h"
#include "moraine/maintenance/controls.h"
#include "moraine/maintenance/run_store.h"
#include "moraine/maintenance/schedule.h"
#include "moraine/optimizing/table_state.h"
#include "moraine/upkeep/deletion_task.h"

namespace moraine::api {
namespace {

using net::Method;
using ::testing::HasSubstr;

constexpr char kTable[] = "/api/v1/warehouses/w/namespaces/ns/tables/t";

class MaintenanceApiTest : public ::testing::Test {
 protected:
  void SetUp() override {
    id_ = world_.world().MakeTable(
        "t", {{"snapshot.keep.duration", "1h"}, {"maintenance.window", "at night"}});
    ASSERT_TRUE(world_.world().Append("t", {"a"}).ok());
    ASSERT_TRUE(world_.world().Append("t", {"b"}).ok());
  }
  std::string Path(const std::string& rest) { return kTable + rest; }
  int Status(Method method, const std::string& rest, const std::string& body = "") {
    return world_.Send(method, Path(rest), body).status;
  }
  Json Body(Method method, const std::string& rest, const std::string& body) {
    auto response = world_.Send(method, Path(rest), body);
    EXPECT_EQ(response.status, 200) << response.BodyText();
    return Json::Parse(response.BodyText()).value();
  }

  ApiWorld world_;
  int64_t id_ = 0;
};

TEST_F(MaintenanceApiTest, ShowsActionsAndWhereSettingsComeFrom) {
  Json view = world_.Get(Path("/maintenance"));
  const auto& actions = view.Find("actions")->as_array();
  ASSERT_EQ(actions.size(), 7U);
  EXPECT_EQ(actions[0].Find("action")->as_string(), "expire-snapshots");
  EXPECT_THAT(actions[0].Find("disabled-reason")->as_string(), HasSubstr("maintenance.window"))
      << "it can't be read";
  EXPECT_FALSE(actions[1].Find("enabled")->as_bool());
  EXPECT_EQ(actions[1].Find("disabled-reason")->as_string(),
            "clean-orphan-file.enabled is false (default)");
  ASSERT_EQ(view.Find("problems")->as_array().size(), 1U);
  EXPECT_THAT(view.Find("problems")->as_array()[0].as_string(), HasSubstr("maintenance.window"));
  for (const auto& property : view.Find("properties")->as_array()) {
    if (property.Find("name")->as_string() != "snapshot.keep.duration") continue;
    EXPECT_EQ(property.Find("value")->as_string(), "1h");
    EXPECT_EQ(property.Find("origin")->as_string(), "table");
  }
  EXPECT_EQ(
      world_.Send(Method::kGet, "/api/v1/warehouses/w/namespaces/ns/tables/x/maintenance").status,
      404);
}

TEST_F(MaintenanceApiTest, BlockersAreTakenRenewedAndReleased) {
  Json taken = Body(Method::kPost, "/blockers",
                    R"({"owner": "load-7", "operations": ["optimize", "expire-data"]})");
  const std::string id = taken.Find("id")->as_string();
  EXPECT_EQ(taken.Find("length-ms")->int64(), 60'000);
  Json renewed = Body(Method::kPut, "/blockers/" + id, R"({"length-ms": 120000})");
  EXPECT_EQ(renewed.Find("expires-ms")->int64(), *taken.Find("taken-ms")->int64() + 120'000);
  EXPECT_EQ(world_.Get(Path("/blockers")).Find("blockers")->as_array().size(), 1U);
  Json view = world_.Get(Path("/maintenance"));
  for (const auto& action : view.Find("actions")->as_array()) {
    const bool is_blocked = action.Find("action")->as_string() == "expire-data";
    EXPECT_EQ(!action.Find("blocked")->as_string().empty(), is_blocked);
  }
  EXPECT_EQ(Status(Method::kPost, "/blockers",
                   R"({"owner": "x", "operations": ["all"], "exclusive": true})"),
            409);
  EXPECT_EQ(Status(Method::kPost, "/blockers", R"({"owner": "x", "operations": ["sleep"]})"), 400);
  EXPECT_EQ(Status(Method::kPost, "/blockers", R"({"operations": ["all"]})"), 400);
  EXPECT_EQ(Status(Method::kDelete, "/blockers/" + id), 204);
  EXPECT_EQ(Status(Method::kDelete, "/blockers/" + id), 404);
  EXPECT_EQ(Status(Method::kPut, "/blockers/" + id, "{}"), 404);
}

TEST_F(MaintenanceApiTest, WhatWaitsForABlockerIsDueWhenItEndsEarly) {
  world_.Settle();
  Call call = world_.call();
  store::Database& store = world_.world().store();
  const int64_t later_ms = ToMillis(call.clock().Wall()) + 3'600'000;
  const auto wait = [&](store::Transaction& t) -> moraine::Status {
    MORAINE_TRY(
        t.Execute("UPDATE optimizing_table SET due_ms = ? WHERE table_id = ?", {later_ms, id_}));
    for (auto [action, reason] :
         {std::pair(upkeep::Action::kExpireSnapshots, "blocked by x (all) until then"),
          std::pair(upkeep::Action::kExpireData, "waits for its window")}) {
      MORAINE_TRY(t.Execute("DELETE FROM maintenance_schedule WHERE table_id = ? AND action = ?",
                            {id_, std::string(upkeep::ActionName(action))}));
      maintenance::Schedule schedule{.table_id = id_, .action = action};
      schedule.due_ms = later_ms;
      schedule.reason = reason;
      MORAINE_TRY(maintenance::SaveSchedule(t, schedule).status());
    }
    return {};
  };
  // Of optimizing, of what waits for the blocker, and of what waits for something else.
  const auto wait_on = [&](store::Transaction& t) -> Result<std::vector<bool>> {
    MORAINE_ASSIGN(auto state, optimizing::FindTableState(t, id_));
    MORAINE_ASSIGN(auto blocked,
                   maintenance::FindSchedule(t, id_, upkeep::Action::kExpireSnapshots));
    MORAINE_ASSIGN(auto other, maintenance::FindSchedule(t, id_, upkeep::Action::kExpireData));
    return std::vector<bool>{state->due_ms == later_ms, blocked->due_ms == later_ms,
                             other->due_ms == later_ms};
  };
  const auto who_waits = [&] {
    return store::RunFor(call, store, store::Access::kRead, wait_on).value();
  };
  Json taken = Body(Method::kPost, "/blockers",
                    R"({"owner": "x", "operations": ["all"], "length-ms": 3600000})");
  const std::string id = taken.Find("id")->as_string();
  for (const bool is_released : {false, true}) {
    ASSERT_TRUE(store.Run(call, store::Access::kWrite, wait).ok());
    (void)Body(Method::kPut, "/blockers/" + id, R"({"length-ms": 7200000})");
    EXPECT_EQ(who_waits(), (std::vector<bool>{true, true, true}));
    if (is_released) {
      EXPECT_EQ(Status(Method::kDelete, "/blockers/" + id), 204);
    } else {
      (void)Body(Method::kPut, "/blockers/" + id, R"({"length-ms": 1000})");
    }
    EXPECT_EQ(who_waits(), (std::vector<bool>{false, false, true})) << is_released;
  }
}

TEST_F(MaintenanceApiTest, HoldsAreSetAndReleased) {
  const int64_t current = world_.world().Load("t")->metadata->current_snapshot_id;
  Json hold = Body(Method::kPut, "/holds/flink-orders", "{}");
  EXPECT_EQ(hold.Find("snapshot-id")->int64(), current);
  EXPECT_EQ(hold.Find("expires-ms")->int64(), *hold.Find("created-ms")->int64() + 7LL * 86'400'000);
  EXPECT_EQ(world_.Get(Path("/holds")).Find("holds")->as_array().size(), 1U);
  EXPECT_EQ(world_.Get(Path("/maintenance")).Find("holds")->as_array().size(), 1U);
  EXPECT_EQ(Status(Method::kPut, "/holds/x", R"({"snapshot-id": 17})"), 404);
  EXPECT_EQ(Status(Method::kPut, "/holds/x", R"({"length-ms": 0})"), 400);
  EXPECT_EQ(Status(Method::kPut, "/holds/x", R"({"length-ms": 99999999999})"), 400);
  auto held = world_.maintenance().MakeSeams().holds_of;
  Call call = world_.call();
  auto holds = held(call, *world_.world().Load("t"), ToMillis(call.clock().Wall()));
  ASSERT_EQ(holds.value().size(), 1U);
  EXPECT_EQ(holds.value()[0].from_snapshot, current);
  const auto table = world_.world().Load("t");
  auto held_now = world_.maintenance().MakeSeams().holds_in;
  auto holds_now = store::RunFor(call, world_.world().store(), store::Access::kRead,
                                 [&](store::Transaction& t) { return held_now(t, *table); });
  ASSERT_EQ(holds_now.value().size(), 1U);
  EXPECT_EQ(holds_now.value()[0].snapshot_ids, std::vector<int64_t>{current});
  EXPECT_EQ(Status(Method::kDelete, "/holds/flink-orders"), 204);
  EXPECT_EQ(Status(Method::kDelete, "/holds/flink-orders"), 404);
}

TEST_F(MaintenanceApiTest, RunsAreAskedForOnce) {
  Json asked =
      Body(Method::kPost, "/maintenance/actions/expire-snapshots/run", R"({"dry-run": true})");
  const std::string run_id = asked.Find("run-id")->as_string();
  EXPECT_EQ(Status(Method::kPost, "/maintenance/actions/expire-snapshots/run", "{}"), 409);
  EXPECT_EQ(Status(Method::kPost, "/maintenance/actions/sweep/run", "{}"), 404);
  EXPECT_EQ(Status(Method::kPost, "/maintenance/actions/purge-table/run", "{}"), 400);
  EXPECT_EQ(Status(Method::kPost, "/maintenance/actions/compute-statistics/run", "{}"), 200);
  const std::string clean = "/maintenance/actions/clean-orphan-files/run";
  EXPECT_EQ(Status(Method::kPost, clean, R"({"options": {"foo": 1}, "dry-run": true})"), 400);
  const auto options = [](std::string_view text) {
    return fmt::format(R"({{"options": {}}})", text);
  };
  for (const char* bad :
       {R"({"older-than-ms": -1, "allow-young": true})", R"({"older-than-ms": "x"})",
        R"({"older-than-ms": 86399999})", R"({"older-than-ms": 0, "allow-young": 1})",
        R"({"older-than-ms": 0, "allow-young": false})"}) {
    EXPECT_EQ(Status(Method::kPost, clean, options(bad)), 400) << bad;
  }
  EXPECT_EQ(Status(Method::kPost, clean, R"({"options": {"older-than-ms": -1}, "dry-run": true})"),
            400);
  EXPECT_EQ(Status(Method::kPost, clean, R"({"options": {"older-than-ms": 1}, "dry-run": true})"),
            200);
  Json waiting = world_.Get("/api/v1/maintenance/runs/" + run_id);
  EXPECT_EQ(waiting.Find("waits")->as_string(), "") << "its turn";
  EXPECT_EQ(world_.Send(Method::kGet, "/api/v1/maintenance/runs/nothing").status, 404);
  Json view = world_.Get(Path("/maintenance"));
  EXPECT_EQ(view.Find("actions")->as_array()[0].Find("asked-run-id")->as_string(), run_id);
}

TEST_F(MaintenanceApiTest, DecisionsSayWhatBecameOfTheirFiles) {
  constexpr char kRun[] = "019b7a2c-5c00-7000-8000-000000000001";
  struct Row {
    const char* state;
    std::string result;
    int64_t removed, kept, failed;
    bool again;
    const char* problem;
  };
  const std::vector<Row> rows = {
      {"done", upkeep::DeletionResultToJson({.deleted = 3, .kept = 1}), 3, 1, 0, false, ""},
      {"done",
       upkeep::DeletionResultToJson({.deleted = 1, .failed = 2, .failures = {{"f", "denied"}}}), 1,
       0, 2, false, "f: denied"},
      {"done", upkeep::DeletionResultToJson({.stale = true}), 0, 0, 0, true, ""},
      {"failed", "the worker is lost", 0, 0, 0, false, "the worker is lost"},
      {"done", "not JSON", 0, 0, 0, false, ""},
  };
  Call call = world_.call();
  const auto write = [&](store::Transaction& t) -> moraine::Status {
    maintenance::MaintenanceRun run{.run_id = kRun};
    run.subject.table_id = id_;
    MORAINE_TRY(maintenance::InsertRun(t, run));
    for (size_t i = 0; i < rows.size(); ++i) {
      // As they are listed: the newest first.
      const auto task_id = static_cast<int64_t>(rows.size() - i);
      MORAINE_TRY(maintenance::InsertDeletion(
          t, {kRun, task_id, id_, "u", 1, "m", {"orphan", "l", 9, 90}, 5, 0, "", ""}));
      MORAINE_TRY(maintenance::FinishDeletion(t, kRun, task_id, rows[i].state, rows[i].result, 6));
    }
    return {};
  };
  ASSERT_TRUE(world_.world().store().Run(call, store::Access::kWrite, write).ok());
  const Json detail = world_.Get(std::string("/api/v1/maintenance/runs/") + kRun);
  const auto& found = detail.Find("deletions")->as_array();
  ASSERT_EQ(found.size(), rows.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    EXPECT_EQ(found[i].Find("files-removed")->int64(), rows[i].removed) << i;
    EXPECT_EQ(found[i].Find("files-kept")->int64(), rows[i].kept) << i;
    EXPECT_EQ(found[i].Find("files-failed")->int64(), rows[i].failed) << i;
    EXPECT_EQ(found[i].Find("given-again")->as_bool(), rows[i].again) << i;
    EXPECT_EQ(found[i].Find("problem")->as_string(), rows[i].problem) << i;
  }
}

TEST_F(MaintenanceApiTest, RunsAreCancelled) {
  Json asked = Body(Method::kPost, "/maintenance/actions/expire-snapshots/run", "{}");
  const std::string run_id = asked.Find("run-id")->as_string();
  const auto cancel = [&](const std::string& id) {
    return world_.Send(Method::kPost, "/api/v1/maintenance/runs/" + id + "/cancel", "{}");
  };
  EXPECT_EQ(cancel("none").status, 404);
  auto cancelled = cancel(run_id.substr(0, 20));
  ASSERT_EQ(cancelled.status, 200) << cancelled.BodyText();
  const Json run = Json::Parse(cancelled.BodyText()).value();
  EXPECT_EQ(run.Find("id")->as_string(), run_id);
  EXPECT_EQ(run.Find("state")->as_string(), "cancelled");
  EXPECT_EQ(run.Find("cancelled-by")->as_string(), "person");
  EXPECT_EQ(cancel(run_id).status, 409);
  EXPECT_EQ(world_.Get(Path("/maintenance/runs")).Find("runs")->as_array().size(), 1U);
  EXPECT_EQ(world_.Get("/api/v1/maintenance/runs/" + run_id.substr(0, 20)).Find("id")->as_string(),
            run_id);
}

TEST_F(MaintenanceApiTest, SchedulesOfTheFleetAreListedLateFirst) {
  Call call = world_.call();
  const int64_t now_ms = ToMillis(call.clock().Wall());
  struct Row {
    int64_t table_id;
    upkeep::Action action;
    int64_t due_ms;  // 0: unset
    int64_t failures, paused_ms;
  };
  const std::vector<Row> rows = {
      {901, upkeep::Action::kExpireSnapshots, now_ms + 60'000, 0, 0},
      {902, upkeep::Action::kExpireSnapshots, now_ms - 60'000, 2, 0},
      {902, upkeep::Action::kExpireData, now_ms - 60'000, 0, 0},
      {903, upkeep::Action::kExpireData, 0, 0, now_ms},
  };
  ASSERT_TRUE(world_.world()
                  .store()
                  .Run(call, store::Access::kWrite,
                       [&](store::Transaction& t) -> moraine::Status {
                         for (const auto& row : rows) {
                           maintenance::Schedule s{.table_id = row.table_id, .action = row.action};
                           if (row.due_ms > 0) s.due_ms = row.due_ms;
                           s.failures = row.failures;
                           s.paused_ms = row.paused_ms;
                           MORAINE_TRY(maintenance::SaveSchedule(t, s).status());
                         }
                         return {};
                       })
                  .ok());
  const auto list = [&](const std::string& query, std::string* token = nullptr) {
    Json page = world_.Get("/api/v1/maintenance/schedules" + query);
    std::vector<std::string> found;
    for (const auto& one : page.Find("schedules")->as_array())
      found.push_back(std::to_string(*one.Find("table-id")->int64()) + " " +
                      one.Find("action")->as_string());
    if (token != nullptr)
      *token = page.Find("next-page-token") ? page.Find("next-page-token")->as_string() : "";
    return found;
  };
  using Names = std::vector<std::string>;
  EXPECT_EQ(list(""), (Names{"902 expire-data", "902 expire-snapshots", "901 expire-snapshots"}));
  EXPECT_EQ(list("?state=late"), (Names{"902 expire-data", "902 expire-snapshots"}));
  EXPECT_EQ(list("?state=waiting"), (Names{"901 expire-snapshots"}));
  EXPECT_EQ(list("?state=failing"), (Names{"902 expire-snapshots"}));
  EXPECT_EQ(list("?state=paused"), (Names{"903 expire-data"}));
  EXPECT_EQ(list("?state=asked"), Names{});
  EXPECT_EQ(list("?state=running"), Names{});
  EXPECT_EQ(list("?action=expire-data"), (Names{"902 expire-data"}));
  EXPECT_EQ(list("?table-id=901"), (Names{"901 expire-snapshots"}));
  std::string token;
  Names all;
  for (std::string query = "?limit=1"; all.size() < 10; query = "?limit=1&page-token=" + token) {
    for (auto& name : list(query, &token)) all.push_back(std::move(name));
    if (token.empty()) break;
  }
  EXPECT_EQ(all, list(""));
  for (const char* query : {"?state=sleepy", "?page-token=7", "?action=sleep", "?table-id=x"}) {
    EXPECT_EQ(
        world_.Send(Method::kGet, std::string("/api/v1/maintenance/schedules") + query).status,
        400);
  }
}

TEST_F(MaintenanceApiTest, PausesAndResumes) {
  const auto paused = [&] {
    int count = 0;
    Json view = world_.Get(Path("/maintenance"));
    for (const auto& action : view.Find("actions")->as_array()) {
      count += action.Find("paused")->as_bool() ? 1 : 0;
    }
    return count;
  };
  EXPECT_EQ(Status(Method::kPost, "/maintenance/pause", R"({"action": "expire-data"})"), 204);
  EXPECT_EQ(paused(), 1);
  EXPECT_EQ(Status(Method::kPost, "/maintenance/pause", "{}"), 204);
  EXPECT_EQ(paused(), 7);
  EXPECT_EQ(Status(Method::kPost, "/maintenance/resume", R"({"action": "expire-data"})"), 204);
  EXPECT_EQ(paused(), 6);
  EXPECT_EQ(Status(Method::kPost, "/maintenance/resume", "{}"), 204);
  EXPECT_EQ(paused(), 0);
  EXPECT_EQ(Status(Method::kPost, "/maintenance/pause", R"({"action": "sleep"})"), 400);
}

TEST_F(MaintenanceApiTest, HistoriesAreRead) {
  EXPECT_TRUE(world_.Get(Path("/maintenance/runs")).Find("runs")->as_array().empty());
  EXPECT_TRUE(
      world_.Get("/api/v1/maintenance/runs?action=expire-data").Find("runs")->as_array().empty());
  EXPECT_EQ(world_.Send(Method::kGet, "/api/v1/maintenance/runs?action=sleep").status, 400);
  EXPECT_EQ(world_.Send(Method::kGet, "/api/v1/maintenance/runs?limit=0").status, 400);
  EXPECT_EQ(world_.Send(Method::kGet, "/api/v1/maintenance/runs?page-token=7").status, 400);
}

TEST_F(MaintenanceApiTest, SeamsFollowThePolicy) {
  auto seams = world_.maintenance().MakeSeams();
  Call call = world_.call();
  auto table = world_.world().Load("t");
  maintenance::Inherited inherited;
  const auto policy = seams.policy_of(call, *table, inherited).value();
  EXPECT_EQ(policy->properties.at("snapshot.keep.duration").value, "1h");
  EXPECT_FALSE(policy->Of(upkeep::Action::kExpireSnapshots).runs()) << "the window can't be read";
  EXPECT_EQ(seams.policy_of(call, *table, inherited).value(), policy) << "it is read once";
  auto blocker =
      world_.maintenance().blockers().Take(call, id_, {{"all"}, false, "x", Millis(60'000)});
  const auto blockers = seams.blockers_of(call, id_).value();
  ASSERT_EQ(blockers.size(), 1U);
  EXPECT_EQ(blockers[0].expires_ms, blocker->expires_ms);
}

}  // namespace
}  // namespace moraine::api

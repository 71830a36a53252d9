#include "moraine/api/testing/maintenance_walk.h"

#include <gtest/gtest.h>

#include "moraine/maintenance/run_store.h"
#include "moraine/maintenance/subject_json.h"
#include "moraine/optimizing/jobs.h"

namespace moraine::api {
namespace {

using net::Method;

/// A run that goes on, and a decision of it.
void AddRun(ApiWorld& api, const std::string& run_id, upkeep::Action action) {
  maintenance::MaintenanceRun run;
  run.run_id = run_id;
  run.action = action;
  run.subject = maintenance::SubjectOf(*api.world().Load("t"));
  run.created_ms = ToMillis(api.call().clock().Wall());
  maintenance::DeletionRow deletion;
  deletion.run_id = run_id;
  deletion.table_id = run.subject.table_id;
  deletion.deletion = {"expired", "file:///list", 3, 4'096};
  deletion.state = "open";
  deletion.result = "{}";
  Call call = api.call();
  Status added = api.world().store().Run(call, store::Access::kWrite, [&](auto& t) -> Status {
    MORAINE_TRY(maintenance::InsertRun(t, run));
    MORAINE_TRY(maintenance::InsertDeletion(t, deletion));
    tasks::MaintenanceTask task;
    task.kind = "delete-files";
    task.process_id = run_id;
    task.body = "{}";
    return optimizing::InsertJobTasks(t, {run_id, run.subject.table_id, "default"}, {{task}});
  });
  EXPECT_TRUE(added.ok()) << added.ToString();
}

}  // namespace

void WalkMaintenance(ApiWorld& api) {
  const std::string table = "/api/v1/warehouses/w/namespaces/ns/tables/t";
  Call call = api.call();
  ASSERT_TRUE(api.world()
                  .engine()
                  .UpdateNamespace(call, "w", {"ns"}, {{"snapshot.keep.min-count", "2"}}, {})
                  .ok());
  Json blocker =
      api.Post(table + "/blockers", R"({"owner": "load", "operations": ["expire-data"]})");
  EXPECT_EQ(api.Send(Method::kPut, table + "/holds/reader", "{}").status, 200);
  const std::string first = "019b7a2c-0000-7000-8000-000000000001";
  AddRun(api, first, upkeep::Action::kExpireSnapshots);
  AddRun(api, "019b7a2c-0000-7000-8000-000000000002", upkeep::Action::kExpireData);
  Json asked = api.Post(table + "/maintenance/actions/rewrite-manifests/run", R"({"options": {}})");

  Json view = api.Get(table + "/maintenance");
  EXPECT_EQ(view.Find("holds")->as_array().size(), 1U);
  EXPECT_EQ(view.Find("blockers")->as_array().size(), 1U);
  EXPECT_EQ(view.Find("actions")->as_array()[0].Find("active-run")->Find("id")->as_string(), first);
  Json optimizer = api.Post("/api/v1/optimizers",
                            R"({"protocol": 3, "group": "default", "threads": 1, "memory-bytes": )"
                            R"(536870912, "host": "h", "pid": 7, "version": "v"})");
  Json handed =
      api.Post("/api/v1/optimizers/poll", R"({"token": ")" + optimizer.Find("token")->as_string() +
                                              R"(", "thread": 0, "wait-ms": 0})");
  EXPECT_NE(handed.Find("input")->Find("maintenance-format"), nullptr) << handed.ToString();
  api.Get(table + "/blockers");
  api.Get(table + "/holds");
  Json runs = api.Get(table + "/maintenance/runs?limit=1");
  ASSERT_EQ(runs.Find("runs")->as_array().size(), 1U);
  Json more = api.Get("/api/v1/maintenance/runs?limit=5&page-token=" +
                      runs.Find("next-page-token")->as_string());
  ASSERT_EQ(more.Find("runs")->as_array().size(), 1U);
  EXPECT_EQ(more.Find("runs")->as_array()[0].Find("id")->as_string(), first);
  Json due = api.Get("/api/v1/maintenance/schedules?limit=1");
  ASSERT_EQ(due.Find("schedules")->as_array().size(), 1U);
  Json detail = api.Get("/api/v1/maintenance/runs/" + first);
  EXPECT_EQ(detail.Find("deletions")->as_array()[0].Find("files")->int64(), 3);
  api.Get("/api/v1/maintenance/runs/" + asked.Find("run-id")->as_string());
}

}  // namespace moraine::api

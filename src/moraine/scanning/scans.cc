#include "moraine/scanning/scans.h"

#include <algorithm>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "moraine/base/json.h"
#include "moraine/base/random.h"

namespace moraine::scanning {
namespace {

/// All plan tasks of an answer together, about.
constexpr size_t kMaxTaskBytes = size_t{1} << 20;
/// A larger scan does not ride in its plan tasks, but is kept in the store.
constexpr size_t kMaxScanBytes = 2'048;

size_t SizeOf(const ScanSpec& scan) {
  return scan.filter.size() + 12 * scan.stats_columns.size() + 100;
}

/// The plan tasks, delete files and scan tasks of an answer.
void WriteTasks(const std::vector<std::string>& plan_tasks, const TaskPage& page, JsonWriter* out) {
  if (!plan_tasks.empty()) {
    out->Key("plan-tasks").BeginArray();
    for (const std::string& task : plan_tasks) out->String(task);
    out->EndArray();
  }
  if (!page.delete_files.empty()) out->Key("delete-files").Raw(page.delete_files);
  out->Key("file-scan-tasks").Raw(page.file_scan_tasks);
}

std::string CompletedAnswer(const std::string& plan_id, const std::vector<std::string>& plan_tasks,
                            const TaskPage& page, std::string_view storage_credentials) {
  std::string answer;
  JsonWriter out(&answer);
  out.BeginObject().Field("status", "completed");
  if (!plan_id.empty()) out.Field("plan-id", plan_id);
  if (!storage_credentials.empty()) out.Key("storage-credentials").Raw(storage_credentials);
  WriteTasks(plan_tasks, page, &out);
  out.EndObject();
  return answer;
}

std::string SubmittedAnswer(const std::string& plan_id) {
  std::string answer;
  JsonWriter out(&answer);
  out.BeginObject().Field("status", "submitted").Field("plan-id", plan_id).EndObject();
  return answer;
}

std::string FailedAnswer(const Status& status) {
  std::string answer;
  JsonWriter out(&answer);
  out.BeginObject().Field("status", "failed").Key("error").BeginObject();
  out.Field("message", status.message()).Field("type", "ValidationException");
  out.Field("code", int64_t{400}).EndObject().EndObject();
  return answer;
}

/// Asking again would not help.
bool IsLasting(Code code) {
  return code == Code::kCorruption || code == Code::kUnsupported || code == Code::kInvalidArgument;
}

}  // namespace

Result<std::string> Scans::Plan(Call& call, const catalog::LoadedTable& table,
                                const ScanRequest& request, std::string_view storage_credentials) {
  MORAINE_ASSIGN(auto scan, ResolveScan(*table.metadata, request));
  if (!scan) return CompletedAnswer("", {}, {}, storage_credentials);
  KeptPlan plan{"", table.table_id, call.principal(), std::move(*scan), 0};
  MORAINE_ASSIGN(int64_t cost, lists_.CostOf(call, *table.metadata, plan.scan));
  if (cost < options_.submit_from_bytes)
    return Complete(call, table, std::move(plan), storage_credentials);
  plan.plan_id = MakeOrderedUuid(call.random(), call.clock().Wall());
  MORAINE_TRY(plans_.Keep(call, plan, options_.plan_lifetime));
  return SubmittedAnswer(plan.plan_id);
}

Result<std::string> Scans::Fetch(Call& call, const catalog::LoadedTable& table,
                                 const std::string& plan_id, std::string_view storage_credentials) {
  MORAINE_ASSIGN(KeptPlan plan, plans_.Find(call, plan_id, table.table_id));
  auto answer = Complete(call, table, std::move(plan), storage_credentials);
  if (!answer.ok() && IsLasting(answer.status().code())) return FailedAnswer(answer.status());
  return answer;
}

Status Scans::Cancel(Call& call, const catalog::LoadedTable& table, const std::string& plan_id) {
  return plans_.Remove(call, plan_id, table.table_id);
}

Result<TableScan> Scans::Prepare(Call& call, const catalog::LoadedTable& table,
                                 const ScanSpec& scan) {
  MORAINE_ASSIGN(auto manifests, lists_.Get(call, *table.metadata, scan));
  return TableScan::Make(files_, table.metadata, scan, std::move(manifests), options_.page);
}

Result<std::string> Scans::Complete(Call& call, const catalog::LoadedTable& table, KeptPlan plan,
                                    std::string_view storage_credentials) {
  MORAINE_ASSIGN(TableScan scan, Prepare(call, table, plan.scan));
  std::vector<ManifestRange> parts = scan.Split(scan.All());
  TaskPage page;
  // Few rows are mostly found at once.
  if (parts.size() == 1 || (plan.scan.min_rows && !parts.empty())) {
    MORAINE_ASSIGN(page, scan.Read(call, scan.All()));
    parts = page.rest ? scan.Split(*page.rest) : std::vector<ManifestRange>();
  }
  if (parts.empty()) return CompletedAnswer(plan.plan_id, {}, page, storage_credentials);
  plan.scan.min_rows.reset();
  MORAINE_TRY(KeepIfLarge(call, &plan));
  PlanTask task{plan.table_id, plan.principal, plan.expires_ms, plan.plan_id, plan.scan, {}};
  MORAINE_ASSIGN(auto plan_tasks, Seal(call, std::move(task), parts));
  return CompletedAnswer(plan.plan_id, plan_tasks, page, storage_credentials);
}

/// Gives a plan that is not kept an end, too.
Status Scans::KeepIfLarge(Call& call, KeptPlan* plan) {
  if (!plan->plan_id.empty()) return {};
  plan->expires_ms = ToMillis(call.clock().Wall()) + options_.plan_lifetime.count();
  if (SizeOf(plan->scan) <= kMaxScanBytes) return {};
  plan->plan_id = MakeOrderedUuid(call.random(), call.clock().Wall());
  return plans_.Keep(call, *plan, options_.plan_lifetime);
}

Result<std::vector<std::string>> Scans::Seal(Call& call, PlanTask task,
                                             const std::vector<ManifestRange>& parts) {
  MORAINE_ASSIGN(std::string secret, plans_.Secret(call));
  const size_t task_bytes = 200 + 2 * (task.plan_id.empty() ? SizeOf(task.scan) : 0);
  const size_t most = std::clamp<size_t>(kMaxTaskBytes / task_bytes, 1, options_.plan_tasks);
  const size_t each = (parts.size() + most - 1) / most;
  std::vector<std::string> sealed;
  for (size_t first = 0; first < parts.size(); first += each) {
    const size_t last = std::min(first + each, parts.size()) - 1;
    task.range = {parts[first].begin, parts[last].end, parts[first].skip};
    sealed.push_back(SealPlanTask(task, secret));
  }
  return sealed;
}

Result<std::string> Scans::Tasks(Call& call, const catalog::LoadedTable& table,
                                 const std::string& plan_task) {
  MORAINE_ASSIGN(std::string secret, plans_.Secret(call));
  MORAINE_ASSIGN(PlanTask task, OpenPlanTask(plan_task, secret));
  if (task.table_id != table.table_id || task.principal != call.principal()) {
    return NotFound("Plan task does not exist for this table");
  }
  if (task.expires_ms <= ToMillis(call.clock().Wall())) return NotFound("Plan task has expired");
  ScanSpec spec = task.scan;
  if (!task.plan_id.empty()) {
    MORAINE_ASSIGN(KeptPlan plan, plans_.Find(call, task.plan_id, table.table_id));
    spec = std::move(plan.scan);
    spec.min_rows.reset();
  }
  MORAINE_ASSIGN(TableScan scan, Prepare(call, table, spec));
  const ManifestRange all = scan.All();
  if (task.range.begin < 0 || task.range.end > all.end)
    return NotFound("Plan task is out of range");
  std::vector<ManifestRange> parts = scan.Split(task.range);
  TaskPage page;
  if (!parts.empty()) {
    MORAINE_ASSIGN(page, scan.Read(call, parts.front()));
    parts.erase(parts.begin());
    if (page.rest) {
      std::vector<ManifestRange> rest = scan.Split(*page.rest);
      parts.insert(parts.begin(), rest.begin(), rest.end());
    }
  }
  std::vector<std::string> plan_tasks;
  if (!parts.empty()) {
    MORAINE_ASSIGN(plan_tasks, Seal(call, std::move(task), parts));
  }
  std::string answer;
  JsonWriter out(&answer);
  out.BeginObject();
  WriteTasks(plan_tasks, page, &out);
  out.EndObject();
  return answer;
}

}  // namespace moraine::scanning

#include "moraine/scanning/testing/scan_world.h"

#include <algorithm>
#include <deque>

#include "moraine/base/check.h"

namespace moraine::scanning {
namespace {

Json Parse(const std::string& text) {
  auto json = Json::Parse(text, 1'000);
  MORAINE_CHECK(json.ok(), text);
  return *std::move(json);
}

void Collect(const Json& answer, WholePlan* plan) {
  ++plan->answers;
  const Json* tasks = answer.Find("file-scan-tasks");
  const Json* deletes = answer.Find("delete-files");
  MORAINE_CHECK(tasks != nullptr, "an answer has no file-scan-tasks");
  MORAINE_CHECK(deletes == nullptr || !tasks->as_array().empty(), "deletes without tasks");
  plan->largest_page = std::max(plan->largest_page, static_cast<int64_t>(tasks->as_array().size()));
  for (const Json& task : tasks->as_array()) {
    WholePlan::File file;
    file.data_file = *task.Find("data-file");
    file.residual = task.Find("residual-filter")->ToString();
    if (const Json* places = task.Find("delete-file-references")) {
      for (const Json& place : places->as_array()) {
        const Json& one = deletes->as_array().at(static_cast<size_t>(*place.int64()));
        file.deletes.insert(iceberg::ShortName(one.Find("file-path")->as_string()));
      }
    }
    std::string name = iceberg::ShortName(file.data_file.Find("file-path")->as_string());
    if (!plan->files.emplace(std::move(name), std::move(file)).second) ++plan->repeated;
  }
}

}  // namespace

std::vector<std::string> WholePlan::names() const {
  std::vector<std::string> names;
  for (const auto& [name, file] : files) names.push_back(name);
  return names;
}

std::vector<std::string> PlanTasksOf(const Json& answer) {
  std::vector<std::string> tasks;
  if (const Json* array = answer.Find("plan-tasks")) {
    for (const Json& task : array->as_array()) tasks.push_back(task.as_string());
  }
  return tasks;
}

ScanWorld::ScanWorld(const iceberg::TestTableOptions& table, const ScanOptions& options)
    : call_(env_.call()), table_(files_, table) {
  auto opened = store::OpenDatabase(call_, "sqlite://:memory:", {});
  MORAINE_CHECK(opened.ok(), opened.status().ToString());
  database_ = std::move(*opened);
  scans_ = Another(options);
}

std::unique_ptr<Scans> ScanWorld::Another(const ScanOptions& options) {
  auto scans = std::make_unique<Scans>(files_, *database_, options);
  Status status = scans->Open(call_);
  MORAINE_CHECK(status.ok(), status.ToString());
  return scans;
}

catalog::LoadedTable ScanWorld::Loaded(int64_t table_id) const {
  catalog::LoadedTable loaded;
  loaded.table_id = table_id;
  loaded.metadata = table_.metadata();
  return loaded;
}

Result<std::string> ScanWorld::Plan(const std::string& request) { return Plan(*scans_, request); }

Result<std::string> ScanWorld::Plan(Scans& scans, const std::string& request) {
  Json json = Parse(request);
  MORAINE_ASSIGN(auto decoded, ScanRequestFromJson(JsonCursor(json)));
  return scans.Plan(call_, Loaded(), decoded, "");
}

WholePlan ScanWorld::PlanAll(Scans& scans, const std::string& request) {
  WholePlan plan;
  auto planned = Plan(scans, request);
  MORAINE_CHECK(planned.ok(), request + ": " + planned.status().ToString());
  Json answer = Parse(*planned);
  if (answer.Find("status")->as_string() == "submitted") {
    auto fetched = scans.Fetch(call_, Loaded(), answer.Find("plan-id")->as_string(), "");
    MORAINE_CHECK(fetched.ok(), fetched.status().ToString());
    answer = Parse(*fetched);
  }
  MORAINE_CHECK(answer.Find("status")->as_string() == "completed", answer.ToString());
  Collect(answer, &plan);
  std::vector<std::string> first = PlanTasksOf(answer);
  std::deque<std::string> open(first.begin(), first.end());
  while (!open.empty()) {
    auto fetched = scans.Tasks(call_, Loaded(), open.front());
    MORAINE_CHECK(fetched.ok(), fetched.status().ToString());
    open.pop_front();
    Json tasks = Parse(*fetched);
    Collect(tasks, &plan);
    for (std::string& one : PlanTasksOf(tasks)) open.push_back(std::move(one));
  }
  return plan;
}

}  // namespace moraine::scanning

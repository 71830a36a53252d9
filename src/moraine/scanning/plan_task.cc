#include "moraine/scanning/plan_task.h"

#include <utility>

#include "moraine/base/json.h"
#include "moraine/base/text.h"
#include "moraine/net/digest.h"

namespace moraine::scanning {
namespace {

constexpr size_t kMacBytes = 32;
/// Sealed texts of another kind, should there be any, must not pass for plan tasks.
constexpr std::string_view kPurpose = "moraine plan task 1\n";

std::string MacOf(std::string_view secret, std::string_view payload) {
  return net::HmacSha256(secret, std::string(kPurpose).append(payload));
}

/// Takes the same time wherever they differ.
bool SameBytes(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  unsigned char difference = 0;
  for (size_t i = 0; i < a.size(); ++i) difference |= static_cast<unsigned char>(a[i] ^ b[i]);
  return difference == 0;
}

Status NoSuchTask() { return NotFound("Plan task does not exist or is no longer valid"); }

Result<PlanTask> PlanTaskFromJson(const JsonCursor& json) {
  PlanTask task;
  MORAINE_ASSIGN(task.table_id, json.Int64("table"));
  MORAINE_ASSIGN(task.expires_ms, json.Int64("expires"));
  MORAINE_ASSIGN(auto principal, json.OptString("principal"));
  task.principal = std::move(principal).value_or("");
  MORAINE_ASSIGN(task.range.begin, json.Int64("begin"));
  MORAINE_ASSIGN(task.range.end, json.Int64("end"));
  MORAINE_ASSIGN(task.range.skip, json.Int64("skip"));
  MORAINE_ASSIGN(auto plan_id, json.OptString("plan"));
  if (plan_id) {
    task.plan_id = std::move(*plan_id);
    return task;
  }
  MORAINE_ASSIGN(JsonCursor scan, json.Get("scan"));
  MORAINE_ASSIGN(task.scan, ScanSpecFromJson(scan));
  return task;
}

}  // namespace

std::string SealPlanTask(const PlanTask& task, std::string_view secret) {
  std::string payload;
  JsonWriter out(&payload);
  out.BeginObject().Field("table", task.table_id).Field("expires", task.expires_ms);
  if (!task.principal.empty()) out.Field("principal", task.principal);
  out.Field("begin", task.range.begin).Field("end", task.range.end).Field("skip", task.range.skip);
  if (!task.plan_id.empty()) {
    out.Field("plan", task.plan_id);
  } else {
    out.Key("scan");
    WriteScanSpec(task.scan, &out);
  }
  out.EndObject();
  return Base64Encode(MacOf(secret, payload) + payload);
}

Result<PlanTask> OpenPlanTask(std::string_view text, std::string_view secret) {
  auto bytes = Base64Decode(text);
  if (!bytes.ok() || bytes->size() <= kMacBytes) return NoSuchTask();
  std::string_view payload = std::string_view(*bytes).substr(kMacBytes);
  if (!SameBytes(MacOf(secret, payload), std::string_view(*bytes).substr(0, kMacBytes))) {
    return NoSuchTask();
  }
  auto json = Json::Parse(payload);
  if (!json.ok()) return NoSuchTask();
  auto task = PlanTaskFromJson(JsonCursor(*json));
  // Sealed by a newer or older server, perhaps.
  if (!task.ok()) return NoSuchTask();
  return task;
}

}  // namespace moraine::scanning

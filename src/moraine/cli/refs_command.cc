// moraine table refs: branches and tags of a table, how long each stays, and what each holds back
// from expiry. Read from the table's metadata as the REST catalog loads it.

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "moraine/base/text.h"
#include "moraine/cli/commands.h"
#include "moraine/cli/names.h"
#include "moraine/cli/text_table.h"

namespace moraine::cli {
namespace {

using Align = TextTable::Align;

constexpr char kMain[] = "main";

struct SnapshotFacts {
  int64_t parent_id = -1;
  int64_t timestamp_ms = 0;
};
using SnapshotsById = std::map<int64_t, SnapshotFacts>;

struct Ref {
  std::string name;
  bool is_tag = false;
  int64_t snapshot_id = -1;
  std::optional<int64_t> max_age_ms;  ///< of the ref itself
  std::optional<int64_t> snapshot_max_age_ms;
  std::optional<int64_t> min_snapshots;
  std::set<int64_t> reached;  ///< a tag keeps its own snapshot alone
};

std::optional<int64_t> OptIntOf(const Json& json, std::string_view key) {
  const Json* found = json.is_object() ? json.Find(key) : nullptr;
  if (found == nullptr || !found->is_number()) return std::nullopt;
  return IntOf(json, key);
}

SnapshotsById SnapshotsOf(const Json& metadata) {
  SnapshotsById snapshots;
  for (const auto& snapshot : ListOf(metadata, "snapshots")) {
    snapshots[IntOf(snapshot, "snapshot-id", -1)] = {IntOf(snapshot, "parent-snapshot-id", -1),
                                                     IntOf(snapshot, "timestamp-ms")};
  }
  return snapshots;
}

void Reach(const SnapshotsById& snapshots, Ref* ref) {
  for (auto at = snapshots.find(ref->snapshot_id); at != snapshots.end();
       at = snapshots.find(at->second.parent_id)) {
    if (!ref->reached.insert(at->first).second || ref->is_tag) return;
  }
}

/// main first, then by name.
std::vector<Ref> RefsOf(const Json& metadata, const SnapshotsById& snapshots) {
  std::vector<Ref> refs;
  const Json& said = ObjectOf(metadata, "refs");
  if (!said.is_object()) return refs;
  for (const auto& [name, one] : said.as_object()) {
    Ref ref;
    ref.name = name;
    ref.is_tag = TextOf(one, "type") == "tag";
    ref.snapshot_id = IntOf(one, "snapshot-id", -1);
    ref.max_age_ms = OptIntOf(one, "max-ref-age-ms");
    ref.snapshot_max_age_ms = OptIntOf(one, "max-snapshot-age-ms");
    ref.min_snapshots = OptIntOf(one, "min-snapshots-to-keep");
    Reach(snapshots, &ref);
    refs.push_back(std::move(ref));
  }
  std::sort(refs.begin(), refs.end(), [](const Ref& a, const Ref& b) {
    return std::pair(a.name != kMain, a.name) < std::pair(b.name != kMain, b.name);
  });
  return refs;
}

/// Snapshots that no other ref reaches.
int64_t HeldAlone(const Ref& ref, const std::vector<Ref>& refs) {
  return std::count_if(ref.reached.begin(), ref.reached.end(), [&](int64_t id) {
    return std::none_of(refs.begin(), refs.end(), [&](const Ref& other) {
      return other.name != ref.name && other.reached.contains(id);
    });
  });
}

std::string DurationOr(std::optional<int64_t> ms, const char* otherwise) {
  return ms ? FormatDuration(Millis(*ms)) : otherwise;
}

/// When the ref itself goes.
TextTable::Cell EndsCell(const Ref& ref, int64_t timestamp_ms, std::optional<int64_t> table_ms,
                         int64_t now_ms) {
  if (ref.name == kMain) return "never";
  const auto age_ms = ref.max_age_ms ? ref.max_age_ms : table_ms;
  if (!age_ms || timestamp_ms <= 0 || *age_ms >= now_ms) return "never";
  // Numbers of a foreign file: neither is as it should be for sure.
  const int64_t left_ms = *age_ms <= 0 ? 0 : std::min(timestamp_ms, now_ms) - (now_ms - *age_ms);
  if (left_ms <= 0) return {"next run", Colour::kYellow};
  return FormatIn(now_ms + left_ms, now_ms);
}

}  // namespace

Status ShowRefs(Session& session, const TableOptions& options) {
  MORAINE_ASSIGN(auto name, ParseTableRef(options.table));
  MORAINE_ASSIGN(auto answer, session.client.Get(IcebergTablePath(options.warehouse, name),
                                                 {{"snapshots", "all"}}));
  const Json& metadata = ObjectOf(answer.json, "metadata");
  if (session.json) {
    session.console.out(ObjectOf(metadata, "refs").ToString() + "\n");
    return {};
  }
  const SnapshotsById snapshots = SnapshotsOf(metadata);
  const std::vector<Ref> refs = RefsOf(metadata, snapshots);
  std::optional<int64_t> table_ms;  // of refs that say nothing themselves
  if (auto said =
          ParseInt64(TextOf(ObjectOf(metadata, "properties"), "history.expire.max-ref-age-ms"));
      said.ok())
    table_ms = *said;
  const int64_t now_ms = session.client.now_ms();
  TextTable table({{"REF", Align::kLeft, TextTable::Cut::kYes},
                   {"KIND"},
                   {"SNAPSHOT", Align::kRight},
                   {"MADE", Align::kRight},
                   {"ENDS", Align::kRight},
                   {"KEEPS", Align::kRight},
                   {"MIN", Align::kRight},
                   {"HOLDS", Align::kRight},
                   {"ALONE", Align::kRight}});
  std::set<int64_t> reached;
  for (const auto& ref : refs) {
    const auto at = snapshots.find(ref.snapshot_id);
    const int64_t made_ms = at == snapshots.end() ? 0 : at->second.timestamp_ms;
    const int64_t alone = HeldAlone(ref, refs);
    table.Add(
        {ref.name,
         ref.is_tag ? "tag" : "branch",
         std::to_string(ref.snapshot_id),
         FormatAge(made_ms, now_ms),
         EndsCell(ref, made_ms, table_ms, now_ms),
         ref.is_tag ? "-" : DurationOr(ref.snapshot_max_age_ms, "-"),
         ref.is_tag          ? "-"
         : ref.min_snapshots ? FormatCount(*ref.min_snapshots)
                             : "-",
         FormatCount(static_cast<int64_t>(ref.reached.size())),
         {FormatCount(alone), ref.name != kMain && alone > 0 ? Colour::kCyan : Colour::kNone}});
    reached.insert(ref.reached.begin(), ref.reached.end());
  }
  if (table.empty()) {
    session.console.out("The table has no branches and no tags.\n");
    return {};
  }
  std::string text = table.Text(session.console);
  if (snapshots.size() > reached.size()) {
    const auto free = static_cast<int64_t>(snapshots.size() - reached.size());
    text += fmt::format("{} snapshot{} {} reached by none.\n", FormatCount(free),
                        free == 1 ? "" : "s", free == 1 ? "is" : "are");
  }
  session.console.out(text);
  return {};
}

}  // namespace moraine::cli

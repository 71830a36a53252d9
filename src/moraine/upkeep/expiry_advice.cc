// What old snapshots keep: bytes that no reader of the current state needs, and a metadata file
// that every load reads.

#include <algorithm>

#include <fmt/format.h>

#include "moraine/base/text.h"
#include "moraine/iceberg/manifest/capped_sum.h"
#include "moraine/upkeep/advice_rules.h"

namespace moraine::upkeep {
namespace {

struct History {
  int64_t snapshots = 0;
  int64_t oldest_ms = 0;
  int64_t held_bytes = 0;  ///< of files that were removed since the oldest snapshot
  int64_t old_refs = 0;    ///< branches and tags that stay for ever at an old snapshot
};

int64_t NumberOf(const iceberg::Snapshot& snapshot, const std::string& key) {
  auto found = snapshot.summary.find(key);
  if (found == snapshot.summary.end()) return 0;
  const auto value = ParseInt64(found->second);
  return value.ok() ? std::clamp<int64_t>(*value, 0, iceberg::kMaxClaim) : 0;
}

/// Files that a snapshot removed are there for the older ones that stay.
History HistoryOf(const AdviceFacts& facts) {
  History history;
  const auto& snapshots = facts.metadata.snapshots;
  history.snapshots = static_cast<int64_t>(snapshots.size());
  history.oldest_ms = facts.now_ms;
  const iceberg::Snapshot* oldest = nullptr;
  for (const auto& snapshot : snapshots) {
    history.oldest_ms = std::min(history.oldest_ms, snapshot->timestamp_ms);
    if (oldest == nullptr || snapshot->sequence_number < oldest->sequence_number)
      oldest = snapshot.get();
  }
  for (const auto& snapshot : snapshots) {
    if (snapshot.get() == oldest) continue;
    history.held_bytes =
        iceberg::AddCapped(history.held_bytes, NumberOf(*snapshot, "removed-files-size"));
  }
  for (const auto& [name, ref] : facts.metadata.refs) {
    if (name == iceberg::kMainBranch || ref.max_ref_age_ms) continue;
    const iceberg::Snapshot* snapshot = facts.metadata.FindSnapshot(ref.snapshot_id);
    if (snapshot != nullptr && facts.now_ms - snapshot->timestamp_ms >= kOldRefMs)
      ++history.old_refs;
  }
  return history;
}

/// Why expiry does not run, or "".
std::string WhyNotExpired(const AdviceFacts& facts) {
  if (!facts.maintenance.gc_enabled) return "gc.enabled is false";
  if (!facts.maintenance.expire_snapshots) return "table-expire.enabled is false";
  if (facts.is_registered && !facts.metadata.properties.contains("table-expire.enabled"))
    return "the table was registered, and table-expire.enabled is not set on it";
  return "";
}

bool IsMuch(const AdviceFacts& facts, const History& history) {
  const bool holds_much = history.held_bytes >= kLeastHeldBytes &&
                          Share(history.held_bytes, facts.survey.data_bytes) >= kHeldBytes;
  return holds_much || history.snapshots >= kManySnapshots ||
         facts.metadata_bytes >= kLargeMetadata;
}

std::string WhyOf(const AdviceFacts& facts, const History& history) {
  return fmt::format(
      "{} snapshots, the oldest {} old, hold {} beside {} of the current one, by their summaries; "
      "the metadata file has {}",
      history.snapshots,
      FormatDuration(Millis(std::max<int64_t>(0, facts.now_ms - history.oldest_ms))),
      FormatByteSize(history.held_bytes), FormatByteSize(facts.survey.data_bytes),
      FormatByteSize(facts.metadata_bytes));
}

void AdviseRefs(const AdviceFacts& facts, const History& history, AdviceReport* report) {
  constexpr int kScore = 10;
  if (history.old_refs == 0 || facts.maintenance.ref_max_age.count() >= 0) return;
  Advice advice{AdviceKind::kExpiry, "history.expire.max-ref-age-ms"};
  advice.why = fmt::format(
      "{} branches or tags name snapshots that are older than {} and have no end: what they hold "
      "never expires",
      history.old_refs, FormatDuration(Millis(kOldRefMs)));
  advice.gain = fmt::format("up to {} of old files", FormatByteSize(history.held_bytes));
  advice.score = kScore;
  advice.commands = {SetCommand(facts, advice.subject, std::to_string(4 * kOldRefMs))};
  report->advice.push_back(std::move(advice));
}

}  // namespace

void AdviseExpiry(const AdviceFacts& facts, AdviceReport* report) {
  const History history = HistoryOf(facts);
  AdviseRefs(facts, history, report);
  if (!IsMuch(facts, history)) return;
  const std::string off = WhyNotExpired(facts);
  Advice advice{AdviceKind::kExpiry, "table-expire.enabled"};
  const int64_t all = iceberg::AddCapped(history.held_bytes, facts.survey.data_bytes);
  advice.gain = fmt::format("up to {} less storage, and a smaller metadata file for every load",
                            FormatByteSize(history.held_bytes));
  advice.score = ScoreOf(std::max(0.1, Share(history.held_bytes, all) / 2));
  if (!off.empty()) {
    advice.why = fmt::format("{}; {}", WhyOf(facts, history), off);
    if (!facts.maintenance.gc_enabled) {
      report->notes.push_back(advice.why + ": nothing of the table may be deleted");
      return;
    }
    advice.commands = {
        TableCommand(facts, "maintain", "--action expire-snapshots --dry-run --wait"),
        SetCommand(facts, "table-expire.enabled", "true")};
  } else {
    constexpr int64_t kShorterMs = 7LL * 24 * 3'600'000;
    if (facts.maintenance.snapshot_keep.count() <= kShorterMs) {
      report->notes.push_back(WhyOf(facts, history) +
                              ": what is older than snapshot.keep.duration goes by itself");
      return;
    }
    advice.subject = "snapshot.keep.duration";
    advice.why = fmt::format("{}; they are kept for {}", WhyOf(facts, history),
                             FormatDuration(facts.maintenance.snapshot_keep));
    advice.commands = {SetCommand(facts, advice.subject, "7d")};
  }
  report->advice.push_back(std::move(advice));
}

}  // namespace moraine::upkeep

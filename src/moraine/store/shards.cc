#include "moraine/store/shards.h"

#include <algorithm>
#include <set>
#include <utility>

#include <fmt/format.h>

namespace moraine::store {
namespace {

constexpr int64_t kForgetAfterMs = 3'600'000;

std::string Prefix(const std::string& duty) { return duty + "/"; }

Status Elsewhere(int64_t shard) {
  return Cancelled(fmt::format("another server does this now (shard {})", shard));
}

}  // namespace

std::string ShardLeaseName(const std::string& duty, int64_t shard) {
  return fmt::format("{}shard/{:04}", Prefix(duty), shard);
}

std::string MemberPrefix(const std::string& duty) { return Prefix(duty) + "server/"; }

std::string MemberLeaseName(const std::string& duty, const std::string& holder) {
  return MemberPrefix(duty) + holder;
}

ShardDecision DecideShards(const std::vector<Lease>& leases, const ShardOptions& options,
                           int64_t now_ms) {
  ShardDecision decision;
  const std::string servers = MemberPrefix(options.duty);
  std::map<std::string, const Lease*> by_name;
  std::set<std::string> alive = {options.holder};
  for (const Lease& lease : leases) {
    by_name[lease.name] = &lease;
    bool is_member = lease.name.starts_with(servers);
    if (is_member && !lease.holder.empty() && lease.expires_ms > now_ms) alive.insert(lease.holder);
  }
  decision.members = alive.size();
  std::vector<int64_t> own;
  std::vector<int64_t> open;
  for (int64_t shard = 0; shard < options.shards; ++shard) {
    auto found = by_name.find(ShardLeaseName(options.duty, shard));
    const Lease* lease = found == by_name.end() ? nullptr : found->second;
    if (lease != nullptr && lease->holder == options.holder) {
      own.push_back(shard);
    } else if (lease == nullptr || lease->holder.empty() || lease->expires_ms <= now_ms) {
      open.push_back(shard);
    }
  }
  const auto members = static_cast<int64_t>(decision.members);
  const auto share = static_cast<size_t>((options.shards + members - 1) / members);
  for (; own.size() > share; own.pop_back()) decision.give.push_back(own.back());
  for (size_t i = 0; i < open.size() && own.size() + i < share; ++i) {
    decision.take.push_back(open[i]);
  }
  return decision;
}

/// What a round found, set anew each time its transaction is run.
struct Shards::Round {
  std::map<int64_t, Lease> held;
  size_t members = 1;
  int64_t now_ms = 0;
};

Shards::Shards(Database& database, ShardOptions options)
    : database_(database), options_(std::move(options)) {}

Status Shards::Open(Call& call) { return alone() ? Status() : OpenLeases(call, database_); }

Status Shards::Tick(Call& call) {
  if (alone()) return {};
  std::lock_guard one(tick_mutex_);
  {
    std::lock_guard lock(mutex_);
    if (closed_) return {};
  }
  Round round;
  const MonoTime begun = call.clock().Mono();
  MORAINE_TRY(database_.Run(call, Access::kWrite, [&](Transaction& t) {
    round = Round();
    return DoRound(t, &round);
  }));
  Learn(call, round, begun);
  return {};
}

Status Shards::Keep(Call& call) {
  {
    std::lock_guard lock(mutex_);
    if (last_ && call.clock().Mono() < *last_ + interval()) return {};
  }
  return Tick(call);
}

Status Shards::DoRound(Transaction& t, Round* round) {
  const std::string& duty = options_.duty;
  MORAINE_ASSIGN(round->now_ms, t.NowMs());
  MORAINE_ASSIGN(auto leases, LeasesBelow(t, Prefix(duty)));
  const ShardDecision decision = DecideShards(leases, options_, round->now_ms);
  round->members = decision.members;
  MORAINE_ASSIGN(auto alive, AcquireLease(t, MemberLeaseName(duty, options_.holder),
                                          options_.holder, options_.length));
  if (!alive) return Internal("two servers have one name: " + options_.holder);
  const int64_t expires_ms = alive->expires_ms;
  for (const Lease& lease : leases) {
    if (lease.holder != options_.holder || lease.name == alive->name) continue;
    for (int64_t shard = 0; shard < options_.shards; ++shard) {
      if (lease.name != ShardLeaseName(duty, shard)) continue;
      if (std::find(decision.give.begin(), decision.give.end(), shard) == decision.give.end()) {
        round->held[shard] = lease;
      } else {
        MORAINE_TRY(ReleaseLease(t, lease));
      }
    }
  }
  // All at once: nobody else has them, this transaction has read so.
  MORAINE_TRY(
      t.Execute("UPDATE lease SET expires_ms = ? WHERE name >= ? AND name < ? AND holder = ?",
                {expires_ms, ShardLeaseName(duty, 0), ShardLeaseName(duty, options_.shards),
                 options_.holder}));
  for (auto& [_, lease] : round->held) lease.expires_ms = expires_ms;
  for (int64_t shard : decision.take) {
    MORAINE_ASSIGN(auto lease,
                   AcquireLease(t, ShardLeaseName(duty, shard), options_.holder, options_.length));
    if (lease) round->held[shard] = *lease;
  }
  for (const Lease& lease : leases) {
    const bool is_member = lease.name.starts_with(MemberPrefix(duty));
    if (!is_member || lease.expires_ms + kForgetAfterMs >= round->now_ms) continue;
    return ForgetLeasesBelow(t, MemberPrefix(duty), round->now_ms - kForgetAfterMs);
  }
  return {};
}

void Shards::Learn(Call& call, const Round& round, MonoTime begun) {
  ahead_ms_ = round.now_ms - ToMillis(call.clock().Wall());
  std::lock_guard lock(mutex_);
  std::map<int64_t, Held> held;
  for (const auto& [shard, lease] : round.held) {
    auto before = held_.find(shard);
    bool went_on = before != held_.end() && before->second.lease.epoch == lease.epoch &&
                   before->second.until > begun;
    held[shard] = {lease, begun + options_.length, went_on ? before->second.since : begun};
  }
  held_.swap(held);
  members_ = round.members;
  last_ = begun;
}

Status Shards::Release(Call& call) {
  if (alone()) return {};
  std::lock_guard one(tick_mutex_);
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
    held_.clear();
  }
  return database_.Run(call, Access::kWrite, [&](Transaction& t) -> Status {
    MORAINE_TRY(t.Execute(
        "UPDATE lease SET holder = '', expires_ms = 0 WHERE name >= ? AND name < ? AND holder = ?",
        {ShardLeaseName(options_.duty, 0), ShardLeaseName(options_.duty, options_.shards),
         options_.holder}));
    return t
        .Execute("DELETE FROM lease WHERE name = ?",
                 {MemberLeaseName(options_.duty, options_.holder)})
        .status();
  });
}

void Shards::StartTerm() {
  std::lock_guard lock(mutex_);
  term_.clear();
  for (const auto& [shard, held] : held_) term_[shard] = held.lease;
}

const Shards::Held* Shards::Find(Call& call, int64_t shard) const {
  auto found = held_.find(shard);
  auto term = term_.find(shard);
  if (found == held_.end() || term == term_.end()) return nullptr;
  const Held& held = found->second;
  bool is_same = held.lease.epoch == term->second.epoch;
  return is_same && call.clock().Mono() < held.until ? &held : nullptr;
}

bool Shards::HasShard(Call& call, int64_t shard) const {
  if (alone()) return true;
  std::lock_guard lock(mutex_);
  return Find(call, shard) != nullptr;
}

std::string Shards::Filter(Call& call, std::string_view column) const {
  if (alone()) return "";
  std::string own;
  size_t count = 0;
  std::lock_guard lock(mutex_);
  for (int64_t shard = 0; shard < options_.shards; ++shard) {
    if (Find(call, shard) == nullptr) continue;
    own += fmt::format("{}{}", own.empty() ? "" : ", ", shard);
    ++count;
  }
  if (count == 0) return " AND 1 = 0";
  if (count == static_cast<size_t>(options_.shards)) return "";
  return fmt::format(" AND {} % {} IN ({})", column, options_.shards, own);
}

bool Shards::KnowsTheDead(Call& call) const {
  if (alone()) return false;
  std::lock_guard lock(mutex_);
  const Held* first = Find(call, 0);
  return first != nullptr && call.clock().Mono() >= first->since + options_.length;
}

Status Shards::CheckShard(Transaction& t, int64_t shard) const {
  if (alone()) return {};
  Lease lease;
  {
    std::lock_guard lock(mutex_);
    auto found = term_.find(shard);
    if (found == term_.end()) return Elsewhere(shard);
    lease = found->second;
  }
  return CheckLease(t, lease);
}

Status Shards::Check(Transaction& t, int64_t number) const {
  return CheckShard(t, number % options_.shards);
}

Status Shards::Write(Call& call, int64_t number, const std::function<Status(Transaction&)>& body) {
  return database_.Run(call, Access::kWrite, [&](Transaction& t) -> Status {
    MORAINE_TRY(Check(t, number));
    return body(t);
  });
}

Status Shards::WriteAsLeader(Call& call, const std::function<Status(Transaction&)>& body) {
  return Write(call, 0, body);
}

size_t Shards::held() const {
  std::lock_guard lock(mutex_);
  return alone() ? static_cast<size_t>(options_.shards) : held_.size();
}

size_t Shards::members() const {
  std::lock_guard lock(mutex_);
  return members_;
}

}  // namespace moraine::store

// Commits a second of the store: small write transactions (read a row, swap it, add a row to
// a feed: the statements of a table commit) from 1, 4 and 16 clients. "disk" waits for the disk
// with every COMMIT, "memory" shows the cost of everything else. syncs_per_s: how often the same
// disk can be waited for, one after the other; x_syncs: commits as a multiple of it (more than 1:
// the clients share syncs). "server": the database server that MORAINE_TEST_STORE names, if any;
// runs_per_commit: how often a transaction ran until it met no other.

#include <atomic>
#include <chrono>
#include <filesystem>
#include <string>

#include "bench/machine_limits.h"
#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <stdlib.h>

#include "moraine/base/call.h"
#include "moraine/base/executor.h"
#include "moraine/base/log.h"
#include "moraine/store/database.h"

namespace moraine::store {
namespace {

Status CommitOnce(Call& call, Database& database, int64_t table,
                  std::atomic<int64_t>* runs = nullptr) {
  return database.Run(call, Access::kWrite, [&](Transaction& t) -> Status {
    if (runs != nullptr) ++*runs;
    MORAINE_ASSIGN(auto rows,
                   t.Query("SELECT version, location FROM tabular WHERE id = ?", {table}));
    MORAINE_ASSIGN(int64_t version, rows.at(0).Int(0));
    MORAINE_TRY(t.Execute(
        "UPDATE tabular SET version = version + 1, location = ? WHERE id = ? AND version = ?",
        {fmt::format("file:///warehouse/db/table-{}/metadata/{:05}.metadata.json", table, version),
         table, version}));
    return t
        .Execute("INSERT INTO table_change (table_id, version, at_ms) VALUES (?, ?, ?)",
                 {table, version + 1, int64_t{0}})
        .status();
  });
}

constexpr std::string_view kTables = R"(
CREATE TABLE tabular (id {bigint} NOT NULL PRIMARY KEY, version {bigint}, location {text});
CREATE TABLE table_change (id {id}, table_id {bigint}, version {bigint}, at_ms {bigint});
)";

Status Prepare(Call& call, Database& database) {
  MORAINE_TRY(Migrate(call, database, "bench", {{1, "tables", kTables}}));
  return database.Run(call, Access::kWrite, [](Transaction& t) -> Status {
    MORAINE_TRY(t.Execute("DELETE FROM table_change", {}));
    MORAINE_TRY(t.Execute("DELETE FROM tabular", {}));
    for (int64_t i = 0; i < 100; ++i) {
      MORAINE_TRY(t.Execute("INSERT INTO tabular VALUES (?, 0, '')", {i}));
    }
    return {};
  });
}

void CommitsOnServer(benchmark::State& state, const std::string& url) {
  Env env = SystemEnv(NullLogger());
  Call call(env, std::chrono::minutes(5));
  auto database = OpenDatabase(call, url, {});
  if (!database.ok() || !Prepare(call, **database).ok()) {
    state.SkipWithError("cannot open the store");
    return;
  }
  const auto clients = static_cast<size_t>(state.range(0));
  const size_t count = 200 * clients;
  ThreadPool pool({.name = "clients", .threads = clients});
  std::atomic<int64_t> runs = 0;
  for (auto _ : state) {
    Status status = ForEach(pool, count, clients - 1, [&](size_t i) {
      Call each(env, std::chrono::minutes(1));
      return CommitOnce(each, **database, static_cast<int64_t>(i % 100), &runs);
    });
    if (!status.ok()) state.SkipWithError(status.ToString().c_str());
  }
  const auto commits = static_cast<int64_t>(count) * state.iterations();
  state.SetItemsProcessed(commits);
  state.counters["runs_per_commit"] =
      static_cast<double>(runs.load()) / static_cast<double>(commits);
}

void Commits(benchmark::State& state, const std::string& folder) {
  Env env = SystemEnv(NullLogger());
  Call call(env, std::chrono::minutes(5));
  if (!folder.empty()) std::filesystem::create_directories(folder);
  auto database =
      OpenDatabase(call, folder.empty() ? "sqlite://:memory:" : "sqlite://" + folder + "/s.db", {});
  if (!database.ok() || !Prepare(call, **database).ok()) {
    state.SkipWithError("cannot open the store");
    return;
  }
  const auto clients = static_cast<size_t>(state.range(0));
  const size_t count = folder.empty() ? 20'000 : 200 * clients;
  ThreadPool pool({.name = "clients", .threads = clients});
  const auto begin = std::chrono::steady_clock::now();
  for (auto _ : state) {
    Status status = ForEach(pool, count, clients - 1, [&](size_t i) {
      Call each(env, std::chrono::minutes(1));
      return CommitOnce(each, **database, static_cast<int64_t>(i % 100));
    });
    if (!status.ok()) state.SkipWithError(status.ToString().c_str());
  }
  const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - begin;
  const auto commits = static_cast<int64_t>(count) * state.iterations();
  state.SetItemsProcessed(commits);
  database->reset();
  if (folder.empty()) return;
  const double sync_seconds = bench::SecondsOfOneSync(folder);
  state.counters["syncs_per_s"] = 1 / sync_seconds;
  state.counters["x_syncs"] = static_cast<double>(commits) / wall.count() * sync_seconds;
  std::filesystem::remove_all(folder);
}

void BM_CommitsDisk(benchmark::State& state) {
  Commits(state, fmt::format("{}/moraine-store-bench-{}",
                             std::filesystem::temp_directory_path().string(), state.range(0)));
}
void BM_CommitsMemory(benchmark::State& state) { Commits(state, ""); }

BENCHMARK(BM_CommitsDisk)->Arg(1)->Arg(4)->Arg(16)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK(BM_CommitsMemory)->Arg(1)->Arg(16)->UseRealTime()->Unit(benchmark::kMillisecond);

const bool kRegistered = [] {
  const char* url = ::getenv("MORAINE_TEST_STORE");
  if (url == nullptr) return false;
  benchmark::RegisterBenchmark("BM_CommitsServer", CommitsOnServer, std::string(url))
      ->Arg(1)
      ->Arg(4)
      ->Arg(16)
      ->UseRealTime()
      ->Unit(benchmark::kMillisecond);
  return true;
}();

}  // namespace
}  // namespace moraine::store

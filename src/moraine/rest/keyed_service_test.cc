// Requests under an Idempotency-Key: whatever happens between, the same request again has the same
// answer and no second effect.

#include <atomic>
#include <functional>
#include <set>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/base/executor.h"
#include "moraine/base/testing/faults.h"
#include "moraine/catalog/testing/catalog_world.h"
#include "moraine/net/uri.h"
#include "moraine/rest/errors.h"
#include "moraine/rest/service.h"

namespace moraine::rest {
namespace {

using catalog::CatalogWorld;
using net::Method;
using testing::FaultInjector;
using testing::HasSubstr;
using testing::TestClock;

constexpr char kKey[] = "019a2b3c-4d5e-7f60-8123-456789abcdef";
constexpr char kOtherKey[] = "019a2b3c-4d5e-7f60-8123-456789abcde0";

constexpr char kSchema[] = R"("schema":{"type":"struct","schema-id":0,"fields":[
  {"id":1,"name":"id","required":true,"type":"long"}]})";
constexpr char kView[] = R"("view-version":{"version-id":1,"timestamp-ms":7,"schema-id":0,
  "summary":{},"representations":[{"type":"sql","sql":"select 1","dialect":"x"}],
  "default-namespace":["ns"]})";
constexpr char kSetA[] =
    R"("requirements":[],"updates":[{"action":"set-properties","updates":{"a":"b"}}])";

/// A service over a catalog, asked as a client would.
class Wire {
 public:
  Wire(catalog::Catalog& catalog, const ServiceOptions& options = {}) : service_(catalog, options) {
    service_.Register(router_);
  }
  net::Response Send(Call call, Method method, const std::string& target, std::string body,
                     const std::string& key = "") const {
    net::Request request = MakeRequest(method, target, std::move(body), key);
    return net::AnswerNow(call, router_.Serve(call, request));
  }
  static net::Request MakeRequest(Method method, const std::string& target, std::string body,
                                  const std::string& key) {
    auto parsed = net::ParseTarget("/iceberg/v1/" + target).value();
    net::Request request{
        .method = method, .path = parsed.path, .query = parsed.query, .body = std::move(body)};
    if (!key.empty()) request.headers.Add("Idempotency-Key", key);
    return request;
  }
  const net::Router& router() const { return router_; }

 private:
  Service service_;
  net::Router router_{RefusalOf};
};

/// All that requests can change, without numbers that only guard it.
std::string StateOf(CatalogWorld& world) {
  std::string state;
  Call call = world.call();
  Status read =
      world.database().Run(call, store::Access::kRead, [&](store::Transaction& t) -> Status {
        state.clear();
        for (std::string_view sql :
             {"SELECT path_key, properties FROM namespace ORDER BY path_key",
              "SELECT name, metadata_location FROM tabular ORDER BY name",
              "SELECT kind, metadata_location FROM table_change ORDER BY id"}) {
          MORAINE_ASSIGN(auto rows, t.Query(sql, {}));
          for (const auto& row : rows) {
            MORAINE_ASSIGN(auto a, row.Text(0));
            MORAINE_ASSIGN(auto b, row.Text(1));
            state += a + " " + b + "\n";
          }
          state += "--\n";
        }
        return {};
      });
  EXPECT_TRUE(read.ok()) << read.ToString();
  return state;
}

/// One of every kind of change, to a world with the table t, the view v, the empty namespace "old",
/// and the metadata file of a table and a view that were unregistered.
struct Mutation {
  std::string name;
  Method method;
  std::string target;
  std::string body;
  int status;
};

void PrintTo(const Mutation& mutation, std::ostream* out) { *out << mutation.name; }

std::vector<Mutation> Mutations() {
  std::string rename = R"({"source":{"namespace":["ns"],"name":"%"},
                           "destination":{"namespace":["old"],"name":"moved"}})";
  auto renamed = [&](const char* what) {
    return std::string(rename).replace(rename.find('%'), 1, what);
  };
  std::string part = std::string(R"({"identifier":{"namespace":["ns"],"name":"t"},)") + kSetA + "}";
  std::string made =
      R"({"identifier":{"namespace":["ns"],"name":"n"},"requirements":[{"type":"assert-create"}],
          "updates":[{"action":"upgrade-format-version","format-version":2},
          {"action":"add-schema",)" +
      std::string(kSchema) + R"(},{"action":"set-current-schema","schema-id":-1},
          {"action":"add-spec","spec":{"spec-id":0,"fields":[]}},
          {"action":"set-default-spec","spec-id":-1},
          {"action":"add-sort-order","sort-order":{"order-id":0,"fields":[]}},
          {"action":"set-default-sort-order","sort-order-id":-1}]})";
  return {
      {"CreateNamespace", Method::kPost, "namespaces",
       R"({"namespace":["new"],"properties":{"a":"b"}})", 200},
      {"DropNamespace", Method::kDelete, "namespaces/old", "", 204},
      {"UpdateNamespace", Method::kPost, "namespaces/ns/properties",
       R"({"updates":{"a":"b"},"removals":["x"]})", 200},
      {"CreateTable", Method::kPost, "namespaces/ns/tables",
       std::string(R"({"name":"n",)") + kSchema + "}", 200},
      {"RegisterTable", Method::kPost, "namespaces/ns/register",
       R"({"name":"r","metadata-location":"$table"})", 200},
      {"RegisterOver", Method::kPost, "namespaces/ns/register",
       R"({"name":"t","metadata-location":"$table","overwrite":true})", 200},
      {"CommitTable", Method::kPost, "namespaces/ns/tables/t", std::string("{") + kSetA + "}", 200},
      {"DropTable", Method::kDelete, "namespaces/ns/tables/t?purgeRequested=true", "", 204},
      {"UnregisterTable", Method::kPost, "namespaces/ns/tables/t/unregister", "", 200},
      {"RenameTable", Method::kPost, "tables/rename", renamed("t"), 204},
      {"CommitTransaction", Method::kPost, "transactions/commit",
       R"({"table-changes":[)" + part + "," + made + "]}", 204},
      {"CreateView", Method::kPost, "namespaces/ns/views",
       std::string(R"({"name":"n",)") + kSchema + "," + kView + "}", 200},
      {"RegisterView", Method::kPost, "namespaces/ns/register-view",
       R"({"name":"r","metadata-location":"$view"})", 200},
      {"CommitView", Method::kPost, "namespaces/ns/views/v", std::string("{") + kSetA + "}", 200},
      {"DropView", Method::kDelete, "namespaces/ns/views/v", "", 204},
      {"RenameView", Method::kPost, "views/rename", renamed("v"), 204},
  };
}

std::string LocationIn(const net::Response& response) {
  auto json = Json::Parse(response.BodyText());
  return json.ok() && json->Find("metadata-location") != nullptr
             ? json->Find("metadata-location")->as_string()
             : "";
}

/// Makes what the mutations need; the mutation with its places filled in.
Mutation Prepare(CatalogWorld& world, Mutation mutation) {
  Wire wire(world.catalog());
  auto send = [&](Method method, const char* target, const std::string& body) {
    net::Response response = wire.Send(world.call(), method, target, body);
    EXPECT_LT(response.status, 300) << target << ": " << response.BodyText();
    return response;
  };
  auto table = std::string(R"({"name":"%",)") + kSchema + "}";
  auto view = std::string(R"({"name":"%",)") + kSchema + "," + kView + "}";
  auto named = [](std::string body, const char* name) {
    return body.replace(body.find('%'), 1, name);
  };
  send(Method::kPost, "namespaces", R"({"namespace":["old"]})");
  send(Method::kPost, "namespaces/ns/tables", named(table, "t"));
  send(Method::kPost, "namespaces/ns/views", named(view, "v"));
  std::string table_file =
      LocationIn(send(Method::kPost, "namespaces/ns/tables", named(table, "gone")));
  send(Method::kPost, "namespaces/ns/tables/gone/unregister", "");
  std::string view_file =
      LocationIn(send(Method::kPost, "namespaces/ns/views", named(view, "gone")));
  send(Method::kDelete, "namespaces/ns/views/gone", "");
  for (const auto& [place, file] :
       {std::pair("$table", &table_file), std::pair("$view", &view_file)}) {
    size_t at = mutation.body.find(place);
    if (at != mutation.body.npos) mutation.body.replace(at, std::strlen(place), *file);
  }
  return mutation;
}

class EveryMutation : public testing::TestWithParam<Mutation> {};

INSTANTIATE_TEST_SUITE_P(Rest, EveryMutation, testing::ValuesIn(Mutations()),
                         [](const auto& param) { return param.param.name; });

TEST_P(EveryMutation, IsAnsweredAgainWithoutASecondEffect) {
  CatalogWorld world;
  Mutation mutation = Prepare(world, GetParam());
  Wire wire(world.catalog());
  auto send = [&] {
    return wire.Send(world.call(), mutation.method, mutation.target, mutation.body, kKey);
  };
  std::string before = StateOf(world);
  net::Response first = send();
  ASSERT_EQ(first.status, mutation.status) << first.BodyText();
  std::string after = StateOf(world);
  EXPECT_NE(after, before);
  // Another server is asked as well.
  auto another = world.Another();
  Wire there(*another);
  for (int i = 0; i < 2; ++i) {
    net::Response again =
        i == 0 ? send()
               : there.Send(world.call(), mutation.method, mutation.target, mutation.body, kKey);
    EXPECT_EQ(again.status, first.status) << again.BodyText();
    EXPECT_EQ(again.BodyText(), first.BodyText());
    EXPECT_EQ(again.headers.Get("ETag"), first.headers.Get("ETag"));
    EXPECT_EQ(StateOf(world), after);
  }
  net::Response other =
      wire.Send(world.call(), mutation.method, mutation.target, mutation.body + " ", kKey);
  EXPECT_EQ(other.status, 400);
  EXPECT_THAT(other.BodyText(), HasSubstr("IdempotencyKeyReused"));
  EXPECT_EQ(StateOf(world), after);
}

TEST_P(EveryMutation, EndsOnceWhateverFails) {
  testing::EveryFaultOptions options;
  // A server makes each world anew, slowly: some faults will do there.
  if (CatalogWorld().database().dialect() != "sqlite") {
    options.exhaustive_calls = 0;
    options.samples = 5;
  }
  auto report = testing::EveryFault(
      [](FaultInjector& faults) {
        CatalogWorld world;
        Mutation mutation = Prepare(world, GetParam());
        Wire faulty(world.Faulty(faults));
        std::string before = StateOf(world);
        auto send = [&](const Wire& wire) {
          return wire.Send(world.call(), mutation.method, mutation.target, mutation.body, kKey);
        };
        net::Response answer = send(faulty);
        faults.Stop();
        if (answer.status >= 500 || answer.status == 429) {
          EXPECT_EQ(answer.headers.Get("Retry-After"), "1") << answer.BodyText();
          answer = send(faulty);
        }
        ASSERT_LT(answer.status, 500) << answer.BodyText();
        ASSERT_NE(answer.status, 429) << answer.BodyText();
        std::string after = StateOf(world);
        if (answer.status < 300) {
          EXPECT_EQ(answer.status, mutation.status);
          EXPECT_NE(after, before);
        } else {
          EXPECT_EQ(after, before) << answer.BodyText();
        }
        Wire fresh(world.catalog());
        net::Response again = send(fresh);
        EXPECT_EQ(again.status, answer.status);
        EXPECT_EQ(again.BodyText(), answer.BodyText());
        EXPECT_EQ(StateOf(world), after);
      },
      options);
  EXPECT_GT(report.fired, 2u);
}

/// Many at once, through two servers: one effect, one answer.
TEST_P(EveryMutation, RacesToOneEffect) {
  constexpr size_t kThreads = 6;
  CatalogWorld world(TestClock::kSystem);
  Mutation mutation = Prepare(world, GetParam());
  auto another = world.Another();
  Wire here(world.catalog());
  Wire there(*another);
  std::vector<net::Response> answers(kThreads);
  {
    std::vector<Thread> threads;
    for (size_t i = 0; i < kThreads; ++i) {
      threads.emplace_back("sender", [&, i](std::stop_token) {
        const Wire& wire = i % 2 == 0 ? here : there;
        // What a client does with an answer that says so.
        for (int tries = 0; tries < 20; ++tries) {
          answers[i] =
              wire.Send(world.call(), mutation.method, mutation.target, mutation.body, kKey);
          if (answers[i].status != 429 && answers[i].status != 503) return;
        }
      });
    }
    for (auto& thread : threads) thread.Join();
  }
  std::string after = StateOf(world);
  for (const auto& answer : answers) {
    EXPECT_EQ(answer.status, mutation.status) << answer.BodyText();
    EXPECT_EQ(answer.BodyText(), answers[0].BodyText());
  }
  net::Response again =
      here.Send(world.call(), mutation.method, mutation.target, mutation.body, kKey);
  EXPECT_EQ(again.BodyText(), answers[0].BodyText());
  EXPECT_EQ(StateOf(world), after);
}

class KeyedTest : public testing::Test {
 protected:
  net::Response Send(Method method, const std::string& target, std::string body,
                     const std::string& key) {
    return wire_.Send(world_.call(), method, target, std::move(body), key);
  }
  CatalogWorld world_;
  Wire wire_{world_.catalog()};
};

TEST_F(KeyedTest, KeepsFinalRefusals) {
  EXPECT_EQ(Send(Method::kDelete, "namespaces/later", "", kKey).status, 404);
  EXPECT_EQ(Send(Method::kPost, "namespaces", R"({"namespace":["later"]})", "").status, 200);
  net::Response again = Send(Method::kDelete, "namespaces/later", "", kKey);
  EXPECT_EQ(again.status, 404);
  EXPECT_THAT(again.BodyText(), HasSubstr("NoSuchNamespaceException"));
  EXPECT_EQ(Send(Method::kDelete, "namespaces/later", "", kOtherKey).status, 204);
  // A body that can't be read is refused for good, too.
  const char* bad = "bad0bad0-4d5e-7f60-8123-456789abcdef";
  EXPECT_EQ(Send(Method::kPost, "namespaces", "{", bad).status, 400);
  EXPECT_THAT(Send(Method::kPost, "namespaces", R"({"namespace":["x"]})", bad).BodyText(),
              HasSubstr("IdempotencyKeyReused"));
}

TEST_F(KeyedTest, KeysMustBeUuids) {
  for (const char* key :
       {"x", "019a2b3c4d5e7f608123456789abcdef", "019a2b3c-4d5e-7f60-8123-456789abcdeg"}) {
    net::Response response = Send(Method::kPost, "namespaces", R"({"namespace":["a"]})", key);
    EXPECT_EQ(response.status, 400) << key;
    EXPECT_THAT(response.BodyText(), HasSubstr("Idempotency-Key: expected a UUID"));
  }
  net::Request twice =
      Wire::MakeRequest(Method::kPost, "namespaces", R"({"namespace":["a"]})", kKey);
  twice.headers.Add("idempotency-key", kKey);
  Call call = world_.call();
  EXPECT_EQ(net::AnswerNow(call, wire_.router().Serve(call, twice)).status, 400);
  // Letters of either case are one key.
  std::string upper = "019A2B3C-4D5E-7F60-8123-456789ABCDEF";
  EXPECT_EQ(Send(Method::kPost, "namespaces", R"({"namespace":["a"]})", upper).status, 200);
  EXPECT_EQ(Send(Method::kPost, "namespaces", R"({"namespace":["a"]})", kKey).status, 200);
  // A plan of a scan is made anew each time, yet its key must be one.
  for (const char* path : {"plan", "tasks"}) {
    std::string target = fmt::format("namespaces/ns/tables/t/{}", path);
    EXPECT_EQ(Send(Method::kPost, target, "{}", "x").status, 400);
    EXPECT_EQ(Send(Method::kPost, target, "{}", kOtherKey).status, 406);
    EXPECT_EQ(Send(Method::kPost, target, "{}", kOtherKey).status, 406);
  }
  // Reads have no use for it.
  EXPECT_EQ(Send(Method::kGet, "namespaces", "", "x").status, 200);
}

TEST_F(KeyedTest, KeysBelongToWhoSentThem) {
  net::Request request =
      Wire::MakeRequest(Method::kPost, "namespaces", R"({"namespace":["a"]})", kKey);
  for (const auto& [principal, status] :
       {std::pair("ann", 200), std::pair("ann", 200), std::pair("bob", 409)}) {
    Call call = world_.call();
    call.set_principal(principal);
    EXPECT_EQ(net::AnswerNow(call, wire_.router().Serve(call, request)).status, status)
        << principal;
  }
}

TEST_F(KeyedTest, StagedCreatesTakeNoKey) {
  std::string staged = std::string(R"({"name":"s","stage-create":true,)") + kSchema + "}";
  std::string first = Send(Method::kPost, "namespaces/ns/tables", staged, kKey).BodyText();
  std::string second = Send(Method::kPost, "namespaces/ns/tables", staged, kKey).BodyText();
  EXPECT_NE(first, second);
  EXPECT_EQ(Send(Method::kDelete, "namespaces/ns/tables/none", "", kKey).status, 404);
}

TEST_F(KeyedTest, CommitsThatChangeNothingKeepTheirKey) {
  world_.MakeTable("t");
  std::string nothing = R"({"requirements":[],"updates":[]})";
  net::Response first = Send(Method::kPost, "namespaces/ns/tables/t", nothing, kKey);
  EXPECT_EQ(first.status, 200);
  EXPECT_EQ(
      Send(Method::kPost, "namespaces/ns/tables/t", std::string("{") + kSetA + "}", "").status,
      200);
  net::Response again = Send(Method::kPost, "namespaces/ns/tables/t", nothing, kKey);
  EXPECT_EQ(again.BodyText(), first.BodyText());
}

/// The answer shows what the table is now where its old file is gone.
TEST_F(KeyedTest, AnswersFromTheNewerStateWhereTheOldIsGone) {
  std::string create = std::string(R"({"name":"t",)") + kSchema + "}";
  net::Response first = Send(Method::kPost, "namespaces/ns/tables", create, kKey);
  net::Response second =
      Send(Method::kPost, "namespaces/ns/tables/t", std::string("{") + kSetA + "}", "");
  Call call = world_.call();
  std::vector<std::string> file = {LocationIn(first)};
  ASSERT_TRUE(world_.files().DeleteMany(call, file).front().ok());
  auto another = world_.Another();
  Wire there(*another);
  net::Response again =
      there.Send(world_.call(), Method::kPost, "namespaces/ns/tables", create, kKey);
  EXPECT_EQ(again.status, 200);
  EXPECT_EQ(LocationIn(again), LocationIn(second));
}

TEST_F(KeyedTest, ConfigTellsHowLongAKeyLasts) {
  auto config = [&](Millis lifetime) {
    Wire wire(world_.catalog(), {.idempotency_key_lifetime = lifetime});
    return wire.Send(world_.call(), Method::kGet, "config", "").BodyText();
  };
  EXPECT_THAT(config(Millis(1'800'000)), HasSubstr(R"("idempotency-key-lifetime":"PT30M")"));
  EXPECT_THAT(config(Millis(0)), testing::Not(HasSubstr("idempotency")));
  Wire off(world_.catalog(), {.idempotency_key_lifetime = Millis(0)});
  EXPECT_EQ(
      off.Send(world_.call(), Method::kPost, "namespaces", R"({"namespace":["a"]})", "x").status,
      200);
  for (const auto& [ms, text] :
       {std::pair(1'000, "PT1S"), {90'000, "PT1M30S"}, {5'400'000, "PT1H30M"}, {0, "PT0S"}}) {
    EXPECT_EQ(IsoDuration(Millis(ms)), text);
  }
}

/// Held in its first transaction that writes until the test opens it.
class GatedDatabase final : public store::Database {
 public:
  explicit GatedDatabase(store::Database& inner) : inner_(inner) {}
  Status Run(Call& call, store::Access access,
             const std::function<Status(store::Transaction&)>& body) override {
    if (access == store::Access::kWrite) {
      std::unique_lock lock(mutex_);
      ++arrived_;
      changed_.notify_all();
      changed_.wait(lock, [&] { return open_; });
    }
    return inner_.Run(call, access, body);
  }
  std::string_view dialect() const override { return inner_.dialect(); }
  Result<std::string> Backup(Call& call, std::string_view label) override {
    return inner_.Backup(call, label);
  }
  void AwaitArrival() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return arrived_ > 0; });
  }
  void Open() {
    std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  int arrived() {
    std::lock_guard lock(mutex_);
    return arrived_;
  }

 private:
  store::Database& inner_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;  // under mutex_
  int arrived_ = 0;    // under mutex_
};

TEST(KeyedInFlight, ASecondRequestWaitsForTheFirstAtNoThreadsCost) {
  CatalogWorld world(TestClock::kSystem);
  GatedDatabase gated(world.database());
  catalog::Catalog catalog(gated, world.files(), {});
  Wire wire(catalog);
  const std::string body = R"({"namespace":["a"]})";
  net::Response first;
  Thread sender("first", [&](std::stop_token) {
    first = wire.Send(world.call(), Method::kPost, "namespaces", body, kKey);
  });
  gated.AwaitArrival();
  Call call = world.call();
  net::Request request = Wire::MakeRequest(Method::kPost, "namespaces", body, kKey);
  net::Answer parked = wire.router().Serve(call, request);
  ASSERT_TRUE(std::holds_alternative<std::shared_ptr<net::Later>>(parked));
  // One that waited too long is told to come again.
  net::Answer impatient = wire.router().Serve(call, request);
  net::Answer told =
      std::get<std::shared_ptr<net::Later>>(impatient)->resume(call, net::Later::Reason::kTimedOut);
  EXPECT_EQ(std::get<net::Response>(told).status, 503);
  EXPECT_EQ(std::get<net::Response>(told).headers.Get("Retry-After"), "1");
  gated.Open();
  sender.Join();
  net::Response second = net::AnswerNow(call, std::move(parked));
  EXPECT_EQ(first.status, 200) << first.BodyText();
  EXPECT_EQ(second.status, 200);
  EXPECT_EQ(second.BodyText(), first.BodyText());
  EXPECT_EQ(gated.arrived(), 1);
}

}  // namespace
}  // namespace moraine::rest

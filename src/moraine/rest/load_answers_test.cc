#include "moraine/rest/load_answers.h"

#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <mutex>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/base/gzip.h"
#include "moraine/base/testing/test_env.h"
#include "moraine/catalog/testing/catalog_world.h"
#include "moraine/net/uri.h"
#include "moraine/rest/errors.h"
#include "moraine/rest/service.h"

namespace moraine::rest {
namespace {

using catalog::kTestWarehouse;
using net::Method;
using testing::StartsWith;

constexpr char kAsk[] = "X-Iceberg-Access-Delegation";

class BlockingWaiter final : public net::Waiter {
 public:
  void Wake() override {
    std::lock_guard lock(mutex_);
    woken_ = true;
    changed_.notify_all();
  }
  void Wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return woken_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool woken_ = false;
};

/// A service over a store in memory and files on this machine.
class LoadAnswersTest : public testing::Test {
 protected:
  LoadAnswersTest() {
    database_ = store::MakeMemoryDatabase(call_);
    catalog_ = std::make_unique<catalog::Catalog>(*database_, *files_, catalog::CatalogOptions());
    EXPECT_TRUE(catalog_->Open(call_).ok());
    EXPECT_TRUE(
        catalog_->PutWarehouse(call_, {.name = kTestWarehouse, .root = "file://" + folder_}).ok());
    EXPECT_TRUE(catalog_->CreateNamespace(call_, kTestWarehouse, {"ns"}, {}).ok());
    service_ = std::make_unique<Service>(
        *catalog_, ServiceOptions{.answer_cache_bytes = 16 << 10, .gzip_threshold_bytes = 500});
    service_->Register(router_);
    Make("t");
  }
  ~LoadAnswersTest() override { std::filesystem::remove_all(folder_); }

  static std::string MakeFolder() {
    std::string folder = testing::TempDir() + "/load_answers_XXXXXX";
    EXPECT_NE(::mkdtemp(folder.data()), nullptr);
    return folder;
  }
  catalog::LoadedTablePtr Make(const std::string& name) {
    return catalog_->Create(call_, kTestWarehouse, catalog::SimpleTable({{"ns"}, name})).value();
  }
  net::Request Get(const std::string& target, std::string_view header = "",
                   std::string_view value = "") {
    auto parsed = net::ParseTarget("/iceberg/v1/" + target).value();
    net::Request request{.method = Method::kGet, .path = parsed.path, .query = parsed.query};
    if (!header.empty()) request.headers.Add(std::string(header), std::string(value));
    return request;
  }
  /// What is answered from memory; nothing where the handler would run.
  std::optional<net::Response> Quick(const net::Request& request) {
    auto answer = service_->Quick(request);
    if (!answer) return std::nullopt;
    if (auto* response = std::get_if<net::Response>(&*answer)) return std::move(*response);
    auto& later = std::get<std::shared_ptr<net::Later>>(*answer);
    auto waiter = std::make_shared<BlockingWaiter>();
    later->on_parked(waiter);
    waiter->Wait();
    return later->ready();
  }
  net::Response Slow(const net::Request& request) {
    return net::AnswerNow(call_, router_.Serve(call_, request));
  }

  testing::TestEnv env_;
  Call call_ = env_.call();
  const std::string folder_ = MakeFolder();
  std::unique_ptr<io::FileSystem> files_ = io::MakeLocalFileSystem();
  std::unique_ptr<store::Database> database_;
  std::unique_ptr<catalog::Catalog> catalog_;
  std::unique_ptr<Service> service_;
  net::Router router_{RefusalOf};
};

TEST_F(LoadAnswersTest, AreTheSameAsTheFirstUntilTheTableChanges) {
  auto request = Get("namespaces/ns/tables/t");
  EXPECT_FALSE(Quick(request).has_value());
  net::Response first = Slow(request);
  auto again = Quick(request);
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(again->status, 200);
  EXPECT_EQ(again->BodyText(), first.BodyText());
  EXPECT_EQ(again->headers.all(), first.headers.all());
  EXPECT_EQ(again->route, "/iceberg/v1/namespaces/{namespace}/tables/{table}");
  EXPECT_EQ(again->route, first.route);

  auto head = request;
  head.method = Method::kHead;
  EXPECT_FALSE(Quick(head).has_value());

  auto base = catalog_->Load(call_, kTestWarehouse, {{"ns"}, "t"}).value();
  auto commit = catalog::SetProperty(*base, "a", "1");
  ASSERT_TRUE(catalog_->Commit(call_, kTestWarehouse, base->name, commit, nullptr).ok());
  EXPECT_FALSE(Quick(request).has_value());
  EXPECT_NE(Slow(request).BodyText(), first.BodyText());
  EXPECT_TRUE(Quick(request).has_value());
  ASSERT_TRUE(catalog_->Drop(call_, kTestWarehouse, base->name, catalog::Catalog::Purge::kNo).ok());
  EXPECT_FALSE(Quick(request).has_value());
  EXPECT_EQ(Slow(request).status, 404);
}

TEST_F(LoadAnswersTest, KnowTheirTag) {
  net::Response first = Slow(Get("namespaces/ns/tables/t"));
  std::string tag(first.headers.Get("ETag").value());
  auto same = Quick(Get("namespaces/ns/tables/t", "If-None-Match", tag));
  ASSERT_TRUE(same.has_value());
  EXPECT_EQ(same->status, 304);
  EXPECT_EQ(same->headers.Get("ETag"), tag);
  EXPECT_EQ(same->BodySize(), 0u);
  auto other = Quick(Get("namespaces/ns/tables/t", "If-None-Match", "\"other\""));
  ASSERT_TRUE(other.has_value());
  EXPECT_EQ(other->status, 200);
}

TEST_F(LoadAnswersTest, AreKeptForEachEncodingAndSetOfSnapshots) {
  auto zipped = Get("namespaces/ns/tables/t", "Accept-Encoding", "gzip, deflate");
  net::Response plain = Slow(Get("namespaces/ns/tables/t"));
  EXPECT_FALSE(Quick(zipped).has_value());
  net::Response first = Slow(zipped);
  EXPECT_EQ(first.headers.Get("Content-Encoding"), "gzip");
  EXPECT_EQ(first.headers.Get("Vary"), "Accept-Encoding");
  auto again = Quick(zipped);
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(again->BodyText(), first.BodyText());
  EXPECT_EQ(GzipDecompress(again->BodyText(), 1 << 20).value(), plain.BodyText());
  EXPECT_EQ(plain.headers.Get("Vary"), "Accept-Encoding");
  EXPECT_EQ(Quick(Get("namespaces/ns/tables/t"))->BodyText(), plain.BodyText());

  EXPECT_TRUE(Quick(Get("namespaces/ns/tables/t?snapshots=all")).has_value());
  auto refs = Get("namespaces/ns/tables/t?snapshots=refs");
  EXPECT_FALSE(Quick(refs).has_value());
  net::Response of_refs = Slow(refs);
  EXPECT_NE(of_refs.headers.Get("ETag"), plain.headers.Get("ETag"));
  EXPECT_EQ(Quick(refs)->headers.Get("ETag"), of_refs.headers.Get("ETag"));
  for (const char* target : {"namespaces/ns/tables/t?snapshots=some", "namespaces/ns/tables/t?a=b",
                             "namespaces/ns/tables/t?snapshots=all&a=b", "namespaces/ns/tables"}) {
    EXPECT_FALSE(Quick(Get(target)).has_value()) << target;
  }
}

TEST_F(LoadAnswersTest, NoticeThatTheMetadataFileIsGone) {
  auto request = Get("namespaces/ns/tables/t");
  Slow(request);
  auto table = catalog_->Load(call_, kTestWarehouse, {{"ns"}, "t"}).value();
  std::filesystem::path file(table->metadata_location.substr(std::string("file://").size()));
  std::filesystem::rename(file, file.string() + ".away");
  EXPECT_FALSE(Quick(request).has_value());
  EXPECT_EQ(Slow(request).status, 404);
  std::filesystem::rename(file.string() + ".away", file);
  EXPECT_EQ(Quick(request)->status, 200);
}

TEST_F(LoadAnswersTest, WhoAsksForAccessIsAnsweredFromMemoryToo) {
  const std::string target = "namespaces/ns/tables/t";
  net::Response plain = Slow(Get(target));
  for (const char* ask : {"vended-credentials", "remote-signing", "nonsense"}) {
    auto request = Get(target, kAsk, ask);
    net::Response first = Slow(request);
    EXPECT_EQ(first.BodyText(), plain.BodyText()) << "no keys are sent for files of this machine";
    auto again = Quick(request);
    ASSERT_TRUE(again.has_value()) << ask;
    EXPECT_EQ(again->BodyText(), first.BodyText());
    EXPECT_EQ(again->headers.all(), first.headers.all());
    request.headers.Add("If-None-Match", std::string(first.headers.Get("ETag").value()));
    EXPECT_EQ(Quick(request)->status, 304);
  }
  auto base = catalog_->Load(call_, kTestWarehouse, {{"ns"}, "t"}).value();
  auto commit = catalog::SetProperty(*base, "a", "1");
  ASSERT_TRUE(catalog_->Commit(call_, kTestWarehouse, base->name, commit, nullptr).ok());
  EXPECT_FALSE(Quick(Get(target, kAsk, "vended-credentials")).has_value());
}

TEST_F(LoadAnswersTest, OfViewsAreTheSameUntilTheyChange) {
  catalog::Views views(*catalog_);
  catalog::CreateView create;
  create.name = {{"ns"}, "v"};
  create.schema = catalog::SimpleTable(create.name).schema;
  create.version.timestamp_ms = 1;
  create.version.representations = {{.sql = "select 1", .dialect = "spark"}};
  create.version.default_namespace = {"ns"};
  auto made = views.Create(call_, kTestWarehouse, create);
  ASSERT_TRUE(made.ok()) << made.status().ToString();
  auto request = Get("namespaces/ns/views/v");
  EXPECT_FALSE(Quick(request).has_value());
  net::Response first = Slow(request);
  ASSERT_EQ(first.status, 200) << first.BodyText();
  auto again = Quick(request);
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(again->BodyText(), first.BodyText());
  EXPECT_EQ(again->headers.all(), first.headers.all());
  EXPECT_EQ(again->route, first.route);
  EXPECT_EQ(again->route, "/iceberg/v1/namespaces/{namespace}/views/{view}");
  auto tagged = Get("namespaces/ns/views/v", "If-None-Match", first.headers.Get("ETag").value());
  EXPECT_EQ(Quick(tagged)->status, 200) << "the protocol knows no 304 of views";
  EXPECT_EQ(Slow(tagged).status, 200);

  iceberg::ViewCommitRequest change{{}, {iceberg::update::SetProperties{{{"comment", "new"}}}}};
  ASSERT_TRUE(views.Commit(call_, kTestWarehouse, create.name, change).ok());
  EXPECT_FALSE(Quick(request).has_value());
  EXPECT_NE(Slow(request).BodyText(), first.BodyText());
  EXPECT_TRUE(Quick(request).has_value());
  ASSERT_TRUE(views.Drop(call_, kTestWarehouse, create.name).ok());
  EXPECT_FALSE(Quick(request).has_value());
  EXPECT_EQ(Slow(request).status, 404);
}

TEST_F(LoadAnswersTest, TheLeastLatelyUsedGo) {
  for (int i = 0; i < 12; ++i) {
    Make("t" + std::to_string(i));
    Slow(Get("namespaces/ns/tables/t" + std::to_string(i)));
    ASSERT_TRUE(Quick(Get("namespaces/ns/tables/t0")).has_value()) << i;
  }
  EXPECT_FALSE(Quick(Get("namespaces/ns/tables/t1")).has_value());
  EXPECT_TRUE(Quick(Get("namespaces/ns/tables/t11")).has_value());
}

}  // namespace
}  // namespace moraine::rest

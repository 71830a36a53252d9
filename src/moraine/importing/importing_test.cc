#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/base/testing/test_env.h"
#include "moraine/importing/catalog_source.h"
#include "moraine/importing/import.h"
#include "moraine/io/testing/memory_file_system.h"
#include "moraine/net/http_client.h"
#include "moraine/store/foreign_database.h"

namespace moraine::importing {
namespace {

using catalog::NamespaceName;
using catalog::TableName;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// "a.b: t u (v) k=x" for each namespace, with its views and properties.
std::vector<std::string> TextsOf(const std::vector<CatalogSource::Space>& spaces) {
  std::vector<std::string> texts;
  for (const auto& space : spaces) {
    std::string text = catalog::ToText(space.name) + ":";
    for (const std::string& table : space.tables) text += " " + table;
    for (const std::string& view : space.views) text += fmt::format(" ({})", view);
    for (const auto& [key, value] : space.properties) text += fmt::format(" {}={}", key, value);
    texts.push_back(text);
  }
  return texts;
}

class ImportingTest : public ::testing::Test {
 protected:
  testing::TestEnv env_{1, testing::TestClock::kSystem};
  Call call_ = env_.call();
};

class FolderSourceTest : public ImportingTest {
 protected:
  void Put(const std::string& path, std::string bytes = "x") {
    files_.Put("/w/" + path, std::move(bytes), 0);
  }
  std::unique_ptr<CatalogSource> source_ = MakeFolderSource(files_, "/w/");
  io::MemoryFileSystem files_;
};

TEST_F(FolderSourceTest, FindsTablesAtAnyDepth) {
  Put("README");
  Put("a/t/metadata/version-hint.text", "2");
  Put("a/t/metadata/v1.metadata.json");
  Put("a/t/metadata/v2.metadata.json");
  for (int i = 0; i < 50; ++i) Put(fmt::format("a/t/data/{}.parquet", i));
  Put("a/b/c/u/metadata/v1.metadata.json");
  Put("a/b/c/u0/metadata/v1.gz.metadata.json");
  Put("a/b/c/u/data/x");
  Put("z/file");
  auto spaces = source_->Tables(call_, {});
  ASSERT_TRUE(spaces.ok()) << spaces.status().ToString();
  EXPECT_THAT(TextsOf(*spaces), ElementsAre("a: t", "a.b:", "a.b.c: u u0", "z:"));
  EXPECT_EQ(*source_->MetadataLocation(call_, ObjectKind::kTable, {{"a"}, "t"}),
            "/w/a/t/metadata/v2.metadata.json");
  EXPECT_EQ(*source_->MetadataLocation(call_, ObjectKind::kTable, {{"a", "b", "c"}, "u0"}),
            "/w/a/b/c/u0/metadata/v1.gz.metadata.json");
  auto below = source_->Tables(call_, {"a", "b"});
  ASSERT_TRUE(below.ok()) << below.status().ToString();
  EXPECT_THAT(TextsOf(*below), ElementsAre("a:", "a.b:", "a.b.c: u u0"));
}

TEST_F(FolderSourceTest, TheNewestVersionIsTheTable) {
  struct Case {
    std::vector<const char*> files;
    const char* hint;  // null: there is none
    const char* newest;
    Code code;
  };
  int number = 0;
  for (const Case& c : std::vector<Case>{
           {{"v1.metadata.json", "v9.metadata.json", "v10.metadata.json"}, "9", "v10", Code::kOk},
           {{"v1.metadata.json"}, nullptr, "v1", Code::kOk},
           {{"v2.metadata.json.gz", "v1.metadata.json"}, "nonsense", "v2", Code::kOk},
           {{"v2.metadata.json"}, "3", "", Code::kCorruption},
           {{"00001-a.metadata.json", "v.metadata.json", "v1.metadata.json.crc",
             "vx.metadata.json"},
            nullptr,
            "",
            Code::kNotFound},
       }) {
    const std::string table = fmt::format("t{}", number++);
    const std::string folder = "n/" + table + "/metadata/";
    for (const char* file : c.files) Put(folder + file);
    if (c.hint != nullptr) Put(folder + "version-hint.text", c.hint);
    auto location = source_->MetadataLocation(call_, ObjectKind::kTable, {{"n"}, table});
    EXPECT_EQ(location.status().code(), c.code) << table << location.status().ToString();
    if (!location.ok()) continue;
    EXPECT_THAT(*location, HasSubstr(folder + c.newest + "."));
  }
}

class SqlSourceTest : public ImportingTest {
 protected:
  void SetUp() override {
    path_ = ::testing::TempDir() + "/catalog.db";
    std::filesystem::remove(path_);
    auto own = store::OpenDatabase(call_, "sqlite://" + path_, {});
    ASSERT_TRUE(own.ok()) << own.status().ToString();
    own_ = std::move(*own);
  }
  void Run(const std::string& sql) {
    Status status = own_->Run(call_, store::Access::kWrite,
                              [&](store::Transaction& t) { return t.Execute(sql, {}).status(); });
    ASSERT_TRUE(status.ok()) << status.ToString();
  }
  void MakeTables(bool tells_views) {
    Run(
        fmt::format("CREATE TABLE iceberg_tables (catalog_name TEXT, table_namespace TEXT, "
                    "table_name TEXT, metadata_location TEXT, previous_metadata_location TEXT{})",
                    tells_views ? ", iceberg_type TEXT" : ""));
  }
  std::unique_ptr<store::Database> OpenForeign() {
    auto opened = store::OpenForeignDatabase(call_, "sqlite://" + path_, {});
    EXPECT_TRUE(opened.ok()) << opened.status().ToString();
    return opened.ok() ? std::move(*opened) : nullptr;
  }

  std::string path_;
  std::unique_ptr<store::Database> own_;
};

TEST_F(SqlSourceTest, ReadsTheTablesOfOneCatalog) {
  MakeTables(true);
  Run("INSERT INTO iceberg_tables VALUES ('c', 'a.b', 't', '/m1', NULL, 'TABLE'), "
      "('c', 'a.b', 'v', '/m2', NULL, 'VIEW'), ('c', 'z', 'old', '/m3', NULL, NULL), "
      "('c', 'z', 'none', NULL, NULL, 'TABLE'), ('other', 'x', 't', '/m4', NULL, 'TABLE')");
  Run("CREATE TABLE iceberg_namespace_properties (catalog_name TEXT, namespace TEXT, "
      "property_key TEXT, property_value TEXT)");
  Run("INSERT INTO iceberg_namespace_properties VALUES ('c', 'empty', 'exists', 'true'), "
      "('c', 'a', 'owner', 'me'), ('c', 'a.b', 'location', '/l'), ('c', 'a.b', 'exists', 'no'), "
      "('other', 'z', 'k', 'v')");
  auto database = OpenForeign();
  auto source = MakeSqlSource(*database, "c");
  auto spaces = source->Tables(call_, {});
  ASSERT_TRUE(spaces.ok()) << spaces.status().ToString();
  EXPECT_THAT(TextsOf(*spaces), ElementsAre("a: owner=me", "a.b: t (v) exists=no location=/l",
                                            "empty:", "z: none old"));
  EXPECT_EQ(*source->MetadataLocation(call_, ObjectKind::kTable, {{"a", "b"}, "t"}), "/m1");
  EXPECT_EQ(*source->MetadataLocation(call_, ObjectKind::kView, {{"a", "b"}, "v"}), "/m2");
  auto code = [&](ObjectKind kind, const TableName& name) {
    return source->MetadataLocation(call_, kind, name).status().code();
  };
  EXPECT_EQ(code(ObjectKind::kTable, {{"z"}, "none"}), Code::kNotFound);
  EXPECT_EQ(code(ObjectKind::kTable, {{"a", "b"}, "v"}), Code::kNotFound);
  auto below = source->Tables(call_, {"a", "b"});
  EXPECT_THAT(TextsOf(*below), ElementsAre("a: owner=me", "a.b: t (v) exists=no location=/l"));
  auto unnamed = MakeSqlSource(*database, "");
  EXPECT_THAT(unnamed->Tables(call_, {}).status().ToString(), HasSubstr("c, other"));
  auto wrong = MakeSqlSource(*database, "d");
  EXPECT_THAT(wrong->Tables(call_, {}).status().ToString(), HasSubstr("no catalog d"));
}

TEST_F(SqlSourceTest, ReadsTheOlderSchemaAndManyRows) {
  MakeTables(false);
  for (int block = 0; block < 3; ++block) {
    std::string rows;
    for (int i = 0; i < 1000; ++i) {
      rows += fmt::format("{}('c', 'n{}', 't{:04}', '/m', NULL)", i == 0 ? "" : ", ", block % 2,
                          block * 1000 + i);
    }
    Run("INSERT INTO iceberg_tables VALUES " + rows);
  }
  auto database = OpenForeign();
  auto source = MakeSqlSource(*database, "");
  auto spaces = source->Tables(call_, {});
  ASSERT_TRUE(spaces.ok()) << spaces.status().ToString();
  ASSERT_EQ(spaces->size(), 2u);
  EXPECT_EQ((*spaces)[0].tables.size(), 2000u);
  EXPECT_EQ((*spaces)[1].tables.size(), 1000u);
}

TEST_F(SqlSourceTest, ForeignFilesAreNeitherChangedNorMade) {
  MakeTables(true);
  auto database = OpenForeign();  // while its owner has it locked
  Status changed = database->Run(call_, store::Access::kWrite, [](store::Transaction& t) {
    return t.Execute("DELETE FROM iceberg_tables", {}).status();
  });
  EXPECT_FALSE(changed.ok());
  auto none = store::OpenForeignDatabase(call_, "sqlite:///nowhere/at/all.db", {});
  EXPECT_EQ(none.status().code(), Code::kInvalidArgument);
}

/// What a catalog holds, in memory.
struct FakeCatalog final : CatalogSource {
  Result<std::vector<Space>> Tables(Call&, const NamespaceName&) override { return spaces; }
  Result<std::string> MetadataLocation(Call&, ObjectKind, const TableName& name) override {
    if (broken.contains(name.name)) return NotFound("its metadata is gone");
    return "/m/" + name.name;
  }
  std::vector<Space> spaces;
  std::set<std::string> broken;
};

class RunImportTest : public ImportingTest {
 protected:
  void SetUp() override {
    source_.spaces = {{{"a"}, {"t1", "t2"}}, {{"a", "b"}, {"t3", "t4", "t5"}}};
    target_.create_namespace = [this](Call&, const NamespaceName& name,
                                      const iceberg::StringMap& properties) -> Status {
      auto location = properties.find("location");
      if (location != properties.end() && location->second == "/outside")
        return InvalidArgument("outside");
      return made_.emplace(name, properties).second ? Status() : AlreadyExists("there");
    };
    target_.namespace_properties = [this](Call&,
                                          const NamespaceName& name) -> Result<iceberg::StringMap> {
      auto found = made_.find(name);
      if (found == made_.end()) return NotFound("no such namespace");
      return found->second;
    };
    target_.metadata_location = [this](Call&, ObjectKind kind,
                                       const TableName& name) -> Result<std::string> {
      std::lock_guard lock(mutex_);
      auto found = registered_.find(name.name);
      if (found == registered_.end() || views_.contains(name.name) != (kind == ObjectKind::kView))
        return NotFound("no such table");
      return found->second;
    };
    target_.register_object = [this](Call&, ObjectKind kind, const TableName& name,
                                     const std::string& location) {
      std::lock_guard lock(mutex_);
      if (kind == ObjectKind::kView) views_.insert(name.name);
      if (refused_.contains(name.name)) return Status(refused_[name.name], "refused");
      return registered_.emplace(name.name, location).second ? Status() : AlreadyExists("taken");
    };
  }
  Result<ImportReport> Import(bool dry_run = false) {
    ImportProgress progress;
    ImportOptions options;
    options.dry_run = dry_run;
    options.threads = 3;
    return RunImport(call_, source_, target_, options, &progress);
  }
  static std::vector<std::string> OutcomesOf(const ImportReport& report) {
    std::vector<std::string> out;
    for (const auto& table : report.tables) out.emplace_back(ImportOutcomeName(table.outcome));
    return out;
  }

  FakeCatalog source_;
  ImportTarget target_;
  std::mutex mutex_;
  std::map<NamespaceName, iceberg::StringMap> made_;
  std::set<std::string> views_;
  std::map<std::string, std::string> registered_;
  std::map<std::string, Code> refused_;
};

TEST_F(RunImportTest, RegistersOnceAndGoesOn) {
  auto first = Import();
  ASSERT_TRUE(first.ok()) << first.status().ToString();
  EXPECT_EQ(first->counts.registered, 5);
  EXPECT_EQ(registered_.at("t4"), "/m/t4");
  EXPECT_EQ(made_.size(), 2u);
  registered_.erase("t5");
  auto second = Import();
  ASSERT_TRUE(second.ok()) << second.status().ToString();
  EXPECT_EQ(second->counts.registered, 1);
  EXPECT_EQ(second->counts.there, 4);
}

TEST_F(RunImportTest, ATableThatCannotBeImportedHoldsUpNoOther) {
  registered_["t1"] = "/another";
  refused_["t3"] = Code::kInvalidArgument;
  source_.broken = {"t4"};
  auto report = Import();
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  EXPECT_THAT(OutcomesOf(*report),
              ElementsAre("taken", "registered", "failed", "failed", "registered"));
  EXPECT_THAT(report->tables[0].problem, HasSubstr("/another"));
  EXPECT_THAT(report->tables[2].problem, HasSubstr("refused"));
  EXPECT_THAT(report->tables[3].problem, HasSubstr("gone"));
  EXPECT_EQ(report->counts.done, 5);
}

TEST_F(RunImportTest, ADryRunChangesNothing) {
  registered_["t2"] = "/m/t2";
  registered_["t3"] = "/another";
  auto report = Import(true);
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  EXPECT_THAT(OutcomesOf(*report),
              ElementsAre("registered", "there", "taken", "registered", "registered"));
  EXPECT_EQ(registered_.size(), 2u);
  EXPECT_TRUE(made_.empty());
}

TEST_F(RunImportTest, ADryRunForeseesWhatIsNotAllowed) {
  target_.allows = [](const std::string& location) {
    return location == "/m/t2" ? InvalidArgument("outside") : Status();
  };
  registered_["t1"] = "/m/t1";
  auto report = Import(true);
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  EXPECT_THAT(OutcomesOf(*report),
              ElementsAre("there", "failed", "registered", "registered", "registered"));
  EXPECT_THAT(report->tables[1].problem, HasSubstr("outside"));
}

TEST_F(RunImportTest, ViewsAreRegisteredAsSuch) {
  source_.spaces[0].views = {"v"};
  auto dry = Import(true);
  ASSERT_TRUE(dry.ok()) << dry.status().ToString();
  EXPECT_EQ(dry->counts.registered, 6);
  EXPECT_TRUE(views_.empty());
  auto report = Import();
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  EXPECT_EQ(report->counts.registered, 6);
  EXPECT_EQ(report->tables.back().kind, ObjectKind::kView);
  EXPECT_THAT(views_, ElementsAre("v"));
  EXPECT_EQ(registered_.at("v"), "/m/v");
  EXPECT_EQ(Import()->counts.there, 6);
}

TEST_F(RunImportTest, WhatTheSourceDidNotTellIsNoted) {
  source_.spaces[0].properties = {{"owner", "me"}};
  source_.spaces[0].note = "without its views: no";
  made_[{"a"}] = {{"owner", "somebody"}};
  source_.spaces[1].note = "without its properties: no";
  for (bool dry_run : {true, false}) {
    auto report = Import(dry_run);
    ASSERT_TRUE(report.ok()) << report.status().ToString();
    EXPECT_EQ(report->namespaces[0].note,
              "without its views: no; was there, and differs in: owner");
    EXPECT_EQ(report->namespaces[1].note, "without its properties: no");
  }
}

/// A catalog of the namespace "a" with the table "t", which answers some paths so.
class PickyCatalog final : public net::HttpTransport {
 public:
  std::map<std::string, int> refused;

  Result<net::Response> Send(Call&, std::string_view, const net::Request& request) override {
    const auto found = refused.find(request.path);
    if (found != refused.end()) {
      return net::Response::Json(
          found->second, R"({"error":{"message":"no","type":"ForbiddenException","code":403}})");
    }
    if (request.path == "/v1/config") {
      return net::Response::Json(200, R"({"defaults":{},"overrides":{},"endpoints":[
          "GET /v1/{prefix}/namespaces", "GET /v1/{prefix}/namespaces/{namespace}",
          "GET /v1/{prefix}/namespaces/{namespace}/tables",
          "GET /v1/{prefix}/namespaces/{namespace}/views"]})");
    }
    if (request.path == "/v1/namespaces/a/tables") {
      return net::Response::Json(200, R"({"identifiers":[{"namespace":["a"],"name":"t"}]})");
    }
    if (request.path == "/v1/namespaces/a/views") {
      return net::Response::Json(200, R"({"identifiers":[{"namespace":["a"],"name":"v"}]})");
    }
    if (request.path == "/v1/namespaces/a") {
      return net::Response::Json(200, R"({"namespace":["a"],"properties":{"k":"x"}})");
    }
    const bool is_top =
        std::none_of(request.query.begin(), request.query.end(),
                     [](const auto& parameter) { return parameter.first == "parent"; });
    return net::Response::Json(200, is_top ? R"({"namespaces":[["a"]]})" : R"({"namespaces":[]})");
  }
};

class RestSourceTest : public ImportingTest {};

TEST_F(RestSourceTest, TablesComeWithoutWhatTheCatalogWithholds) {
  struct Case {
    std::map<std::string, int> refused;
    const char* text;
    const char* note;
    Code code;
  };
  for (const Case& c : std::vector<Case>{
           {{}, "a: t (v) k=x", "", Code::kOk},
           {{{"/v1/namespaces/a", 403}}, "a: t (v)", "without its properties: ", Code::kOk},
           {{{"/v1/namespaces/a", 501}, {"/v1/namespaces/a/views", 403}},
            "a: t",
            "without its views: ",
            Code::kOk},
           {{{"/v1/namespaces/a/tables", 403}}, "", "", Code::kPermissionDenied},
       }) {
    PickyCatalog picky;
    picky.refused = c.refused;
    auto rest = catalog::RestCatalog::Open(call_, picky, {"http://127.0.0.1:1", {}});
    ASSERT_TRUE(rest.ok()) << rest.status().ToString();
    auto spaces = MakeRestSource(**rest)->Tables(call_, {});
    ASSERT_EQ(spaces.status().code(), c.code) << spaces.status().ToString();
    if (!spaces.ok()) continue;
    EXPECT_THAT(TextsOf(*spaces), ElementsAre(c.text));
    EXPECT_THAT(spaces->front().note, ::testing::StartsWith(c.note));
    EXPECT_EQ(spaces->front().note.empty(), *c.note == 0);
  }
}

TEST_F(RunImportTest, NamespacesComeWithTheirProperties) {
  source_.spaces[0].properties = {{"owner", "me"}, {"location", "/inside"}};
  source_.spaces[1].properties = {{"k", "v"}, {"location", "/outside"}};
  auto dry = Import(true);
  ASSERT_TRUE(dry.ok()) << dry.status().ToString();
  EXPECT_TRUE(dry->namespaces[0].made);
  EXPECT_EQ(dry->namespaces[0].properties, source_.spaces[0].properties);
  EXPECT_TRUE(made_.empty());
  auto report = Import();
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  EXPECT_EQ(made_.at({"a"}), source_.spaces[0].properties);
  EXPECT_EQ(report->namespaces[0].note, "");
  // A place that the target does not allow is left out, and nothing else.
  EXPECT_EQ(made_.at({"a", "b"}), (iceberg::StringMap{{"k", "v"}}));
  EXPECT_TRUE(report->namespaces[1].made);
  EXPECT_THAT(report->namespaces[1].note, HasSubstr("location"));
}

TEST_F(RunImportTest, ANamespaceThatIsThereStaysAsItIs) {
  source_.spaces[0].properties = {{"owner", "me"}, {"same", "s"}};
  made_[{"a"}] = {{"owner", "somebody"}, {"same", "s"}};
  for (bool dry_run : {true, false}) {
    auto report = Import(dry_run);
    ASSERT_TRUE(report.ok()) << report.status().ToString();
    EXPECT_FALSE(report->namespaces[0].made);
    EXPECT_EQ(report->namespaces[0].note, "was there, and differs in: owner");
    EXPECT_TRUE(report->namespaces[1].made);
  }
  EXPECT_EQ(made_.at({"a"}).at("owner"), "somebody");
}

TEST_F(RunImportTest, AServerThatIsGoneEndsIt) {
  refused_["t2"] = Code::kUnavailable;
  EXPECT_EQ(Import().status().code(), Code::kUnavailable);
}

}  // namespace
}  // namespace moraine::importing

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
#include "moraine/store/foreign_database.h"

namespace moraine::importing {
namespace {

using catalog::NamespaceName;
using catalog::TableName;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// "a.b: t u" for each namespace.
std::vector<std::string> TextsOf(const std::vector<CatalogSource::Space>& spaces) {
  std::vector<std::string> texts;
  for (const auto& space : spaces) {
    std::string text = catalog::ToText(space.name) + ":";
    for (const std::string& table : space.tables) text += " " + table;
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
  EXPECT_EQ(*source_->MetadataLocation(call_, {{"a"}, "t"}), "/w/a/t/metadata/v2.metadata.json");
  EXPECT_EQ(*source_->MetadataLocation(call_, {{"a", "b", "c"}, "u0"}),
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
    auto location = source_->MetadataLocation(call_, {{"n"}, table});
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
  Run("INSERT INTO iceberg_namespace_properties VALUES ('c', 'empty', 'exists', 'true')");
  auto database = OpenForeign();
  auto source = MakeSqlSource(*database, "c");
  auto spaces = source->Tables(call_, {});
  ASSERT_TRUE(spaces.ok()) << spaces.status().ToString();
  EXPECT_THAT(TextsOf(*spaces), ElementsAre("a:", "a.b: t", "empty:", "z: none old"));
  EXPECT_EQ(*source->MetadataLocation(call_, {{"a", "b"}, "t"}), "/m1");
  EXPECT_EQ(source->MetadataLocation(call_, {{"z"}, "none"}).status().code(), Code::kNotFound);
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
  Result<std::string> MetadataLocation(Call&, const TableName& name) override {
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
    target_.create_namespace = [this](Call&, const NamespaceName& name) {
      std::lock_guard lock(mutex_);
      return made_.insert(name).second ? Status() : AlreadyExists("there");
    };
    target_.metadata_location = [this](Call&, const TableName& name) -> Result<std::string> {
      std::lock_guard lock(mutex_);
      auto found = registered_.find(name.name);
      if (found == registered_.end()) return NotFound("no such table");
      return found->second;
    };
    target_.register_table = [this](Call&, const TableName& name, const std::string& location) {
      std::lock_guard lock(mutex_);
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
  std::set<NamespaceName> made_;
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

TEST_F(RunImportTest, AServerThatIsGoneEndsIt) {
  refused_["t2"] = Code::kUnavailable;
  EXPECT_EQ(Import().status().code(), Code::kUnavailable);
}

}  // namespace
}  // namespace moraine::importing

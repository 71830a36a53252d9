// The files that users read say what the binary does.

#include "moraine/server/settings.h"

#include <fstream>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/base/text.h"

namespace moraine::server {
namespace {

constexpr char kGuide[] = MORAINE_TEST_DATA_DIR "/../docs/guide/";
constexpr std::string_view kBegin = "<!-- settings: begin -->\n";
constexpr std::string_view kEnd = "<!-- settings: end -->";

std::string Read(const std::string& name) {
  std::ifstream file(kGuide + name);
  EXPECT_TRUE(file.good()) << name;
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

/// Fails with the place of a copy that is as it should be.
void ExpectFile(const std::string& name, const std::string& text) {
  if (Read(name) == text) return;
  std::string copy = testing::TempDir() + "/" + name;
  std::ofstream(copy) << text;
  ADD_FAILURE() << "docs/guide/" << name << " is old: replace it with " << copy;
}

TEST(Settings, TheSampleFileNamesEachWithItsDefault) {
  Config defaults(Settings());
  ExpectFile("moraine.yaml", defaults.SampleYaml());
  Config read(Settings());
  ASSERT_TRUE(read.LoadYaml(Read("moraine.yaml"), "moraine.yaml").ok());
  for (const auto& setting : defaults.settings()) {
    EXPECT_EQ(read.Text(setting.key), setting.default_value) << setting.key;
  }
}

TEST(Settings, TheGuideListsEach) {
  std::string page = Read("configuration.md");
  size_t begin = page.find(kBegin);
  size_t end = page.find(kEnd);
  ASSERT_NE(begin, page.npos);
  ASSERT_NE(end, page.npos);
  begin += kBegin.size();
  std::string table = Config(Settings()).Markdown();
  ExpectFile("configuration.md", page.substr(0, begin) + table + page.substr(end));
}

TEST(Settings, EachIsASentenceWithAValidDefault) {
  Config config(Settings());
  for (const auto& setting : config.settings()) {
    EXPECT_TRUE(config.Set(setting.key, setting.default_value, "default").ok()) << setting.key;
    EXPECT_TRUE(setting.doc.ends_with('.')) << setting.key;
    EXPECT_EQ(setting.key.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-."),
              setting.key.npos);
    EXPECT_EQ(Split(setting.key, '.').size(), 2u) << setting.key;
  }
}

}  // namespace
}  // namespace moraine::server

#include "moraine/base/config.h"

#include <gtest/gtest.h>

#include "moraine/base/json.h"

namespace moraine {
namespace {

Config Example() {
  return Config({{"server.listen", SettingType::kText, "127.0.0.1:1630", "Where to listen."},
                 {"optimizer.threads", SettingType::kNumber, "1", "Threads.", 0, 64},
                 {"optimizer.memory", SettingType::kBytes, "512MiB", "A thread's memory."},
                 {"server.names", SettingType::kList, "", "Host names."},
                 {"server.grace", SettingType::kDuration, "10s", "Time to finish.", 0, 90'000},
                 {"server.body", SettingType::kBytes, "1MiB", "Body.", 1024, 3 << 20},
                 {"server.strict", SettingType::kSwitch, "false", "Strictness."}});
}

TEST(Config, ReadsYaml) {
  Config config = Example();
  ASSERT_TRUE(config
                  .LoadYaml("server:\n  listen: 0.0.0.0:1\n  names: [a, b]\n  strict: "
                            "true\noptimizer:\n  memory: 1GiB\n",
                            "x.yaml")
                  .ok());
  EXPECT_EQ(config.Text("server.listen"), "0.0.0.0:1");
  EXPECT_EQ(config.List("server.names"), (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(config.Switch("server.strict"));
  EXPECT_EQ(config.Number("optimizer.memory"), 1 << 30);
  EXPECT_EQ(config.Duration("server.grace"), Millis(10'000));
}

TEST(Config, NamesTheLineAndSuggestsTheNearestKey) {
  Config config = Example();
  Status status = config.LoadYaml("server:\n  lisen: x\n", "m.yaml");
  EXPECT_EQ(status.message(),
            "m.yaml:2: unknown setting server.lisen, did you mean server.listen?");
  status = config.LoadYaml("optimizer:\n  threads: 65\n", "m.yaml");
  EXPECT_EQ(status.message(),
            "m.yaml:2: optimizer.threads is '65', expected a whole number from 0 to 64");
  status = config.LoadYaml("server:\n  grace: 2m\n", "m.yaml");
  EXPECT_EQ(status.message(), "m.yaml:2: server.grace is '2m', expected a duration from 0 to 90s");
  status = config.LoadYaml("server:\n  listen: a\n  grace: 1s\n  listen: b\n", "m.yaml");
  EXPECT_EQ(status.message(), "m.yaml:4: server.listen was set before, in line 2");
  status = config.LoadYaml("server:\n  listen: [a, b]\n", "m.yaml");
  EXPECT_EQ(status.message(), "m.yaml:2: server.listen is a list, expected one value");
  EXPECT_EQ(config.LoadYaml("a: [", "m.yaml").code(), Code::kInvalidArgument);
  EXPECT_EQ(config.LoadYaml("- a", "m.yaml").code(), Code::kInvalidArgument);
}

TEST(Config, TheSampleReadsBackAsTheDefaults) {
  Config config = Example();
  ASSERT_TRUE(config.LoadYaml(config.SampleYaml(), "sample").ok());
  EXPECT_EQ(config.Text("server.listen"), "127.0.0.1:1630");
  EXPECT_TRUE(config.List("server.names").empty());
  for (const char* line : {"# Threads. (from 0 to 64)\n", "# Time to finish. (from 0 to 90s)\n",
                           "# Body. (from 1KiB to 3MiB)\n"}) {
    EXPECT_NE(config.SampleYaml().find(line), std::string::npos) << line;
  }
  EXPECT_NE(config.Markdown().find("(from 0 to 64)"), std::string::npos);
}

TEST(Yaml, BecomesJson) {
  auto json = YamlToJson("a: 1\nb: [x, 'true', true]\nc:\n  d: \"5\"\n");
  ASSERT_TRUE(json.ok());
  EXPECT_EQ(*json, R"({"a":1,"b":["x","true",true],"c":{"d":"5"}})");
}

}  // namespace
}  // namespace moraine

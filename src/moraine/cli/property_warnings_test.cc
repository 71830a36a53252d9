#include "moraine/cli/property_warnings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/maintenance/policy.h"

namespace moraine::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(PropertyWarnings, UnknownNamesOfOursHaveTheNearestOne) {
  struct Case {
    const char* pair;
    const char* warning;
  };
  for (const auto& [pair, warning] : {
           Case{"self-optimizing.enable=true", "did you mean self-optimizing.enabled?"},
           {"self-optimising.enabled=true", "did you mean self-optimizing.enabled?"},
           {"clean-orphan-file.enable=true", "did you mean clean-orphan-file.enabled?"},
           {"clean-orphan-files.enabled=true", "did you mean clean-orphan-file.enabled?"},
           {"data-expire.retention=7d", "data-expire.retention is not a property"},
           {"snapshot.kep.duration=7d", "did you mean snapshot.keep.duration?"},
           {"tag.auto-create.enable=true", "did you mean tag.auto-create.enabled?"},
           {"maintenance.expire-snapshot.schedule=off",
            "did you mean maintenance.expire-snapshots.schedule?"},
           {"table-default.snapshot.keep.durations=7d", "did you mean snapshot.keep.duration?"},
           {"snapshot.keep.duration=long", "snapshot.keep.duration is 'long'"},
       }) {
    const auto warnings = PropertyWarnings(std::vector<std::string>{pair});
    ASSERT_EQ(warnings.size(), 1U) << pair;
    EXPECT_THAT(warnings[0], HasSubstr(warning)) << pair;
  }
}

TEST(PropertyWarnings, OthersSetWhatTheyLike) {
  for (const char* pair :
       {"owner=me", "comment=x", "write.target-file-size-bytes=1", "read.split.target-size=1",
        "commit.retry.num-retries=4", "format-version=3", "engine.hive.enabled=true",
        "schema.name-mapping.default=[]", "gc.enabled=false", "created-at=x", "snapshot.kep="}) {
    EXPECT_THAT(PropertyWarnings(std::vector<std::string>{pair}), IsEmpty()) << pair;
  }
  for (const auto& known : maintenance::PolicyProperties()) {
    for (const auto& warning :
         PropertyWarnings(iceberg::StringMap{{known.name, known.default_value}})) {
      EXPECT_EQ(warning.find("not a property"), std::string::npos) << warning;
    }
  }
}

}  // namespace
}  // namespace moraine::cli

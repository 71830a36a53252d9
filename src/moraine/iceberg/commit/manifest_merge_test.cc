#include "moraine/iceberg/commit/manifest_merge.h"

#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace moraine::iceberg {
namespace {

using Bins = std::vector<MergeBin>;

struct Case {
  std::vector<std::pair<int32_t, int64_t>> manifests;  // spec and length, the newest first
  MergePolicy policy;
  Bins bins;
};
class Merge : public testing::TestWithParam<Case> {};

TEST_P(Merge, PacksFromTheEnd) {
  std::vector<ManifestFile> manifests;
  for (const auto& [spec, length] : GetParam().manifests) {
    ManifestFile manifest;
    manifest.partition_spec_id = spec;
    manifest.manifest_length = length;
    manifests.push_back(manifest);
  }
  EXPECT_EQ(PlanMerge(manifests, GetParam().policy), GetParam().bins);
}

INSTANTIATE_TEST_SUITE_P(
    All, Merge,
    testing::Values(Case{{}, {true, 10, 2}, {}}, Case{{{0, 5}, {0, 5}}, {false, 10, 2}, {{0}, {1}}},
                    Case{{{0, 5}, {0, 5}}, {true, 10, 2}, {{0, 1}}},
                    // The newest is not merged below the minimum count; full older bins always are.
                    Case{{{0, 5}, {0, 5}}, {true, 10, 3}, {{0}, {1}}},
                    Case{{{0, 1}, {0, 5}, {0, 5}}, {true, 10, 3}, {{0}, {1, 2}}},
                    Case{{{0, 1}, {0, 2}, {0, 5}, {0, 5}}, {true, 10, 2}, {{0, 1}, {2, 3}}},
                    Case{{{0, 1}, {0, 20}, {0, 1}}, {true, 10, 2}, {{0}, {1}, {2}}},
                    Case{{{0, 9}, {0, 1}, {0, 1}}, {true, 10, 2}, {{0}, {1, 2}}},
                    // Higher specs come first; only the bin with the newest waits for the count.
                    Case{{{1, 1}, {0, 1}, {1, 1}, {0, 1}}, {true, 10, 3}, {{0}, {2}, {1, 3}}}));

}  // namespace
}  // namespace moraine::iceberg

#include "moraine/optimizing/failures.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace moraine::optimizing {
namespace {

using testing::HasSubstr;

constexpr int64_t kMinute = 60'000;

TEST(BackOffTest, DoublesUpToTheLongestWait) {
  Options options;
  const std::vector<std::pair<int64_t, int64_t>> cases = {
      {1, 1}, {2, 2}, {3, 4}, {5, 16}, {9, 256}, {10, 360}, {1'000'000'000, 360}};
  for (auto [failures, minutes] : cases)
    EXPECT_EQ(BackOff(failures, options).count(), minutes * kMinute) << failures;
}

TEST(SameFailureTest, LooksAtTheWordsNotAtTheNumbers) {
  EXPECT_TRUE(SameFailure("Corruption: f-0190ab-1-2-00000.parquet at 17",
                          "Corruption: f-0190cd-7-1-00003.parquet at 4"));
  EXPECT_FALSE(SameFailure("Corruption: bad footer", "Corruption: bad page"));
  EXPECT_FALSE(SameFailure("NotFound: x", "Unavailable: x"));
}

TEST(NoteFailureTest, WaitsLongerEachTimeAndThenForAPerson) {
  Options options;
  TableState state;
  const std::vector<std::string> sentences = {"planning failed, is tried again at",
                                              "planning failed 2 times in a row", "3 times",
                                              "4 times"};
  for (size_t i = 0; i < sentences.size(); ++i) {
    NoteFailure(&state, "planning failed", "Corruption: x", FailureKind::kLasting, options, 1'000);
    EXPECT_EQ(state.retry_ms, 1'000 + (kMinute << i));
    EXPECT_EQ(state.due_ms, state.retry_ms);
    EXPECT_THAT(state.reason, HasSubstr(sentences[i]));
    EXPECT_THAT(state.reason, HasSubstr("Corruption: x"));
  }
  NoteFailure(&state, "planning failed", "Corruption: x", FailureKind::kLasting, options, 1'000);
  EXPECT_EQ(state.retry_ms, kWaitForPerson);
  EXPECT_THAT(state.reason, HasSubstr("5 times in the same way, waits for a person"));
  ForgetFailures(&state);
  EXPECT_EQ(state.failures, 0);
  EXPECT_EQ(state.retry_ms, 0);
}

TEST(NoteFailureTest, WhatMayPassNeverWaitsForAPerson) {
  Options options;
  TableState state;
  for (int i = 0; i < 20; ++i)
    NoteFailure(&state, "planning failed", "Unavailable", FailureKind::kPassing, options, 0);
  EXPECT_EQ(state.retry_ms, options.backoff_last.count());
  EXPECT_EQ(state.failures, 20);
}

TEST(NoteFailureTest, AnotherErrorGoesOnWaitingLongerButNotForAPerson) {
  Options options;
  TableState state;
  for (const char* error : {"A", "B", "C", "D", "E", "F"})
    NoteFailure(&state, "the minor process failed", error, FailureKind::kLasting, options, 0);
  EXPECT_EQ(state.retry_ms, 32 * kMinute);
  EXPECT_EQ(state.equal_failures, 1);
  ForgetFailures(&state, "planning failed");
  EXPECT_EQ(state.failures, 6);
  ForgetFailures(&state, "the minor process failed");
  EXPECT_EQ(state.failures, 0);
}

}  // namespace
}  // namespace moraine::optimizing

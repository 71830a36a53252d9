#include "moraine/base/status.h"

#include <gtest/gtest.h>

namespace moraine {
namespace {

Result<int> Half(int value) {
  if (value % 2 != 0) return InvalidArgument("odd");
  return value / 2;
}

Result<int> Quarter(int value) {
  MORAINE_ASSIGN(int half, Half(value));
  MORAINE_ASSIGN(half, Half(half));
  return half;
}

TEST(Status, CarriesCodeAndMessage) {
  EXPECT_TRUE(Status().ok());
  Status status = NotFound("no such table: db.t");
  EXPECT_EQ(status.code(), Code::kNotFound);
  EXPECT_EQ(std::move(status).Annotate("while loading").ToString(),
            "NotFound: while loading: no such table: db.t");
}

TEST(Status, CodesAndNamesAreOneToOne) {
  for (int i = 0; i < 15; ++i) {
    auto code = static_cast<Code>(i);
    EXPECT_EQ(CodeFromName(CodeName(code)), code);
  }
  EXPECT_FALSE(CodeFromName("IoError"));
}

TEST(Result, ReturnsEarlyOnErrors) {
  EXPECT_EQ(*Quarter(12), 3);
  EXPECT_EQ(Quarter(6).status().code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace moraine

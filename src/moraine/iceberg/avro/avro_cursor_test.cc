#include "moraine/iceberg/avro/avro_cursor.h"

#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "moraine/iceberg/avro/avro_encoder.h"

namespace moraine::iceberg {
namespace {

std::vector<int64_t> EdgeValues() {
  std::vector<int64_t> values = {0, -1, 1, INT64_MIN, INT64_MAX};
  for (int bit = 0; bit < 63; ++bit) {
    for (int64_t near : {-1, 0, 1}) {
      values.push_back((int64_t{1} << bit) + near);
      values.push_back(-(int64_t{1} << bit) + near);
    }
  }
  return values;
}

TEST(AvroCursor, ReadsEveryLengthOfVarint) {
  std::string bytes;
  AvroEncoder encoder(&bytes);
  for (int64_t value : EdgeValues()) encoder.Long(value);
  AvroCursor cursor(bytes);
  for (int64_t value : EdgeValues()) ASSERT_EQ(cursor.ReadLong(), value);
  EXPECT_TRUE(cursor.ok() && cursor.at_end());
  // Alone, so that no 8 bytes follow.
  for (int64_t value : EdgeValues()) {
    bytes.clear();
    encoder.Long(value);
    AvroCursor alone(bytes);
    ASSERT_EQ(alone.ReadLong(), value);
    EXPECT_TRUE(alone.ok() && alone.at_end());
  }
}

TEST(AvroCursor, SkipsAsManyVarintsAsItReads) {
  std::string bytes;
  AvroEncoder encoder(&bytes);
  const std::vector<int64_t> values = EdgeValues();
  for (int64_t value : values) encoder.Long(value);
  for (size_t skip = 0; skip < values.size(); ++skip) {
    AvroCursor cursor(bytes);
    cursor.SkipVarints(skip);
    ASSERT_EQ(cursor.ReadLong(), values[skip]) << skip;
  }
  AvroCursor all(bytes);
  all.SkipVarints(values.size());
  EXPECT_TRUE(all.ok() && all.at_end());
  AvroCursor more(bytes);
  more.SkipVarints(values.size() + 1);
  EXPECT_FALSE(more.ok());
}

TEST(AvroCursor, BrokenVarintsFail) {
  const std::string cases[] = {"",
                               "\x80",
                               std::string(9, '\xff'),
                               std::string(10, '\xff'),
                               std::string(9, '\xff') + "\x02",
                               std::string(20, '\x80')};
  for (const std::string& bytes : cases) {
    AvroCursor cursor(bytes);
    EXPECT_EQ(cursor.ReadLong(), 0);
    EXPECT_FALSE(cursor.ok());
    EXPECT_TRUE(cursor.at_end());
  }
  const std::string least = std::string(9, '\xff') + "\x01";
  AvroCursor cursor(least);
  EXPECT_EQ(cursor.ReadLong(), INT64_MIN);
  EXPECT_TRUE(cursor.ok());
}

TEST(AvroCursor, FailureSticksAndGivesNothing) {
  AvroCursor cursor("\x02");
  EXPECT_EQ(cursor.ReadBytes(), "");  // says one byte, has none
  EXPECT_FALSE(cursor.ok());
  EXPECT_EQ(cursor.position(), 1u);
  EXPECT_EQ(cursor.ReadLong(), 0);
  EXPECT_EQ(cursor.ReadDouble(), 0);
  EXPECT_EQ(cursor.ReadFixed(1), "");
  EXPECT_EQ(cursor.ReadBlockCount(1), 0u);
  EXPECT_FALSE(cursor.ReadBool());
}

TEST(AvroCursor, ReadsWhatTheEncoderWrites) {
  std::string bytes;
  AvroEncoder encoder(&bytes);
  encoder.Bool(true);
  encoder.Float(-1.5f);
  encoder.Double(std::numeric_limits<double>::denorm_min());
  encoder.Bytes("text");
  encoder.Fixed("abc");
  encoder.Int(INT32_MIN);
  encoder.Long(int64_t{1} << 40);
  AvroCursor cursor(bytes);
  EXPECT_TRUE(cursor.ReadBool());
  EXPECT_EQ(cursor.ReadFloat(), -1.5f);
  EXPECT_EQ(cursor.ReadDouble(), std::numeric_limits<double>::denorm_min());
  EXPECT_EQ(cursor.ReadBytes(), "text");
  EXPECT_EQ(cursor.ReadFixed(3), "abc");
  EXPECT_EQ(cursor.ReadInt(), INT32_MIN);
  EXPECT_EQ(cursor.ReadInt(), 0);  // too large for an int
  EXPECT_FALSE(cursor.ok());
  AvroCursor two("\x02");
  two.ReadBool();
  EXPECT_FALSE(two.ok());
}

TEST(AvroCursor, BlockCountsAreBoundedByTheBytes) {
  struct Case {
    int64_t count;
    size_t item_bytes;
    size_t rest;
    uint64_t read;
  };
  for (const Case& c : std::vector<Case>{{3, 1, 3, 3},
                                         {3, 1, 2, 0},
                                         {2, 2, 4, 2},
                                         {2, 2, 3, 0},
                                         {INT64_MAX, 0, 9, 0},
                                         {1000, 0, 0, 1000},
                                         {0, 1, 0, 0}}) {
    std::string bytes;
    AvroEncoder(&bytes).Long(c.count);
    bytes.append(c.rest, '\0');
    AvroCursor cursor(bytes);
    EXPECT_EQ(cursor.ReadBlockCount(c.item_bytes), c.read) << c.count;
    EXPECT_EQ(cursor.ok(), c.read > 0 || c.count == 0);
  }
}

TEST(AvroCursor, BlocksWithASizeAreReadAndJumped) {
  std::string bytes;
  AvroEncoder encoder(&bytes);
  encoder.Long(-2);
  encoder.Long(2);
  encoder.Long(5);
  encoder.Long(6);
  encoder.Long(0);
  AvroCursor reading(bytes);
  EXPECT_EQ(reading.ReadBlockCount(1), 2u);
  EXPECT_EQ(reading.ReadLong(), 5);
  EXPECT_EQ(reading.ReadLong(), 6);
  EXPECT_EQ(reading.ReadBlockCount(1), 0u);
  AvroCursor skipping(bytes);
  EXPECT_EQ(skipping.SkipBlockCount(1), 0u);
  EXPECT_TRUE(skipping.ok() && skipping.at_end());
}

}  // namespace
}  // namespace moraine::iceberg

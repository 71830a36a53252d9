#include "moraine/splice/value_stats.h"

#include <cmath>
#include <cstring>
#include <limits>

#include <gtest/gtest.h>

#include "moraine/splice/dictionary_merge.h"

namespace moraine::splice {
namespace {

template <typename T>
std::string Bytes(const std::vector<T>& values) {
  return std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

std::string Strings(const std::vector<std::string>& values) {
  std::string bytes;
  for (const std::string& value : values) {
    bytes += Bytes<uint32_t>({static_cast<uint32_t>(value.size())}) + value;
  }
  return bytes;
}

TEST(ValueStats, FollowTheOrderOfTheType) {
  const ValueRange ints = RangeOf({Physical::kInt32}, Bytes<int32_t>({3, -5, 7}), 3);
  EXPECT_EQ(*ints.min, Bytes<int32_t>({-5}));
  EXPECT_EQ(*ints.max, Bytes<int32_t>({7}));
  const ValueRange strings = RangeOf({Physical::kByteArray}, Strings({"b", "\xFF", "a", ""}), 4);
  EXPECT_EQ(*strings.min, "");
  EXPECT_EQ(*strings.max, "\xFF");
  const ValueType decimal = {Physical::kFixed, 2, Order::kSignedBytes};
  const ValueRange decimals = RangeOf(decimal, std::string("\x00\x05\xFF\xFE\x01\x00", 6), 3);
  EXPECT_EQ(*decimals.min, "\xFF\xFE");
  EXPECT_EQ(*decimals.max, std::string("\x01\x00", 2));
  const ValueType uuid = {Physical::kFixed, 2, Order::kType};
  EXPECT_EQ(*RangeOf(uuid, std::string("\x00\x05\xFF\xFE", 4), 2).max, "\xFF\xFE");
}

TEST(ValueStats, LeaveNanOutAndSignZeros) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const ValueRange range = RangeOf({Physical::kDouble}, Bytes<double>({nan, 0.0, 2.0, nan}), 4);
  EXPECT_EQ(range.nans, 2);
  EXPECT_EQ(*range.min, Bytes<double>({-0.0}));
  EXPECT_EQ(*range.max, Bytes<double>({2.0}));
  const ValueRange all = RangeOf({Physical::kDouble}, Bytes<double>({nan}), 1);
  EXPECT_FALSE(all.min.has_value());
  EXPECT_EQ(all.nans, 1);
}

TEST(DictionaryValues, TellTheRangeOfIndices) {
  for (const auto& [type, plain] : std::vector<std::pair<ValueType, std::string>>{
           {{Physical::kInt64}, Bytes<int64_t>({9, -1, 4})},
           {{Physical::kByteArray}, Strings({"z", "a", "m"})}}) {
    DictionaryValues values = DictionaryValues::Make(type, plain, 3).value();
    values.Rank();
    EXPECT_EQ(*values.RangeOf({0, 2}).min, values.Value(2));
    EXPECT_EQ(*values.RangeOf({0, 2}).max, values.Value(0));
    EXPECT_EQ(*values.RangeOf({1, 1}).max, values.Value(1));
    EXPECT_FALSE(values.RangeOf({}).min.has_value());
  }
}

TEST(DictionaryValues, RefuseBytesThatAreNotAsManyValues) {
  EXPECT_EQ(DictionaryValues::Make({Physical::kInt64}, "1234567", 1).status().code(),
            Code::kCorruption);
  EXPECT_EQ(DictionaryValues::Make({Physical::kByteArray}, Strings({"a"}), 2).status().code(),
            Code::kCorruption);
  EXPECT_EQ(DictionaryValues::Make({Physical::kByteArray}, Bytes<uint32_t>({9}), 1).status().code(),
            Code::kCorruption);
}

DictionaryValues Dictionary(const std::vector<std::string>& values) {
  return DictionaryValues::Make({Physical::kByteArray}, Strings(values), values.size()).value();
}

TEST(DictionaryMerge, NumbersEachValueOnce) {
  DictionaryMerge merge({Physical::kByteArray}, 1000);
  EXPECT_EQ(merge.Add(Dictionary({"a", "b"})), std::vector<uint32_t>());  // stay as they are
  EXPECT_EQ(merge.Add(Dictionary({"b", "c", "a"})), (std::vector<uint32_t>{1, 2, 0}));
  EXPECT_EQ(merge.Add(Dictionary({"a"})), std::vector<uint32_t>());
  EXPECT_EQ(merge.Add(Dictionary({"", "x", "", "aa"})), (std::vector<uint32_t>{3, 4, 3, 5}));
  EXPECT_EQ(merge.size(), 6u);
  EXPECT_EQ(merge.plain(), Strings({"a", "b", "c", "", "x", "aa"}));
}

TEST(DictionaryMerge, RefusesWhatWouldMakeItTooLarge) {
  DictionaryMerge merge({Physical::kInt64}, 32);
  const auto numbers = [](const std::vector<int64_t>& values) {
    return DictionaryValues::Make({Physical::kInt64}, Bytes(values), values.size()).value();
  };
  EXPECT_FALSE(merge.Add(numbers({1, 2, 3, 4, 5})).has_value());
  EXPECT_TRUE(merge.Add(numbers({1, 2, 3, 4})).has_value());
  EXPECT_FALSE(merge.Add(numbers({4, 5})).has_value());
  EXPECT_EQ(merge.Add(numbers({4, 2})), (std::vector<uint32_t>{3, 1})) << "has nothing new";
  EXPECT_EQ(merge.size(), 4u);
}

TEST(DictionaryMerge, TakesInPlainValues) {
  DictionaryMerge merge({Physical::kByteArray}, 20);
  EXPECT_TRUE(merge.Add(Dictionary({"a", "b"})).has_value());
  EXPECT_TRUE(merge.AddValues(Dictionary({"b", "c", "c", "a"})));
  EXPECT_EQ(merge.size(), 3u);
  EXPECT_EQ(merge.NumbersOf(Dictionary({"c", "a", "c"})).value(), (std::vector<uint32_t>{2, 0, 2}));
  EXPECT_FALSE(merge.AddValues(Dictionary({"a", "much too long"})));
  EXPECT_EQ(merge.NumbersOf(Dictionary({"d"})).status().code(), Code::kCorruption);
}

TEST(DictionaryMerge, FindsEachOfManyValues) {
  DictionaryMerge merge({Physical::kInt32}, SIZE_MAX);
  std::vector<int32_t> all;
  for (int32_t i = 0; i < 20'000; ++i) all.push_back(i * 7919);
  for (size_t from = 0; from < all.size(); from += 1000) {
    const std::vector<int32_t> part(all.begin() + static_cast<ptrdiff_t>(from / 2),
                                    all.begin() + static_cast<ptrdiff_t>(from + 1000));
    const auto values =
        DictionaryValues::Make({Physical::kInt32}, Bytes(part), part.size()).value();
    const auto mapping = merge.Add(values);
    ASSERT_TRUE(mapping.has_value());
    for (size_t i = 0; i < mapping->size(); ++i) EXPECT_EQ((*mapping)[i], from / 2 + i);
  }
  EXPECT_EQ(merge.plain(), Bytes(all));
}

}  // namespace
}  // namespace moraine::splice

#include "moraine/iceberg/types/value.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "moraine/base/text.h"
#include "moraine/iceberg/types/decimal.h"
#include "moraine/iceberg/types/type.h"
#include "moraine/iceberg/types/uuid.h"

namespace moraine::iceberg {
namespace {

constexpr float kFloatNaN = std::numeric_limits<float>::quiet_NaN();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

TypePtr T(std::string_view text) {
  auto type = Type::FromString(text);
  EXPECT_TRUE(type.ok()) << text;
  return *type;
}

std::string Bytes(std::string_view hex) { return *HexDecode(hex); }

// One value with its type in every form: binary, JSON, and text for people.
struct Form {
  const char* type;
  Value value;
  const char* hex;
  const char* json;
  const char* text;
};

std::vector<Form> Forms() {
  std::string uuid = *UuidFromText("f79c3e09-677c-4bbd-a479-3f349cb785e7");
  return {
      {"boolean", false, "00", "false", "false"},
      {"boolean", true, "01", "true", "true"},
      {"int", int32_t{34}, "22000000", "34", "34"},
      {"int", int32_t{-1}, "ffffffff", "-1", "-1"},
      {"long", int64_t{34}, "2200000000000000", "34", "34"},
      {"long", std::numeric_limits<int64_t>::min(), "0000000000000080", "-9223372036854775808",
       "-9223372036854775808"},
      {"float", 1.0f, "0000803f", "1.0", "1.0"},
      {"float", 1.1f, "cdcc8c3f", "1.1", "1.1"},
      {"float", 1e10f, "f9021550", "1e+10", "1.0E10"},
      {"double", 1.0, "000000000000f03f", "1.0", "1.0"},
      {"double", -0.0, "0000000000000080", "-0.0", "-0.0"},
      {"double", 0.00123, "d7868a71fe26543f", "0.00123", "0.00123"},
      {"double", 1.25e-5, "2d431cebe236ea3e", "1.25e-05", "1.25E-5"},
      {"double", 9999999.0, "000000e0cf126341", "9999999.0", "9999999.0"},
      {"double", 123456789.5, "00000056346f9d41", "123456789.5", "1.234567895E8"},
      {"decimal(9, 2)", Int128{1420}, "058c", "\"14.20\"", "14.20"},
      {"decimal(9, 2)", Int128{-1420}, "fa74", "\"-14.20\"", "-14.20"},
      {"decimal(9, 2)", Int128{0}, "00", "\"0.00\"", "0.00"},
      {"decimal(9, 2)", Int128{-5}, "fb", "\"-0.05\"", "-0.05"},
      {"decimal(9, 2)", Int128{128}, "0080", "\"1.28\"", "1.28"},
      {"decimal(9, 2)", Int128{-128}, "80", "\"-1.28\"", "-1.28"},
      {"decimal(38, 10)", Int128{1}, "01", "\"0.0000000001\"", "1E-10"},
      {"decimal(38, 0)", PowerOfTen(37), "0785ee10d5da46d900f436a000000000",
       "\"10000000000000000000000000000000000000\"", "10000000000000000000000000000000000000"},
      {"date", int32_t{17486}, "4e440000", "\"2017-11-16\"", "2017-11-16"},
      {"date", int32_t{-1}, "ffffffff", "\"1969-12-31\"", "1969-12-31"},
      {"date", int32_t{-719529}, "5705f5ff", "\"-0001-12-31\"", "-0001-12-31"},
      {"date", int32_t{2932897}, "a1c02c00", "\"+10000-01-01\"", "+10000-01-01"},
      {"time", int64_t{81068123456}, "406509e012000000", "\"22:31:08.123456\"", "22:31:08.123456"},
      {"time", int64_t{81060000000}, "00718ddf12000000", "\"22:31:00.000000\"", "22:31"},
      {"timestamp", int64_t{1510871468123456}, "40a5282d215e0500", "\"2017-11-16T22:31:08.123456\"",
       "2017-11-16T22:31:08.123456"},
      {"timestamp", int64_t{-1}, "ffffffffffffffff", "\"1969-12-31T23:59:59.999999\"",
       "1969-12-31T23:59:59.999999"},
      {"timestamptz", int64_t{1510871468000000}, "00c3262d215e0500",
       "\"2017-11-16T22:31:08.000000+00:00\"", "2017-11-16T22:31:08Z"},
      {"timestamp_ns", int64_t{1510871468000001001}, "e9bb695f98b1f714",
       "\"2017-11-16T22:31:08.000001001\"", "2017-11-16T22:31:08.000001001"},
      {"timestamptz_ns", int64_t{1510871468123000000}, "c08cbe6698b1f714",
       "\"2017-11-16T22:31:08.123000000+00:00\"", "2017-11-16T22:31:08.123Z"},
      {"string", std::string("iceberg"), "69636562657267", "\"iceberg\"", "iceberg"},
      {"string", std::string(), "", "\"\"", ""},
      {"uuid", uuid, "f79c3e09677c4bbda4793f349cb785e7", "\"f79c3e09-677c-4bbd-a479-3f349cb785e7\"",
       "f79c3e09-677c-4bbd-a479-3f349cb785e7"},
      {"fixed[4]", Bytes("00010203"), "00010203", "\"00010203\"", "AAECAw=="},
      {"binary", Bytes("00ff"), "00ff", "\"00FF\"", "AP8="},
  };
}

TEST(Value, HasItsBytesJsonAndText) {
  for (const Form& form : Forms()) {
    SCOPED_TRACE(std::string(form.type) + " " + form.json);
    TypePtr type = T(form.type);
    EXPECT_EQ(HexEncode(ValueToBytes(*type, form.value)), form.hex);
    auto from_bytes = ValueFromBytes(*type, ValueToBytes(*type, form.value));
    ASSERT_TRUE(from_bytes.ok()) << from_bytes.status().ToString();
    EXPECT_TRUE(SameValue(*from_bytes, form.value));

    EXPECT_EQ(ValueToJson(*type, form.value).ToString(), form.json);
    Json json = *Json::Parse(form.json);
    auto from_json = ValueFromJson(*type, JsonCursor(json));
    ASSERT_TRUE(from_json.ok()) << from_json.status().ToString();
    EXPECT_TRUE(SameValue(*from_json, form.value));
    EXPECT_EQ(ValueToText(*type, form.value), form.text);
  }
}

TEST(Value, NullPrintsAndCodesAsNull) {
  EXPECT_EQ(ValueToText(*T("int"), Value()), "null");
  EXPECT_TRUE(ValueToJson(*T("int"), Value()).is_null());
  Json null;
  EXPECT_TRUE(IsNull(*ValueFromJson(*T("variant"), JsonCursor(null))));
}

TEST(Value, ReadsBoundsFromBeforeAPromotion) {
  struct Case {
    const char* type;
    const char* hex;
    Value expected;
  };
  for (const Case& c : std::vector<Case>{
           {"long", "feffffff", int64_t{-2}},
           {"double", "0000803f", 1.0},
           {"timestamp", "01000000", int64_t{86'400'000'000}},
           {"timestamp_ns", "ffffffff", int64_t{-86'400'000'000'000}},
           {"timestamp_ns", "ffffff7f", std::numeric_limits<int64_t>::max()},
           {"timestamp", "00000080", std::numeric_limits<int64_t>::min()},
           {"decimal(20, 2)", "058c", Int128{1420}},
           {"decimal(20, 2)", "00000000058c", Int128{1420}},
       }) {
    auto value = ValueFromBytes(*T(c.type), Bytes(c.hex));
    ASSERT_TRUE(value.ok()) << c.type;
    EXPECT_TRUE(SameValue(*value, c.expected)) << c.type << " " << c.hex;
  }
}

TEST(Value, WrongLengthsOfBytesAreCorruption) {
  struct Case {
    const char* type;
    const char* hex;
  };
  for (const Case& c : std::vector<Case>{{"boolean", ""},
                                         {"boolean", "0000"},
                                         {"int", "000000"},
                                         {"int", "0000000000000000"},
                                         {"long", "0000000000"},
                                         {"date", ""},
                                         {"timestamp", "00"},
                                         {"float", "0000"},
                                         {"double", "000000"},
                                         {"decimal(9, 2)", ""},
                                         {"decimal(9, 2)", "0000000000000000000000000000000000"},
                                         {"uuid", "00"},
                                         {"fixed[4]", "000000"}}) {
    auto value = ValueFromBytes(*T(c.type), Bytes(c.hex));
    ASSERT_FALSE(value.ok()) << c.type << " " << c.hex;
    EXPECT_EQ(value.status().code(), Code::kCorruption);
  }
}

TEST(Value, RefusesJsonOfAnotherForm) {
  struct Case {
    const char* type;
    const char* json;
  };
  for (const Case& c : std::vector<Case>{{"boolean", "1"},
                                         {"int", "2147483648"},
                                         {"int", "1.5"},
                                         {"int", "\"1\""},
                                         {"long", "9223372036854775808"},
                                         {"float", "1e39"},
                                         {"float", "\"x\""},
                                         {"decimal(4, 2)", "\"123.45\""},
                                         {"decimal(4, 2)", "\"1.234\""},
                                         {"decimal(4, 2)", "\"\""},
                                         {"decimal(4, 2)", "\"1e999\""},
                                         {"decimal(4, 2)", "true"},
                                         {"date", "\"2017-13-01\""},
                                         {"date", "\"2017-02-29\""},
                                         {"date", "17486"},
                                         {"date", "\"2017-11-16 \""},
                                         {"date", "\"999999999-01-01\""},
                                         {"time", "\"24:00:00\""},
                                         {"time", "\"10:00:00.1234567\""},
                                         {"timestamp", "\"2017-11-16T22:31:08+00:00\""},
                                         {"timestamptz", "\"2017-11-16T22:31:08\""},
                                         {"timestamptz", "\"2017-11-16T22:31:08+01:00\""},
                                         {"timestamp", "\"2017-11-16T22:31:08.1234567\""},
                                         {"timestamp_ns", "\"9999-01-01T00:00:00.000000000\""},
                                         {"uuid", "\"f79c3e09\""},
                                         {"uuid", "\"f79c3e09x677cx4bbdxa479x3f349cb785e7\""},
                                         {"fixed[4]", "\"0001\""},
                                         {"binary", "\"0g\""},
                                         {"binary", "\"000\""},
                                         {"variant", "1"},
                                         {"geometry", "\"POINT (1 1)\""}}) {
    Json json = *Json::Parse(c.json);
    auto value = ValueFromJson(*T(c.type), JsonCursor(json));
    ASSERT_FALSE(value.ok()) << c.type << " " << c.json;
    EXPECT_EQ(value.status().code(), Code::kInvalidArgument);
    EXPECT_NE(value.status().message().find("(document)"), std::string::npos)
        << value.status().message();
  }
}

TEST(Value, AcceptsTheLaxFormsThatJavaReads) {
  struct Case {
    const char* type;
    const char* json;
    Value expected;
  };
  for (const Case& c :
       std::vector<Case>{{"timestamp", "\"2017-11-16T22:31\"", int64_t{1510871460000000}},
                         {"timestamp", "\"2017-11-16T22:31:08.5\"", int64_t{1510871468500000}},
                         {"timestamptz", "\"2017-11-16T22:31:08Z\"", int64_t{1510871468000000}},
                         {"time", "\"10:15\"", int64_t{36900000000}},
                         {"decimal(9, 2)", "\"14.2\"", Int128{1420}},
                         {"decimal(9, 2)", "\"2E+2\"", Int128{20000}},
                         {"decimal(9, 2)", "14.20", Int128{1420}},
                         {"double", "1", 1.0},
                         {"double", "\"-Infinity\"", -kInfinity},
                         {"binary", "\"00ff\"", Bytes("00ff")}}) {
    Json json = *Json::Parse(c.json);
    auto value = ValueFromJson(*T(c.type), JsonCursor(json));
    ASSERT_TRUE(value.ok()) << value.status().ToString();
    EXPECT_TRUE(SameValue(*value, c.expected)) << c.type << " " << c.json;
  }
}

TEST(Value, OrdersAsTheSpecSays) {
  std::vector<std::vector<Value>> rising = {
      {Value(), false, true},
      {Value(), int32_t{-5}, int32_t{0}, int32_t{7}},
      {Value(), int64_t{-5}, int64_t{0}, int64_t{7}},
      {Value(), -kFloatNaN, -1.0f, -0.0f, 0.0f, 1.0f, kFloatNaN},
      {Value(), -kNaN, -kInfinity, -1.0, -0.0, 0.0, 1.0, kInfinity, kNaN},
      {Value(), -PowerOfTen(30), Int128{-1}, Int128{0}, PowerOfTen(30)},
      {Value(), std::string(), std::string("a"), std::string("a\0", 2), std::string("ab"),
       std::string("b"), std::string("\xc3\xa4"), std::string("\xff")}};
  for (const auto& values : rising) {
    for (size_t i = 0; i < values.size(); ++i) {
      for (size_t j = 0; j < values.size(); ++j) {
        EXPECT_EQ(CompareValues(values[i], values[j]), i <=> j) << i << " " << j;
      }
    }
  }
}

TEST(Value, PartitionValuesAreTheSameByBitsButAllNaNsAreOne) {
  EXPECT_TRUE(SameValue(kNaN, -kNaN));
  EXPECT_EQ(HashValue(kNaN), HashValue(-kNaN));
  EXPECT_FALSE(SameValue(0.0, -0.0));
  EXPECT_FALSE(SameValue(int32_t{1}, int64_t{1}));
  EXPECT_FALSE(SameValue(Value(), int32_t{0}));
  PartitionTuple a = {int32_t{1}, Value(), std::string("x"), kNaN};
  PartitionTuple b = {int32_t{1}, Value(), std::string("x"), -kNaN};
  EXPECT_TRUE(SameTuple(a, b));
  EXPECT_EQ(HashTuple(a), HashTuple(b));
  b[2] = std::string("y");
  EXPECT_FALSE(SameTuple(a, b));
  EXPECT_NE(HashTuple(a), HashTuple(b));
  b.pop_back();
  EXPECT_FALSE(SameTuple(a, b));
}

TEST(Decimal, MinimalBytesGoBothWays) {
  for (int power = 0; power <= 38; ++power) {
    for (Int128 sign : {Int128{1}, Int128{-1}}) {
      for (Int128 near : {-1, 0, 1}) {
        Int128 value = sign * PowerOfTen(power) + near;
        std::string bytes = DecimalToBytes(value);
        EXPECT_EQ(*DecimalFromBytes(bytes), value);
        if (bytes.size() > 1) {
          // One byte less would change the value.
          EXPECT_NE(*DecimalFromBytes(std::string_view(bytes).substr(1)), value);
        }
        EXPECT_EQ(*DecimalFromText(Int128ToText(value / 10), 38, 0), value / 10);
      }
    }
  }
}

}  // namespace
}  // namespace moraine::iceberg

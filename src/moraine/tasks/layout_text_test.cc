#include "moraine/tasks/layout_text.h"

#include <gtest/gtest.h>

namespace moraine::tasks {
namespace {

using iceberg::Field;
using iceberg::Type;
using iceberg::TypeKind;

iceberg::Schema TestSchema() {
  const auto column = [](int32_t id, std::string name, iceberg::TypePtr type) {
    Field field;
    field.id = id;
    field.name = std::move(name);
    field.type = std::move(type);
    return field;
  };
  const auto p = [](TypeKind kind) { return Type::Primitive(kind); };
  return iceberg::Schema(
      0, {column(1, "a", p(TypeKind::kLong)), column(2, "b", p(TypeKind::kString)),
          column(3, "s", Type::Struct({column(4, "x", p(TypeKind::kDouble))})),
          column(5, "ts", p(TypeKind::kTimestamp)), column(6, "odd name", p(TypeKind::kInt)),
          column(7, "desc", p(TypeKind::kInt))});
}

std::vector<iceberg::SortOrder> Orders() {
  iceberg::SortOrder unsorted;
  iceberg::SortOrder by_a;
  by_a.order_id = 4;
  iceberg::SortField field;
  field.source_ids = {1};
  by_a.fields = {field};
  return {unsorted, by_a};
}

std::string Parsed(std::string_view text, int32_t default_order_id = 4) {
  const auto layout = ParseLayout(text, TestSchema(), Orders(), default_order_id);
  if (!layout.ok()) return std::string(layout.status().message());
  std::string said = LayoutText(*layout, TestSchema());
  if (layout->order.order_id != 0) said += " #" + std::to_string(layout->order.order_id);
  return said;
}

TEST(LayoutText, IsReadAsPeopleWriteIt) {
  const std::pair<const char*, const char*> cases[] = {
      {"none", "none"},
      {" None ", "none"},
      {"sort", "sort(a asc nulls first) #4"},
      {"SORT(a)", "sort(a asc nulls first) #4"},
      {"sort(a desc)", "sort(a desc nulls last)"},
      {"sort(a nulls last)", "sort(a asc nulls last)"},
      {"sort(a desc nulls last, bucket(4,b))",
       "sort(a desc nulls last,bucket[4](b) asc nulls first)"},
      {"sort(bucket[4](b), truncate(2, b) DESC NULLS FIRST)",
       "sort(bucket[4](b) asc nulls first,truncate[2](b) desc nulls first)"},
      {"sort(days(ts), hour(ts))", "sort(day(ts) asc nulls first,hour(ts) asc nulls first)"},
      {"zorder(a, s.x)", "zorder(a,s.x)"},
      {"ZOrder(A,B)", "zorder(a,b)"},
      {"hilbert(`odd name`, \"a\")", "hilbert(odd name,a)"},
      {"sort(desc desc)", "sort(desc desc nulls last)"},
  };
  for (const auto& [text, expected] : cases) EXPECT_EQ(Parsed(text), expected) << text;
}

TEST(LayoutText, SaysWhatIsWrong) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "expected none, sort, sort(...), zorder(...) or hilbert(...)"},
      {"z-order(a)", "expected none, sort"},
      {"zorder", "expected ( at its end"},
      {"zorder(a", "expected , or )"},
      {"zorder()", "expected a column"},
      {"zorder(a) b", "expected nothing more before 'b'"},
      {"zorder(a,c)", "no column c"},
      {"zorder(s)", "which has no order"},
      {"sort(a up)", "expected , or ) before 'up)'"},
      {"sort(a nulls)", "expected first or last"},
      {"sort(bucket(b))", "expected a width and a column"},
      {"sort(bucket(0, b))", "width"},
      {"sort(`a)", "quote"},
      {"sort(day(a))", "does not take column a"},
      {"sort(cube(a))", "does not take column a"},
  };
  for (const auto& [text, expected] : cases) {
    EXPECT_NE(Parsed(text).find(expected), std::string::npos) << text << ": " << Parsed(text);
    EXPECT_FALSE(ParseLayout(text, TestSchema(), Orders(), 4).ok()) << text;
  }
  EXPECT_NE(Parsed("sort", 0).find("has no sort order"), std::string::npos);
  EXPECT_TRUE(CheckLayoutText("zorder(any, names)").ok());
  EXPECT_EQ(CheckLayoutText("zorder(").code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace moraine::tasks

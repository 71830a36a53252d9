#include "moraine/tasks/layout.h"

#include <gtest/gtest.h>

#include "moraine/tasks/rewrite_task.h"

namespace moraine::tasks {
namespace {

using iceberg::Field;
using iceberg::Type;
using iceberg::TypeKind;

Field Column(int32_t id, std::string name, iceberg::TypePtr type) {
  Field field;
  field.id = id;
  field.name = std::move(name);
  field.type = std::move(type);
  return field;
}

iceberg::SchemaPtr TestSchema() {
  const auto p = [](TypeKind kind) { return Type::Primitive(kind); };
  return std::make_shared<const iceberg::Schema>(
      0,
      std::vector<Field>{Column(1, "a", p(TypeKind::kLong)), Column(2, "b", p(TypeKind::kString)),
                         Column(3, "s", Type::Struct({Column(4, "x", p(TypeKind::kDouble))})),
                         Column(5, "l", Type::List(Column(6, "element", p(TypeKind::kInt)))),
                         Column(7, "v", p(TypeKind::kVariant))});
}

Layout SortBy(int32_t id, const char* transform, iceberg::SortDirection direction) {
  Layout layout;
  layout.kind = Layout::Kind::kSort;
  iceberg::SortField field;
  field.source_ids = {id};
  field.transform = iceberg::Transform::FromString(transform).value();
  field.direction = direction;
  layout.order.order_id = 3;
  layout.order.fields = {field};
  return layout;
}

Layout Curve(Layout::Kind kind, std::vector<int32_t> columns) {
  Layout layout;
  layout.kind = kind;
  layout.columns = std::move(columns);
  return layout;
}

TEST(Layout, IsTheSameBehindJson) {
  const Layout layouts[] = {Layout(), SortBy(1, "bucket[4]", iceberg::SortDirection::kDescending),
                            Curve(Layout::Kind::kZOrder, {1, 2}),
                            Curve(Layout::Kind::kHilbert, {4})};
  for (const Layout& layout : layouts) {
    std::string text;
    JsonWriter out(&text);
    WriteLayout(layout, &out);
    const Json json = Json::Parse(text).value();
    EXPECT_EQ(LayoutFromJson(JsonCursor(json)).value(), layout) << text;
  }
}

TEST(Layout, ATaskCarriesWhatIsAskedOfItsRows) {
  RewriteTask task;
  task.schema = TestSchema();
  task.spec = std::make_shared<const iceberg::PartitionSpec>();
  auto target = std::make_shared<iceberg::PartitionSpec>();
  target->spec_id = 2;
  target->fields.push_back(
      {{1}, 1000, "a_bucket", iceberg::Transform::FromString("bucket[4]").value()});
  task.target_spec = target;
  task.layout = Curve(Layout::Kind::kZOrder, {1, 2});
  task.dedup = {{1}, 4};
  const RewriteTask back = RewriteTaskFromJson(RewriteTaskToJson(task)).value();
  EXPECT_EQ(back.layout, task.layout);
  EXPECT_EQ(back.dedup, task.dedup);
  ASSERT_NE(back.target_spec, nullptr);
  EXPECT_EQ(*back.target_spec, *task.target_spec);

  RewriteOutput output;
  output.rows_deduplicated = 4;
  iceberg::DataFile file;
  file.file_path = "x";
  file.spec_id = 2;
  file.partition = {int32_t{3}};
  output.data_files = {file};
  const auto same = RewriteOutputFromJson(RewriteOutputToJson(output, task), task).value();
  EXPECT_EQ(same.rows_deduplicated, 4);
  EXPECT_EQ(same.data_files, output.data_files);
}

TEST(Layout, ATaskOfFormatOneHasNone) {
  RewriteTask task;
  task.schema = TestSchema();
  task.spec = std::make_shared<const iceberg::PartitionSpec>();
  std::string text = RewriteTaskToJson(task);
  const std::string now = "\"task-format\":2";
  text.replace(text.find(now), now.size(), "\"task-format\":1");
  const RewriteTask back = RewriteTaskFromJson(text).value();
  EXPECT_TRUE(back.layout.is_none());
  EXPECT_TRUE(back.dedup.is_none());
  EXPECT_EQ(back.target_spec, nullptr);
}

TEST(Layout, SaysWhatItIs) {
  const auto schema = TestSchema();
  EXPECT_EQ(LayoutText(Layout(), *schema), "none");
  EXPECT_EQ(LayoutText(Curve(Layout::Kind::kZOrder, {1, 4}), *schema), "zorder(a,s.x)");
  EXPECT_EQ(LayoutText(SortBy(2, "truncate[3]", iceberg::SortDirection::kDescending), *schema),
            "sort(truncate[3](b) desc nulls first)");
}

TEST(Layout, TheMarkTellsLayoutsApartAndNotNames) {
  const std::string mark = LayoutMark(Curve(Layout::Kind::kZOrder, {1, 2}));
  EXPECT_EQ(mark, LayoutMark(Curve(Layout::Kind::kZOrder, {1, 2})));
  EXPECT_NE(mark, LayoutMark(Curve(Layout::Kind::kZOrder, {2, 1})));
  EXPECT_NE(mark, LayoutMark(Curve(Layout::Kind::kHilbert, {1, 2})));
  EXPECT_EQ(LayoutMark(Layout()), "");
  EXPECT_TRUE(HasLayoutMark("/data/p-0-1-00000-" + mark + ".parquet", mark));
  EXPECT_FALSE(HasLayoutMark("/data/p-0-1-00000.parquet", mark));
  EXPECT_FALSE(HasLayoutMark("/data/p-0-1-00000.parquet", ""));
}

TEST(Layout, RefusesColumnsWithoutAnOrder) {
  const auto schema = TestSchema();
  using K = Layout::Kind;
  EXPECT_TRUE(ValidateLayout(Curve(K::kZOrder, {1, 2, 4}), *schema).ok());
  const Layout wrong[] = {Curve(K::kZOrder, {}),
                          Curve(K::kZOrder, {1, 1}),
                          Curve(K::kZOrder, {9}),
                          Curve(K::kHilbert, {3}),
                          Curve(K::kHilbert, {6}),
                          Curve(K::kZOrder, {7}),
                          SortBy(4, "bucket[4]", iceberg::SortDirection::kAscending)};
  for (const Layout& layout : wrong) {
    EXPECT_EQ(ValidateLayout(layout, *schema).code(), Code::kInvalidArgument)
        << LayoutText(layout, *schema);
  }
  EXPECT_TRUE(ValidateDedup({{1, 2}, 4}, *schema).ok());
  EXPECT_EQ(ValidateDedup({{5}, std::nullopt}, *schema).code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace moraine::tasks

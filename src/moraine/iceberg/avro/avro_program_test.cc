// The walk over records: what is passed over, what is read, in every shape of schema.

#include "moraine/iceberg/avro/avro_program.h"

#include <functional>

#include <gtest/gtest.h>

#include "moraine/iceberg/avro/avro_encoder.h"

namespace moraine::iceberg {
namespace {

/// Values of one type, encoded; each is passed over between two marks that must be met.
struct Case {
  const char* type;
  std::vector<std::function<void(AvroEncoder*)>> values;
};

void List(AvroEncoder* e, std::vector<std::function<void()>> items) {
  if (!items.empty()) e->Long(static_cast<int64_t>(items.size()));
  for (const auto& item : items) item();
  e->Long(0);
}

std::vector<Case> Cases() {
  using E = AvroEncoder;
  return {
      {R"("null")", {[](E*) {}}},
      {R"("boolean")", {[](E* e) { e->Bool(true); }}},
      {R"("int")", {[](E* e) { e->Int(-1); }, [](E* e) { e->Int(1 << 30); }}},
      {R"("double")", {[](E* e) { e->Double(1); }}},
      {R"("string")", {[](E* e) { e->Bytes(""); }, [](E* e) { e->Bytes(std::string(300, 'x')); }}},
      {R"({"type":"fixed","name":"f","size":5})", {[](E* e) { e->Fixed("\x80\x80\x80\x80\x80"); }}},
      {R"({"type":"enum","name":"n","symbols":["A"]})", {[](E* e) { e->Int(0); }}},
      {R"(["null","string","int"])",
       {[](E* e) { e->Long(0); },
        [](E* e) {
          e->Long(1);
          e->Bytes("abc");
        },
        [](E* e) {
          e->Long(2);
          e->Int(1000);
        }}},
      {R"({"type":"map","values":"bytes"})",
       {[](E* e) { List(e, {}); },
        [](E* e) {
          List(e, {[=] {
                 e->Bytes("k");
                 e->Bytes("value");
               }});
        }}},
      {R"({"type":"array","items":"long"})",
       {[](E* e) { List(e, {}); },
        [](E* e) { List(e, std::vector<std::function<void()>>(100, [=] { e->Long(12345); })); },
        [](E* e) {
          e->Long(-3);
          e->Long(4);
          e->Fixed("\x01\x02\x80\x01");
          e->Long(1);
          e->Long(0);
          e->Long(0);
        }}},
      {R"({"type":"array","items":"null"})", {[](E* e) {
         e->Long(1 << 30);
         e->Long(0);
       }}},
      {R"({"type":"array","items":{"type":"record","name":"kv","fields":[
          {"name":"key","type":"int"},{"name":"value","type":"bytes"}]}})",
       {[](E* e) {
         List(e, {[=] {
                    e->Int(1);
                    e->Bytes("xyz");
                  },
                  [=] {
                    e->Int(2);
                    e->Bytes("");
                  }});
       }}},
      {R"({"type":"array","items":{"type":"array","items":["null","string"]}})", {[](E* e) {
         List(e, {[=] {
                    List(e, {[=] { e->Long(0); },
                             [=] {
                               e->Long(1);
                               e->Bytes("q");
                             }});
                  },
                  [=] { List(e, {}); }});
       }}},
      {R"({"type":"record","name":"tree","fields":[{"name":"v","type":"string"},
          {"name":"kids","type":{"type":"array","items":"tree"}}]})",
       {[](E* e) {
         e->Bytes("root");
         List(e, {[=] {
                    e->Bytes("a");
                    List(e, {[=] {
                           e->Bytes("b");
                           List(e, {});
                         }});
                  },
                  [=] {
                    e->Bytes("c");
                    List(e, {});
                  }});
       }}},
      {R"({"type":"record","name":"chain","fields":[{"name":"v","type":"int"},
          {"name":"next","type":["null","chain"]}]})",
       {[](E* e) {
         for (int i = 0; i < 40; ++i) {
           e->Int(i);
           e->Long(i < 39 ? 1 : 0);
         }
       }}},
  };
}

std::string SchemaOf(const char* type) {
  return std::string(R"({"type":"record","name":"root","fields":[
    {"name":"first","field-id":1,"type":"long"},{"name":"a","field-id":2,"type":)") +
         type + R"(},{"name":"last","field-id":3,"type":["long","null"]}]})";
}

AvroProgram CompileMarks(const AvroSchema& schema) {
  auto program =
      AvroProgram::Compile(schema, schema.root(), [](const auto&, const AvroField& field) {
        return field.field_id == 2 ? AvroWant::Skip() : AvroWant::Read(*field.field_id);
      });
  EXPECT_TRUE(program.ok()) << program.status().ToString();
  return *std::move(program);
}

/// Walks one record; whether both marks were met and all bytes used.
bool MeetsMarks(const AvroProgram& program, std::string_view record) {
  AvroCursor cursor(record);
  int met = 0;
  for (const AvroStep& step : program.steps()) {
    if (step.is_skip()) {
      program.Skip(step, &cursor);
    } else if (ReadPresence(step.type, &cursor)) {
      met += cursor.ReadLong() == 1000 + step.slot ? 1 : 0;
    }
  }
  return cursor.ok() && cursor.at_end() && met == 2;
}

TEST(AvroProgram, PassesOverEveryType) {
  for (const Case& c : Cases()) {
    const auto schema = AvroSchema::Parse(SchemaOf(c.type));
    ASSERT_TRUE(schema.ok()) << schema.status().ToString();
    const AvroProgram program = CompileMarks(*schema);
    for (const auto& write : c.values) {
      std::string record;
      AvroEncoder encoder(&record);
      encoder.Long(1001);
      write(&encoder);
      encoder.Long(0);
      encoder.Long(1003);
      EXPECT_TRUE(MeetsMarks(program, record)) << c.type;
      for (size_t cut = 0; cut < record.size(); ++cut) {
        EXPECT_FALSE(MeetsMarks(program, std::string_view(record).substr(0, cut))) << c.type;
      }
    }
  }
}

TEST(AvroProgram, EndlessRecursionFails) {
  const auto schema = AvroSchema::Parse(SchemaOf(
      R"({"type":"record","name":"chain","fields":[{"name":"next","type":["null","chain"]}]})"));
  ASSERT_TRUE(schema.ok());
  EXPECT_FALSE(MeetsMarks(CompileMarks(*schema), std::string(1 << 20, '\x02')));
}

TEST(AvroProgram, NeighboursMeltIntoOneStep) {
  const auto schema = AvroSchema::Parse(R"({"type":"record","name":"r","fields":[
    {"name":"a","type":"int"},{"name":"b","type":"long"},{"name":"n","type":"null"},
    {"name":"c","type":{"type":"record","name":"s","fields":[{"name":"d","type":"int"}]}},
    {"name":"w","field-id":1,"type":"int"},{"name":"e","type":"float"},{"name":"f","type":"double"}]})");
  ASSERT_TRUE(schema.ok());
  const auto program =
      AvroProgram::Compile(*schema, schema->root(), [](const auto&, const AvroField& f) {
        return f.field_id ? AvroWant::Read(0) : AvroWant::Skip();
      });
  ASSERT_TRUE(program.ok());
  ASSERT_EQ(program->steps().size(), 3u);
  EXPECT_EQ(program->steps()[0].skip_end - program->steps()[0].skip_begin, 1u);
  EXPECT_EQ(program->steps()[2].skip_end - program->steps()[2].skip_begin, 1u);
}

TEST(AvroProgram, GoesIntoRecordsAlsoWithinUnions) {
  const auto schema = AvroSchema::Parse(R"({"type":"record","name":"r","fields":[
    {"name":"in","field-id":1,"type":["null",{"type":"record","name":"s","fields":[
      {"name":"x","type":"string"},{"name":"y","field-id":2,"type":"long"}]}]}]})");
  ASSERT_TRUE(schema.ok());
  std::vector<size_t> depths;
  const auto program =
      AvroProgram::Compile(*schema, schema->root(), [&](const auto& path, const AvroField& f) {
        depths.push_back(path.size());
        return f.field_id == 1   ? AvroWant::Descend()
               : f.field_id == 2 ? AvroWant::Read(9)
                                 : AvroWant::Skip();
      });
  ASSERT_TRUE(program.ok());
  EXPECT_EQ(depths, (std::vector<size_t>{0, 1, 1}));
  ASSERT_EQ(program->steps().size(), 3u);
  EXPECT_EQ(program->steps()[0].slot, AvroStep::kEnterSlot);
  EXPECT_EQ(program->steps()[2].slot, 9);
}

TEST(AvroProgram, WantedFieldsOfOddTypesAreCorruption) {
  const auto read_all = [](const auto&, const AvroField&) { return AvroWant::Read(0); };
  const auto enter_all = [](const auto&, const AvroField&) { return AvroWant::Descend(); };
  const auto odd = AvroSchema::Parse(
      R"({"type":"record","name":"r","fields":[{"name":"a","type":["int","string"]}]})");
  ASSERT_TRUE(odd.ok());
  EXPECT_EQ(AvroProgram::Compile(*odd, odd->root(), read_all).status().code(), Code::kCorruption);
  const auto flat =
      AvroSchema::Parse(R"({"type":"record","name":"r","fields":[{"name":"a","type":"int"}]})");
  ASSERT_TRUE(flat.ok());
  EXPECT_EQ(AvroProgram::Compile(*flat, flat->root(), enter_all).status().code(),
            Code::kCorruption);
  const auto root = AvroSchema::Parse(R"("int")");
  ASSERT_TRUE(root.ok());
  EXPECT_EQ(AvroProgram::Compile(*root, root->root(), read_all).status().code(), Code::kCorruption);
}

}  // namespace
}  // namespace moraine::iceberg

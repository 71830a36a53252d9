#include "moraine/events/event.h"

#include <gtest/gtest.h>

#include "moraine/base/json.h"

namespace moraine::events {
namespace {

catalog::TableChange Change(std::string kind, catalog::TableName name) {
  catalog::TableChange change;
  change.feed_seq = 42;
  change.table_id = name.name.empty() ? 0 : 7;
  change.kind = std::move(kind);
  change.version = 3;
  change.changed_ms = 1'767'225'600'123;
  change.warehouse = "default";
  change.detail.name = std::move(name);
  return change;
}

TEST(Event, IsACloudEventThatSaysEverything) {
  auto change = Change("commit", {{"a", "b c"}, "t/1"});
  change.snapshot_id = 9'007'199'254'740'993;
  change.metadata_location = "file:///wh/3.json";
  change.detail.uuid = "u-1";
  change.detail.operation = "append";
  Event event = MakeEvent(change, "/lake");
  EXPECT_EQ(event.sequence, 42);
  EXPECT_EQ(event.type, "table.committed");
  EXPECT_EQ(event.json.find('\n'), event.json.npos);
  EXPECT_EQ(Json::Parse(event.json).value(),
            Json::Parse(R"({"specversion":"1.0","id":"42","source":"/lake",
                "type":"io.moraine.table.committed",
                "subject":"warehouses/default/namespaces/a%1Fb%20c/tables/t%2F1",
                "time":"2026-01-01T00:00:00.123Z","datacontenttype":"application/json",
                "data":{"sequence":42,"warehouse":"default","namespace":["a","b c"],"name":"t/1",
                  "id":7,"uuid":"u-1","version":3,"snapshot-id":9007199254740993,
                  "operation":"append","metadata-location":"file:///wh/3.json"}})")
                .value());
}

TEST(Event, SaysWhatWasRenamedAndDropped) {
  auto renamed = Change("view-rename", {{"b"}, "w"});
  renamed.detail.renamed_from = catalog::TableName{{"a"}, "v"};
  Json data = *Json::Parse(MakeEvent(renamed, "/").json)->Find("data");
  EXPECT_EQ(*data.Find("renamed-from"), Json::Parse(R"({"namespace":["a"],"name":"v"})").value());
  EXPECT_EQ(data.Find("snapshot-id"), nullptr);
  auto dropped = Change("drop", {{"b"}, "w"});
  dropped.detail.last_metadata_location = "file:///wh/last.json";
  dropped.detail.purge_requested = true;
  data = *Json::Parse(MakeEvent(dropped, "/").json)->Find("data");
  EXPECT_EQ(data.Find("metadata-location")->as_string(), "file:///wh/last.json");
  EXPECT_TRUE(data.Find("purge-requested")->as_bool());
}

TEST(Event, HasATypeForEveryKind) {
  struct Case {
    const char* kind;
    const char* type;
    const char* subject;
  };
  const Case cases[] = {
      {"create", "table.created", "warehouses/default/namespaces/n/tables/t"},
      {"register", "table.registered", "warehouses/default/namespaces/n/tables/t"},
      {"rename", "table.renamed", "warehouses/default/namespaces/n/tables/t"},
      {"drop", "table.dropped", "warehouses/default/namespaces/n/tables/t"},
      {"view-create", "view.created", "warehouses/default/namespaces/n/views/t"},
      {"view-commit", "view.committed", "warehouses/default/namespaces/n/views/t"},
      {"something-new", "table.something-new", "warehouses/default/namespaces/n/tables/t"},
  };
  for (const auto& c : cases) {
    Event event = MakeEvent(Change(c.kind, {{"n"}, "t"}), "/");
    EXPECT_EQ(event.type, c.type);
    Json json = Json::Parse(event.json).value();
    EXPECT_EQ(json.Find("subject")->as_string(), c.subject) << c.kind;
  }
  Event created = MakeEvent(Change("namespace-create", {{"n"}, ""}), "/");
  EXPECT_EQ(created.type, "namespace.created");
  Json json = Json::Parse(created.json).value();
  EXPECT_EQ(json.Find("subject")->as_string(), "warehouses/default/namespaces/n");
  EXPECT_EQ(json.Find("data")->Find("version"), nullptr);
}

TEST(EventFilter, LetsThroughWhatIsWanted) {
  Event event;
  event.type = "table.renamed";
  event.warehouse = "w";
  event.name = {{"a", "b"}, "t"};
  event.renamed_from = catalog::TableName{{"old"}, "s"};
  struct Case {
    EventFilter filter;
    bool wanted;
  };
  const Case cases[] = {
      {{}, true},
      {{.types = {"table.renamed"}}, true},
      {{.types = {"table.*"}}, true},
      {{.types = {"*"}}, true},
      {{.types = {"view.*", "table.renamed"}}, true},
      {{.types = {"table.committed"}}, false},
      {{.warehouse = "w"}, true},
      {{.warehouse = "x"}, false},
      {{.warehouse = "w", .ns = {"a"}}, true},
      {{.warehouse = "w", .ns = {"a", "b"}}, true},
      {{.warehouse = "w", .ns = {"a", "b", "c"}}, false},
      {{.warehouse = "w", .ns = {"b"}}, false},
      {{.warehouse = "w", .ns = {"a", "b"}, .table = "t"}, true},
      {{.warehouse = "w", .ns = {"a"}, .table = "t"}, false},
      {{.warehouse = "w", .ns = {"old"}, .table = "s"}, true},
      {{.warehouse = "w", .ns = {"old"}, .table = "t"}, false},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(c.filter.Matches(event), c.wanted) << ToText(c.filter);
    EXPECT_EQ(FilterFromText(ToText(c.filter)).value(), c.filter);
  }
}

TEST(EventFilter, RefusesTypesThatThereCantBe) {
  EXPECT_EQ(TypesFrom({"io.moraine.table.committed", " view.* ", "", "*"}).value(),
            (std::vector<std::string>{"table.committed", "view.*", "*"}));
  for (const char* text : {"tables.committed", "table", "table.", "table.*ed", "x"}) {
    EXPECT_EQ(TypesFrom({text}).status().code(), Code::kInvalidArgument) << text;
  }
  EXPECT_FALSE(CheckFilter({.warehouse = "w", .table = "t"}).ok());
  EXPECT_FALSE(CheckFilter({.ns = {"a"}}).ok());
  EXPECT_TRUE(CheckFilter({.warehouse = "w", .ns = {"a"}, .table = "t"}).ok());
}

}  // namespace
}  // namespace moraine::events

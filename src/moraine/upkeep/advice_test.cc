#include "moraine/upkeep/advice.h"

#include <functional>
#include <memory>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace moraine::upkeep {
namespace {

using iceberg::ColumnUse;
using iceberg::Field;
using iceberg::Type;
using iceberg::TypeKind;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr int64_t kMiB = int64_t{1} << 20;
constexpr int64_t kGiB = int64_t{1} << 30;
constexpr int64_t kHourMs = 3'600'000;
constexpr int64_t kDayMs = 24 * kHourMs;
constexpr int64_t kNowMs = 1'767'225'600'000;

/// A table that needs nothing, for each case to spoil: 320 files of 128 MiB, 412 scans, none of
/// them filtered.
struct World {
  World() {
    iceberg::TableCreation creation;
    creation.table_uuid = "u";
    creation.location = "file:///t";
    creation.schema =
        iceberg::Schema(0, {{1, "id", false, Type::Primitive(TypeKind::kLong)},
                            {2, "event_time", false, Type::Primitive(TypeKind::kTimestampTz)},
                            {3, "user", false, Type::Primitive(TypeKind::kString)},
                            {4, "flag", false, Type::Primitive(TypeKind::kBoolean)}});
    metadata = iceberg::MakeTableMetadata(creation).value();
    AddSnapshot(1, kNowMs - kHourMs);
    survey.snapshot_id = 1;
    survey.manifests = survey.manifests_read = 4;
    survey.manifest_bytes = 4 * kMiB;
    survey.partitions = 1;
    SetFiles(320, 128 * kMiB);
    survey.sampled_files = 320;
    scans.scans = 412;
    scans.filtered = 0;
    for (const auto& field : metadata.CurrentSchema().fields())
      survey.columns.push_back({field.id, field.name, field.type, 1.0, 1.0, 320});
  }

  void SetFiles(int64_t files, int64_t size) {
    survey.data_files = survey.parquet_files = files;
    survey.data_bytes = files * size;
    survey.records = 50'000;
    survey.sizes = {};
    for (int64_t i = 0; i < std::min<int64_t>(files, 1'000); ++i) survey.sizes.Add(size);
    for (double& count : survey.sizes.files)
      count *= static_cast<double>(files) / static_cast<double>(std::min<int64_t>(files, 1'000));
  }
  SurveyedColumn& Column(const std::string& name) {
    for (auto& column : survey.columns) {
      if (column.name == name) return column;
    }
    ADD_FAILURE() << name;
    return survey.columns[0];
  }
  void AddSnapshot(int64_t id, int64_t timestamp_ms, iceberg::StringMap summary = {}) {
    auto snapshot = std::make_shared<iceberg::Snapshot>();
    snapshot->snapshot_id = snapshot->sequence_number = id;
    snapshot->timestamp_ms = timestamp_ms;
    snapshot->summary = std::move(summary);
    metadata.snapshots.push_back(std::move(snapshot));
    metadata.current_snapshot_id = id;
  }
  /// Scans that filter on columns: "a", or "a,b" for both at once.
  void Filter(const std::string& names, int64_t count, bool equality = false) {
    scans.filtered += count;
    scans.combinations[names] += count;
    for (size_t at = 0; at < names.size();) {
      const size_t end = std::min(names.find(',', at), names.size());
      ColumnUse& use = scans.columns[names.substr(at, end - at)];
      use.scans += count;
      (equality ? use.equality : use.range) += count;
      use.result_files += 96 * count;
      use.skipped_files += 4 * count;
      at = end + 1;
    }
  }
  void Set(const std::string& name, const std::string& value) { metadata.properties[name] = value; }
  void Partition(const std::string& transform, int32_t source, int64_t partitions) {
    auto spec = std::make_shared<iceberg::PartitionSpec>();
    spec->spec_id = 7;
    spec->fields.push_back(
        {{source}, 1000, "part", iceberg::Transform::FromString(transform).value()});
    metadata.partition_specs.push_back(spec);
    metadata.default_spec_id = 7;
    survey.partitions = partitions;
  }
  AdviceReport Ask() {
    AdviceFacts facts{metadata, planning::ConfigOf(metadata),
                      MaintenanceConfigOf(metadata.properties)};
    facts.is_registered = is_registered;
    facts.metadata_bytes = metadata_bytes;
    facts.survey = survey;
    facts.scans = scans;
    facts.now_ms = kNowMs;
    facts.name = "db.t";
    facts.warehouse = "default";
    return Advise(facts);
  }
  /// "layout event_time; expiry table-expire.enabled".
  std::string Kinds() {
    std::string text;
    for (const auto& advice : Ask().advice) {
      text += fmt::format("{}{} {}", text.empty() ? "" : "; ", AdviceKindName(advice.kind),
                          advice.subject);
    }
    return text;
  }

  iceberg::TableMetadata metadata;
  TableSurvey survey;
  iceberg::ScanUsage scans;
  bool is_registered = false;
  int64_t metadata_bytes = 10'000;
};

TEST(Advice, AQuietTableHasItsReasons) {
  World world;
  auto report = world.Ask();
  EXPECT_THAT(report.advice, IsEmpty());
  EXPECT_THAT(report.notes,
              ElementsAre("nothing to advise: 320 files of 128.0 MiB on average, 0 delete files, 1 "
                          "snapshots"));
  world.scans = {};
  world.survey.manifests_read = 2;
  report = world.Ask();
  ASSERT_EQ(report.notes.size(), 3u);
  EXPECT_THAT(report.notes[1], HasSubstr("2 of 4 manifests were read"));
  EXPECT_THAT(report.notes[2], HasSubstr("0 scans in the last 7 days reported"));
  world.survey.data_files = 0;
  EXPECT_THAT(world.Ask().notes, ElementsAre("nothing to advise: the table has no files yet"));
  world.survey.manifests_read = 0;
  EXPECT_THAT(world.Ask().notes, ElementsAre(HasSubstr("too large to be read for advice")));
}

TEST(Advice, FilesThatOverlapInAFilteredColumnAreSorted) {
  World world;
  world.Filter("event_time", 388);
  world.Column("event_time").depth = 310;
  const auto report = world.Ask();
  ASSERT_EQ(report.advice.size(), 1u);
  const Advice& advice = report.advice[0];
  EXPECT_EQ(AdviceKindName(advice.kind), "layout");
  EXPECT_EQ(advice.subject, "event_time");
  EXPECT_EQ(advice.why,
            "of 412 scans in the last 7 days, 388 filtered on `event_time` and read 96 % of the "
            "files of the manifests they opened; files overlap: a value of `event_time` may lie in "
            "310 of 320");
  EXPECT_EQ(advice.gain,
            "a filter on one value would read about <1 % of the table's bytes instead of 97 %: "
            "14.6 TiB less in the same time");
  EXPECT_EQ(advice.score, 91);
  EXPECT_THAT(advice.commands,
              ElementsAre("moraine table optimize db.t --layout 'sort(event_time)'",
                          "moraine table set db.t "
                          "'self-optimizing.layout=sort(event_time)'   # and keep it so"));
}

struct Case {
  const char* what;
  std::function<void(World&)> spoil;
  std::string kinds;
};

void Check(const std::vector<Case>& cases) {
  for (const auto& each : cases) {
    World world;
    each.spoil(world);
    EXPECT_EQ(world.Kinds(), each.kinds) << each.what;
  }
}

void Overlap(World& world, const std::string& name, double depth = 310) {
  world.Column(name).depth = depth;
}

void AddStatistics(World& world, int64_t snapshot_id, int32_t field, const std::string& ndv) {
  iceberg::StatisticsFile file;
  file.snapshot_id = snapshot_id;
  file.blob_metadata.push_back(
      {"apache-datasketches-theta-v1", snapshot_id, snapshot_id, {field}, {{"ndv", ndv}}});
  world.metadata.statistics.push_back(file);
}

TEST(Advice, Layouts) {
  Check({
      {"no overlap", [](World& w) { w.Filter("event_time", 388); }, ""},
      {"too few scans on it",
       [](World& w) {
         w.Filter("event_time", 20);
         Overlap(w, "event_time");
       },
       ""},
      {"too few files",
       [](World& w) {
         w.SetFiles(kLeastFilesToArrange - 1, 128 * kMiB);
         w.Filter("event_time", 388);
         Overlap(w, "event_time", 7);
       },
       ""},
      {"all of it becomes one file",
       [](World& w) {
         w.SetFiles(320, 1'000);
         w.Filter("event_time", 388);
         Overlap(w, "event_time");
       },
       ""},
      {"a partition has but one file",
       [](World& w) {
         w.Partition("bucket[320]", 1, 320);
         w.Filter("event_time", 388);
         Overlap(w, "event_time");
       },
       ""},
      {"partitioned by the column itself",
       [](World& w) {
         w.Partition("identity", 3, 10);
         w.Filter("user", 388);
         Overlap(w, "user");
       },
       ""},
      {"a column of two values gains little",
       [](World& w) {
         w.Filter("flag", 388, true);
         Overlap(w, "flag", 200);
       },
       ""},
      {"numbers of which there are but three",
       [](World& w) {
         w.Filter("id", 388, true);
         Overlap(w, "id", 100);
         w.Column("id").least = int64_t{5};
         w.Column("id").greatest = int64_t{7};
       },
       ""},
      {"three values by the statistics",
       [](World& w) {
         w.Filter("user", 388, true);
         Overlap(w, "user", 100);
         AddStatistics(w, 1, 3, "3");
       },
       ""},
      {"bounds that are alike in all files say nothing",
       [](World& w) {
         w.Filter("user", 388, true);
         Overlap(w, "user", 320);
         w.Column("user").distinct = 1;
       },
       "layout user"},
      {"two columns, each alone",
       [](World& w) {
         w.Filter("event_time", 200);
         w.Filter("id", 180);
         Overlap(w, "event_time");
         Overlap(w, "id");
       },
       "layout event_time, id"},
      {"two columns, always together",
       [](World& w) {
         w.Filter("event_time,id", 380);
         Overlap(w, "event_time");
         Overlap(w, "id", 200);
       },
       "layout event_time"},
      {"it is set, and optimizing is on: it will come",
       [](World& w) {
         w.Set("self-optimizing.layout", "sort(event_time)");
         w.Filter("event_time", 388);
         Overlap(w, "event_time");
       },
       ""},
      {"it is set, and optimizing is off",
       [](World& w) {
         w.Set("self-optimizing.layout", "sort(event_time)");
         w.Set("self-optimizing.enabled", "false");
         w.Filter("event_time", 388);
         Overlap(w, "event_time");
       },
       "layout event_time"},
      {"a layout that no scan filters on",
       [](World& w) {
         w.Set("self-optimizing.layout", "zorder(id, user)");
         w.Filter("event_time", 388);
       },
       "sort-order self-optimizing.layout"},
  });
}

TEST(Advice, ACurveNamesItsColumns) {
  World world;
  world.Filter("event_time", 200);
  world.Filter("id", 180);
  Overlap(world, "event_time");
  Overlap(world, "id");
  const auto report = world.Ask();
  ASSERT_EQ(report.advice.size(), 1u);
  EXPECT_EQ(report.advice[0].commands[0],
            "moraine table optimize db.t --layout 'zorder(event_time, id)'");
  EXPECT_THAT(report.advice[0].gain, HasSubstr("about 6 % of the table's bytes"));  // 320^(-1/2)
}

void Span(World& world, int64_t days) {
  SurveyedColumn& column = world.Column("event_time");
  column.least = int64_t{0};
  column.greatest = days * 86'400'000'000;
}

TEST(Advice, Partitions) {
  const auto large = [](World& w) {
    w.SetFiles(1'000, 128 * kMiB);
    w.Filter("event_time", 388);
    Overlap(w, "event_time", 900);
    Span(w, 100);
  };
  Check({
      {"by day where a day has a gibibyte", large, "partition-spec event_time"},
      {"the values span no two of any unit",
       [&](World& w) {
         large(w);
         Span(w, 0);
       },
       "layout event_time"},
      {"filters on it are rare",
       [&](World& w) {
         large(w);
         w.scans.columns["event_time"].scans = 100;
       },
       "layout event_time"},
      {"files lie in the order of time already",
       [&](World& w) {
         large(w);
         Overlap(w, "event_time", 2);
       },
       ""},
      {"too fine: 10 MiB each",
       [](World& w) {
         w.SetFiles(500, 10 * kMiB);
         w.Partition("day", 2, 500);
       },
       "partition-spec part"},
      {"many, and large enough", [](World& w) { w.Partition("day", 2, 320); }, ""},
      {"too coarse",
       [](World& w) {
         w.SetFiles(2'000, 128 * kMiB);
         w.Partition("month", 2, 2);
         w.Filter("event_time", 388);
         Overlap(w, "event_time", 900);
       },
       "partition-spec part"},
      {"coarse, and in order within",
       [](World& w) {
         w.SetFiles(2'000, 128 * kMiB);
         w.Partition("month", 2, 2);
         w.Filter("event_time", 388);
       },
       ""},
  });
  World world;
  large(world);
  auto report = world.Ask();
  EXPECT_THAT(report.advice[0].commands,
              ElementsAre("ALTER TABLE db.t ADD PARTITION FIELD day(event_time);   -- in an engine",
                          "moraine table set db.t self-optimizing.full.move-to-current-spec=true",
                          "moraine table optimize db.t --type full"));
  struct Spec {
    const char* transform;
    int64_t size;
    const char* change;
  } specs[] = {
      {"day", 10 * kMiB, "REPLACE PARTITION FIELD part WITH month(event_time)"},
      {"hour", 10 * kMiB, "REPLACE PARTITION FIELD part WITH day(event_time)"},
      {"hour", kMiB / 16, "REPLACE PARTITION FIELD part WITH month(event_time)"},
      {"bucket[500]", 16 * kMiB, "REPLACE PARTITION FIELD part WITH bucket(62, event_time)"},
      {"bucket[500]", 1'000, "DROP PARTITION FIELD part"},
      {"identity", kMiB, "DROP PARTITION FIELD part"}};
  for (const auto& spec : specs) {
    World fine;
    fine.SetFiles(500, spec.size);
    fine.Partition(spec.transform, 2, 500);
    report = fine.Ask();
    ASSERT_EQ(report.advice.size(), 1u) << spec.transform;
    EXPECT_THAT(report.advice[0].commands[0], HasSubstr(spec.change)) << spec.transform;
  }
}

TEST(Advice, Files) {
  Check({
      {"small files, and optimizing merges them", [](World& w) { w.SetFiles(3'200, kMiB); }, ""},
      {"small files, and nobody does",
       [](World& w) {
         w.SetFiles(3'200, kMiB);
         w.Set("self-optimizing.enabled", "false");
       },
       "small-files self-optimizing.enabled"},
      {"of a table that was registered",
       [](World& w) {
         w.SetFiles(3'200, kMiB);
         w.is_registered = true;
       },
       "small-files self-optimizing.enabled"},
      {"a very large table", [](World& w) { w.SetFiles(40'000, 128 * kMiB); },
       "file-size self-optimizing.target-size"},
      {"of many partitions",
       [](World& w) {
         w.SetFiles(40'000, 128 * kMiB);
         w.Partition("day", 2, 30'000);
       },
       ""},
      {"small manifests, to be merged",
       [](World& w) {
         w.survey.manifests = w.survey.manifests_read = 400;
         w.Set("rewrite-manifests.enabled", "false");
       },
       "manifests rewrite-manifests.enabled"},
      {"small manifests, and maintenance does it",
       [](World& w) { w.survey.manifests = w.survey.manifests_read = 400; }, ""},
  });
}

TEST(Advice, Deletes) {
  const auto old_equality = [](World& w) {
    w.metadata.snapshots.clear();
    w.AddSnapshot(1, kNowMs - 3 * kDayMs);
    w.AddSnapshot(2, kNowMs - kHourMs);
    w.survey.equality_delete_files = 10;
    w.survey.equality_deletes = 100;
    w.survey.oldest_equality_sequence = 1;
  };
  Check({
      {"a few deletes", [](World& w) { w.survey.position_deletes = 2'000; }, ""},
      {"many, and optimizing off",
       [](World& w) {
         w.survey.position_deletes = 20'000;
         w.Set("self-optimizing.enabled", "false");
       },
       "deletes self-optimizing.enabled"},
      {"many, and no full run is due", [](World& w) { w.survey.position_deletes = 20'000; },
       "deletes self-optimizing.full.trigger.interval"},
      {"many, and a full run comes each hour",
       [](World& w) {
         w.survey.position_deletes = 20'000;
         w.Set("self-optimizing.full.trigger.interval", "3600000");
       },
       ""},
      {"old equality deletes", old_equality, "deletes self-optimizing.full.trigger.interval"},
      {"new equality deletes",
       [&](World& w) {
         old_equality(w);
         w.survey.oldest_equality_sequence = 2;
       },
       ""},
      {"many position delete files in version 2",
       [](World& w) { w.survey.position_delete_files = 300; }, "format-version format-version"},
      {"in version 3",
       [](World& w) {
         w.survey.position_delete_files = 300;
         w.metadata.format_version = 3;
       },
       ""},
  });
}

TEST(Advice, Columns) {
  // All of its files become one, so no layout helps.
  const auto by_user = [](World& w) {
    w.SetFiles(320, 128 * kMiB);
    w.Set("self-optimizing.target-size", "1099511627776");
    w.Filter("user", 300, true);
    Overlap(w, "user");
    w.survey.records = 1'000;
  };
  Check({
      {"a bloom filter", by_user, "bloom-filter user"},
      {"it has one",
       [&](World& w) {
         by_user(w);
         w.Set("write.parquet.bloom-filter-enabled.column.user", "true");
       },
       ""},
      {"few values by the statistics",
       [&](World& w) {
         by_user(w);
         AddStatistics(w, 1, 3, "500");
       },
       ""},
      {"few values by the bounds",
       [&](World& w) {
         by_user(w);
         w.Column("user").distinct = 3;
       },
       ""},
      {"many by the statistics, few by the bounds",
       [&](World& w) {
         by_user(w);
         w.Column("user").distinct = 3;
         AddStatistics(w, 1, 3, "500000");
       },
       "bloom-filter user"},
      {"ranges have no use for it",
       [&](World& w) {
         by_user(w);
         w.scans.columns["user"].equality = 0;
       },
       ""},
      {"files without bounds",
       [](World& w) {
         w.Filter("event_time", 388);
         w.Column("event_time").bounded = 0.1;
         w.survey.records = 1'000;
       },
       "column-metrics event_time"},
      {"nobody counted distinct values",
       [](World& w) {
         w.Filter("event_time", 388);
         w.survey.records = 1'000'000;
       },
       "statistics statistics.enabled"},
  });
}

TEST(Advice, StatisticsGrowStale) {
  World world;
  world.Filter("event_time", 388);
  AddStatistics(world, 1, 2, "500");
  world.survey.records = 1'000'000;
  auto snapshot = std::make_shared<iceberg::Snapshot>(*world.metadata.snapshots[0]);
  snapshot->summary["total-records"] = "900000";
  world.metadata.snapshots[0] = snapshot;
  EXPECT_EQ(world.Kinds(), "");
  world.survey.records = 10'000'000;
  EXPECT_EQ(world.Kinds(), "statistics statistics.enabled");
  world.Set("statistics.enabled", "true");
  EXPECT_EQ(world.Kinds(), "");
}

TEST(Advice, WideTablesNeedFewerMetrics) {
  World world;
  std::vector<Field> fields = {{1, "id", false, Type::Primitive(TypeKind::kLong)}};
  for (int i = 2; i <= 200; ++i)
    fields.push_back({i, fmt::format("c{}", i), false, Type::Primitive(TypeKind::kLong)});
  world.metadata.schemas = {std::make_shared<iceberg::Schema>(0, fields)};
  world.survey.manifest_bytes = 320 * 8'192;
  world.survey.records = 1'000;
  world.Filter("id", 300);
  const auto report = world.Ask();
  ASSERT_EQ(report.advice.size(), 1u);
  EXPECT_THAT(report.advice[0].commands,
              ElementsAre("moraine table set db.t write.metadata.metrics.default=none",
                          "moraine table set db.t "
                          "'write.metadata.metrics.column.id=truncate(16)'",
                          "moraine table optimize db.t --type full"));
  world.scans.scans = kLeastScansForUnused - 1;
  EXPECT_EQ(world.Kinds(), "");
}

TEST(Advice, Expiry) {
  const auto holds = [](World& w) {
    w.metadata.snapshots.clear();
    w.AddSnapshot(1, kNowMs - 40 * kDayMs);
    w.AddSnapshot(2, kNowMs - kHourMs, {{"removed-files-size", std::to_string(30 * kGiB)}});
  };
  Check({
      {"it goes by itself", holds, ""},
      {"switched off",
       [&](World& w) {
         holds(w);
         w.Set("table-expire.enabled", "false");
       },
       "expiry table-expire.enabled"},
      {"registered",
       [&](World& w) {
         holds(w);
         w.is_registered = true;
       },
       "expiry table-expire.enabled"},
      {"kept for long",
       [&](World& w) {
         holds(w);
         w.Set("snapshot.keep.duration", "60d");
       },
       "expiry snapshot.keep.duration"},
      {"nothing of it may go",
       [&](World& w) {
         holds(w);
         w.Set("gc.enabled", "false");
       },
       ""},
      {"a large metadata file",
       [](World& w) {
         w.metadata_bytes = kLargeMetadata;
         w.Set("table-expire.enabled", "false");
       },
       "expiry table-expire.enabled"},
      {"an old tag",
       [&](World& w) {
         holds(w);
         w.AddSnapshot(3, kNowMs - 100 * kDayMs);
         w.metadata.current_snapshot_id = 2;
         w.metadata.refs["audit"] = {3, iceberg::SnapshotRef::Type::kTag};
       },
       "expiry history.expire.max-ref-age-ms"},
  });
}

TEST(Advice, TheMostWorthwhileComesFirst) {
  World world;
  world.Filter("event_time", 388);
  Overlap(world, "event_time");
  world.survey.position_delete_files = 300;
  world.Set("snapshot.keep.duration", "60d");
  world.AddSnapshot(2, kNowMs, {{"removed-files-size", std::to_string(30 * kGiB)}});
  EXPECT_EQ(world.Kinds(),
            "layout event_time; expiry snapshot.keep.duration; format-version format-version");
}

}  // namespace
}  // namespace moraine::upkeep

// Random filters over random tables: what is planned, page by page, is what a look at every entry
// would give, with the deletes that apply, and residuals keep the meaning of the filter.

#include <algorithm>
#include <functional>
#include <map>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "moraine/iceberg/expression/rest_filter.h"
#include "moraine/iceberg/manifest/manifest_reader.h"
#include "moraine/scanning/testing/scan_world.h"

namespace moraine::scanning {
namespace {

using iceberg::DataFile;
using iceberg::Expression;
using iceberg::FileContent;
using iceberg::ManifestContent;
using iceberg::ManifestEntry;
using iceberg::SnapshotChanges;
using iceberg::SnapshotOperation;
using Op = Expression::Op;

struct Row {
  int64_t id = 0;
  int64_t day = 0;
};

bool Compare(Op op, int64_t value, const std::vector<int64_t>& literals) {
  auto is_in = [&] { return std::count(literals.begin(), literals.end(), value) > 0; };
  switch (op) {
    case Op::kLess:
      return value < literals[0];
    case Op::kLessEqual:
      return value <= literals[0];
    case Op::kGreater:
      return value > literals[0];
    case Op::kGreaterEqual:
      return value >= literals[0];
    case Op::kEqual:
    case Op::kIn:
      return is_in();
    case Op::kNotEqual:
    case Op::kNotIn:
      return !is_in();
    default:
      return op == Op::kNotNull;
  }
}

std::vector<int64_t> LiteralsOf(const Expression& predicate) {
  std::vector<int64_t> literals;
  for (const Json& one : predicate.literals()) literals.push_back(*one.int64());
  return literals;
}

bool Matches(const Expression& filter, const Row& row) {
  switch (filter.op()) {
    case Op::kTrue:
    case Op::kFalse:
      return filter.op() == Op::kTrue;
    case Op::kAnd:
      return Matches(*filter.left(), row) && Matches(*filter.right(), row);
    case Op::kOr:
      return Matches(*filter.left(), row) || Matches(*filter.right(), row);
    case Op::kNot:
      return !Matches(*filter.left(), row);
    default:
      return Compare(filter.op(), filter.column() == "id" ? row.id : row.day, LiteralsOf(filter));
  }
}

/// Filters as JSON in either form.
class FilterMaker {
 public:
  explicit FilterMaker(Random& random) : random_(random) {}

  std::string Make(int depth) {
    uint64_t kind = random_.Below(10);
    if (depth > 0 && kind < 4) {
      return std::string(R"({"type":")") + (kind < 2 ? "and" : "or") + R"(","left":)" +
             Make(depth - 1) + R"(,"right":)" + Make(depth - 1) + "}";
    }
    if (depth > 0 && kind == 4) return R"({"type":"not","child":)" + Make(depth - 1) + "}";
    bool on_id = random_.Below(2) == 0;
    std::string column = on_id ? "id" : "day";
    auto value = [&] { return std::to_string(on_id ? random_.Below(1'100) : random_.Below(8)); };
    if (random_.Below(5) == 0) {
      std::string values = value();
      for (uint64_t i = random_.Below(3); i > 0; --i) values += "," + value();
      const char* op = random_.Below(2) == 0 ? "in" : "not-in";
      return std::string(R"({"type":")") + op + R"(","term":")" + column + R"(","values":[)" +
             values + "]}";
    }
    static constexpr const char* kOps[] = {"lt", "lt-eq", "gt", "gt-eq", "eq", "not-eq"};
    std::string op = kOps[random_.Below(6)];
    switch (random_.Below(3)) {
      case 0:
        return R"({"type":")" + op + R"(","term":")" + column + R"(","value":)" + value() + "}";
      case 1:
        return R"({"type":")" + op + R"(","left":{"type":"reference","name":")" + column +
               R"("},"right":)" + value() + "}";
      default:
        return R"({"type":")" + op + R"(","left":)" + value() +
               R"(,"right":{"type":"reference","id":)" + (on_id ? "1" : "2") + "}}";
    }
  }

 private:
  Random& random_;
};

class RandomTable {
 public:
  RandomTable(uint64_t seed, int format_version)
      : env_(seed),
        random_(env_.random()),
        version_(format_version),
        world_({.format_version = format_version,
                .properties = {{"commit.manifest.min-count-to-merge", "4"}}}) {
    for (int step = 0; step < 12; ++step) {
      if (step > 2 && random_.Below(3) == 0) {
        AddDeletes(step);
      } else {
        AddData(step);
      }
    }
    ReadAll();
  }

  ScanWorld& world() { return world_; }
  Random& random() { return random_; }
  const std::map<std::string, ManifestEntry>& data() const { return data_; }

  enum class Bounds { kHeeded, kIgnored };
  /// By the rules of the spec, one by one. keep: which of them.
  std::multiset<std::string> DeletesOf(
      const ManifestEntry& data, Bounds bounds,
      const std::function<bool(const ManifestEntry&)>& keep = nullptr) const {
    std::multiset<std::string> found;
    bool has_vector = false;
    for (const ManifestEntry& one : deletes_) has_vector |= IsVectorOf(one, data);
    for (const ManifestEntry& one : deletes_) {
      if (keep && !keep(one)) continue;
      if (IsVectorOf(one, data) ||
          (Applies(one, data, bounds) && (!has_vector || IsEquality(one)))) {
        found.insert(iceberg::ShortName(one.file.file_path));
      }
    }
    return found;
  }
  static bool IsEquality(const ManifestEntry& one) {
    return one.file.content == FileContent::kEqualityDeletes;
  }
  static std::pair<int64_t, int64_t> IdsOf(const DataFile& file) {
    auto read = [](const iceberg::BoundMap& bounds) {
      auto type = iceberg::Type::Primitive(iceberg::TypeKind::kLong);
      return std::get<int64_t>(*iceberg::ValueFromBytes(*type, *iceberg::FindBound(bounds, 1)));
    };
    return {read(file.lower_bounds), read(file.upper_bounds)};
  }

 private:
  static bool IsVectorOf(const ManifestEntry& one, const ManifestEntry& data) {
    return one.file.is_deletion_vector() && one.file.referenced_data_file == data.file.file_path;
  }
  static bool Applies(const ManifestEntry& one, const ManifestEntry& data, Bounds bounds) {
    if (one.file.is_deletion_vector() ||
        !iceberg::SameTuple(one.file.partition, data.file.partition)) {
      return false;
    }
    if (!IsEquality(one)) {
      return *data.sequence_number <= *one.sequence_number &&
             (!one.file.referenced_data_file ||
              *one.file.referenced_data_file == data.file.file_path);
    }
    if (*data.sequence_number >= *one.sequence_number) return false;
    if (bounds == Bounds::kIgnored) return true;
    auto [low, high] = IdsOf(data.file);
    auto [from, to] = IdsOf(one.file);
    return low <= to && from <= high;
  }

  void AddData(int step) {
    SnapshotChanges changes;
    int count = 1 + static_cast<int>(random_.Below(6));
    for (int i = 0; i < count; ++i) {
      auto& table = world_.table();
      auto day = static_cast<int32_t>(random_.Below(6));
      DataFile file = table.Data("f" + std::to_string(step) + "_" + std::to_string(i), day);
      auto type = iceberg::Type::Primitive(iceberg::TypeKind::kLong);
      auto low = static_cast<int64_t>(random_.Below(1'000));
      auto high = low + static_cast<int64_t>(random_.Below(100));
      file.lower_bounds[0].second = ValueToBytes(*type, low);
      file.upper_bounds[0].second = ValueToBytes(*type, high);
      names_.push_back({"f" + std::to_string(step) + "_" + std::to_string(i), day});
      changes.added.push_back({std::move(file), {}});
    }
    Commit(std::move(changes));
  }

  void AddDeletes(int step) {
    SnapshotChanges changes;
    changes.operation = SnapshotOperation::kRowDelta;
    auto& table = world_.table();
    for (int i = 0; i < 3; ++i) {
      std::string name = "d" + std::to_string(step) + "_" + std::to_string(i);
      auto [about, day] = names_[random_.Below(names_.size())];
      if (random_.Below(2) == 0) {
        auto low = static_cast<int64_t>(random_.Below(1'000));
        changes.added.push_back({table.EqualityDeletes(name, day, low, low + 200), {}});
      } else if (version_ < 3) {
        bool whole = random_.Below(2) == 0;
        changes.added.push_back({table.PositionDeletes(name, whole ? "" : about, day), {}});
      } else if (with_vector_.insert(about).second) {
        changes.added.push_back({table.DeletionVector(name, about, day, 4), {}});
      }
    }
    if (!changes.added.empty()) Commit(std::move(changes));
  }

  void Commit(SnapshotChanges changes) {
    auto done = world_.table().Commit(world_.call(), std::move(changes));
    ASSERT_TRUE(done.ok()) << done.status().ToString();
  }

  void ReadAll() {
    const auto& metadata = *world_.table().metadata();
    auto manifests = world_.table().Manifests(world_.call()).value();
    for (const auto& manifest : manifests) {
      Status status =
          ReadManifest(world_.call(), world_.files(), manifest, metadata.DefaultSpec(),
                       metadata.CurrentSchema(), {}, [&](ManifestEntry& entry) -> Status {
                         if (manifest.content == ManifestContent::kDeletes) {
                           deletes_.push_back(std::move(entry));
                         } else {
                           std::string name = iceberg::ShortName(entry.file.file_path);
                           data_.emplace(std::move(name), std::move(entry));
                         }
                         return {};
                       });
      ASSERT_TRUE(status.ok());
    }
  }

  testing::TestEnv env_;
  Random& random_;
  const int version_;
  ScanWorld world_;
  std::vector<std::pair<std::string, int32_t>> names_;
  std::set<std::string> with_vector_;
  std::map<std::string, ManifestEntry> data_;
  std::vector<ManifestEntry> deletes_;
};

/// Each row that a file may hold: its day, and any id within its bounds.
std::vector<Row> RowsOf(const ManifestEntry& entry) {
  std::vector<Row> rows;
  const int64_t day = std::get<int32_t>(entry.file.partition[0]);
  auto [low, high] = RandomTable::IdsOf(entry.file);
  for (int64_t id = low; id <= high; ++id) rows.push_back({id, day});
  return rows;
}

struct Checked {
  size_t matching = 0;
  size_t planned = 0;
};

Checked CheckOne(RandomTable& table, Scans& scans, const std::string& filter) {
  const iceberg::Schema& schema = table.world().table().metadata()->CurrentSchema();
  Json json = Json::Parse(filter).value();
  auto read = ReadRestFilter(JsonCursor(json), schema, iceberg::NameCase::kSensitive).value();
  WholePlan plan = table.world().PlanAll(scans, R"({"filter":)" + filter + "}");
  EXPECT_EQ(plan.repeated, 0) << filter;
  Checked checked{0, plan.files.size()};
  for (const auto& [name, entry] : table.data()) {
    std::vector<Row> rows = RowsOf(entry);
    const bool matches = std::any_of(rows.begin(), rows.end(),
                                     [&](const Row& row) { return Matches(*read.known, row); });
    auto planned = plan.files.find(name);
    if (planned == plan.files.end()) {
      EXPECT_FALSE(matches) << name << " is missing for " << filter;
      continue;
    }
    if (matches) ++checked.matching;
    // Those that may delete a row that matches must be there; others that apply may be.
    auto needed =
        table.DeletesOf(entry, RandomTable::Bounds::kHeeded, [&](const ManifestEntry& one) {
          if (!RandomTable::IsEquality(one)) return true;
          auto [low, high] = RandomTable::IdsOf(one.file);
          return std::any_of(rows.begin(), rows.end(), [&, low = low, high = high](const Row& row) {
            return low <= row.id && row.id <= high && Matches(*read.known, row);
          });
        });
    auto allowed = table.DeletesOf(entry, RandomTable::Bounds::kIgnored);
    const auto& given = planned->second.deletes;
    EXPECT_TRUE(std::includes(given.begin(), given.end(), needed.begin(), needed.end())) << name;
    EXPECT_TRUE(std::includes(allowed.begin(), allowed.end(), given.begin(), given.end())) << name;
    Json text = Json::Parse(planned->second.residual).value();
    auto residual = ReadRestFilter(JsonCursor(text), schema, iceberg::NameCase::kSensitive).value();
    for (const Row& row : rows) {
      EXPECT_EQ(Matches(*residual.known, row), Matches(*read.known, row))
          << name << ": " << filter << " against " << planned->second.residual;
    }
  }
  return checked;
}

class RandomScans : public testing::TestWithParam<int> {};

TEST_P(RandomScans, AreWhatALookAtEveryEntryGives) {
  size_t matching = 0;
  size_t planned = 0;
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    RandomTable table(seed, GetParam());
    FilterMaker filters(table.random());
    ScanOptions options;
    options.page.files = static_cast<int64_t>(1 + table.random().Below(8));
    options.page.manifest_bytes = static_cast<int64_t>(1 + table.random().Below(8'000));
    auto scans = table.world().Another(options);
    for (int i = 0; i < 40 && !testing::Test::HasFailure(); ++i) {
      Checked checked = CheckOne(table, i % 2 == 0 ? *scans : table.world().scans(),
                                 filters.Make(static_cast<int>(table.random().Below(4))));
      matching += checked.matching;
      planned += checked.planned;
    }
    EXPECT_FALSE(testing::Test::HasFailure()) << "seed " << seed;
  }
  // Few files are planned in vain.
  EXPECT_GT(matching, 100u);
  EXPECT_LT(planned, matching * 5 / 4);
}

TEST_P(RandomScans, GiveAllDeletesWhereNothingIsFiltered) {
  for (uint64_t seed = 11; seed <= 14; ++seed) {
    RandomTable table(seed, GetParam());
    ScanOptions options;
    options.page.files = static_cast<int64_t>(1 + table.random().Below(8));
    auto scans = table.world().Another(options);
    WholePlan plan = table.world().PlanAll(*scans, R"({"stats-fields":["id"]})");
    ASSERT_EQ(plan.files.size(), table.data().size());
    for (const auto& [name, entry] : table.data()) {
      EXPECT_EQ(plan.files[name].deletes, table.DeletesOf(entry, RandomTable::Bounds::kHeeded))
          << name << " seed " << seed;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Versions, RandomScans, testing::Values(2, 3));

}  // namespace
}  // namespace moraine::scanning

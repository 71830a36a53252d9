#include "bench/million_files.h"

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "moraine/base/check.h"
#include "moraine/iceberg/manifest/manifest_writer.h"
#include "moraine/io/location.h"

namespace moraine::bench {

using namespace iceberg;  // NOLINT: a program, not a library

DataFile MakeDataFile(const Schema& schema, int32_t day, int64_t i, uint64_t noise) {
  DataFile file;
  file.file_path =
      fmt::format("s3://warehouse/db/events/data/day={}/{:05}-{}-{:016x}{:016x}-00001.parquet", day,
                  i, day - kFirstDay, noise, noise * 0x9E3779B97F4A7C15u);
  file.partition = {Value(day)};
  file.record_count = 100'000 + static_cast<int64_t>(noise % 50'000);
  file.file_size_in_bytes = 10'000'000 + static_cast<int64_t>(noise % 20'000'000);
  for (int64_t group = 0; group < 8; ++group) {
    file.split_offsets.push_back(4 + group * 1'000'000 +
                                 static_cast<int64_t>((noise >> (8 * group)) % 900'000));
  }
  file.sort_order_id = 0;
  auto random = [state = noise]() mutable {
    state += 0x9E3779B97F4A7C15u;
    uint64_t z = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  };
  for (int32_t id = 1; id <= 8; ++id) {
    file.column_sizes.emplace_back(id, 100'000 + static_cast<int64_t>(random() % 8'000'000));
    file.value_counts.emplace_back(id, file.record_count);
    file.null_value_counts.emplace_back(id, static_cast<int64_t>(random() % 50'000));
  }
  file.nan_value_counts = {{4, 0}};
  auto bound = [&](int32_t id, Value low, Value high) {
    const Type& type = *schema.FindField(id)->type;
    file.lower_bounds.emplace_back(id, ValueToBytes(type, low));
    file.upper_bounds.emplace_back(id, ValueToBytes(type, high));
  };
  auto whole = [&] { return static_cast<int64_t>(random() >> 2); };
  auto real = [&] { return static_cast<double>(random()) / 1e12; };
  auto text = [&] {
    std::string result;
    for (uint64_t bits = random(); result.size() < 16; bits = bits * 31 + random()) {
      result += static_cast<char>('!' + (bits >> 40) % 90);
    }
    return result;
  };
  bound(1, whole(), whole());
  bound(2, day, day);
  bound(3, text(), text());
  bound(4, real(), real());
  bound(5, int32_t{1}, static_cast<int32_t>(50 + random() % 50));
  bound(6, int64_t{day} * 86'400'000'000 + whole() % 86'400'000'000,
        int64_t{day} * 86'400'000'000 + whole() % 86'400'000'000);
  bound(7, text(), text());
  bound(8, text(), text());
  return file;
}

namespace {

TableMetadata MakeTable(const std::string& folder) {
  TableCreation creation;
  creation.table_uuid = "5f8b14d8-0a14-4e6a-8b04-4ed0b5bd7d4b";
  creation.location = "file://" + folder;
  auto type = [](const char* text) { return *Type::FromString(text); };
  creation.schema = Schema(0, {{1, "id", true, type("long")},
                               {2, "day", false, type("date")},
                               {3, "user", false, type("string")},
                               {4, "price", false, type("double")},
                               {5, "quantity", false, type("int")},
                               {6, "at", false, type("timestamptz")},
                               {7, "name", false, type("string")},
                               {8, "note", false, type("string")}});
  creation.spec.fields.push_back({{2}, 1000, "day", Transform::Identity()});
  creation.now_ms = 1'767'225'600'000;
  return *MakeTableMetadata(creation);
}

Status MakeSnapshot(Call& call, io::FileSystem& files, const TableMetadata& table,
                    const std::string& list) {
  std::vector<ManifestFile> manifests;
  std::string folder = io::JoinLocation(table.location, "metadata");
  uint64_t noise = 42;
  for (int64_t m = 0; m < kManifests; ++m) {
    ManifestWriterOptions options;
    options.snapshot_id = 1;
    ManifestWriter writer(table.FindSchema(0), table.FindSpec(0), options);
    for (int64_t i = 0; i < kFiles / kManifests; ++i) {
      noise = noise * 6364136223846793005u + 1442695040888963407u;
      ManifestEntry entry;
      entry.snapshot_id = 1;
      entry.file =
          MakeDataFile(table.CurrentSchema(), static_cast<int32_t>(kFirstDay + m), i, noise);
      MORAINE_TRY(writer.Add(entry));
    }
    MORAINE_ASSIGN(
        ManifestFile manifest,
        writer.Finish(call, files, io::JoinLocation(folder, fmt::format("m{}.avro", m))));
    manifests.push_back(std::move(manifest));
  }
  ManifestListOptions options;
  options.snapshot_id = 1;
  options.sequence_number = 1;
  return WriteManifestList(call, files, list, manifests, options).status();
}

}  // namespace

MillionFiles OpenMillionFiles(Call& call, io::FileSystem& files) {
  const auto folder =
      std::filesystem::temp_directory_path() / fmt::format("moraine-bench-{}-files", kFiles);
  MillionFiles million;
  million.table = MakeTable(folder.string());
  million.snapshot.snapshot_id = 1;
  million.snapshot.sequence_number = 1;
  million.snapshot.manifest_list = io::JoinLocation(million.table.location, "metadata/list.avro");
  if (files.Stat(call, million.snapshot.manifest_list).ok()) return million;
  fmt::print(stderr, "making the manifests of {} files in {}\n", kFiles, folder.string());
  std::filesystem::remove_all(folder);
  const Status status = MakeSnapshot(call, files, million.table, million.snapshot.manifest_list);
  MORAINE_CHECK(status.ok(), status.ToString());
  return million;
}

}  // namespace moraine::bench

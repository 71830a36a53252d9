// Counting distinct values of a column of 2 million rows: reading it alone (decode), reading and
// counting it (count), and counting what is in memory already (hash). Columns: longs that are all
// different, texts that are all different, texts of which there are a thousand (dictionary).
// Counters: rows a second; distinct, as estimated.

#include <memory>
#include <string>
#include <vector>

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/record_batch.h>
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "moraine/base/check.h"
#include "moraine/iceberg/data/arrow_schema.h"
#include "moraine/iceberg/data/column_sketch.h"
#include "moraine/iceberg/data/data_file_reader.h"
#include "moraine/iceberg/testing/rows.h"
#include "moraine/io/testing/memory_file_system.h"

namespace moraine::bench {
namespace {

using iceberg::BatchPtr;
using iceberg::Field;

constexpr int64_t kRows = 2'000'000;

enum class Column { kLong, kText, kDictionary };

Field FieldOf(Column column) {
  const auto kind = column == Column::kLong ? iceberg::TypeKind::kLong : iceberg::TypeKind::kString;
  return iceberg::Optional(1, "c", iceberg::Type::Primitive(kind));
}

std::shared_ptr<arrow::Array> Values(Column column) {
  if (column == Column::kLong) {
    arrow::Int64Builder builder;
    for (int64_t i = 0; i < kRows; ++i)
      MORAINE_CHECK(builder.Append(i * 7'919).ok(), "memory for values");
    return builder.Finish().ValueOrDie();
  }
  arrow::StringBuilder builder;
  for (int64_t i = 0; i < kRows; ++i) {
    const int64_t number = column == Column::kText ? i : i * 7'919 % 1'000;
    MORAINE_CHECK(builder.Append(fmt::format("customer-{:08}@example", number)).ok(),
                  "memory for values");
  }
  return builder.Finish().ValueOrDie();
}

/// A file with one column, in memory.
struct Input {
  io::MemoryFileSystem files;
  iceberg::DataFile file;
  std::vector<BatchPtr> batches;  // as they are read

  static Input& Of(Column column) {
    static Input inputs[3];
    Input& input = inputs[static_cast<int>(column)];
    if (input.batches.empty()) input.Fill(column);
    return input;
  }

  std::vector<BatchPtr> Read(Column column) {
    Call call = iceberg::TestCall();
    iceberg::ReadOptions read;
    read.fields = {FieldOf(column)};
    read.dictionaries = iceberg::Dictionaries::kKeep;
    auto reader = iceberg::DataFileReader::Open(call, files, file.file_path, file.format,
                                                file.file_size_in_bytes, read);
    MORAINE_CHECK(reader.ok(), reader.status().ToString());
    std::vector<BatchPtr> all;
    while (auto batch = (*reader)->Next(call).value()) all.push_back(std::move(batch));
    return all;
  }

 private:
  void Fill(Column column) {
    const auto rows = arrow::RecordBatch::Make(iceberg::ToArrowSchema({FieldOf(column)}), kRows,
                                               {Values(column)});
    iceberg::WriteOptions write;
    write.schema = iceberg::MakeSchema({FieldOf(column)});
    file = iceberg::WriteRows(files, "/f.parquet", rows, write);
    batches = Read(column);
  }
};

void Decode(benchmark::State& state, Column column) {
  Input& input = Input::Of(column);
  for (auto _ : state) benchmark::DoNotOptimize(input.Read(column).size());
  state.SetItemsProcessed(state.iterations() * kRows);
}

void CountBatches(Column column, const std::vector<BatchPtr>& batches, benchmark::State* state) {
  iceberg::ColumnSketch sketch(FieldOf(column).type);
  for (const auto& batch : batches)
    MORAINE_CHECK(sketch.Add(*batch->column(0)).ok(), "a column that can be counted");
  state->counters["distinct"] = static_cast<double>(sketch.Compact().distinct_values());
}

void Count(benchmark::State& state, Column column) {
  Input& input = Input::Of(column);
  for (auto _ : state) CountBatches(column, input.Read(column), &state);
  state.SetItemsProcessed(state.iterations() * kRows);
}

void Hash(benchmark::State& state, Column column) {
  Input& input = Input::Of(column);
  for (auto _ : state) CountBatches(column, input.batches, &state);
  state.SetItemsProcessed(state.iterations() * kRows);
}

#define MORAINE_COLUMNS(function)                                                  \
  BENCHMARK_CAPTURE(function, long, Column::kLong)->Unit(benchmark::kMillisecond); \
  BENCHMARK_CAPTURE(function, text, Column::kText)->Unit(benchmark::kMillisecond); \
  BENCHMARK_CAPTURE(function, dictionary, Column::kDictionary)->Unit(benchmark::kMillisecond)
MORAINE_COLUMNS(Decode);
MORAINE_COLUMNS(Count);
MORAINE_COLUMNS(Hash);

}  // namespace
}  // namespace moraine::bench

// Decoding and encoding of manifests: 1,000 entries of 8 columns with counts and bounds, deflate.
// Planning a table of a million files decodes a thousand of these; one core is meant to do that
// in 1.5 s. The argument is the codec: 0 none, 1 deflate, 2 zstd, 3 snappy.

#include <string>

#include <benchmark/benchmark.h>

#include "moraine/iceberg/avro/avro_file.h"
#include "moraine/iceberg/manifest/manifest_reader.h"
#include "moraine/iceberg/manifest/manifest_writer.h"
#include "moraine/iceberg/testing/manifest_samples.h"

namespace moraine::iceberg {
namespace {

constexpr int kEntries = 1000;

struct Encoded {
  ManifestSample sample;
  std::string bytes;
  ManifestFile line;
  int64_t raw_bytes;
};

std::pair<std::string, ManifestFile> Encode(const ManifestSample& sample, AvroCodec codec) {
  ManifestWriter writer(sample.schema, sample.spec, {.codec = codec, .snapshot_id = 7});
  for (const ManifestEntry& entry : sample.entries) {
    if (!writer.Add(entry).ok()) std::abort();
  }
  auto finished = writer.FinishToBytes().value();
  finished.second.sequence_number = 1;
  return finished;
}

const Encoded& Sample(AvroCodec codec) {
  static Encoded encoded[4];
  Encoded& chosen = encoded[static_cast<size_t>(codec)];
  if (chosen.bytes.empty()) {
    chosen.sample = PlainSample(kEntries, 0);
    std::tie(chosen.bytes, chosen.line) = Encode(chosen.sample, codec);
    chosen.raw_bytes = static_cast<int64_t>(Encode(chosen.sample, AvroCodec::kNull).first.size());
  }
  return chosen;
}

void Report(benchmark::State& state, const Encoded& encoded) {
  state.SetItemsProcessed(state.iterations() * kEntries);
  state.SetBytesProcessed(state.iterations() * encoded.raw_bytes);
  state.counters["packed_per_entry"] = static_cast<double>(encoded.bytes.size()) / kEntries;
  state.counters["raw_per_entry"] = static_cast<double>(encoded.raw_bytes) / kEntries;
}

void Decode(benchmark::State& state, const ManifestReadOptions& options) {
  const Encoded& encoded = Sample(static_cast<AvroCodec>(state.range(0)));
  for (auto _ : state) {
    int64_t rows = 0;
    const Status status =
        DecodeManifest(encoded.bytes, "m.avro", encoded.line, *encoded.sample.spec,
                       *encoded.sample.schema, options, [&](ManifestEntry& entry) {
                         rows += entry.file.record_count;
                         return Status::Ok();
                       });
    if (!status.ok()) state.SkipWithError(status.ToString().c_str());
    benchmark::DoNotOptimize(rows);
  }
  Report(state, encoded);
}

/// What no decoder can undercut: the blocks decompressed, nothing read from them.
void InflateOnly(benchmark::State& state) {
  const Encoded& encoded = Sample(static_cast<AvroCodec>(state.range(0)));
  for (auto _ : state) {
    auto blocks = AvroFileReader::Open(encoded.bytes).value();
    while (blocks.NextBlock(int64_t{1} << 30).value()) benchmark::DoNotOptimize(blocks.data());
  }
  Report(state, encoded);
}
BENCHMARK(InflateOnly)->DenseRange(0, 3);

void DecodePaths(benchmark::State& state) { Decode(state, {.counts = false, .bounds = false}); }
void DecodeBounds(benchmark::State& state) { Decode(state, {.counts = false}); }
void DecodeAll(benchmark::State& state) { Decode(state, {}); }
void DecodeOneColumn(benchmark::State& state) { Decode(state, {.columns = {2}}); }
BENCHMARK(DecodePaths)->DenseRange(0, 3);
BENCHMARK(DecodeBounds)->DenseRange(0, 1);
BENCHMARK(DecodeOneColumn)->DenseRange(0, 1);
BENCHMARK(DecodeAll)->DenseRange(0, 3);

/// What a commit that moves entries does: keeps them all.
void DecodeAndKeep(benchmark::State& state) {
  const Encoded& encoded = Sample(AvroCodec::kDeflate);
  for (auto _ : state) {
    std::vector<ManifestEntry> kept;
    kept.reserve(kEntries);
    const Status status =
        DecodeManifest(encoded.bytes, "m.avro", encoded.line, *encoded.sample.spec,
                       *encoded.sample.schema, {}, [&](ManifestEntry& entry) {
                         kept.push_back(std::move(entry));
                         return Status::Ok();
                       });
    if (!status.ok()) state.SkipWithError(status.ToString().c_str());
    benchmark::DoNotOptimize(kept.data());
  }
  Report(state, encoded);
}
BENCHMARK(DecodeAndKeep);

/// The fixed cost of a manifest: header, schema, program.
void DecodeOneEntry(benchmark::State& state) {
  const ManifestSample sample = PlainSample(1, 0);
  const auto [bytes, line] = Encode(sample, AvroCodec::kDeflate);
  for (auto _ : state) {
    const Status status = DecodeManifest(bytes, "m.avro", line, *sample.spec, *sample.schema, {},
                                         [](ManifestEntry&) { return Status::Ok(); });
    benchmark::DoNotOptimize(status.ok());
  }
}
BENCHMARK(DecodeOneEntry);

void EncodeManifest(benchmark::State& state) {
  const auto codec = static_cast<AvroCodec>(state.range(0));
  const Encoded& encoded = Sample(codec);
  for (auto _ : state) benchmark::DoNotOptimize(Encode(encoded.sample, codec).first.data());
  Report(state, encoded);
}
BENCHMARK(EncodeManifest)->DenseRange(0, 3);

}  // namespace
}  // namespace moraine::iceberg

#pragma once
// What the machine can do at best, measured beside a benchmark: a figure means little without it.

#include <cstdint>
#include <filesystem>

#include "moraine/base/call.h"
#include "moraine/iceberg/manifest/data_file.h"
#include "moraine/io/file_system.h"

namespace moraine::bench {

/// Seconds to append 4 KiB to a file of this folder and wait for the disk; the mean of 300.
double SecondsOfOneSync(const std::filesystem::path& folder);

/// CPU seconds to read the manifests and inflate them on one thread, decoding nothing; the best
/// of 3.
double CpuSecondsToInflate(Call& call, io::FileSystem& files,
                           const std::vector<iceberg::ManifestFile>& manifests);

void ResetPeakMemory();
/// Of this process, since the last reset.
double PeakMebibytes();

/// Seconds of CPU time that this process has used.
double CpuSeconds();

}  // namespace moraine::bench

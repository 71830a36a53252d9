#pragma once
// The sections of the settings about stores of files: s3, which optimizer processes read as well,
// gcs, adls and hdfs.

#include <vector>

#include "moraine/base/config.h"
#include "moraine/base/status.h"
#include "moraine/iceberg/types/snapshot.h"
#include "moraine/io/s3_options.h"

namespace moraine::server {

std::vector<Setting> S3Settings();

/// Those of the stores that Arrow reaches (io/cloud_options.h).
std::vector<Setting> CloudSettings();

/// The settings of all stores that are set, by Iceberg's names. The config declares S3Settings()
/// and CloudSettings(). Errors: InvalidArgument that names the setting.
Result<iceberg::StringMap> StorageOf(const Config& config);
Result<io::S3Options> S3OptionsOf(const Config& config);

/// The settings that are set, by Iceberg's names; without those that name files of this machine.
/// kWithout: no keys among them.
enum class S3Keys { kWith, kWithout };
iceberg::StringMap S3Properties(const Config& config, S3Keys keys);

}  // namespace moraine::server

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

/// The settings of all stores that are set, by Iceberg's names, unchecked.
iceberg::StringMap StorageAsSet(const Config& config);
/// The same, checked. The config declares S3Settings()
/// and CloudSettings(). Errors: InvalidArgument that names the setting.
Result<iceberg::StringMap> StorageOf(const Config& config);
Result<io::S3Options> S3OptionsOf(const Config& config);

/// Those of S3 alone that are set, by Iceberg's names. The config declares S3Settings().
iceberg::StringMap S3Properties(const Config& config);

}  // namespace moraine::server

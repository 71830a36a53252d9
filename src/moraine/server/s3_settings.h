#pragma once
// The section s3 of the settings: the store that s3:// locations lead to. Used by the server and by
// optimizer processes, which read the same file and variables.

#include <vector>

#include "moraine/base/config.h"
#include "moraine/base/status.h"
#include "moraine/iceberg/types/snapshot.h"
#include "moraine/io/s3_options.h"

namespace moraine::server {

std::vector<Setting> S3Settings();

/// The settings that are set, by Iceberg's names. The config declares S3Settings(). Errors:
/// InvalidArgument that names the setting.
Result<iceberg::StringMap> S3StorageOf(const Config& config);
Result<io::S3Options> S3OptionsOf(const Config& config);

/// The settings that are set, by Iceberg's names; without those that name files of this machine.
/// kWithout: no keys among them.
enum class S3Keys { kWith, kWithout };
iceberg::StringMap S3Properties(const Config& config, S3Keys keys);

}  // namespace moraine::server

#pragma once
// Data and delete files as scan tasks show them (REST spec, "ContentFile").

#include <string>
#include <vector>

#include "moraine/base/json.h"
#include "moraine/iceberg/manifest/data_file.h"
#include "moraine/iceberg/types/type.h"
#include "moraine/scanning/scan_request.h"

namespace moraine::scanning {

/// Which counts and bounds go out.
struct FileStats {
  const iceberg::Schema& schema;
  const std::vector<int32_t>& columns;  ///< ascending
  BoundsForm form = BoundsForm::kTyped;
};

/// partition_types: of the file's spec, in its order.
void WriteContentFile(const iceberg::DataFile& file,
                      const std::vector<iceberg::TypePtr>& partition_types, const FileStats& stats,
                      JsonWriter* out);

}  // namespace moraine::scanning

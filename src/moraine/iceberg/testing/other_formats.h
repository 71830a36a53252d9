#pragma once
// Rows for tests as files of the formats that are read but not written: ORC and Avro. Failures end
// the test.

#include <string>
#include <string_view>
#include <vector>

#include "moraine/iceberg/avro/avro_codec.h"
#include "moraine/iceberg/manifest/data_file.h"
#include "moraine/iceberg/testing/rows.h"

namespace moraine::iceberg {

enum class FieldIds { kWritten, kLeftOut };

/// With Iceberg's attributes, as its own writers set them. stripe_rows: rows between stripes.
/// (Times, uuids and fixed: at the top only.)
std::string OrcBytes(const std::vector<Field>& fields, const BatchPtr& rows,
                     FieldIds ids = FieldIds::kWritten, int64_t stripe_rows = 1 << 20);
std::string AvroBytes(const std::vector<Field>& fields, const BatchPtr& rows,
                      AvroCodec codec = AvroCodec::kDeflate);

/// Writes the rows (JSON, as MakeRows takes it) as one data file of ORC or Avro.
DataFile WriteRowsAs(FileFormat format, io::FileSystem& files, const std::string& location,
                     const std::vector<Field>& fields, std::string_view json);

}  // namespace moraine::iceberg

#include "moraine/iceberg/data/data_file_reader.h"

#include <utility>

#include "moraine/iceberg/data/avro_reader.h"
#include "moraine/iceberg/data/orc_reader.h"
#include "moraine/iceberg/data/parquet_reader.h"

namespace moraine::iceberg {

Result<std::unique_ptr<DataFileReader>> DataFileReader::Open(Call& call, io::FileSystem& files,
                                                             const std::string& location,
                                                             FileFormat format,
                                                             std::optional<int64_t> known_size,
                                                             ReadOptions options) {
  switch (format) {
    case FileFormat::kParquet: {
      MORAINE_ASSIGN(std::unique_ptr<DataFileReader> reader,
                     ParquetReader::Open(call, files, location, known_size, std::move(options)));
      return reader;
    }
    case FileFormat::kAvro:
      return OpenAvroReader(call, files, location, known_size, std::move(options));
    case FileFormat::kOrc:
      return OpenOrcReader(call, files, location, known_size, std::move(options));
    default:
      return Unsupported("reading rows of a file of format " + std::string(FileFormatName(format)) +
                         ": " + location);
  }
}

}  // namespace moraine::iceberg

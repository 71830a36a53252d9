#pragma once
// Decodes manifest entries of one file straight into ManifestEntry: fields are resolved by id once,
// then read in file order. No inheritance here (manifest_reader.cc does it).

#include <utility>
#include <vector>

#include "moraine/base/status.h"
#include "moraine/iceberg/avro/avro_program.h"
#include "moraine/iceberg/manifest/column_map.h"
#include "moraine/iceberg/manifest/data_file.h"
#include "moraine/iceberg/manifest/manifest_reader.h"
#include "moraine/iceberg/manifest/partition_value.h"
#include "moraine/iceberg/types/partition_spec.h"
#include "moraine/iceberg/types/type.h"

namespace moraine::iceberg {

class EntryDecoder {
 public:
  /// Borrows options. Errors: Corruption naming a field that is missing or of a wrong type.
  static Result<EntryDecoder> Make(const AvroSchema& file, const PartitionSpec& spec,
                                   const Schema& schema, const ManifestReadOptions& options);

  /// Whether partition values are there that some writers store in another form than the schema
  /// says.
  bool may_have_counted_fixed() const;
  /// Reads them in that form from now on.
  void ExpectCountedFixed();

  /// Replaces all of entry, whose memory is reused. Broken bytes make the cursor fail.
  void Decode(AvroCursor* cursor, ManifestEntry* entry) const;

 private:
  // The partition field i of the spec has slot kPartitionSlot + i; other slots are field ids.
  static constexpr int kPartitionSlot = 1 << 16;

  explicit EntryDecoder(const ManifestReadOptions& options) : options_(&options) {}
  Status Resolve(const AvroSchema& file, const PartitionSpec& spec, const Schema& schema);
  Status CheckStep(const AvroSchema& file, const AvroStep& step);
  void Reset(ManifestEntry* entry) const;
  void ReadField(const AvroStep& step, AvroCursor* cursor, ManifestEntry* entry) const;
  void ReadMap(int slot, AvroCursor* cursor, DataFile* file) const;
  void ReadRare(const AvroStep& step, AvroCursor* cursor, DataFile* file) const;

  const ManifestReadOptions* options_;
  AvroProgram program_;
  std::vector<PartitionValueReader> partition_;
  std::vector<bool> partition_found_;
  bool all_partition_found_ = true;
  std::vector<std::pair<int, ColumnMapReader>> maps_;  // by field id
  bool reads_lower_ = false;
  bool reads_upper_ = false;
};

}  // namespace moraine::iceberg

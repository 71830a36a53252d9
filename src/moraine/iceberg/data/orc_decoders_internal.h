#pragma once
// Decoders of the columns of an ORC stripe, each giving Arrow arrays (ORC specification v1, "Column
// Encodings"). Made by OrcRows.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <arrow/buffer.h>
#include <arrow/type_fwd.h>

#include "moraine/base/status.h"
#include "moraine/iceberg/data/orc_file_internal.h"
#include "moraine/iceberg/data/orc_runs_internal.h"

namespace moraine::iceberg {

/// The streams of a stripe by column and kind.
class OrcStreams {
 public:
  OrcStreams(OrcFile* file, const OrcStripeFooter& footer, int64_t window)
      : file_(file), footer_(footer), window_(window) {}

  bool Has(uint32_t column, OrcStream::Kind kind) const { return Find(column, kind) != nullptr; }
  OrcBytes Open(uint32_t column, OrcStream::Kind kind) const;
  const OrcEncoding& encoding(uint32_t column) const { return footer_.encodings[column]; }
  const std::string& time_zone() const { return footer_.time_zone; }

 private:
  const OrcStream* Find(uint32_t column, OrcStream::Kind kind) const;

  OrcFile* file_;
  const OrcStripeFooter& footer_;
  int64_t window_;
};

class OrcDecoder {
 public:
  OrcDecoder(uint32_t column, std::shared_ptr<arrow::DataType> type, arrow::MemoryPool* pool)
      : column_(column), type_(std::move(type)), pool_(pool) {}
  virtual ~OrcDecoder() = default;

  /// Begins a stripe.
  Status Open(const OrcStreams& streams);
  /// The next rows of the stripe. parent: a byte for each, 0 where the struct that holds the column
  /// is null; nullptr: it is there everywhere.
  Result<std::shared_ptr<arrow::ArrayData>> Decode(int64_t rows, const uint8_t* parent);
  /// Adds what each of the rows that come will take, about, of those that its parent has; takes
  /// none of them. Goes on where the last call ended. What is broken is found when they are
  /// decoded.
  void Measure(std::span<int64_t> bytes);
  /// Measure begins with the next rows again.
  void Rewind();

 protected:
  /// Which of the rows have a value.
  struct Presence {
    std::shared_ptr<arrow::Buffer> bytes;   // one a row; nullptr: all have
    std::shared_ptr<arrow::Buffer> bitmap;  // the same as Arrow has it
    int64_t nulls = 0;
    bool At(int64_t row) const { return bytes == nullptr || bytes->data()[row] != 0; }
    const uint8_t* mask() const { return bytes == nullptr ? nullptr : bytes->data(); }
  };
  virtual Status OpenValues(const OrcStreams& streams) = 0;
  /// Sets all but the type, the length and the bitmap (which is buffers[0]).
  virtual Status DecodeValues(int64_t rows, const Presence& present, arrow::ArrayData* out) = 0;
  /// As Measure, of those that are not null.
  virtual void MeasureValues(std::span<int64_t> bytes);
  virtual void RewindValues() {}

  const uint32_t column_;
  const std::shared_ptr<arrow::DataType> type_;
  arrow::MemoryPool* const pool_;

 private:
  Result<Presence> ReadPresence(int64_t rows, const uint8_t* parent);
  std::optional<OrcAhead<OrcBits, uint8_t>> present_;
};

/// Of a column without children. type: as ToFileColumns gives it.
std::unique_ptr<OrcDecoder> MakeLeafDecoder(const OrcType& orc, uint32_t column,
                                            const std::shared_ptr<arrow::DataType>& type,
                                            arrow::MemoryPool* pool);
/// fields: those of children.
std::unique_ptr<OrcDecoder> MakeStructDecoder(uint32_t column,
                                              std::vector<std::unique_ptr<OrcDecoder>> children,
                                              arrow::FieldVector fields, arrow::MemoryPool* pool);
/// children: element; or key and value.
std::unique_ptr<OrcDecoder> MakeRepeatedDecoder(uint32_t column,
                                                std::vector<std::unique_ptr<OrcDecoder>> children,
                                                const std::shared_ptr<arrow::DataType>& type,
                                                arrow::MemoryPool* pool);

}  // namespace moraine::iceberg

#include "moraine/iceberg/testing/other_formats.h"

#include <utility>

#include <arrow/adapters/orc/adapter.h>
#include <arrow/array.h>
#include <arrow/compute/cast.h>
#include <arrow/io/memory.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <arrow/util/decimal.h>
#include <arrow/util/key_value_metadata.h>

#include "moraine/iceberg/avro/avro_file.h"
#include "moraine/iceberg/avro/avro_type.h"

namespace moraine::iceberg {
namespace {

using ArrayPtr = std::shared_ptr<arrow::Array>;

void Must(const arrow::Status& status) { MORAINE_CHECK(status.ok(), status.ToString()); }
template <typename T>
T Must(arrow::Result<T> result) {
  MORAINE_CHECK(result.ok(), result.status().ToString());
  return std::move(result).ValueUnsafe();
}

std::shared_ptr<arrow::Field> OrcField(const Field& field, FieldIds ids) {
  auto attributes = std::make_shared<arrow::KeyValueMetadata>();
  const Type& type = *field.type;
  std::shared_ptr<arrow::DataType> orc = MakeRows({field}, "[]")->schema()->field(0)->type();
  if (type.kind() == TypeKind::kTime) {
    orc = arrow::int64();
    attributes->Append("iceberg.long-type", "TIME");
  } else if (type.kind() == TypeKind::kUuid || type.kind() == TypeKind::kFixed) {
    orc = arrow::binary();
    const bool is_uuid = type.kind() == TypeKind::kUuid;
    attributes->Append("iceberg.binary-type", is_uuid ? "UUID" : "FIXED");
    if (!is_uuid) attributes->Append("iceberg.length", std::to_string(type.length()));
  } else if (type.kind() == TypeKind::kStruct) {
    arrow::FieldVector children;
    for (const Field& child : type.fields()) children.push_back(OrcField(child, ids));
    orc = arrow::struct_(std::move(children));
  } else if (type.kind() == TypeKind::kList) {
    orc = arrow::list(OrcField(type.fields()[0], ids));
  } else if (type.kind() == TypeKind::kMap) {
    orc = std::make_shared<arrow::MapType>(OrcField(type.fields()[0], ids)->WithNullable(false),
                                           OrcField(type.fields()[1], ids));
  }
  if (ids == FieldIds::kLeftOut) return arrow::field(field.name, std::move(orc));
  attributes->Append("iceberg.id", std::to_string(field.id));
  attributes->Append("iceberg.required", field.required ? "true" : "false");
  return arrow::field(field.name, std::move(orc), !field.required, std::move(attributes));
}

ArrayPtr OrcArray(const ArrayPtr& array, const std::shared_ptr<arrow::DataType>& type) {
  if (type->id() == arrow::Type::INT64 && array->type_id() == arrow::Type::TIME64) {
    return Must(array->View(type));
  }
  if (type->id() == arrow::Type::BINARY && array->type_id() == arrow::Type::FIXED_SIZE_BINARY) {
    return Must(arrow::compute::Cast(*array, type));
  }
  std::shared_ptr<arrow::ArrayData> data = array->data()->Copy();
  data->type = type;
  return arrow::MakeArray(data);
}

void EncodeItems(const Type& type, const arrow::Array& items, int64_t begin, int64_t end,
                 AvroEncoder* to);

void EncodeNumber(const arrow::Array& array, int64_t row, AvroEncoder* to) {
  const uint8_t* bytes = array.data()->buffers[1]->data();
  const int64_t at = array.offset() + row;
  switch (array.type_id()) {
    case arrow::Type::BOOL:
      return to->Bool(static_cast<const arrow::BooleanArray&>(array).Value(row));
    case arrow::Type::INT32:
    case arrow::Type::DATE32:
      return to->Int(reinterpret_cast<const int32_t*>(bytes)[at]);
    case arrow::Type::FLOAT:
      return to->Float(reinterpret_cast<const float*>(bytes)[at]);
    case arrow::Type::DOUBLE:
      return to->Double(reinterpret_cast<const double*>(bytes)[at]);
    default:
      return to->Long(reinterpret_cast<const int64_t*>(bytes)[at]);
  }
}

void EncodeDecimal(const Type& type, const arrow::Array& array, int64_t row, AvroEncoder* to) {
  const auto& decimals = static_cast<const arrow::Decimal128Array&>(array);
  const std::string_view little = decimals.GetView(row);
  std::string big(little.rbegin(), little.rend());
  to->Fixed(std::string_view(big).substr(
      16 - static_cast<size_t>(DecimalRequiredBytes(type.precision()))));
}

void EncodeValue(const Field& field, const arrow::Array& array, int64_t row, AvroEncoder* to) {
  if (!field.required) to->Present(array.IsValid(row));
  if (array.IsNull(row)) return;
  switch (array.type_id()) {
    case arrow::Type::STRUCT: {
      const auto& rows = static_cast<const arrow::StructArray&>(array);
      for (int i = 0; i < rows.num_fields(); ++i) {
        EncodeValue(field.type->fields()[static_cast<size_t>(i)], *rows.field(i), row, to);
      }
      return;
    }
    case arrow::Type::LIST: {
      const auto& lists = static_cast<const arrow::ListArray&>(array);
      return EncodeItems(*field.type, *lists.values(), lists.value_offset(row),
                         lists.value_offset(row + 1), to);
    }
    case arrow::Type::MAP: {
      const auto& maps = static_cast<const arrow::MapArray&>(array);
      return EncodeItems(*field.type, *maps.values(), maps.value_offset(row),
                         maps.value_offset(row + 1), to);
    }
    case arrow::Type::STRING:
    case arrow::Type::BINARY:
      return to->Bytes(static_cast<const arrow::BinaryArray&>(array).GetView(row));
    case arrow::Type::FIXED_SIZE_BINARY:
      return to->Fixed(static_cast<const arrow::FixedSizeBinaryArray&>(array).GetView(row));
    case arrow::Type::DECIMAL128:
      return EncodeDecimal(*field.type, array, row, to);
    default:
      return EncodeNumber(array, row, to);
  }
}

void EncodeItems(const Type& type, const arrow::Array& items, int64_t begin, int64_t end,
                 AvroEncoder* to) {
  if (begin < end) to->Long(end - begin);
  for (int64_t at = begin; at < end; ++at) {
    if (type.kind() == TypeKind::kList) {
      EncodeValue(type.fields()[0], items, at, to);
      continue;
    }
    const auto& entries = static_cast<const arrow::StructArray&>(items);
    EncodeValue(type.fields()[0], *entries.field(0), at, to);
    EncodeValue(type.fields()[1], *entries.field(1), at, to);
  }
  to->Long(0);
}

}  // namespace

std::string OrcBytes(const std::vector<Field>& fields, const BatchPtr& rows, FieldIds ids,
                     int64_t stripe_rows) {
  arrow::FieldVector orc;
  arrow::ArrayVector arrays;
  for (size_t i = 0; i < fields.size(); ++i) {
    orc.push_back(OrcField(fields[i], ids));
    arrays.push_back(OrcArray(rows->column(static_cast<int>(i)), orc.back()->type()));
  }
  const auto all = arrow::RecordBatch::Make(arrow::schema(orc), rows->num_rows(), arrays);
  const auto out = Must(arrow::io::BufferOutputStream::Create());
  arrow::adapters::orc::WriteOptions options;
  options.stripe_size = 1;  // a stripe ends with the batch that fills it
  options.batch_size = stripe_rows;
  options.row_index_stride = 1000;
  auto writer = Must(arrow::adapters::orc::ORCFileWriter::Open(out.get(), options));
  Must(writer->Write(*all));
  Must(writer->Close());
  return Must(out->Finish())->ToString();
}

std::string AvroBytes(const std::vector<Field>& fields, const BatchPtr& rows, AvroCodec codec) {
  AvroFileWriter writer(codec);
  for (int64_t row = 0; row < rows->num_rows(); ++row) {
    AvroEncoder record = writer.record();
    for (size_t i = 0; i < fields.size(); ++i) {
      EncodeValue(fields[i], *rows->column(static_cast<int>(i)), row, &record);
    }
    const Status ended = writer.EndRecord();
    MORAINE_CHECK(ended.ok(), ended.ToString());
  }
  Result<std::string> bytes = writer.Finish(AvroSchemaJson(*Type::Struct(fields), "table"), {});
  MORAINE_CHECK(bytes.ok(), bytes.status().ToString());
  return std::move(bytes).value();
}

DataFile WriteRowsAs(FileFormat format, io::FileSystem& files, const std::string& location,
                     const std::vector<Field>& fields, std::string_view json) {
  const BatchPtr rows = MakeRows(fields, json);
  const std::string bytes =
      format == FileFormat::kOrc ? OrcBytes(fields, rows) : AvroBytes(fields, rows);
  Call call = TestCall();
  const Status written = io::WriteFile(call, files, location, bytes);
  MORAINE_CHECK(written.ok(), written.ToString());
  DataFile file;
  file.file_path = location;
  file.format = format;
  file.record_count = rows->num_rows();
  file.file_size_in_bytes = static_cast<int64_t>(bytes.size());
  return file;
}

}  // namespace moraine::iceberg

#include "moraine/iceberg/puffin/puffin_metadata.h"

#include <utility>

#include "moraine/base/json.h"

namespace moraine::iceberg {
namespace {

constexpr char kLz4Name[] = "lz4";
constexpr char kZstdName[] = "zstd";

void WriteBlob(const PuffinBlob& blob, JsonWriter* out) {
  out->BeginObject().Field("type", blob.type);
  out->Key("fields").BeginArray();
  for (int32_t id : blob.fields) out->Int(id);
  out->EndArray();
  out->Field("snapshot-id", blob.snapshot_id).Field("sequence-number", blob.sequence_number);
  out->Field("offset", blob.offset).Field("length", blob.length);
  if (blob.codec != PuffinCodec::kNone) {
    out->Field("compression-codec", blob.codec == PuffinCodec::kLz4 ? kLz4Name : kZstdName);
  }
  if (!blob.properties.empty()) {
    out->Key("properties");
    WriteStringMap(blob.properties, out);
  }
  out->EndObject();
}

Result<StringMap> ReadProperties(const JsonCursor& json) {
  MORAINE_ASSIGN(auto properties, json.Find("properties"));
  if (!properties) return StringMap();
  return StringMapFromJson(*properties);
}

Result<PuffinCodec> ReadCodec(const JsonCursor& json) {
  MORAINE_ASSIGN(auto name, json.OptString("compression-codec"));
  if (!name) return PuffinCodec::kNone;
  if (*name == kLz4Name) return PuffinCodec::kLz4;
  if (*name == kZstdName) return PuffinCodec::kZstd;
  return Unsupported(json.path() + ".compression-codec: expected lz4 or zstd, got " + *name);
}

Result<PuffinBlob> ReadBlob(const JsonCursor& json) {
  PuffinBlob blob;
  MORAINE_ASSIGN(blob.type, json.String("type"));
  MORAINE_ASSIGN(const JsonCursor fields, json.Get("fields"));
  MORAINE_TRY(fields.ExpectArray());
  for (size_t i = 0; i < fields.size(); ++i) {
    MORAINE_ASSIGN(const int32_t id, fields.At(i).Int32());
    blob.fields.push_back(id);
  }
  MORAINE_ASSIGN(blob.snapshot_id, json.Int64("snapshot-id"));
  MORAINE_ASSIGN(blob.sequence_number, json.Int64("sequence-number"));
  MORAINE_ASSIGN(blob.offset, json.Int64("offset"));
  MORAINE_ASSIGN(blob.length, json.Int64("length"));
  MORAINE_ASSIGN(blob.codec, ReadCodec(json));
  MORAINE_ASSIGN(blob.properties, ReadProperties(json));
  return blob;
}

}  // namespace

std::string PuffinMetadataToJson(const PuffinMetadata& metadata) {
  std::string text;
  JsonWriter out(&text);
  out.BeginObject().Key("blobs").BeginArray();
  for (const PuffinBlob& blob : metadata.blobs) WriteBlob(blob, &out);
  out.EndArray();
  if (!metadata.properties.empty()) {
    out.Key("properties");
    WriteStringMap(metadata.properties, &out);
  }
  out.EndObject();
  return text;
}

Result<PuffinMetadata> PuffinMetadataFromJson(std::string_view text) {
  MORAINE_ASSIGN(const Json document, Json::Parse(text));
  const JsonCursor json(document);
  MORAINE_TRY(json.ExpectObject());
  PuffinMetadata metadata;
  MORAINE_ASSIGN(const JsonCursor blobs, json.Get("blobs"));
  MORAINE_TRY(blobs.ExpectArray());
  for (size_t i = 0; i < blobs.size(); ++i) {
    MORAINE_ASSIGN(PuffinBlob blob, ReadBlob(blobs.At(i)));
    metadata.blobs.push_back(std::move(blob));
  }
  MORAINE_ASSIGN(metadata.properties, ReadProperties(json));
  return metadata;
}

}  // namespace moraine::iceberg

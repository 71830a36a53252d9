#include "moraine/iceberg/puffin/puffin_writer.h"

#include <utility>

#include "moraine/iceberg/puffin/puffin_codec.h"
#include "moraine/iceberg/puffin/puffin_layout_internal.h"

namespace moraine::iceberg {

Result<PuffinWriter> PuffinWriter::Create(Call& call, io::FileSystem& files,
                                          const std::string& location) {
  MORAINE_ASSIGN(auto file, files.Create(call, location));
  PuffinWriter writer(std::move(file));
  writer.metadata_.properties["created-by"] = "Moraine " MORAINE_VERSION;
  MORAINE_TRY(writer.file_->Append(call, kPuffinMagic));
  return writer;
}

Result<PuffinBlob> PuffinWriter::Add(Call& call, PuffinBlob blob, std::string_view bytes) {
  std::string packed;
  if (blob.codec != PuffinCodec::kNone) {
    MORAINE_ASSIGN(packed, PuffinCompress(blob.codec, bytes));
    bytes = packed;
  }
  blob.offset = file_->bytes_written();
  blob.length = static_cast<int64_t>(bytes.size());
  MORAINE_TRY(file_->Append(call, bytes));
  metadata_.blobs.push_back(blob);
  return blob;
}

Result<int64_t> PuffinWriter::Close(Call& call) {
  const std::string payload = PuffinMetadataToJson(metadata_);
  if (payload.size() > INT32_MAX) return Exhausted("a Puffin footer of over 2 GiB");
  std::string footer(kPuffinMagic);
  footer += payload;
  AppendLittleEndian32(static_cast<uint32_t>(payload.size()), &footer);
  AppendLittleEndian32(0, &footer);
  footer += kPuffinMagic;
  MORAINE_TRY(file_->Append(call, footer));
  footer_size_bytes_ = static_cast<int64_t>(footer.size());
  const int64_t size = file_->bytes_written();
  MORAINE_TRY(file_->Close(call));
  return size;
}

}  // namespace moraine::iceberg

#include "moraine/rewrite/gather_rows.h"

#include <cstring>
#include <limits>
#include <numeric>
#include <unordered_map>
#include <utility>

#include <arrow/array.h>
#include <arrow/array/array_dict.h>
#include <arrow/buffer.h>
#include <arrow/memory_pool.h>
#include <arrow/type.h>
#include <arrow/util/bit_util.h>

#include "moraine/io/arrow_status.h"

namespace moraine::rewrite {
namespace {

using ArrayPtr = std::shared_ptr<arrow::Array>;
using BufferPtr = std::shared_ptr<arrow::Buffer>;
using Picks = std::span<const RowPick>;

constexpr int64_t kBytesOfPick = sizeof(RowPick);

BufferPtr NoBuffer() { return nullptr; }

Result<BufferPtr> Allocate(int64_t bytes, arrow::MemoryPool* pool) {
  MORAINE_ASSIGN(std::unique_ptr<arrow::Buffer> buffer, arrow::AllocateBuffer(bytes, pool));
  return BufferPtr(std::move(buffer));
}

Result<BufferPtr> AllocateBits(int64_t bits, arrow::MemoryPool* pool) {
  MORAINE_ASSIGN(BufferPtr buffer, Allocate(arrow::bit_util::BytesForBits(bits), pool));
  std::memset(buffer->mutable_data(), 0, static_cast<size_t>(buffer->size()));
  return buffer;
}

// The bits of one array.
struct Bits {
  const uint8_t* data = nullptr;  // nullptr: all set
  int64_t offset = 0;
  bool at(int64_t i) const { return data == nullptr || arrow::bit_util::GetBit(data, offset + i); }
};

// Which rows of the arrays are null.
class Validity {
 public:
  explicit Validity(const std::vector<ArrayPtr>& arrays) {
    for (const ArrayPtr& array : arrays) {
      const bool has_nulls = array->null_count() > 0 && array->null_bitmap_data() != nullptr;
      has_nulls_ |= has_nulls;
      bits_.push_back(has_nulls ? Bits{array->null_bitmap_data(), array->offset()} : Bits{});
    }
  }
  bool has_nulls() const { return has_nulls_; }
  bool at(RowPick pick) const { return !has_nulls_ || bits_[pick.batch].at(pick.row); }

  /// The bitmap of the picks, or nothing when none is null.
  Result<BufferPtr> Take(Picks picks, arrow::MemoryPool* pool, int64_t* null_count) const {
    *null_count = 0;
    if (!has_nulls_) return NoBuffer();
    MORAINE_ASSIGN(BufferPtr buffer, AllocateBits(static_cast<int64_t>(picks.size()), pool));
    uint8_t* out = buffer->mutable_data();
    for (size_t i = 0; i < picks.size(); ++i) {
      const bool valid = bits_[picks[i].batch].at(picks[i].row);
      *null_count += valid ? 0 : 1;
      out[i / 8] = static_cast<uint8_t>(out[i / 8] | (valid ? 1 << (i % 8) : 0));
    }
    return buffer;
  }

 private:
  bool has_nulls_ = false;
  std::vector<Bits> bits_;
};

// What all kinds have.
class TypedGatherer : public ColumnGatherer {
 public:
  explicit TypedGatherer(std::vector<ArrayPtr> arrays)
      : arrays_(std::move(arrays)), validity_(arrays_) {}
  std::shared_ptr<arrow::DataType> type() const override { return arrays_[0]->type(); }

 protected:
  Result<ArrayPtr> Make(std::shared_ptr<arrow::DataType> type, Picks picks,
                        std::vector<BufferPtr> buffers,
                        std::vector<std::shared_ptr<arrow::ArrayData>> children,
                        arrow::MemoryPool* pool) const {
    int64_t null_count = 0;
    MORAINE_ASSIGN(buffers[0], validity_.Take(picks, pool, &null_count));
    return arrow::MakeArray(
        arrow::ArrayData::Make(std::move(type), static_cast<int64_t>(picks.size()),
                               std::move(buffers), std::move(children), null_count));
  }

  const std::vector<ArrayPtr> arrays_;
  const Validity validity_;
};

class NullGatherer final : public TypedGatherer {
 public:
  using TypedGatherer::TypedGatherer;
  int64_t row_bytes() const override { return 0; }
  Result<ArrayPtr> Take(Picks picks, int64_t /*max_bytes*/,
                        arrow::MemoryPool* /*pool*/) const override {
    return ArrayPtr(std::make_shared<arrow::NullArray>(static_cast<int64_t>(picks.size())));
  }
};

class BooleanGatherer final : public TypedGatherer {
 public:
  explicit BooleanGatherer(std::vector<ArrayPtr> arrays) : TypedGatherer(std::move(arrays)) {
    for (const ArrayPtr& array : arrays_) {
      const BufferPtr& values = array->data()->buffers[1];  // may lack where there are no elements
      values_.push_back({values == nullptr ? nullptr : values->data(), array->offset()});
    }
  }
  int64_t row_bytes() const override { return 1; }
  Result<ArrayPtr> Take(Picks picks, int64_t /*max_bytes*/,
                        arrow::MemoryPool* pool) const override {
    MORAINE_ASSIGN(BufferPtr values, AllocateBits(static_cast<int64_t>(picks.size()), pool));
    uint8_t* out = values->mutable_data();
    for (size_t i = 0; i < picks.size(); ++i) {
      if (values_[picks[i].batch].at(picks[i].row))
        arrow::bit_util::SetBit(out, static_cast<int64_t>(i));
    }
    return Make(type(), picks, {nullptr, std::move(values)}, {}, pool);
  }

 private:
  std::vector<Bits> values_;
};

template <size_t kWidth>
void CopyFixed(const std::vector<const uint8_t*>& from, Picks picks, uint8_t* out) {
  for (const RowPick pick : picks) {
    std::memcpy(out, from[pick.batch] + static_cast<size_t>(pick.row) * kWidth, kWidth);
    out += kWidth;
  }
}

class FixedGatherer final : public TypedGatherer {
 public:
  explicit FixedGatherer(std::vector<ArrayPtr> arrays)
      : TypedGatherer(std::move(arrays)),
        width_(static_cast<size_t>(
            static_cast<const arrow::FixedWidthType&>(*arrays_[0]->type()).bit_width() / 8)) {
    for (const ArrayPtr& array : arrays_) {
      const BufferPtr& values = array->data()->buffers[1];
      values_.push_back(values == nullptr
                            ? nullptr
                            : values->data() + static_cast<size_t>(array->offset()) * width_);
    }
  }
  int64_t row_bytes() const override { return static_cast<int64_t>(width_); }
  Result<ArrayPtr> Take(Picks picks, int64_t /*max_bytes*/,
                        arrow::MemoryPool* pool) const override {
    MORAINE_ASSIGN(BufferPtr values, Allocate(static_cast<int64_t>(picks.size() * width_), pool));
    Copy(picks, values->mutable_data());
    return Make(type(), picks, {nullptr, std::move(values)}, {}, pool);
  }

 private:
  void Copy(Picks picks, uint8_t* out) const {
    switch (width_) {
      case 1:
        return CopyFixed<1>(values_, picks, out);
      case 2:
        return CopyFixed<2>(values_, picks, out);
      case 4:
        return CopyFixed<4>(values_, picks, out);
      case 8:
        return CopyFixed<8>(values_, picks, out);
      case 16:
        return CopyFixed<16>(values_, picks, out);
      default:
        break;
    }
    for (const RowPick pick : picks) {
      if (width_ > 0) std::memcpy(out, values_[pick.batch] + pick.row * width_, width_);
      out += width_;
    }
  }

  const size_t width_;
  std::vector<const uint8_t*> values_;
};

// Indices of several dictionaries as indices of one.
class DictionaryGatherer final : public TypedGatherer {
 public:
  DictionaryGatherer(std::vector<ArrayPtr> arrays, std::vector<BufferPtr> transposes,
                     ArrayPtr dictionary)
      : TypedGatherer(std::move(arrays)),
        transposes_(std::move(transposes)),
        dictionary_(std::move(dictionary)) {
    for (const ArrayPtr& array : arrays_) {
      const auto& encoded = static_cast<const arrow::DictionaryArray&>(*array);
      indices_.push_back(static_cast<const arrow::Int32Array&>(*encoded.indices()).raw_values());
    }
    for (const BufferPtr& transpose : transposes_) {
      tables_.push_back(transpose == nullptr ? nullptr
                                             : reinterpret_cast<const int32_t*>(transpose->data()));
    }
  }
  int64_t row_bytes() const override { return sizeof(int32_t); }
  Result<ArrayPtr> Take(Picks picks, int64_t /*max_bytes*/,
                        arrow::MemoryPool* pool) const override {
    MORAINE_ASSIGN(BufferPtr values, Allocate(static_cast<int64_t>(picks.size() * 4), pool));
    auto* out = reinterpret_cast<int32_t*>(values->mutable_data());
    for (const RowPick pick : picks) {
      const int32_t* to = tables_[pick.batch];
      const int32_t index = indices_[pick.batch][pick.row];
      // What lies at a null's place may be no index.
      const bool valid = !validity_.has_nulls() || validity_.at(pick);
      *out++ = !valid ? 0 : to == nullptr ? index : to[index];
    }
    const auto index_type = arrow::int32();
    MORAINE_ASSIGN(ArrayPtr indices,
                   Make(index_type, picks, {nullptr, std::move(values)}, {}, pool));
    return ArrayPtr(
        std::make_shared<arrow::DictionaryArray>(type(), std::move(indices), dictionary_));
  }

 private:
  std::vector<const int32_t*> indices_;
  std::vector<const int32_t*> tables_;
  const std::vector<BufferPtr>
      transposes_;  // one for each array; nullptr: the dictionary is its own
  const ArrayPtr dictionary_;
};

// Strings and bytes, plain or behind dictionaries.
class BinaryGatherer final : public TypedGatherer {
 public:
  explicit BinaryGatherer(std::vector<ArrayPtr> arrays) : TypedGatherer(std::move(arrays)) {
    for (const ArrayPtr& array : arrays_) {
      Source source;
      const arrow::Array* strings = array.get();
      if (array->type_id() == arrow::Type::DICTIONARY) {
        const auto& encoded = static_cast<const arrow::DictionaryArray&>(*array);
        source.indices = static_cast<const arrow::Int32Array&>(*encoded.indices()).raw_values();
        strings = encoded.dictionary().get();
      }
      const auto& plain = static_cast<const arrow::BinaryArray&>(*strings);
      source.offsets = plain.raw_value_offsets();
      source.data = plain.value_data() == nullptr ? nullptr : plain.value_data()->data();
      sources_.push_back(source);
    }
  }
  std::shared_ptr<arrow::DataType> type() const override {
    const auto& type = arrays_[0]->type();
    if (type->id() != arrow::Type::DICTIONARY) return type;
    return static_cast<const arrow::DictionaryType&>(*type).value_type();
  }
  int64_t row_bytes() const override { return sizeof(int32_t); }
  void AddBytes(Picks picks, int64_t* bytes) const override {
    for (const RowPick pick : picks) *bytes++ += validity_.at(pick) ? ViewOf(pick).length : 0;
  }
  Result<ArrayPtr> Take(Picks picks, int64_t max_bytes, arrow::MemoryPool* pool) const override {
    MORAINE_ASSIGN(BufferPtr offsets, Allocate(static_cast<int64_t>(picks.size() + 1) * 4, pool));
    auto* ends = reinterpret_cast<int32_t*>(offsets->mutable_data());
    int64_t bytes = 0;
    *ends++ = 0;
    for (const RowPick pick : picks) {
      bytes += validity_.at(pick) ? ViewOf(pick).length : 0;
      if (bytes > std::numeric_limits<int32_t>::max()) {
        if (picks.size() > 1) return ArrayPtr();
        return Exhausted("more than 2 GiB in one string");
      }
      *ends++ = static_cast<int32_t>(bytes);
    }
    if (bytes > max_bytes && picks.size() > 1) return ArrayPtr();
    MORAINE_ASSIGN(BufferPtr values, Allocate(bytes, pool));
    uint8_t* out = values->mutable_data();
    for (const RowPick pick : picks) {
      if (!validity_.at(pick)) continue;
      const View view = ViewOf(pick);
      if (view.length > 0) std::memcpy(out, view.data, static_cast<size_t>(view.length));
      out += view.length;
    }
    return Make(type(), picks, {nullptr, std::move(offsets), std::move(values)}, {}, pool);
  }

 private:
  struct Source {
    const int32_t* indices = nullptr;
    const int32_t* offsets = nullptr;
    const uint8_t* data = nullptr;
  };
  struct View {
    const uint8_t* data;
    int64_t length;
  };
  View ViewOf(RowPick pick) const {
    const Source& source = sources_[pick.batch];
    const size_t at =
        source.indices == nullptr ? pick.row : static_cast<size_t>(source.indices[pick.row]);
    return {source.data + source.offsets[at], source.offsets[at + 1] - source.offsets[at]};
  }

  std::vector<Source> sources_;
};

class StructGatherer final : public TypedGatherer {
 public:
  static Result<std::unique_ptr<ColumnGatherer>> Make(std::vector<ArrayPtr> arrays,
                                                      GatheredDictionaries dictionaries,
                                                      arrow::MemoryPool* pool) {
    std::vector<std::unique_ptr<ColumnGatherer>> children;
    for (int child = 0; child < arrays[0]->type()->num_fields(); ++child) {
      std::vector<ArrayPtr> parts;
      for (const ArrayPtr& array : arrays)
        parts.push_back(static_cast<const arrow::StructArray&>(*array).field(child));
      MORAINE_ASSIGN(auto gatherer, MakeColumnGatherer(std::move(parts), dictionaries, pool));
      children.push_back(std::move(gatherer));
    }
    return std::unique_ptr<ColumnGatherer>(
        new StructGatherer(std::move(arrays), std::move(children)));
  }
  int64_t row_bytes() const override {
    int64_t bytes = 0;
    for (const auto& child : children_) bytes += child->row_bytes();
    return bytes;
  }
  void AddBytes(Picks picks, int64_t* bytes) const override {
    for (const auto& child : children_) child->AddBytes(picks, bytes);
  }
  Result<ArrayPtr> Take(Picks picks, int64_t max_bytes, arrow::MemoryPool* pool) const override {
    std::vector<std::shared_ptr<arrow::ArrayData>> children;
    for (const auto& child : children_) {
      MORAINE_ASSIGN(const ArrayPtr taken, child->Take(picks, max_bytes, pool));
      if (taken == nullptr) return ArrayPtr();
      children.push_back(taken->data());
    }
    return TypedGatherer::Make(type(), picks, {nullptr}, std::move(children), pool);
  }

 private:
  StructGatherer(std::vector<ArrayPtr> arrays,
                 std::vector<std::unique_ptr<ColumnGatherer>> children)
      : TypedGatherer(std::move(arrays)), children_(std::move(children)) {}
  const std::vector<std::unique_ptr<ColumnGatherer>> children_;
};

// Lists, and maps, which are lists of entries.
class ListGatherer final : public TypedGatherer {
 public:
  static Result<std::unique_ptr<ColumnGatherer>> Make(std::vector<ArrayPtr> arrays,
                                                      GatheredDictionaries dictionaries,
                                                      arrow::MemoryPool* pool) {
    std::vector<ArrayPtr> parts;
    for (const ArrayPtr& array : arrays)
      parts.push_back(static_cast<const arrow::ListArray&>(*array).values());
    MORAINE_ASSIGN(auto elements, MakeColumnGatherer(std::move(parts), dictionaries, pool));
    return std::unique_ptr<ColumnGatherer>(
        new ListGatherer(std::move(arrays), std::move(elements)));
  }
  int64_t row_bytes() const override { return sizeof(int32_t); }
  void AddBytes(Picks picks, int64_t* bytes) const override {
    std::vector<RowPick> elements;
    std::vector<int64_t> varying;
    for (const RowPick& pick : picks) {
      elements.clear();
      AddElements(pick, &elements);
      varying.assign(elements.size(), elements_->row_bytes());
      elements_->AddBytes(elements, varying.data());
      *bytes++ += std::accumulate(varying.begin(), varying.end(), int64_t{0});
    }
  }
  Result<ArrayPtr> Take(Picks picks, int64_t max_bytes, arrow::MemoryPool* pool) const override {
    MORAINE_ASSIGN(BufferPtr offsets, Allocate(static_cast<int64_t>(picks.size() + 1) * 4, pool));
    auto* ends = reinterpret_cast<int32_t*>(offsets->mutable_data());
    if (picks.size() > 1 && ElementCount(picks) * kBytesOfPick > max_bytes) return ArrayPtr();
    const std::vector<RowPick> elements = Elements(picks, ends);
    // The elements of one row stay together, however large they are.
    const int64_t limit = picks.size() > 1 ? max_bytes : std::numeric_limits<int64_t>::max();
    MORAINE_ASSIGN(const ArrayPtr values, elements_->Take(elements, limit, pool));
    if (values == nullptr && picks.size() > 1) return ArrayPtr();
    if (values == nullptr) return Exhausted("more than 2 GiB in one list");
    return TypedGatherer::Make(type(), picks, {nullptr, std::move(offsets)}, {values->data()},
                               pool);
  }

 private:
  ListGatherer(std::vector<ArrayPtr> arrays, std::unique_ptr<ColumnGatherer> elements)
      : TypedGatherer(std::move(arrays)), elements_(std::move(elements)) {
    for (const ArrayPtr& array : arrays_)
      offsets_.push_back(static_cast<const arrow::ListArray&>(*array).raw_value_offsets());
  }
  int64_t ElementCount(Picks picks) const {
    int64_t count = 0;
    for (const RowPick pick : picks) {
      const int32_t* offsets = offsets_[pick.batch] + pick.row;
      count += validity_.at(pick) ? offsets[1] - offsets[0] : 0;
    }
    return count;
  }
  void AddElements(RowPick pick, std::vector<RowPick>* elements) const {
    if (!validity_.at(pick)) return;
    const int32_t* offsets = offsets_[pick.batch] + pick.row;
    for (int32_t i = offsets[0]; i < offsets[1]; ++i)
      elements->push_back({pick.batch, static_cast<uint32_t>(i)});
  }
  /// Their picks, and where each row's end.
  std::vector<RowPick> Elements(Picks picks, int32_t* ends) const {
    std::vector<RowPick> elements;
    *ends++ = 0;
    for (const RowPick pick : picks) {
      AddElements(pick, &elements);
      *ends++ = static_cast<int32_t>(elements.size());
    }
    return elements;
  }

  std::vector<const int32_t*> offsets_;
  const std::unique_ptr<ColumnGatherer> elements_;
};

bool HaveOneDictionaryType(const std::vector<ArrayPtr>& arrays) {
  int64_t values = 0;
  const arrow::ArrayData* last = nullptr;
  for (const ArrayPtr& array : arrays) {
    if (array->type_id() != arrow::Type::DICTIONARY || !array->type()->Equals(*arrays[0]->type()))
      return false;
    const auto& dictionary = *static_cast<const arrow::DictionaryArray&>(*array).dictionary();
    if (dictionary.data().get() == last) continue;
    last = dictionary.data().get();
    // Unifying hashes them all, so many small ones are no better than a large one.
    values += dictionary.length();
    if (dictionary.null_count() > 0 || dictionary.length() > kMaxDictionaryValues ||
        values > 64 * kMaxDictionaryValues)
      return false;
  }
  return true;
}

/// nullptr: they have too many values together.
Result<std::unique_ptr<ColumnGatherer>> MakeDictionaryGatherer(std::vector<ArrayPtr> arrays,
                                                               arrow::MemoryPool* pool) {
  std::vector<BufferPtr> transposes;
  std::unordered_map<const arrow::ArrayData*, BufferPtr> known;
  const auto& type = static_cast<const arrow::DictionaryType&>(*arrays[0]->type());
  MORAINE_ASSIGN(auto unifier, arrow::DictionaryUnifier::Make(type.value_type(), pool));
  ArrayPtr last;
  for (const ArrayPtr& array : arrays) {
    last = static_cast<const arrow::DictionaryArray&>(*array).dictionary();
    auto [place, is_new] = known.try_emplace(last->data().get());
    if (is_new) MORAINE_TRY(unifier->Unify(*last, &place->second));
    transposes.push_back(place->second);
  }
  if (known.size() == 1) {
    for (BufferPtr& transpose : transposes) transpose = nullptr;
    return std::unique_ptr<ColumnGatherer>(std::make_unique<DictionaryGatherer>(
        std::move(arrays), std::move(transposes), std::move(last)));
  }
  ArrayPtr dictionary;
  MORAINE_TRY(unifier->GetResultWithIndexType(arrow::int32(), &dictionary));
  if (dictionary->length() > kMaxDictionaryValues) return std::unique_ptr<ColumnGatherer>();
  return std::unique_ptr<ColumnGatherer>(std::make_unique<DictionaryGatherer>(
      std::move(arrays), std::move(transposes), std::move(dictionary)));
}

arrow::Type::type ValueTypeId(const arrow::DataType& type) {
  if (type.id() != arrow::Type::DICTIONARY) return type.id();
  return static_cast<const arrow::DictionaryType&>(type).value_type()->id();
}

}  // namespace

Result<std::unique_ptr<ColumnGatherer>> MakeColumnGatherer(std::vector<ArrayPtr> arrays,
                                                           GatheredDictionaries dictionaries,
                                                           arrow::MemoryPool* pool) {
  const auto id = ValueTypeId(*arrays[0]->type());
  if (dictionaries == GatheredDictionaries::kKeep && HaveOneDictionaryType(arrays)) {
    MORAINE_ASSIGN(auto gatherer, MakeDictionaryGatherer(arrays, pool));
    if (gatherer != nullptr) return gatherer;
  }
  if (id == arrow::Type::STRING || id == arrow::Type::BINARY)
    return std::unique_ptr<ColumnGatherer>(std::make_unique<BinaryGatherer>(std::move(arrays)));
  if (id == arrow::Type::STRUCT) return StructGatherer::Make(std::move(arrays), dictionaries, pool);
  if (id == arrow::Type::LIST || id == arrow::Type::MAP)
    return ListGatherer::Make(std::move(arrays), dictionaries, pool);
  if (id == arrow::Type::NA)
    return std::unique_ptr<ColumnGatherer>(std::make_unique<NullGatherer>(std::move(arrays)));
  if (id == arrow::Type::BOOL)
    return std::unique_ptr<ColumnGatherer>(std::make_unique<BooleanGatherer>(std::move(arrays)));
  if (arrow::is_fixed_width(id))
    return std::unique_ptr<ColumnGatherer>(std::make_unique<FixedGatherer>(std::move(arrays)));
  return Unsupported("sorting rows with a column of type " + arrays[0]->type()->ToString());
}

}  // namespace moraine::rewrite

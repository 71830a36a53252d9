#include "moraine/splice/schema_tree.h"

#include <optional>
#include <string>
#include <utility>

#include "moraine/splice/thrift.h"

namespace moraine::splice {
namespace {

constexpr int kMaxDepth = 128;
constexpr size_t kMaxPathBytes = size_t{64} << 20;

struct Element {
  std::optional<int32_t> type;
  int32_t type_length = 0;
  int32_t repetition = 0;  // required, optional, repeated
  std::string name;
  int32_t children = 0;
};

std::vector<Element> ReadElements(ThriftReader& in) {
  std::vector<Element> elements;
  const ThriftField list{0, ThriftType::kList};
  in.List(list, ThriftType::kStruct, [&] {
    Element element;
    in.Struct([&](const ThriftField& field) {
      switch (field.id) {
        case 1:
          element.type = in.I32(field);
          return;
        case 2:
          element.type_length = in.I32(field);
          return;
        case 3:
          element.repetition = in.I32(field);
          return;
        case 4:
          element.name = std::string(in.Binary(field));
          return;
        case 5:
          element.children = in.I32(field);
          return;
        default:
          in.Skip(field.type);
      }
    });
    elements.push_back(std::move(element));
  });
  return elements;
}

class Tree {
 public:
  explicit Tree(const std::vector<Element>& elements) : elements_(elements) {}

  Status Visit(int depth, int16_t definition, int16_t repetition) {
    if (at_ >= elements_.size() || depth > kMaxDepth) {
      return Corruption("the schema's elements are no tree");
    }
    const Element& element = elements_[at_++];
    const bool is_root = depth == 0;
    if (!is_root) {
      path_.push_back(element.name);
      repetitions_.push_back(element.repetition == 0 ? 'r' : element.repetition == 1 ? 'o' : 'l');
      definition = static_cast<int16_t>(definition + (element.repetition != 0 ? 1 : 0));
      repetition = static_cast<int16_t>(repetition + (element.repetition == 2 ? 1 : 0));
    }
    if (element.children > 0 || is_root) {
      for (int32_t i = 0; i < element.children; ++i) {
        MORAINE_TRY(Visit(depth + 1, definition, repetition));
      }
    } else {
      MORAINE_TRY(AddLeaf(element, definition, repetition));
    }
    if (!is_root) {
      path_.pop_back();
      repetitions_.pop_back();
    }
    return {};
  }
  bool at_end() const { return at_ == elements_.size(); }
  std::vector<Leaf> TakeLeaves() { return std::move(leaves_); }

 private:
  Status AddLeaf(const Element& element, int16_t definition, int16_t repetition) {
    if (!element.type || *element.type < 0 || *element.type > 7) {
      return Corruption("the column " + element.name + " is of no type");
    }
    const auto type = static_cast<Physical>(*element.type);
    if (type == Physical::kFixed && element.type_length <= 0) {
      return Corruption("the column " + element.name + " has values of no length");
    }
    for (const std::string& name : path_) path_bytes_ += name.size();
    if (path_bytes_ > kMaxPathBytes) return Corruption("the names of the columns are too long");
    leaves_.push_back({type, element.type_length, definition, repetition, path_, repetitions_});
    return {};
  }

  const std::vector<Element>& elements_;
  size_t at_ = 0;
  std::vector<std::string> path_;
  std::string repetitions_;
  size_t path_bytes_ = 0;
  std::vector<Leaf> leaves_;
};

}  // namespace

Result<std::vector<Leaf>> ParseLeaves(std::string_view schema) {
  ThriftReader in(schema);
  const std::vector<Element> elements = ReadElements(in);
  if (!in.ok()) return Corruption(std::string("the schema ") + in.error());
  Tree tree(elements);
  MORAINE_TRY(tree.Visit(0, 0, 0));
  if (!tree.at_end()) return Corruption("the schema's elements are no tree");
  return tree.TakeLeaves();
}

}  // namespace moraine::splice

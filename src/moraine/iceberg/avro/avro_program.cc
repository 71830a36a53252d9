#include "moraine/iceberg/avro/avro_program.h"

#include <fmt/format.h>

namespace moraine::iceberg {
namespace {

constexpr int kMaxDepth = 128;

}  // namespace

size_t AvroSkipper::Fence() {
  fence_ = code_.size();
  return fence_;
}

void AvroSkipper::Emit(Op op, uint64_t a, bool may_merge) {
  if (may_merge && code_.size() > fence_ && code_.back().op == op) {
    code_.back().a += a;
    return;
  }
  code_.push_back({op, a, 0});
}

void AvroSkipper::Append(const AvroSchema& schema, int index) {
  const AvroNode& node = schema.node(index);
  if (node.min_bytes == 0) return;
  if (node.kind == AvroKind::kRecord && node.references > 1) {
    wanted_calls_.push_back(index);
    Emit(Op::kCall, static_cast<uint64_t>(index), false);
    return;
  }
  AppendInline(schema, index);
}

void AvroSkipper::AppendInline(const AvroSchema& schema, int index) {
  const AvroNode& node = schema.node(index);
  switch (node.kind) {
    case AvroKind::kNull:
      return;
    case AvroKind::kBoolean:
      return Emit(Op::kFixed, 1, true);
    case AvroKind::kInt:
    case AvroKind::kLong:
    case AvroKind::kEnum:
      return Emit(Op::kVarints, 1, true);
    case AvroKind::kFloat:
      return Emit(Op::kFixed, 4, true);
    case AvroKind::kDouble:
      return Emit(Op::kFixed, 8, true);
    case AvroKind::kFixed:
      return Emit(Op::kFixed, static_cast<uint64_t>(node.size), true);
    case AvroKind::kBytes:
    case AvroKind::kString:
      return Emit(Op::kBytes, 1, true);
    case AvroKind::kUnion:
      return AppendUnion(schema, node);
    case AvroKind::kRecord:
      for (const AvroField& field : node.fields) Append(schema, field.node);
      return;
    case AvroKind::kArray:
    case AvroKind::kMap: {
      const size_t at = code_.size();
      const bool is_map = node.kind == AvroKind::kMap;
      const size_t item_bytes = schema.node(node.children[0]).min_bytes + (is_map ? 1 : 0);
      Emit(Op::kBlocks, item_bytes, false);
      Fence();
      if (is_map) Emit(Op::kBytes, 1, true);
      Append(schema, node.children[0]);
      code_[at].b = Fence();
      return;
    }
  }
}

void AvroSkipper::AppendUnion(const AvroSchema& schema, const AvroNode& node) {
  Emit(Op::kUnion, node.children.size(), false);
  const size_t table = code_.size();
  for (size_t i = 0; i < node.children.size(); ++i) Emit(Op::kJump, 0, false);
  for (size_t i = 0; i < node.children.size(); ++i) {
    Fence();
    Append(schema, node.children[i]);
    code_[table + i].b = Fence();
  }
  // What follows the union is where its last branch ends.
  code_[table - 1].b = code_.size();
}

void AvroSkipper::Link(const AvroSchema& schema) {
  calls_.assign(schema.node_count(), {0, 0});
  std::vector<char> done(schema.node_count());
  while (!wanted_calls_.empty()) {
    const int node = wanted_calls_.back();
    wanted_calls_.pop_back();
    const auto at = static_cast<size_t>(node);
    if (done[at]) continue;
    done[at] = 1;
    const size_t begin = Fence();
    AppendInline(schema, node);
    calls_[at] = {begin, Fence()};
  }
}

void AvroSkipper::RunRange(size_t begin, size_t end, AvroCursor* cursor, int depth) const {
  if (depth > kMaxDepth) return cursor->Fail();
  for (size_t pc = begin; pc < end;) {
    const Instruction& step = code_[pc];
    switch (step.op) {
      case Op::kVarints:
        cursor->SkipVarints(step.a);
        break;
      case Op::kFixed:
        cursor->SkipFixed(static_cast<int64_t>(step.a));
        break;
      case Op::kBytes:
        for (uint64_t i = 0; i < step.a; ++i) cursor->SkipBytes();
        break;
      case Op::kBlocks:
        RunBlocks(pc, cursor, depth);
        pc = step.b;
        continue;
      case Op::kUnion:
        RunUnion(pc, cursor, depth);
        pc = step.b;
        continue;
      case Op::kCall:
        RunRange(calls_[step.a].first, calls_[step.a].second, cursor, depth + 1);
        break;
      case Op::kJump:
        break;
    }
    if (!cursor->ok()) return;
    ++pc;
  }
}

void AvroSkipper::RunBlocks(size_t at, AvroCursor* cursor, int depth) const {
  const size_t begin = at + 1;
  const size_t end = code_[at].b;
  while (const uint64_t count = cursor->SkipBlockCount(code_[at].a)) {
    if (begin == end) continue;  // items without bytes
    if (begin + 1 == end && code_[begin].op == Op::kVarints) {
      cursor->SkipVarints(count * code_[begin].a);
      continue;
    }
    if (begin + 2 == end && code_[begin].op == Op::kVarints && code_[begin].a == 1 &&
        code_[begin + 1].op == Op::kBytes && code_[begin + 1].a == 1) {
      // A map from column id to bound. Broken bytes leave nothing to read, so the loop needs no
      // check.
      for (uint64_t i = 0; i < count; ++i) {
        cursor->ReadLong();
        cursor->SkipBytes();
      }
      continue;
    }
    for (uint64_t i = 0; i < count && cursor->ok(); ++i) RunRange(begin, end, cursor, depth + 1);
  }
}

void AvroSkipper::RunUnion(size_t at, AvroCursor* cursor, int depth) const {
  const uint64_t branches = code_[at].a;
  const auto branch = static_cast<uint64_t>(cursor->ReadLong());
  if (branch >= branches) return cursor->Fail();
  const size_t table = at + 1;
  const size_t begin = branch == 0 ? table + branches : code_[table + branch - 1].b;
  const size_t end = code_[table + branch].b;
  if (begin != end) RunRange(begin, end, cursor, depth + 1);
}

Result<AvroProgram> AvroProgram::Compile(const AvroSchema& schema, int root,
                                         const AvroSelect& select) {
  AvroProgram program;
  std::vector<const AvroField*> path;
  MORAINE_TRY(program.Add(schema, root, select, &path));
  program.skipper_.Link(schema);
  return program;
}

Status AvroProgram::Add(const AvroSchema& schema, int record, const AvroSelect& select,
                        std::vector<const AvroField*>* path) {
  const AvroNode& node = schema.node(record);
  const auto name = [&] { return path->empty() ? "the file" : path->back()->name; };
  if (node.kind != AvroKind::kRecord) {
    return Corruption(fmt::format("Avro schema of {}: expected a record, got {}", name(),
                                  AvroKindName(node.kind)));
  }
  if (path->size() > static_cast<size_t>(kMaxDepth)) {
    return Corruption("Avro records are nested too deeply");
  }
  for (const AvroField& field : node.fields) {
    const AvroWant want = select(*path, field);
    if (want.action == AvroWant::Action::kSkip) {
      AddSkip(schema, field.node);
      continue;
    }
    const std::optional<AvroOptional> type = AsOptional(schema, field.node);
    if (!type) {
      return Corruption(
          fmt::format("Avro field {}: expected a type or a union of it with null, got "
                      "another union",
                      field.name));
    }
    if (want.action == AvroWant::Action::kRead) {
      steps_.push_back({.slot = want.slot, .type = *type});
      continue;
    }
    if (type->is_union) steps_.push_back({.slot = AvroStep::kEnterSlot, .type = *type});
    path->push_back(&field);
    MORAINE_TRY(Add(schema, type->node, select, path));
    path->pop_back();
  }
  return {};
}

void AvroProgram::AddSkip(const AvroSchema& schema, int node) {
  const bool extends = !steps_.empty() && steps_.back().is_skip();
  const size_t begin = extends ? steps_.back().skip_begin : skipper_.Fence();
  skipper_.Append(schema, node);
  if (skipper_.size() == begin) return;
  if (!extends) steps_.push_back({.skip_begin = begin});
  steps_.back().skip_end = skipper_.size();
}

}  // namespace moraine::iceberg

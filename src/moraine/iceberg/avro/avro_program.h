#pragma once
// How to walk the records of one file, compiled once from the file's schema and what the reader
// wants (resolved by field id): a flat list of steps, where fields that nobody wants have melted
// into a few instructions that pass over their bytes. Nested records that the reader goes into are
// flattened too.
//
// The reader runs the steps itself, so that values go straight where they belong:
//   for (const AvroStep& step : program.steps()) {
//     if (step.is_skip()) program.Skip(step, &cursor);
//     else if (ReadPresence(step, &cursor)) ... switch (step.slot) ...
//   }

#include <cstdint>
#include <functional>
#include <vector>

#include "moraine/base/status.h"
#include "moraine/iceberg/avro/avro_cursor.h"
#include "moraine/iceberg/avro/avro_schema.h"

namespace moraine::iceberg {

/// Passes over values of types: straight-line code with counted loops.
class AvroSkipper {
 public:
  /// Adds code for a type; equal neighbours melt into one instruction. Returns nothing to run for
  /// types that take no bytes.
  void Append(const AvroSchema& schema, int node);
  size_t size() const { return code_.size(); }
  /// Keeps code added from now on apart from code before (the start of a range to Run).
  size_t Fence();
  /// Compiles the named types that the code calls. Once, after the last Append.
  void Link(const AvroSchema& schema);
  /// Runs code [begin, end) of Append. Broken bytes make the cursor fail.
  void Run(size_t begin, size_t end, AvroCursor* cursor) const { RunRange(begin, end, cursor, 0); }

 private:
  enum class Op : uint8_t {
    kVarints,  // a of them
    kFixed,    // a bytes
    kBytes,    // a times: length, bytes
    kBlocks,   // array or map: code up to b is one item, of at least a bytes
    kUnion,    // a branches; then as many kJump
    kJump,     // the end of this branch's code is b (its begin follows the table or the one before)
    kCall,     // the code of named type a
  };
  struct Instruction {
    Op op;
    uint64_t a;
    size_t b;
  };
  void Emit(Op op, uint64_t a, bool may_merge);
  void AppendInline(const AvroSchema& schema, int node);
  void AppendUnion(const AvroSchema& schema, const AvroNode& node);
  void RunRange(size_t begin, size_t end, AvroCursor* cursor, int depth) const;
  void RunBlocks(size_t at, AvroCursor* cursor, int depth) const;
  void RunUnion(size_t at, AvroCursor* cursor, int depth) const;

  std::vector<Instruction> code_;
  std::vector<std::pair<size_t, size_t>> calls_;  // by node: its range, once linked
  std::vector<int> wanted_calls_;
  size_t fence_ = 0;
};

/// What a reader does with a field.
struct AvroWant {
  enum class Action : uint8_t { kSkip, kRead, kDescend };
  Action action = Action::kSkip;
  int slot = 0;  ///< kRead: the reader's own number

  static AvroWant Skip() { return {}; }
  static AvroWant Read(int slot) { return {Action::kRead, slot}; }
  static AvroWant Descend() { return {Action::kDescend, 0}; }
};
/// Asked once per field, with the chain of fields that holds it (empty: a field of the root).
using AvroSelect =
    std::function<AvroWant(const std::vector<const AvroField*>& path, const AvroField& field)>;

struct AvroStep {
  static constexpr int kSkipSlot = -1;
  static constexpr int kEnterSlot =
      -2;  ///< a union before a record that is gone into: must not be null
  int slot = kSkipSlot;
  AvroOptional type;  ///< kRead: what to expect
  size_t skip_begin = 0;
  size_t skip_end = 0;
  bool is_skip() const { return slot == kSkipSlot; }
};

class AvroProgram {
 public:
  /// root must be a record. Errors: Corruption naming the field: a wanted field of a union of
  /// several types, a descent into what is no record.
  static Result<AvroProgram> Compile(const AvroSchema& schema, int root, const AvroSelect& select);

  const std::vector<AvroStep>& steps() const { return steps_; }
  void Skip(const AvroStep& step, AvroCursor* cursor) const {
    skipper_.Run(step.skip_begin, step.skip_end, cursor);
  }

 private:
  Status Add(const AvroSchema& schema, int record, const AvroSelect& select,
             std::vector<const AvroField*>* path);
  void AddSkip(const AvroSchema& schema, int node);

  std::vector<AvroStep> steps_;
  AvroSkipper skipper_;
};

/// Reads a step's branch number, if it has one. False: the value is null.
inline bool ReadPresence(const AvroOptional& type, AvroCursor* cursor) {
  if (!type.is_union) return true;
  const int64_t branch = cursor->ReadLong();
  if (branch == type.value_branch) return true;
  if (branch != type.null_branch) [[unlikely]]
    cursor->Fail();
  return false;
}

}  // namespace moraine::iceberg

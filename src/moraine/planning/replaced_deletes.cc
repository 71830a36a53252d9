#include "moraine/planning/replaced_deletes.h"

#include <algorithm>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <string_view>
#include <tuple>

#include <fmt/format.h>

#include "moraine/iceberg/data/delete_filter.h"
#include "moraine/iceberg/manifest/capped_sum.h"
#include "moraine/planning/fan_out.h"
#include "moraine/planning/passing_files.h"

namespace moraine::planning {
namespace {

using iceberg::DataFile;
using iceberg::DeleteFilter;
using iceberg::PositionSet;

constexpr size_t kLeastFiles = 64;
/// Vectors of one Puffin file that are read one after the other, with one opening.
constexpr size_t kVectorsAtOnce = 64;
/// How often new deletes that name no data file are read, where they do not fit at once.
constexpr int kMostPasses = 32;

/// A file that stays and had deletes by position.
struct Target {
  size_t work = 0;
  const DataFile* data = nullptr;
  std::vector<const DataFile*> before;
  std::vector<const DataFile*> now;  ///< those that name it
};
using Targets = std::span<const Target>;

/// What is read at once, and the targets (indices) that it may be about.
struct Unit {
  std::vector<const DataFile*> files;
  std::shared_ptr<std::vector<size_t>> targets = std::make_shared<std::vector<size_t>>();
};

int64_t BytesOf(const DataFile& deletes) {
  return deletes.is_deletion_vector() ? deletes.content_size_in_bytes.value_or(0)
                                      : deletes.file_size_in_bytes;
}

std::vector<const DataFile*> PositionDeletesOf(const tasks::RewriteTask& task,
                                               const tasks::InputFile& input) {
  std::vector<const DataFile*> found;
  std::vector<const DataFile*> vectors;
  for (const int32_t index : input.deletes) {
    const DataFile& file = task.deletes[static_cast<size_t>(index)].file;
    if (file.content != iceberg::FileContent::kPositionDeletes) continue;
    (file.is_deletion_vector() ? vectors : found).push_back(&file);
  }
  return vectors.empty() ? found : vectors;  // a vector holds all of its file
}

/// Behind the first done ones, which are not looked at again.
void AddTargets(const FinishedWork& work, size_t index, size_t done, std::vector<Target>* targets) {
  std::map<std::string_view, std::vector<const DataFile*>> made;
  for (const DataFile& file : work.output->delete_files) {
    if (file.referenced_data_file) made[*file.referenced_data_file].push_back(&file);
  }
  for (const tasks::InputFile& input : work.task->rewrite_positions) {
    Target target{index, &input.file, PositionDeletesOf(*work.task, input), {}};
    if (target.before.empty()) continue;
    if (done > 0) {
      --done;
      continue;
    }
    if (const auto own = made.find(input.file.file_path); own != made.end())
      target.now = own->second;
    targets->push_back(std::move(target));
  }
}

/// Makes units of files, each once.
class Units {
 public:
  /// owner: what can't be read together with others.
  void Add(const DataFile* file, size_t target, size_t owner) {
    const auto [at, is_new] = known_.emplace(
        std::tuple(owner, std::string_view(file->file_path), file->content_offset.value_or(-1)),
        units_.size());
    if (!is_new) {
      units_[at->second].targets->push_back(target);
      return;
    }
    if (file->is_deletion_vector()) {
      const auto last = last_of_.find({owner, file->file_path});
      if (last != last_of_.end() && units_[last->second].files.size() < kVectorsAtOnce) {
        at->second = last->second;
        units_[last->second].files.push_back(file);
        units_[last->second].targets->push_back(target);
        return;
      }
      last_of_[{owner, file->file_path}] = units_.size();
    }
    Unit unit;
    unit.files.push_back(file);
    unit.targets->push_back(target);
    units_.push_back(std::move(unit));
  }
  void Add(Unit unit) { units_.push_back(std::move(unit)); }

  const std::vector<Unit>& all() const { return units_; }

 private:
  std::map<std::tuple<size_t, std::string_view, int64_t>, size_t> known_;
  std::map<std::pair<size_t, std::string_view>, size_t> last_of_;
  std::vector<Unit> units_;
};

std::pair<int32_t, int32_t> KeyOf(const FinishedWork& work) {
  return {work.task->task_id, work.task->attempt};
}

class DeleteChecker {
 public:
  DeleteChecker(io::FileSystem& files, const std::vector<FinishedWork>& finished,
                int64_t memory_bytes, CheckedDeletes* checked)
      : files_(files),
        finished_(finished),
        memory_bytes_(memory_bytes),
        checked_(*checked),
        about_any_(finished.size()),
        passes_(finished.size()) {
    for (const FinishedWork& work : finished) checked_.tasks.try_emplace(KeyOf(work));
  }

  Status Check(Call& call) {
    std::vector<Target> targets;
    for (size_t i = 0; i < finished_.size(); ++i) {
      const CheckedDeletes::Task& known = Known(i);
      if (!known.refused.empty()) continue;
      AddTargets(finished_[i], i, known.targets, &targets);
      for (const DataFile& file : finished_[i].output->delete_files) {
        if (!file.referenced_data_file) about_any_[i].push_back(&file);
      }
    }
    for (size_t at = 0; at < targets.size();) {
      const size_t count = PassSize(Targets(targets).subspan(at));
      MORAINE_TRY(CheckPass(call, Targets(targets).subspan(at, count)));
      at += count;
    }
    return {};
  }

  std::map<size_t, std::string> Refused() {
    std::map<size_t, std::string> refused;
    for (size_t i = 0; i < finished_.size(); ++i) {
      if (!Known(i).refused.empty()) refused.emplace(i, Known(i).refused);
    }
    return refused;
  }

 private:
  /// Of one pass.
  struct Pass {
    Targets targets;
    std::vector<PositionSet> now;
    std::vector<size_t> alone;         ///< units that need more memory than their share
    std::map<size_t, Status> refused;  ///< works
    int64_t bytes = 0;
  };

  CheckedDeletes::Task& Known(size_t work) { return checked_.tasks.at(KeyOf(finished_[work])); }

  /// As many as have new deletes that may well fit, and as many files as are read in fair time.
  size_t PassSize(Targets targets) const {
    std::set<std::pair<std::string_view, int64_t>> seen;
    int64_t bytes = 0;
    for (size_t i = 0; i < targets.size(); ++i) {
      for (const DataFile* file : targets[i].before)
        seen.emplace(file->file_path, file->content_offset.value_or(-1));
      for (const DataFile* file : targets[i].now) {
        seen.emplace(file->file_path, file->content_offset.value_or(-1));
        bytes = iceberg::AddCapped(bytes, BytesOf(*file));
      }
      const bool is_full = bytes > memory_bytes_ / 4 || seen.size() > checked_.most_files ||
                           i >= checked_.most_files;
      if (i > 0 && is_full) return i;
    }
    return targets.size();
  }

  Status CheckPass(Call& call, Targets targets) {
    MORAINE_TRY(call.Check());
    Pass pass;
    pass.targets = targets;
    pass.now.resize(targets.size());
    const Status loaded = LoadNow(call, &pass);
    if (loaded.code() == Code::kExhausted && targets.size() > 1) {
      pass.now.clear();
      const size_t half = targets.size() / 2;
      MORAINE_TRY(CheckPass(call, targets.first(half)));
      return CheckPass(call, targets.subspan(half));
    }
    if (loaded.code() == Code::kExhausted) {
      pass.refused.emplace(targets[0].work, loaded);
    } else {
      MORAINE_TRY(loaded);
      MORAINE_TRY(CompareBefore(call, &pass));
    }
    for (const Target& target : targets) ++Known(target.work).targets;
    for (const auto& [work, why] : pass.refused) Known(work).refused = why.ToString();
    return {};
  }

  bool IsRefused(const Pass& pass, size_t target) {
    const size_t work = pass.targets[target].work;
    if (!Known(work).refused.empty()) return true;
    std::lock_guard lock(mutex_);
    return pass.refused.contains(work);
  }

  void Refuse(const Status& why, size_t work, Pass* pass) {
    std::lock_guard lock(mutex_);
    pass->refused.emplace(work, why);
  }

  int64_t ShareOf(size_t units) const {
    return memory_bytes_ / 2 / static_cast<int64_t>(std::clamp<size_t>(units, 1, kFanOutThreads));
  }

  Units NewDeletes(Pass* pass) {
    Units units;
    std::map<size_t, Unit> reach;  // of works with deletes about any file
    for (size_t i = 0; i < pass->targets.size(); ++i) {
      const Target& target = pass->targets[i];
      if (IsRefused(*pass, i)) continue;
      for (const DataFile* file : target.now) units.Add(file, i, target.work);
      if (!about_any_[target.work].empty()) reach[target.work].targets->push_back(i);
    }
    for (const auto& [work, unit] : reach) {
      if (++passes_[work] > kMostPasses) {
        Refuse(Exhausted(fmt::format("deletes that name no data file do not fit in memory in {}"
                                     " parts: {}",
                                     kMostPasses, about_any_[work][0]->file_path)),
               work, pass);
        continue;
      }
      for (const DataFile* file : about_any_[work]) units.Add(Unit{{file}, unit.targets});
    }
    return units;
  }

  /// Exhausted: the new deletes of these targets do not fit.
  Status LoadNow(Call& call, Pass* pass) {
    const Units units = NewDeletes(pass);
    const auto& all = units.all();
    const auto load = [&](Call& own, const Unit& unit, int64_t memory) -> Status {
      const size_t first = unit.targets->at(0);
      if (IsRefused(*pass, first)) return {};
      MORAINE_TRY(CheckFits(*pass, *unit.files[0]));
      auto made = Load(own, unit.files, *unit.targets, *pass, memory);
      const Code code = made.status().code();
      if (made.ok()) return KeepNow(*made, unit, pass);
      if (code == Code::kExhausted || (code != Code::kNotFound && !IsLasting(code)))
        return made.status();
      Refuse(Corruption(std::string(made.status().message())), pass->targets[first].work, pass);
      return {};
    };
    MORAINE_TRY(FanOut(
        call, all.size(),
        [&](Call& own, size_t i) -> Status {
          Status status = load(own, all[i], ShareOf(all.size()));
          return SetAside(std::move(status), i, pass);
        },
        1));
    for (const size_t i : std::exchange(pass->alone, {}))
      MORAINE_TRY(load(call, all[i], memory_bytes_ / 2));
    return {};
  }

  Status SetAside(Status status, size_t unit, Pass* pass) {
    if (status.code() != Code::kExhausted) return status;
    std::lock_guard lock(mutex_);
    pass->alone.push_back(unit);
    return {};
  }

  Status CheckFits(const Pass& pass, const DataFile& file) {
    std::lock_guard lock(mutex_);
    if (pass.bytes <= memory_bytes_ / 2) return {};
    return Exhausted("new deletes by position do not fit in memory: " + file.file_path);
  }

  Status KeepNow(const DeleteFilter& made, const Unit& unit, Pass* pass) {
    std::unique_lock lock(mutex_);
    for (const size_t i : *unit.targets) {
      const PositionSet* positions = made.Positions(pass->targets[i].data->file_path);
      if (positions == nullptr) continue;
      pass->bytes -= pass->now[i].memory_bytes();
      pass->now[i].Merge(*positions);
      pass->bytes += pass->now[i].memory_bytes();
    }
    lock.unlock();
    return CheckFits(*pass, *unit.files[0]);
  }

  Status CompareBefore(Call& call, Pass* pass) {
    Units units;
    for (size_t i = 0; i < pass->targets.size(); ++i) {
      if (IsRefused(*pass, i)) continue;
      for (const DataFile* file : pass->targets[i].before) units.Add(file, i, 0);
    }
    const auto& all = units.all();
    MORAINE_TRY(FanOut(
        call, all.size(),
        [&](Call& own, size_t i) -> Status {
          return SetAside(
              CompareUnit(own, all[i].files, *all[i].targets, ShareOf(all.size()), pass), i, pass);
        },
        1));
    for (const size_t i : std::exchange(pass->alone, {}))
      MORAINE_TRY(CompareParts(call, all[i].files, *all[i].targets, pass));
    return {};
  }

  /// With all memory, and some targets after the others where it is not enough.
  Status CompareParts(Call& call, const std::vector<const DataFile*>& files,
                      std::span<const size_t> targets, Pass* pass) {
    MORAINE_TRY(call.Check());
    Status status = CompareUnit(call, files, targets, memory_bytes_ / 2, pass);
    if (status.code() != Code::kExhausted) return status;
    if (targets.size() == 1) {
      Refuse(status, pass->targets[targets[0]].work, pass);
      return {};
    }
    const size_t half = targets.size() / 2;
    MORAINE_TRY(CompareParts(call, files, targets.first(half), pass));
    return CompareParts(call, files, targets.subspan(half), pass);
  }

  /// Exhausted: they do not fit.
  Status CompareUnit(Call& call, const std::vector<const DataFile*>& files,
                     std::span<const size_t> targets, int64_t memory, Pass* pass) {
    auto old = Load(call, files, targets, *pass, memory);
    const Code code = old.status().code();
    if (old.ok()) {
      for (const size_t i : targets) Compare(i, *old, *files[0], pass);
      return {};
    }
    if (code == Code::kExhausted || (code != Code::kNotFound && !IsLasting(code)))
      return old.status();
    if (files.size() > 1) {  // which of them is it?
      for (const DataFile* file : files)
        MORAINE_TRY(CompareUnit(call, {file}, targets, memory, pass));
      return {};
    }
    if (code == Code::kNotFound) return {};
    for (const size_t i : targets) {
      const Target& target = pass->targets[i];
      if (!files[0]->is_deletion_vector() ||
          files[0]->referenced_data_file == target.data->file_path)
        Refuse(old.status(), target.work, pass);
    }
    return {};
  }

  void Compare(size_t i, const DeleteFilter& old, const DataFile& from, Pass* pass) {
    const Target& target = pass->targets[i];
    const PositionSet* before = old.Positions(target.data->file_path);
    if (before == nullptr) return;
    PositionSet needed;
    needed.Merge(*before);
    needed.CutAt(target.data->record_count);  // writers may have named rows that are not there
    if (needed.empty() || pass->now[i].ContainsAll(needed)) return;
    Refuse(Corruption(fmt::format("the new deletes of {} lack rows that were deleted before: {}",
                                  target.data->file_path, from.file_path)),
           target.work, pass);
  }

  Result<DeleteFilter> Load(Call& call, const std::vector<const DataFile*>& files,
                            std::span<const size_t> targets, const Pass& pass,
                            int64_t memory) const {
    iceberg::DeleteFilterOptions options;
    options.schema = finished_[pass.targets[targets[0]].work].task->schema;
    options.memory_bytes = memory;
    for (const size_t i : targets) options.data_files.insert(pass.targets[i].data->file_path);
    std::vector<iceberg::DeleteSource> sources;
    for (const DataFile* file : files) sources.push_back({file, 0});
    return DeleteFilter::Load(call, files_, sources, options);
  }

  io::FileSystem& files_;
  const std::vector<FinishedWork>& finished_;
  const int64_t memory_bytes_;
  CheckedDeletes& checked_;
  std::vector<std::vector<const DataFile*>> about_any_;  // by work
  std::vector<int> passes_;                              // over them, by work
  std::mutex mutex_;                                     // of a pass's results
};

size_t TargetsDone(const CheckedDeletes& checked) {
  size_t done = 0;
  for (const auto& [key, task] : checked.tasks) done += task.targets;
  return done;
}

}  // namespace

Result<std::map<size_t, std::string>> CheckReplacedDeletes(
    Call& call, io::FileSystem& files, const std::vector<FinishedWork>& finished,
    int64_t memory_bytes, CheckedDeletes* checked) {
  PassingFiles passing(files);
  const size_t done_before = TargetsDone(*checked);
  DeleteChecker checker(passing, finished, memory_bytes, checked);
  Status status = checker.Check(call);
  if (!status.ok()) {
    if (TargetsDone(*checked) == done_before)
      checked->most_files = std::max(kLeastFiles, checked->most_files / 2);
    return status;
  }
  return checker.Refused();
}

}  // namespace moraine::planning

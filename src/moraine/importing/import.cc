#include "moraine/importing/import.h"

#include <utility>

#include <fmt/format.h>

#include "moraine/base/executor.h"

namespace moraine::importing {
namespace {

using catalog::NamespaceName;
using catalog::TableName;

/// What is wrong with the way to the target, and not with one table.
bool EndsAll(Code code) {
  return code == Code::kUnauthenticated || code == Code::kUnavailable || code == Code::kDeadline ||
         code == Code::kCancelled;
}

class Importer {
 public:
  Importer(CatalogSource& source, const ImportTarget& target, const ImportOptions& options)
      : source_(source), target_(target), options_(options) {}

  /// Errors: those that end all.
  Status Import(Call& call, ImportedTable* table) const {
    auto location = source_.MetadataLocation(call, table->name);
    MORAINE_TRY(call.Check());
    if (!location.ok()) {
      table->problem = location.status().ToString();
      return {};
    }
    table->metadata_location = *location;
    if (!options_.dry_run) {
      const Status made = target_.register_table(call, table->name, *location);
      if (made.ok()) {
        table->outcome = ImportOutcome::kRegistered;
        return {};
      }
      if (EndsAll(made.code())) return made;
      table->problem = made.ToString();
      if (made.code() != Code::kAlreadyExists) return {};
    }
    return Compare(call, table);
  }

 private:
  /// With what the name has in the target.
  Status Compare(Call& call, ImportedTable* table) const {
    auto now = target_.metadata_location(call, table->name);
    if (EndsAll(now.status().code())) return now.status();
    if (now.ok() && *now == table->metadata_location) {
      table->outcome = ImportOutcome::kThere;
      table->problem.clear();
    } else if (now.ok()) {
      table->outcome = ImportOutcome::kTaken;
      table->problem = fmt::format("the name has another metadata file: {}", *now);
    } else if (now.status().code() == Code::kNotFound && options_.dry_run) {
      table->outcome = ImportOutcome::kRegistered;
    } else if (table->problem.empty()) {
      table->problem = now.status().ToString();
    }
    return {};
  }

  CatalogSource& source_;
  const ImportTarget& target_;
  const ImportOptions& options_;
};

}  // namespace

std::string_view ImportOutcomeName(ImportOutcome outcome) {
  switch (outcome) {
    case ImportOutcome::kRegistered:
      return "registered";
    case ImportOutcome::kThere:
      return "there";
    case ImportOutcome::kTaken:
      return "taken";
    case ImportOutcome::kFailed:
      return "failed";
  }
  return "";
}

void ImportProgress::Count(ImportOutcome outcome) {
  std::lock_guard lock(mutex_);
  ++counts_.done;
  ++(outcome == ImportOutcome::kRegistered ? counts_.registered
     : outcome == ImportOutcome::kThere    ? counts_.there
     : outcome == ImportOutcome::kTaken    ? counts_.taken
                                           : counts_.failed);
}

Result<ImportReport> RunImport(Call& call, CatalogSource& source, const ImportTarget& target,
                               const ImportOptions& options, ImportProgress* progress) {
  MORAINE_ASSIGN(const auto spaces, source.Tables(call, options.below));
  ImportReport report;
  for (const CatalogSource::Space& space : spaces) {
    for (const std::string& name : space.tables) report.tables.push_back({{space.name, name}});
  }
  progress->SetTables(static_cast<int64_t>(report.tables.size()));
  for (const CatalogSource::Space& space : spaces) {
    if (options.dry_run) break;
    Status made = target.create_namespace(call, space.name);
    if (made.ok() || made.code() == Code::kAlreadyExists) continue;
    return std::move(made).Annotate(
        fmt::format("the namespace {} can't be made", catalog::ToText(space.name)));
  }
  const Importer importer(source, target, options);
  ThreadPool pool({.name = "import", .threads = static_cast<size_t>(options.threads)});
  MORAINE_TRY(ForEach(pool, report.tables.size(), static_cast<size_t>(options.threads) - 1,
                      [&](size_t i) -> Status {
                        Call own(call);
                        MORAINE_TRY(importer.Import(own, &report.tables[i]));
                        progress->Count(report.tables[i].outcome);
                        return {};
                      }));
  report.counts = progress->counts();
  return report;
}

}  // namespace moraine::importing

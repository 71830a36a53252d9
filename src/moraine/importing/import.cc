#include "moraine/importing/import.h"

#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

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
    auto location = source_.MetadataLocation(call, table->kind, table->name);
    MORAINE_TRY(call.Check());
    if (!location.ok()) {
      table->problem = location.status().ToString();
      return {};
    }
    table->metadata_location = *location;
    if (!options_.dry_run) {
      const Status made = target_.register_object(call, table->kind, table->name, *location);
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
    auto now = target_.metadata_location(call, table->kind, table->name);
    if (EndsAll(now.status().code())) return now.status();
    if (now.ok() && *now == table->metadata_location) {
      table->outcome = ImportOutcome::kThere;
      table->problem.clear();
    } else if (now.ok()) {
      table->outcome = ImportOutcome::kTaken;
      table->problem = fmt::format("the name has another metadata file: {}", *now);
    } else if (now.status().code() == Code::kNotFound && options_.dry_run) {
      const Status allowed = target_.allows ? target_.allows(table->metadata_location) : Status();
      if (allowed.ok()) table->outcome = ImportOutcome::kRegistered;
      if (!allowed.ok()) table->problem = allowed.ToString();
    } else if (table->problem.empty()) {
      table->problem = now.status().ToString();
    }
    return {};
  }

  CatalogSource& source_;
  const ImportTarget& target_;
  const ImportOptions& options_;
};

constexpr std::string_view kLocation = "location";

/// The keys whose values the target does not have.
std::string Missing(const iceberg::StringMap& wanted, const iceberg::StringMap& there) {
  std::vector<std::string_view> keys;
  for (const auto& [key, value] : wanted) {
    const auto found = there.find(key);
    if (found == there.end() || found->second != value) keys.push_back(key);
  }
  return fmt::format("{}", fmt::join(keys, ", "));
}

void AddNote(std::string_view note, ImportedNamespace* ns) {
  if (!ns->note.empty()) ns->note += "; ";
  ns->note += note;
}

/// As it is in the target, which may be one that an earlier run made.
Status CompareNamespace(Call& call, const ImportTarget& target, ImportedNamespace* ns) {
  MORAINE_ASSIGN(const auto there, target.namespace_properties(call, ns->name));
  const std::string missing = Missing(ns->properties, there);
  if (!missing.empty()) AddNote("was there, and differs in: " + missing, ns);
  return {};
}

Status MakeNamespace(Call& call, const ImportTarget& target, ImportedNamespace* ns) {
  iceberg::StringMap properties = ns->properties;
  const std::string told = ns->note;
  Status made = target.create_namespace(call, ns->name, properties);
  if (made.code() == Code::kInvalidArgument && properties.erase(std::string(kLocation)) > 0) {
    // Where new tables would go, as the source has it; the target has places of its own.
    AddNote(fmt::format("without its location: {}", made.message()), ns);
    made = target.create_namespace(call, ns->name, properties);
  }
  ns->made = made.ok();
  if (made.ok()) return {};
  ns->note = told;
  if (made.code() != Code::kAlreadyExists) return made;
  return CompareNamespace(call, target, ns);
}

/// In a dry run: whether it would be made.
Status LookForNamespace(Call& call, const ImportTarget& target, ImportedNamespace* ns) {
  const Status compared = CompareNamespace(call, target, ns);
  ns->made = compared.code() == Code::kNotFound;
  return ns->made ? Status() : compared;
}

}  // namespace

std::string_view ObjectKindName(ObjectKind kind) {
  return kind == ObjectKind::kView ? "view" : "table";
}

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
    report.namespaces.push_back(
        {.name = space.name, .properties = space.properties, .note = space.note});
    for (const auto& name : space.tables)
      report.tables.push_back({ObjectKind::kTable, {space.name, name}});
  }
  // A view is of no use before its tables.
  for (const CatalogSource::Space& space : spaces) {
    for (const auto& name : space.views)
      report.tables.push_back({ObjectKind::kView, {space.name, name}});
  }
  progress->SetTables(static_cast<int64_t>(report.tables.size()));
  for (ImportedNamespace& ns : report.namespaces) {
    Status done =
        options.dry_run ? LookForNamespace(call, target, &ns) : MakeNamespace(call, target, &ns);
    if (done.ok()) continue;
    return std::move(done).Annotate(
        fmt::format("the namespace {} can't be made", catalog::ToText(ns.name)));
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

#include "moraine/cli/arguments.h"

#include <algorithm>
#include <deque>
#include <memory>
#include <sstream>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "moraine/base/text.h"
#include "moraine/cli/advise_commands.h"
#include "moraine/cli/compact_command.h"
#include "moraine/cli/import_command.h"
#include "moraine/cli/lifecycle_commands.h"
#include "moraine/cli/maintenance_commands.h"

namespace moraine::cli {
namespace {

/// Everything that flags write to; lives as long as the invocation's function.
struct Flags {
  Invocation invocation;
  TableOptions table;
  AdviseOptions advise;
  SetOptions set;
  ProcessOptions process;
  CatalogOptions catalog;
  WebhookOptions webhook;
  WarehouseOptions warehouse;
  LifecycleOptions lifecycle;
  MaintenanceOptions maintenance;
  OptimizerFlags optimizer;
  ServerFlags server;
  CompactFlags compact;
  ImportFlags import;
  std::string no_color;
  std::deque<ClientOptions> connections;  ///< of each command its own
};

enum class Variables { kNo, kYes };

/// CLI11 reads the variables for every command there is, named or not: commands that read them must
/// not share what they write to, or the variable would win over the flag of another.
void AddConnection(CLI::App* app, std::string* server, std::string* token_file,
                   Variables variables) {
  auto* url = app->add_option("--server", *server, "URL of the Moraine server")
                  ->capture_default_str()
                  ->type_name("URL");
  auto* file = app->add_option("--token-file", *token_file,
                               "File whose first line is the server's bearer token")
                   ->type_name("FILE");
  if (variables == Variables::kNo) return;
  url->envname("MORAINE_SERVER");
  file->envname("MORAINE_TOKEN_FILE");
}

/// The commands against a server: each gets the connection's flags, an action and examples.
class Commands {
 public:
  explicit Commands(Flags* flags) : flags_(flags) {}

  CLI::App* Group(CLI::App* parent, const char* name, const char* what) {
    auto* group = parent->add_subcommand(name, what);
    group->require_subcommand(1);
    group->footer(fmt::format("\n`moraine {} COMMAND --help` shows examples of each.\n", name));
    return group;
  }

  template <typename Action>
  CLI::App* Add(CLI::App* group, const char* name, const char* what, const char* examples,
                Action action) {
    auto* app = group->add_subcommand(name, what);
    ClientOptions* connection = &flags_->connections.emplace_back();
    AddConnection(app, &connection->server, &connection->token_file, Variables::kYes);
    AddAction(app, examples, connection, std::move(action));
    return app;
  }

  /// As Add, in a group that has the connection's flags itself: those are read, too.
  template <typename Action>
  void AddBelow(CLI::App* group, const char* name, const char* what, const char* examples,
                ClientOptions* connection, Action action) {
    auto* app = group->add_subcommand(name, what);
    AddConnection(app, &connection->server, &connection->token_file, Variables::kNo);
    AddAction(app, examples, connection, std::move(action));
  }

 private:
  template <typename Action>
  void AddAction(CLI::App* app, const char* examples, const ClientOptions* connection,
                 Action action) {
    app->add_flag("--json", flags_->invocation.client.json, "Print the server's answer as JSON");
    app->footer(fmt::format("\nExamples:\n{}", examples));
    Flags* flags = flags_;
    app->callback([flags, connection, action] {
      flags->invocation.client.server = connection->server;
      flags->invocation.client.token_file = connection->token_file;
      flags->invocation.remote = action;
    });
  }

  Flags* flags_;
};

void AddWarehouse(CLI::App* app, std::string* warehouse) {
  app->add_option("--warehouse", *warehouse, "Warehouse of the table")
      ->capture_default_str()
      ->type_name("NAME");
}

CLI::App* AddTable(CLI::App* app, TableOptions* options) {
  app->add_option("table", options->table,
                  "Namespace and name: db.t; a part with dots in double quotes: 'db.\"a.b\"'")
      ->required()
      ->type_name("TABLE");
  AddWarehouse(app, &options->warehouse);
  return app;
}

void AddLimit(CLI::App* app, int64_t* limit, int64_t high) {
  app->add_option("--limit", *limit, "Show at most so many")
      ->check(CLI::Range(int64_t{1}, high))
      ->capture_default_str()
      ->type_name("N");
}

void AddLayout(CLI::App* app, std::string* layout, const char* more) {
  constexpr char kLayouts[] =
      "none, sort (the table's order), 'sort(a desc, bucket(4, b))', 'zorder(a, b)', "
      "'hilbert(a, b)'";
  app->add_option(
         "--layout", *layout,
         fmt::format("The order of the rows in what this run writes: {}{}", kLayouts, more))
      ->check([kLayouts](const std::string& text) {
        return Trim(text).empty() ? fmt::format("expected one of {}", kLayouts) : std::string();
      })
      ->type_name("LAYOUT");
}

void AddReportCommand(Commands* commands, CLI::App* group, TableOptions* options) {
  auto* app = AddTable(
      commands->Add(group, "reports", "List what engines reported of their scans and commits",
                    "  moraine table reports db.t --limit 5\n  moraine table reports db.t --json\n",
                    [options](Session& s) { return ShowReports(s, *options); }),
      options);
  app->add_option("--limit", options->reports, "Show at most so many")
      ->check(CLI::Range(int64_t{1}, int64_t{100}))
      ->capture_default_str()
      ->type_name("N");
}

void AddAdvise(Commands& commands, CLI::App* group, AdviseOptions* options) {
  auto* app = commands.Add(
      group, "advise",
      "Say what would help a table, and why: order of rows, partitions, file sizes, deletes, "
      "expiry; nothing is done",
      "  moraine table advise db.t\n  moraine table advise db.t --days 30\n"
      "  moraine table advise --warehouse default --limit 10   (of all tables, the best first)\n"
      "  moraine table advise --namespace sales\n"
      "  moraine table advise db.t --json | jq -r '.advice[].commands[]'\n",
      [options](Session& s) { return AdviseTables(s, *options); });
  app->add_option("table", options->table, "Namespace and name: db.t; all tables if not given")
      ->type_name("TABLE");
  AddWarehouse(app, &options->warehouse);
  app->add_option("--namespace", options->ns, "Of all tables, only those in it")
      ->type_name("NAMESPACE");
  app->add_option("--days", options->days, "Over how many days scans count")
      ->check(CLI::Range(int64_t{1}, int64_t{366}))
      ->capture_default_str()
      ->type_name("N");
  AddLimit(app, &options->limit, 10'000);
}

void AddSet(Commands& commands, CLI::App* group, SetOptions* options) {
  auto* app =
      commands.Add(group, "set", "Set or remove properties of a table",
                   "  moraine table set db.t 'self-optimizing.layout=sort(event_time)'\n"
                   "  moraine table set db.t snapshot.keep.duration=7d statistics.enabled=true\n"
                   "  moraine table set db.t --remove self-optimizing.layout\n"
                   "  moraine table set db.t format-version=3\n",
                   [options](Session& s) { return SetTableProperties(s, *options); });
  app->add_option("table", options->table, "Namespace and name: db.t")
      ->required()
      ->type_name("TABLE");
  app->add_option("properties", options->properties, "What to set")->type_name("NAME=VALUE");
  app->add_option("--remove", options->removals, "What to remove; may be given again")
      ->allow_extra_args(false)
      ->type_name("NAME");
  AddWarehouse(app, &options->warehouse);
}

/// Names of tables and views, as `moraine table ...` takes them.
CLI::App* AddTabular(CLI::App* app, LifecycleOptions* options) {
  app->add_option("name", options->name,
                  "Namespace and name: db.t; a part with dots in double quotes: 'db.\"a.b\"'")
      ->type_name("TABLE");
  AddWarehouse(app, &options->warehouse);
  app->add_flag("--view", options->view, "It is a view");
  return app;
}

void AddDroppedId(CLI::App* app, LifecycleOptions* options) {
  app->add_option("--id", options->id, "Its number, as `moraine catalog dropped` shows it")
      ->check(CLI::PositiveNumber)
      ->type_name("N");
}

void AddDryRun(CLI::App* app, LifecycleOptions* options) {
  app->add_flag("--dry-run", options->dry_run, "Say what would be done, and do nothing");
}

void AddReason(CLI::App* app, LifecycleOptions* options) {
  app->add_option("--reason", options->reason, "Shown to whoever tries to drop it")
      ->type_name("TEXT");
}

void AddRollback(Commands& commands, CLI::App* group, LifecycleOptions* options) {
  auto* rollback = commands.Add(
      group, "rollback", "Lead a table back to a snapshot, a time or a version, by a new commit",
      "  moraine table rollback db.t --snapshot 6216529349462813571 --dry-run\n"
      "  moraine table rollback db.t --time 2h\n"
      "  moraine table rollback db.t --time 2026-11-22T19:31:00Z\n"
      "  moraine table rollback db.t --to-version 12\n",
      [options](Session& s) { return RollBackTable(s, *options); });
  rollback->add_option("table", options->name, "Namespace and name: db.t")
      ->required()
      ->type_name("TABLE");
  AddWarehouse(rollback, &options->warehouse);
  auto* where = rollback->add_option_group("where");
  where->add_option("--snapshot", options->snapshot_id, "To this snapshot")
      ->check(CLI::NonNegativeNumber)
      ->type_name("ID");
  where
      ->add_option("--time", options->time,
                   "To the newest snapshot that was there at a time (UTC), or so long ago")
      ->type_name("TIME");
  where
      ->add_option("--to-version", options->version,
                   "To this version of the history: its snapshot, schema, partition spec, sort "
                   "order and properties")
      ->check(CLI::PositiveNumber)
      ->type_name("N");
  where->require_option(0, 1);
  rollback->parse_complete_callback([where] {
    if (where->count_all() > 0) return;
    throw CLI::ValidationError(
        "expected where to: one of --snapshot ID, --time TIME and --to-version N",
        CLI::ExitCodes::ValidationError);
  });
  rollback->add_option("--branch", options->branch, "This branch instead of main")
      ->type_name("BRANCH");
  rollback->add_flag("--force", options->force,
                     "Also to a snapshot that the branch does not come from");
  AddDryRun(rollback, options);
}

void AddTableLifecycle(Commands& commands, CLI::App* group, LifecycleOptions* options) {
  constexpr LifecycleObject kTable = LifecycleObject::kTable;
  auto* history = AddTabular(
      commands.Add(group, "history", "Show what became of a table, newest first, and who did it",
                   "  moraine table history db.t\n  moraine table history db.v --view\n",
                   [options](Session& s) { return ShowHistory(s, *options); }),
      options);
  AddLimit(history, &options->limit, 10'000);
  AddRollback(commands, group, options);
  auto* undrop = AddTabular(
      commands.Add(group, "undrop", "Bring back a table that was dropped, while its hold lasts",
                   "  moraine table undrop db.t\n  moraine table undrop db.t --to db.t_before\n"
                   "  moraine table undrop --id 7 --dry-run\n",
                   [options](Session& s) { return Undrop(s, *options, kTable); }),
      options);
  AddDroppedId(undrop, options);
  undrop->add_option("--to", options->to, "Under this name instead of its own")->type_name("TABLE");
  AddDryRun(undrop, options);
  auto* purge = commands.Add(
      group, "purge",
      "End the hold of a dropped table now; where the drop asked for purge, maintenance "
      "then deletes its files",
      "  moraine catalog dropped\n  moraine table purge --id 7 --dry-run\n"
      "  moraine table purge --id 7\n",
      [options](Session& s) { return PurgeDropped(s, *options, kTable); });
  AddDroppedId(purge, options);
  AddDryRun(purge, options);
  purge->add_flag("--view", options->view, "It is a view");
  auto* protect =
      AddTabular(commands.Add(group, "protect", "Protect a table against being dropped",
                              "  moraine table protect db.t --reason 'feeds the billing'\n"
                              "  moraine table protect db.v --view\n",
                              [options](Session& s) { return Protect(s, *options, kTable); }),
                 options);
  AddReason(protect, options);
  AddTabular(commands.Add(group, "unprotect", "Let a table be dropped again",
                          "  moraine table unprotect db.t\n",
                          [options](Session& s) { return Unprotect(s, *options, kTable); }),
             options);
}

CLI::App* AddMaintained(CLI::App* app, MaintenanceOptions* options) {
  app->add_option("table", options->table, "Namespace and name: db.t")
      ->required()
      ->type_name("TABLE");
  AddWarehouse(app, &options->warehouse);
  return app;
}

CLI::Option* AddActionName(CLI::App* app, MaintenanceOptions* options, const char* what) {
  return app
      ->add_option("--action", options->action,
                   fmt::format("{}: expire-snapshots, clean-orphan-files, "
                               "clean-dangling-delete-files, rewrite-manifests, expire-data, "
                               "auto-create-tags or compute-statistics",
                               what))
      ->type_name("ACTION");
}

void AddHolds(Commands& commands, CLI::App* group, MaintenanceOptions* options) {
  const auto add_name = [options](CLI::App* app) {
    app->add_option("hold", options->hold, "Who needs it, by name")->required()->type_name("NAME");
  };
  auto* hold = AddMaintained(
      commands.Add(group, "hold", "Keep a snapshot and all after it for a reader, or move its hold",
                   "  moraine table hold db.t flink-orders\n"
                   "  moraine table hold db.t audit-2026 --snapshot 6216529349462813571 --only "
                   "--for 30d\n",
                   [options](Session& s) { return HoldSnapshot(s, *options); }),
      options);
  add_name(hold);
  hold->add_option("--snapshot", options->snapshot_id, "This one instead of the current one")
      ->check(CLI::NonNegativeNumber)
      ->type_name("ID");
  hold->add_flag("--only", options->only, "It alone, not those after it");
  hold->add_option("--for", options->length, "How long; 7d if not given")->type_name("DURATION");
  hold->add_option("--reason", options->reason, "Shown to people")->type_name("TEXT");
  AddMaintained(commands.Add(group, "holds", "List who needs which snapshots of a table",
                             "  moraine table holds db.t\n",
                             [options](Session& s) { return ListHolds(s, *options); }),
                options);
  add_name(AddMaintained(commands.Add(group, "release", "End a hold: its snapshots may expire",
                                      "  moraine table release db.t flink-orders\n",
                                      [options](Session& s) { return ReleaseHold(s, *options); }),
                         options));
}

void AddBlockers(Commands& commands, CLI::App* group, MaintenanceOptions* options) {
  auto* block = AddMaintained(
      commands.Add(
          group, "block", "Keep optimizing and maintenance off a table for a while",
          "  moraine table block db.t --owner nightly-load --for 2h\n"
          "  moraine table block db.t --owner backfill --operations optimize,expire-data\n",
          [options](Session& s) { return BlockTable(s, *options); }),
      options);
  block->add_option("--owner", options->owner, "Who blocks it")->required()->type_name("NAME");
  block
      ->add_option("--operations", options->operations,
                   "all (the default), optimize, write (other batch writers), or actions of "
                   "maintenance")
      ->delimiter(',')
      ->type_name("LIST");
  block->add_flag("--exclusive", options->exclusive, "Fails if another blocks the same");
  block->add_option("--for", options->length, "How long; 1m if not given")->type_name("DURATION");
  AddMaintained(
      commands.Add(group, "blockers", "List who blocks a table", "  moraine table blockers db.t\n",
                   [options](Session& s) { return ListBlockers(s, *options); }),
      options);
  AddMaintained(commands.Add(group, "unblock", "End a blocker",
                             "  moraine table unblock db.t 019b7a2c-0000-7000-8000-000000000003\n",
                             [options](Session& s) { return UnblockTable(s, *options); }),
                options)
      ->add_option("blocker", options->blocker, "Its id, as blockers shows it")
      ->required()
      ->type_name("ID");
}

void AddTableMaintenance(Commands& commands, CLI::App* group, MaintenanceOptions* options) {
  AddMaintained(
      commands.Add(
          group, "maintenance", "Show what maintenance does to a table, when and why",
          "  moraine table maintenance db.t\n  moraine table maintenance db.t --settings\n",
          [options](Session& s) { return ShowMaintenance(s, *options); }),
      options)
      ->add_flag("--settings", options->settings, "Show every property, and where it comes from");
  auto* maintain = AddMaintained(
      commands.Add(
          group, "maintain", "Ask for a run of maintenance now",
          "  moraine table maintain db.t --action expire-snapshots --dry-run --wait\n"
          "  moraine table maintain db.t --action clean-orphan-files --wait\n"
          "  moraine table maintain db.t --action clean-orphan-files"
          " --options '{\"restore\": \"all\"}'\n\n"
          "Options of actions:\n"
          "  expire-snapshots    max-snapshots: so many go with each commit (how long they stay "
          "is\n"
          "                      said by the properties snapshot.keep.duration and\n"
          "                      snapshot.keep.min-count)\n"
          "  clean-orphan-files  older-than-ms: the age from which files are orphans, a\n"
          "                      day or more, or with allow-young: true;\n"
          "                      restore: the run whose quarantine is brought back, or all\n"
          "  compute-statistics  full: true counts all anew\n",
          [options](Session& s) { return MaintainTable(s, *options); }),
      options);
  AddActionName(maintain, options, "What to do")->required();
  maintain->add_flag("--dry-run", options->dry_run, "Say what would be done, and do nothing");
  maintain->add_flag("--wait", options->wait, "Follow it until it ends");
  maintain->add_option("--options", options->options, "What the action takes for this run alone")
      ->type_name("JSON");
  AddHolds(commands, group, options);
  AddBlockers(commands, group, options);
}

void AddMaintenanceCommands(CLI::App* root, Flags* flags) {
  Commands commands(flags);
  auto* options = &flags->maintenance;
  auto* group = commands.Group(root, "maintenance", "Maintenance of tables: runs, pauses");
  const auto add_filter = [options](CLI::App* app) {
    app->add_option("--table", options->table, "Only those of this table")->type_name("TABLE");
    AddWarehouse(app, &options->warehouse);
    AddActionName(app, options, "Only those of this action");
  };
  add_filter(commands.Add(group, "list", "List the runs that go on, and those that wait",
                          "  moraine maintenance list\n", [options](Session& s) {
                            options->running = true;
                            options->limit = 1'000;
                            return ListMaintenanceRuns(s, *options);
                          }));
  auto* runs =
      commands.Add(group, "runs", "List runs, newest first",
                   "  moraine maintenance runs\n"
                   "  moraine maintenance runs --table db.t --action expire-snapshots --limit 5\n",
                   [options](Session& s) { return ListMaintenanceRuns(s, *options); });
  add_filter(runs);
  AddLimit(runs, &options->limit, 1'000);
  auto* schedules =
      commands.Add(group, "schedules", "List what is due when, the longest due first",
                   "  moraine maintenance schedules\n"
                   "  moraine maintenance schedules --state late --action expire-snapshots\n",
                   [options](Session& s) { return ListMaintenanceSchedules(s, *options); });
  add_filter(schedules);
  schedules
      ->add_option("--state", options->state,
                   "Only what is late, waiting, failing, asked (for), paused or running")
      ->check(CLI::IsMember({"late", "waiting", "failing", "asked", "paused", "running"}))
      ->type_name("STATE");
  AddLimit(schedules, &options->limit, 100'000);
  auto* show = commands.Add(group, "show", "Show a run: what it did, and what it decided to delete",
                            "  moraine maintenance show 019b7a2c-0000-7000-8000-000000000003\n",
                            [options](Session& s) { return ShowMaintenanceRun(s, *options); });
  show->add_option("run", options->run_id, "Id of the run, or how no other begins")
      ->required()
      ->type_name("RUN");
  show->add_flag("--wait", options->wait, "Follow it until it ends");
  auto* cancel = commands.Add(group, "cancel", "End a run, also one that has not begun",
                              "  moraine maintenance cancel 019b7a2c-0000-7000\n"
                              "  moraine maintenance cancel --table db.t\n",
                              [options](Session& s) { return CancelMaintenanceRun(s, *options); });
  cancel->add_option("run", options->run_id, "Id of the run, or how no other begins")
      ->type_name("RUN");
  cancel->add_option("--table", options->table, "Its run that goes on, instead of an id")
      ->type_name("TABLE")
      ->excludes("run");
  AddWarehouse(cancel, &options->warehouse);
  AddActionName(cancel, options, "Of the runs of the table that of this action");
  auto* pause =
      AddMaintained(commands.Add(group, "pause", "Let no run of a table begin by itself",
                                 "  moraine maintenance pause db.t\n"
                                 "  moraine maintenance pause db.t --action expire-snapshots\n",
                                 [options](Session& s) { return PauseMaintenance(s, *options); }),
                    options);
  AddActionName(pause, options, "Only this action");
  auto* resume =
      AddMaintained(commands.Add(group, "resume", "Let runs begin by themselves again",
                                 "  moraine maintenance resume db.t\n",
                                 [options](Session& s) { return ResumeMaintenance(s, *options); }),
                    options);
  AddActionName(resume, options, "Only this action");
}

CLI::App* AddNamespace(CLI::App* app, LifecycleOptions* options, const char* what) {
  app->add_option("namespace", options->name, what)->type_name("NAMESPACE");
  AddWarehouse(app, &options->warehouse);
  return app;
}

/// The whole of a warehouse is never meant by saying nothing.
void RequireNamespaceOrWarehouse(CLI::App* app, const LifecycleOptions* options) {
  app->parse_complete_callback([app, options] {
    if (!options->name.empty() || app->count("--warehouse") > 0) return;
    throw CLI::ValidationError(
        "expected a namespace, or --warehouse NAME for all that is in that warehouse",
        CLI::ExitCodes::ValidationError);
  });
}

void AddCatalogLifecycle(Commands& commands, CLI::App* group, LifecycleOptions* options) {
  constexpr LifecycleObject kNamespace = LifecycleObject::kNamespace;
  auto* dropped = commands.Add(group, "dropped", "List what was dropped and can be brought back",
                               "  moraine catalog dropped\n",
                               [options](Session& s) { return ListDropped(s, *options); });
  AddLimit(dropped, &options->limit, 10'000);
  auto* drop = AddNamespace(
      commands.Add(group, "drop", "Drop a namespace, with all in it if that is asked for",
                   "  moraine catalog drop staging --recursive --dry-run\n"
                   "  moraine catalog drop staging --recursive\n",
                   [options](Session& s) { return DropNamespace(s, *options); }),
      options, "What to drop");
  drop->get_option("namespace")->required();
  drop->add_flag("--recursive", options->recursive, "With all that is in it");
  AddDryRun(drop, options);
  auto* undrop = AddNamespace(
      commands.Add(group, "undrop", "Bring back a namespace, with all that was dropped with it",
                   "  moraine catalog undrop staging\n  moraine catalog undrop --id 3 --dry-run\n",
                   [options](Session& s) { return Undrop(s, *options, kNamespace); }),
      options, "What to bring back");
  AddDroppedId(undrop, options);
  AddDryRun(undrop, options);
  auto* purge = commands.Add(
      group, "purge", "End the hold of a dropped namespace now", "  moraine catalog purge --id 3\n",
      [options](Session& s) { return PurgeDropped(s, *options, kNamespace); });
  AddDroppedId(purge, options);
  AddDryRun(purge, options);
  auto* protect = AddNamespace(
      commands.Add(group, "protect",
                   "Protect a namespace against being dropped, or all that is in a warehouse",
                   "  moraine catalog protect sales\n"
                   "  moraine catalog protect --warehouse default --reason 'a freeze'\n",
                   [options](Session& s) { return Protect(s, *options, kNamespace); }),
      options, "What to protect; all that is in the warehouse with --warehouse alone");
  AddReason(protect, options);
  RequireNamespaceOrWarehouse(protect, options);
  auto* unprotect = AddNamespace(
      commands.Add(group, "unprotect", "Let it be dropped again",
                   "  moraine catalog unprotect sales\n"
                   "  moraine catalog unprotect --warehouse default\n",
                   [options](Session& s) { return Unprotect(s, *options, kNamespace); }),
      options, "What is protected; the warehouse with --warehouse alone");
  RequireNamespaceOrWarehouse(unprotect, options);
}

void AddTableCommands(CLI::App* root, Flags* flags) {
  Commands commands(flags);
  auto* options = &flags->table;
  auto* group =
      commands.Group(root, "table", "Tables: what they are, how healthy they are, optimize them");
  auto* list =
      commands.Add(group, "list", "List all tables with their health",
                   "  moraine table list\n  moraine table list --limit 20\n"
                   "  moraine table list --json | jq -r '.tables[] | select(.status == \"failed\") "
                   "| .name'\n",
                   [options](Session& s) { return ListTables(s, *options); });
  list->add_option("--limit", options->tables, "Show at most so many; all if not given")
      ->check(CLI::PositiveNumber)
      ->type_name("N");
  AddTable(commands.Add(group, "show", "Show a table: location, schema, properties, health",
                        "  moraine table show db.t\n  moraine table show 'db.\"name.with.dots\"'\n",
                        [options](Session& s) { return ShowTable(s, *options); }),
           options);
  AddTable(commands.Add(group, "health", "Show why a table is, or is not, optimized",
                        "  moraine table health db.t\n",
                        [options](Session& s) { return ShowHealth(s, *options); }),
           options);
  auto* files = AddTable(commands.Add(group, "files", "List the files of the current snapshot",
                                      "  moraine table files db.t --limit 50\n",
                                      [options](Session& s) { return ShowFiles(s, *options); }),
                         options);
  AddLimit(files, &options->limit, 10'000);
  AddTable(commands.Add(group, "snapshots", "List the snapshots, oldest first",
                        "  moraine table snapshots db.t\n",
                        [options](Session& s) { return ShowSnapshots(s, *options); }),
           options);
  AddTable(commands.Add(group, "statistics",
                        "Show which statistics a table has: distinct values of columns, partitions",
                        "  moraine table statistics db.t\n",
                        [options](Session& s) { return ShowStatistics(s, *options); }),
           options);
  AddTable(
      commands.Add(group, "refs", "Show branches and tags: how long they stay, what they hold back",
                   "  moraine table refs db.t\n",
                   [options](Session& s) { return ShowRefs(s, *options); }),
      options);
  AddReportCommand(&commands, group, options);
  AddAdvise(commands, group, &flags->advise);
  AddSet(commands, group, &flags->set);
  auto* optimize = AddTable(
      commands.Add(
          group, "optimize", "Ask for a run now, whatever the table's timers say",
          "  moraine table optimize db.t --watch\n  moraine table optimize db.t --type full\n"
          "  moraine table optimize db.t --layout 'zorder(a, b)' --watch\n"
          "  moraine table optimize db.t --dedup-key id --dedup-by updated_at\n"
          "  moraine table optimize db.t --branch audit --type full\n",
          [options](Session& s) { return OptimizeTable(s, *options); }),
      options);
  optimize
      ->add_option("--type", options->type,
                   "minor, major or full; the default is major, with --layout or --dedup-key full")
      ->check(CLI::IsMember({"minor", "major", "full"}))
      ->type_name("TYPE");
  AddLayout(optimize, &options->layout, "");
  auto* key = optimize->add_option("--dedup-key", options->dedup_key,
                                   "Leave out rows of a partition with the key of a later one: "
                                   "columns as in 'a, b', or '*' for the identifier fields");
  key->type_name("COLUMNS");
  optimize
      ->add_option("--dedup-by", options->dedup_by,
                   "The row with the largest value of this column stays, instead of the one that "
                   "was written last")
      ->type_name("COLUMN")
      ->needs(key);
  optimize->add_option("--branch", options->branch, "Optimize this branch instead of main")
      ->type_name("BRANCH");
  optimize->add_flag("--watch", options->watch, "Follow the run until it ends");
  AddTableLifecycle(commands, group, &flags->lifecycle);
  AddTableMaintenance(commands, group, &flags->maintenance);
}

void AddAfter(CLI::App* app, std::string* after) {
  app->add_option("--after", *after,
                  "Begin behind this event: its number, earliest or latest (only new ones)")
      ->type_name("EVENT");
}

void AddWebhookFilter(CLI::App* app, WebhookOptions* options) {
  app->add_option("--types", options->types,
                  "Only these, parted by commas: table.committed, view.*, namespace.created, ...")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("TYPES");
  app->add_option("--warehouse", options->warehouse, "Only of this warehouse")->type_name("NAME");
  auto* ns = app->add_option("--namespace", options->ns, "Only of this namespace and those below");
  ns->type_name("NAMESPACE");
  app->add_option("--table", options->table, "Only of this table or view: db.t")
      ->type_name("TABLE")
      ->excludes(ns);
  app->add_option(
         "--secret-file", options->secret_file,
         "File whose first line is the secret for signatures (whsec_...); else one is made")
      ->type_name("FILE");
}

void AddWebhookCommands(CLI::App* root, Flags* flags) {
  Commands commands(flags);
  auto* options = &flags->webhook;
  auto* group =
      commands.Group(root, "webhook", "Webhooks: send events of the catalog to other systems");
  auto add_name = [options](CLI::App* app) {
    app->add_option("name", options->name, "Name of the webhook")->required()->type_name("NAME");
    return app;
  };
  auto* create = add_name(commands.Add(
      group, "create", "Send events to a URL from now on",
      "  moraine webhook create etl http://127.0.0.1:9000/events\n"
      "  moraine webhook create audit http://127.0.0.1:9000/ --types 'table.*' --namespace sales\n"
      "  moraine webhook create copy http://127.0.0.1:9000/ --table db.t --after earliest\n",
      [options](Session& s) { return CreateWebhook(s, *options); }));
  create->add_option("url", options->url, "Where to send them")->required()->type_name("URL");
  AddWebhookFilter(create, options);
  AddAfter(create, &options->after);
  commands.Add(group, "list", "List the webhooks and how far they are", "  moraine webhook list\n",
               [](Session& s) { return ListWebhooks(s); });
  add_name(commands.Add(group, "show", "Show a webhook", "  moraine webhook show etl\n",
                        [options](Session& s) { return ShowWebhook(s, *options); }));
  add_name(commands.Add(group, "pause", "Send it nothing for now", "  moraine webhook pause etl\n",
                        [options](Session& s) { return PauseWebhook(s, *options); }));
  auto* resume = add_name(
      commands.Add(group, "resume", "Go on, from where it was",
                   "  moraine webhook resume etl\n  moraine webhook resume etl --after latest\n",
                   [options](Session& s) { return ResumeWebhook(s, *options); }));
  AddAfter(resume, &options->after);
  add_name(commands.Add(group, "test", "Send one event of its own kind, and show the answer",
                        "  moraine webhook test etl\n",
                        [options](Session& s) { return TestWebhook(s, *options); }));
  add_name(commands.Add(group, "delete", "Delete a webhook", "  moraine webhook delete etl\n",
                        [options](Session& s) { return DeleteWebhook(s, *options); }));
}

void AddProcessCommands(CLI::App* root, Flags* flags) {
  Commands commands(flags);
  auto* options = &flags->process;
  auto* group = commands.Group(root, "process", "Runs of optimizing: list, show, cancel");
  auto* list =
      commands.Add(group, "list", "List runs, newest first",
                   "  moraine process list\n  moraine process list --table db.t --limit 5\n",
                   [options](Session& s) { return ListProcesses(s, *options); });
  list->add_option("--table", options->table, "Only those of this table")->type_name("TABLE");
  AddWarehouse(list, &options->warehouse);
  AddLimit(list, &options->limit, 1'000);
  auto add_id = [options](CLI::App* app) {
    app->add_option("process", options->process_id, "Id of the process")
        ->required()
        ->type_name("ID");
    return app;
  };
  auto* show = add_id(commands.Add(
      group, "show", "Show a run and its tasks",
      "  moraine process show 0197f2a0-...\n  moraine process show 0197f2a0-... --watch\n",
      [options](Session& s) { return ShowProcess(s, *options); }));
  show->add_flag("--watch", options->watch, "Follow it until it ends");
  add_id(commands.Add(group, "cancel", "End a run; nothing of it is committed",
                      "  moraine process cancel 0197f2a0-...\n",
                      [options](Session& s) { return CancelProcess(s, *options); }));
}

void AddImportCommand(CLI::App* group, ImportFlags* flags, Invocation* invocation) {
  auto* app = group->add_subcommand(
      "import", "Register the tables of another catalog; nothing is copied or changed there");
  app->add_option(
         "source", flags->source,
         "http://HOST/PATH of an Iceberg REST catalog; sqlite:///FILE, postgresql://... or "
         "mariadb://... of a SQL (JDBC) catalog; or the folder of a Hadoop warehouse")
      ->required()
      ->type_name("SOURCE");
  AddConnection(app, &flags->target.server, &flags->target.token_file, Variables::kYes);
  app->add_option("--warehouse", flags->warehouse, "Warehouse of the server that gets the tables")
      ->capture_default_str()
      ->type_name("NAME");
  app->add_option("--namespace", flags->ns, "Only this namespace of the source, and those in it")
      ->type_name("NAMESPACE");
  app->add_option("--catalog-name", flags->catalog_name,
                  "Of a SQL catalog: the catalog_name of its rows, if there are several")
      ->type_name("NAME");
  app->add_option("--property", flags->properties,
                  "Of the source: warehouse, token, credential, s3.endpoint, ...; may be repeated")
      ->allow_extra_args(false)
      ->type_name("KEY=VALUE");
  app->add_option("--threads", flags->threads, "Tables at a time")
      ->check(CLI::Range(1, 64))
      ->capture_default_str()
      ->type_name("N");
  app->add_flag("--dry-run", flags->dry_run, "Say what would be done, and do nothing");
  app->add_flag("--json", flags->target.json, "Print the outcome of each table as JSON");
  app->footer(
      "\nThe tables stay where they are: their folders must be among the warehouse's allowed "
      "locations.\n"
      "They are not optimized unless asked for: set self-optimizing.enabled=true on those that "
      "shall be.\n"
      "Once a table is imported, the other catalog must not change it any more.\n"
      "After an interruption the same command goes on; what is there already is passed over.\n"
      "\nExamples:\n"
      "  moraine catalog import http://127.0.0.1:8181 --dry-run\n"
      "  moraine catalog import https://catalog.example.com/api --property warehouse=sales "
      "--property credential=id:secret\n"
      "  moraine catalog import sqlite:///var/lib/pyiceberg.db --catalog-name default\n"
      "  moraine catalog import s3://lake/warehouse --namespace sales.eu\n"
      "\nExit codes: 0 all tables are there, 1 some are not (they are listed), 2 wrong usage, 4 a "
      "server can't\nbe reached, 130 interrupted.\n");
  app->callback([flags, invocation] {
    invocation->alone = [typed = *flags](World& world) { return RunImportCommand(world, typed); };
  });
}

void AddCatalogCommands(CLI::App* root, Flags* flags) {
  Commands commands(flags);
  auto* options = &flags->catalog;
  auto* group = commands.Group(root, "catalog", "Warehouses, namespaces and the tables in them");
  commands.Add(group, "warehouses", "List the warehouses", "  moraine catalog warehouses\n",
               [](Session& s) { return ListWarehouses(s); });
  auto* namespaces =
      commands.Add(group, "namespaces", "List the namespaces in a namespace, or at the top",
                   "  moraine catalog namespaces\n  moraine catalog namespaces sales.eu\n",
                   [options](Session& s) { return ListNamespaces(s, *options); });
  namespaces->add_option("namespace", options->ns, "Where to look")->type_name("NAMESPACE");
  AddWarehouse(namespaces, &options->warehouse);
  auto* tables = commands.Add(group, "tables", "List the tables of a namespace",
                              "  moraine catalog tables db\n",
                              [options](Session& s) { return ListNamespaceTables(s, *options); });
  tables->add_option("namespace", options->ns, "Where to look")->required()->type_name("NAMESPACE");
  AddWarehouse(tables, &options->warehouse);
  AddCatalogLifecycle(commands, group, &flags->lifecycle);
  AddImportCommand(group, &flags->import, &flags->invocation);
}

void AddWarehouseFlags(CLI::App* app, WarehouseOptions* options) {
  app->add_option("--allowed-location", options->allowed_locations,
                  "More prefixes in which its tables may lie; may be repeated")
      ->allow_extra_args(false)
      ->type_name("LOCATION");
  auto pairs = [app](const char* flag, std::vector<std::string>* values, const char* what) {
    app->add_option(flag, *values, what)->allow_extra_args(false)->type_name("PROPERTY=VALUE");
  };
  pairs("--storage", &options->storage,
        "How the server reaches the files: s3.endpoint, s3.access-key-id, ...; =@FILE reads the "
        "value from a file");
  pairs("--client-credential", &options->client_credentials,
        "Keys that clients get instead of the server's own");
  pairs("--default", &options->defaults,
        "Told to clients as default; table-default.X=V is set in new tables");
  pairs("--override", &options->overrides,
        "Told to clients over their own; table-override.X=V is set in new tables");
  auto choice = [app](const char* flag, std::string* value, const char* what) {
    app->add_option(flag, *value, what)
        ->check(CLI::IsMember({"true", "false"}))
        ->type_name("true|false");
  };
  choice("--send-credentials", &options->send_credentials,
         "Whether clients that ask for access get keys of the store");
  choice("--remote-signing", &options->remote_signing,
         "Whether requests of clients to the store are signed by the server");
}

void AddWarehouseCommands(CLI::App* root, Flags* flags) {
  Commands commands(flags);
  auto* options = &flags->warehouse;
  auto* group =
      commands.Group(root, "warehouse", "Warehouses: where tables lie, and who gets there");
  auto add_name = [options](CLI::App* app) {
    app->add_option("name", options->name, "Name of the warehouse")->required()->type_name("NAME");
    return app;
  };
  commands.Add(group, "list", "List the warehouses", "  moraine warehouse list\n",
               [](Session& s) { return ListWarehouses(s); });
  add_name(commands.Add(group, "show", "Show a warehouse; secrets are hidden",
                        "  moraine warehouse show sales\n",
                        [options](Session& s) { return ShowWarehouse(s, *options); }));
  auto* create = add_name(commands.Add(
      group, "create", "Make a warehouse",
      "  moraine warehouse create sales --root file:///data/sales\n"
      "  moraine warehouse create lake --root s3://lake/w --storage s3.endpoint=http://store:8333 "
      "--storage s3.access-key-id=lake --storage s3.secret-access-key=@/run/secrets/lake\n",
      [options](Session& s) { return CreateWarehouse(s, *options); }));
  create->add_option("--root", options->root, "Where its tables are kept")
      ->required()
      ->type_name("LOCATION");
  AddWarehouseFlags(create, options);
  auto* set = add_name(commands.Add(
      group, "set", "Change a warehouse; what is not given stays",
      "  moraine warehouse set lake --remote-signing true\n"
      "  moraine warehouse set lake --default table-default.write.format.default=orc --storage "
      "s3.session-token=\n",
      [options](Session& s) { return SetWarehouse(s, *options); }));
  set->add_option("--root", options->root, "Where its new tables are kept")->type_name("LOCATION");
  AddWarehouseFlags(set, options);
  add_name(commands.Add(group, "drop", "Forget a warehouse that has no namespaces; files stay",
                        "  moraine warehouse drop sales\n",
                        [options](Session& s) { return DropWarehouse(s, *options); }));
}

void AddCompactLogin(CLI::App* app, CompactFlags* compact) {
  app->add_option("--warehouse", compact->warehouse, "Warehouse, as the catalog names it")
      ->type_name("NAME");
  app->add_option("--credential", compact->credential, "OAuth2 client credentials")
      ->envname("MORAINE_CATALOG_CREDENTIAL")
      ->type_name("ID:SECRET");
  app->add_option("--token", compact->token, "Bearer token")
      ->envname("MORAINE_CATALOG_TOKEN")
      ->type_name("TOKEN");
  app->add_option("--token-file", compact->token_file, "File whose first line is the bearer token")
      ->type_name("FILE");
  app->add_option("--property", compact->properties,
                  "Any other property of an Iceberg REST catalog; may be repeated")
      ->allow_extra_args(false)
      ->type_name("KEY=VALUE");
}

void AddCompactCommand(CLI::App* root, Flags* flags) {
  CompactFlags* compact = &flags->compact;
  auto* app = root->add_subcommand(
      "compact", "Rewrite the small files and deletes of one table, with no Moraine server");
  app->add_option("uri", compact->uri, "URI of an Iceberg REST catalog; ?key=value sets properties")
      ->required()
      ->type_name("URI");
  app->add_option("table", compact->table,
                  "Namespace and name: db.t; a part with dots in double quotes: 'db.\"a.b\"'")
      ->required()
      ->type_name("TABLE");
  AddCompactLogin(app, compact);
  app->add_flag("--full", compact->full, "Rewrite every file, not only where it is worth it");
  app->add_flag("--dry-run", compact->dry_run, "Say what would be done, and do nothing");
  app->add_option("--filter", compact->filter,
                  "Only files that may hold such rows: \"day >= '2026-01-01'\"")
      ->type_name("PREDICATE");
  app->add_option("--target-file-size", compact->target_file_size,
                  "Of the new files; the table's self-optimizing.target-size if not given")
      ->type_name("SIZE");
  AddLayout(app, &compact->layout, "; rewrites every file");
  app->add_option("--spill-dir", compact->spill_folder,
                  "Local folder for what a sort does not hold in memory; the default is the "
                  "system's for temporary files")
      ->check(CLI::ExistingDirectory)
      ->type_name("FOLDER");
  app->add_option("--memory", compact->memory, "For all threads together")
      ->capture_default_str()
      ->type_name("SIZE");
  app->add_option("--threads", compact->threads, "Tasks at a time")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str()
      ->type_name("N");
  app->add_flag("--json", compact->json, "Print the summary as JSON, and nothing else");
  app->footer(
      "\nWorks where the table's files can be reached: local ones, and those in S3 with the keys "
      "that\n"
      "the catalog lends, or that MORAINE_S3_ACCESS_KEY_ID and MORAINE_S3_SECRET_ACCESS_KEY give.\n"
      "Rows lie afterwards as --layout says, or, where --full rewrites them, as the table's\n"
      "self-optimizing.layout does.\n"
      "Ctrl-C leaves the table and its files as they were.\n"
      "\nExamples:\n"
      "  moraine compact http://127.0.0.1:8181 db.events\n"
      "  moraine compact 'https://catalog.example.com/api/catalog?warehouse=sales' eu.orders "
      "--credential id:secret\n"
      "  moraine compact http://127.0.0.1:1630/iceberg db.t --dry-run\n"
      "  moraine compact http://127.0.0.1:8181 db.t --full --target-file-size 512MiB --threads 4 "
      "--memory 4GiB\n"
      "  moraine compact http://127.0.0.1:8181 db.t --layout 'zorder(a, b)' --spill-dir /mnt/fast\n"
      "\nExit codes: 0 done or nothing to do, 1 failed and nothing committed, 2 wrong usage,\n"
      "3 no such table, 4 the catalog can't be reached, 5 the catalog did not tell whether the\n"
      "commit landed (nothing is deleted then), 130 interrupted.\n");
  app->callback([flags, compact] {
    auto request = ReadCompactFlags(*compact);
    if (!request.ok())
      throw CLI::ValidationError(std::string(request.status().message()),
                                 CLI::ExitCodes::ValidationError);
    flags->invocation.alone = [request = *std::move(request)](World& world) {
      return RunCompact(world, request);
    };
  });
}

void AddLogFlags(CLI::App* app, LogFlags* log) {
  app->add_option("--log-level", log->level, "debug, info, warn or error")
      ->check(CLI::IsMember({"debug", "info", "warn", "error"}))
      ->capture_default_str()
      ->type_name("LEVEL");
  app->add_option("--log-format", log->format, "text or json")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str()
      ->type_name("FORMAT");
  app->add_option("--log-file", log->file, "Log to this file instead of standard error")
      ->type_name("FILE");
}

void AddOptimizerFlags(CLI::App* app, OptimizerFlags* flags, Variables variables) {
  AddConnection(app, &flags->connection.server, &flags->connection.token_file, variables);
  app->add_option("--group", flags->group, "Resource group whose tables it serves")
      ->capture_default_str()
      ->type_name("NAME");
  app->add_option("--threads", flags->threads, "Tasks at a time")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str()
      ->type_name("N");
  app->add_option("--memory", flags->memory, "Memory of one thread, such as 512MiB or 2GiB")
      ->capture_default_str()
      ->type_name("SIZE");
  app->add_option("--spill-dir", flags->spill_folder,
                  "Local folder for what a sort does not hold in memory; the default is the "
                  "system's for temporary files")
      ->type_name("FOLDER");
  app->add_option(
         "--allowed-location", flags->allowed_locations,
         "Of the files that the server allows, only touch those below this; may be repeated")
      ->type_name("LOCATION");
  app->add_option("--config", flags->config_file,
                  "Settings file of a server; its section s3 says how s3:// is reached")
      ->type_name("FILE");
  AddLogFlags(app, &flags->log);
}

void AddOptimizerCommands(CLI::App* root, Flags* flags) {
  constexpr char kExamples[] =
      "\nExamples:\n"
      "  moraine optimizer --server http://127.0.0.1:1630 --group default --threads 2 --memory "
      "2GiB\n"
      "  moraine optimizer --allowed-location file:///warehouse --token-file token\n"
      "  moraine optimizer list\n"
      "\nIt needs the same files as the server: run it where the warehouse can be reached.\n"
      "For s3:// it takes the section s3 of --config FILE, or MORAINE_S3_* variables.\n";
  Commands commands(flags);
  auto* group =
      root->add_subcommand("optimizer", "Run an optimizer process, or list those of a server");
  group->require_subcommand(0, 1);
  group->footer(kExamples);
  AddOptimizerFlags(group, &flags->optimizer, Variables::kYes);
  auto run = [flags](Console&) { return RunOptimizerProcess(flags->optimizer); };
  // The group's own callback runs after that of a subcommand.
  group->callback([flags, run] {
    if (!flags->invocation.remote) flags->invocation.local = run;
  });
  auto* start =
      group->add_subcommand("start", "Run an optimizer process until it is stopped (the default)");
  AddOptimizerFlags(start, &flags->optimizer, Variables::kNo);
  start->footer(kExamples);
  commands.AddBelow(group, "list", "List the optimizers that a server knows",
                    "  moraine optimizer list\n", &flags->optimizer.connection,
                    [](Session& s) { return ListOptimizers(s); });
}

void AddServerCommand(CLI::App* root, Flags* flags) {
  auto* app = root->add_subcommand("server",
                                   "Run the server: catalog, self-optimizing, embedded optimizer");
  auto* values = &flags->server.values;
  auto setting = [app, values](const char* flag, const char* key, const char* what,
                               const char* type) {
    app->add_option_function<std::string>(
           flag, [values, key](const std::string& value) { values->emplace_back(key, value); },
           fmt::format("{} ({})", what, key))
        ->type_name(type);
  };
  app->add_option("--config", flags->server.config_file,
                  "YAML file of settings; environment and flags win over it")
      ->envname("MORAINE_CONFIG")
      ->type_name("FILE");
  app->add_flag("--print-config", flags->server.print_config,
                "Print a commented sample of that file, and end");
  setting("--listen", "server.listen", "Address to serve on, 127.0.0.1:1630 if not given",
          "HOST:PORT");
  setting("--store", "store.url", "Where the catalog and all state live", "URL");
  setting("--warehouse", "warehouse.root", "Where tables are kept", "LOCATION");
  setting("--token-file", "server.token-file", "File with the bearer token that clients must send",
          "FILE");
  setting("--optimizer-threads", "optimizer.threads", "Threads of the embedded optimizer, 0: none",
          "N");
  setting("--optimizer-memory", "optimizer.memory", "Memory of one such thread", "SIZE");
  setting("--log-level", "log.level", "debug, info, warn or error", "LEVEL");
  setting("--log-format", "log.format", "text or json", "FORMAT");
  setting("--log-file", "log.file", "Log to this file instead of standard error", "FILE");
  app->add_option_function<std::vector<std::string>>(
         "--set",
         [values](const std::vector<std::string>& pairs) {
           std::vector<std::pair<std::string, std::string>> set;
           for (const auto& pair : pairs) {
             size_t equals = pair.find('=');
             if (equals == std::string::npos)
               throw CLI::ValidationError("--set", "expected KEY=VALUE, got " + pair);
             set.emplace_back(pair.substr(0, equals), pair.substr(equals + 1));
           }
           // A flag of its own wins, wherever it stands.
           values->insert(values->begin(), set.begin(), set.end());
         },
         "Any other setting; may be repeated")
      ->type_name("KEY=VALUE");
  app->footer(
      "\nEvery setting can also come from the environment: server.listen is "
      "MORAINE_SERVER_LISTEN.\n"
      "\nExamples:\n"
      "  moraine server                        on 127.0.0.1:1630, in /var/lib/moraine\n"
      "  moraine server --store sqlite:///data/m.db --warehouse file:///data/warehouse\n"
      "  moraine server --print-config > moraine.yaml\n"
      "  moraine server --config moraine.yaml --listen 0.0.0.0:1630 --token-file token\n");
  app->callback([flags] {
    flags->invocation.local = [flags](Console& console) {
      return RunServerProcess(console, flags->server);
    };
  });
}

void AddAll(CLI::App* root, Flags* flags) {
  root->require_subcommand(1);
  root->set_version_flag("--version", "moraine " MORAINE_VERSION);
  root->add_flag("--no-color", flags->invocation.no_color,
                 "Plain text on a terminal, too, as with NO_COLOR; anywhere in the line");
  root->add_option("--no-color-variable", flags->no_color)->envname("NO_COLOR")->group("");
  root->footer(
      "\nExamples:\n"
      "  moraine server --store sqlite:///data/moraine.db --warehouse file:///data/warehouse\n"
      "  moraine table list\n"
      "  moraine table optimize db.t --watch\n"
      "  moraine compact http://127.0.0.1:8181 db.t\n"
      "\nExit codes: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 the server can't be reached, "
      "5 it\n"
      "is not known whether a commit landed (compact), 130 interrupted.\n"
      "`moraine COMMAND --help` tells more about each, and so does `moraine help COMMAND`.\n");
  AddServerCommand(root, flags);
  AddOptimizerCommands(root, flags);
  AddTableCommands(root, flags);
  AddProcessCommands(root, flags);
  AddWarehouseCommands(root, flags);
  AddCatalogCommands(root, flags);
  AddWebhookCommands(root, flags);
  AddMaintenanceCommands(root, flags);
  AddCompactCommand(root, flags);
  root->add_subcommand("version", "Print the version")->callback([flags] {
    flags->invocation.text = "moraine " MORAINE_VERSION "\n";
  });
}

/// The deepest command that the line named.
const CLI::App* Reached(const CLI::App* app) {
  while (true) {
    auto parsed = app->get_subcommands();
    if (parsed.empty()) return app;
    app = parsed.front();
  }
}

std::string PathOf(const CLI::App* app) {
  std::string path;
  for (; app != nullptr; app = app->get_parent())
    path = app->get_name() + (path.empty() ? "" : " ") + path;
  return path;
}

/// What is wrong with the line, and where help is.
Status Complaint(const CLI::App* reached, const CLI::Error& error) {
  std::vector<std::string> known;
  for (const auto* command : reached->get_subcommands([](const CLI::App*) { return true; })) {
    // An option group is a command without a name to CLI11.
    if (!command->get_name().empty()) known.push_back(command->get_name());
  }
  auto extras = reached->remaining();
  std::string problem = error.what();
  if (!known.empty() && !extras.empty() && !extras.front().starts_with("-")) {
    std::string nearest = Nearest(extras.front(), known);
    problem = fmt::format("no such command: {}", extras.front());
    if (!nearest.empty()) problem += fmt::format(" (did you mean {}?)", nearest);
  } else if (!known.empty() && extras.empty() && dynamic_cast<const CLI::RequiredError*>(&error)) {
    problem = fmt::format("expected a command: {}", fmt::join(known, ", "));
  }
  return InvalidArgument(fmt::format("{}\nSee: {} --help", problem, PathOf(reached)));
}

}  // namespace

Result<Invocation> ParseArguments(const std::vector<std::string>& arguments) {
  auto flags = std::make_shared<Flags>();
  std::vector<std::string> line = arguments;
  if (!line.empty() && line.front() == "help") {
    line.erase(line.begin());
    line.push_back("--help");
  }
  // A flag of the root that stands behind a command, too; but what follows "--" are names.
  const auto names = std::find(line.begin(), line.end(), "--");
  const auto rest = std::remove(line.begin(), names, "--no-color");
  const bool no_color = rest != names;
  line.erase(rest, names);
  CLI::App root(
      "Moraine: the catalog of a data lake, and the service that keeps its Iceberg tables healthy",
      "moraine");
  try {
    AddAll(&root, flags.get());
    root.parse(std::vector<std::string>(line.rbegin(), line.rend()));
  } catch (const CLI::Success& request) {
    // Help about a command that there is not would be that about another.
    const CLI::App* reached = Reached(&root);
    bool has_commands = !reached->get_subcommands([](const CLI::App*) { return true; }).empty();
    const auto extras = reached->remaining();
    if (has_commands && !extras.empty() && !extras.front().starts_with("-")) {
      return Complaint(reached, request);
    }
    std::ostringstream text;
    root.exit(request, text, text);
    flags->invocation.text = text.str();
    return std::move(flags->invocation);
  } catch (const CLI::Error& error) {
    return Complaint(Reached(&root), error);
  }
  Invocation invocation = flags->invocation;
  invocation.no_color |= no_color || !flags->no_color.empty();
  // The flags live as long as what reads them.
  if (invocation.remote) {
    invocation.remote = [flags, run = flags->invocation.remote](Session& session) {
      return run(session);
    };
  }
  if (invocation.local) {
    invocation.local = [flags, run = flags->invocation.local](Console& console) {
      return run(console);
    };
  }
  return invocation;
}

}  // namespace moraine::cli

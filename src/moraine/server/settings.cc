#include "moraine/server/settings.h"

#include <filesystem>
#include <utility>

#include <fmt/format.h>

#include "moraine/server/s3_settings.h"

namespace moraine::server {

std::vector<Setting> Settings() {
  constexpr int64_t kMiB = int64_t{1} << 20;
  std::vector<Setting> settings = {
      {"server.listen", SettingType::kText, "127.0.0.1:1630",
       "Address and port to serve on. Other addresses than loopback need server.token-file."},
      {"server.token-file", SettingType::kText, "",
       "File whose first line is the bearer token that every request but /health and /health/ready "
       "must carry."},
      {"server.host-names", SettingType::kList, "",
       "Names by which clients may call this server, besides localhost and its address."},
      {"server.allowed-origins", SettingType::kList, "",
       "Origins of pages served elsewhere that may call this server."},
      {"server.request-threads", SettingType::kNumber, "8", "Threads that run requests.", 1, 1024},
      {"server.request-queue", SettingType::kNumber, "1024",
       "Requests that may wait for a thread; more get 429.", 1, 1'000'000},
      {"server.request-timeout", SettingType::kDuration, "60s", "Time that one request may take.",
       100, 86'400'000},
      {"server.max-body", SettingType::kBytes, "64MiB",
       "Largest request body; larger ones get 413.", 1024, 4096 * kMiB},
      {"server.max-bodies", SettingType::kBytes, "1GiB",
       "All request bodies in memory together; more get 503.", kMiB, 1024 * 1024 * kMiB},
      {"server.max-connections", SettingType::kNumber, "10000", "Open connections; more get 503.",
       1, 1'000'000},
      {"server.idle-timeout", SettingType::kDuration, "75s",
       "How long a connection may be silent between requests.", 100, 86'400'000},
      {"server.header-timeout", SettingType::kDuration, "10s",
       "Time from the first byte of a request to its whole header; slower ones get 408.", 100,
       3'600'000},
      {"server.body-timeout", SettingType::kDuration, "30s",
       "Time for a request's body, with a second more for each 16 KiB that came; slower ones get "
       "408.",
       100, 3'600'000},
      {"server.write-timeout", SettingType::kDuration, "30s",
       "Time in which a client must take something of an answer, and all of it, with a second more "
       "for each 16 KiB that it took; slower ones are cut off.",
       100, 3'600'000},
      {"server.client-rate", SettingType::kNumber, "0",
       "Requests a second that one client (an address) may send on average; more get 429. 0: any "
       "number.",
       0, 1'000'000},
      {"server.client-burst", SettingType::kNumber, "0",
       "Requests that one client may send in a moment; 0: as many as in two seconds.", 0,
       1'000'000},
      {"server.client-requests", SettingType::kNumber, "0",
       "Requests of one client at once; more get 429. 0: any number.", 0, 1'000'000},
      {"server.client-connections", SettingType::kNumber, "0",
       "Open connections of one client; more get 429. 0: any number.", 0, 1'000'000},
      {"server.trusted-proxies", SettingType::kList, "",
       "Addresses of proxies: their requests count for the client that X-Forwarded-For names."},
      {"server.shutdown-grace", SettingType::kDuration, "10s",
       "Time that running requests get to finish at the end.", 0, 3'600'000},
      {"server.drain-delay", SettingType::kDuration, "0s",
       "Time at the end during which /health/ready says 503 and everything is still served, so "
       "that "
       "balancers send requests elsewhere.",
       0, 3'600'000},
      {"store.url", SettingType::kText, "sqlite:///var/lib/moraine/moraine.db",
       "Where the catalog and all state live: sqlite:///file, postgresql://... or mariadb://...; "
       "see "
       "operating.md."},
      {"store.connections", SettingType::kNumber, "16",
       "Connections to a store that is a server, at most.", 1, 1'000},
      {"store.busy-timeout", SettingType::kDuration, "10s", "Longest wait for a lock of the store.",
       1, 600'000},
      {"store.connect-timeout", SettingType::kDuration, "10s",
       "Longest wait for a connection to a store that is a server.", 100, 600'000},
      {"warehouse.root", SettingType::kText, "file:///var/lib/moraine/warehouse",
       "Where tables of the warehouse 'default' are kept."},
      {"warehouse.allowed-locations", SettingType::kList, "",
       "More prefixes in which tables may lie, besides warehouse.root."},
      {"warehouse.table-defaults", SettingType::kList, "",
       "PROPERTY=VALUE, for new tables whose creator does not set the property."},
      {"warehouse.table-overrides", SettingType::kList, "",
       "PROPERTY=VALUE, for new tables whatever their creator sets."},
      {"warehouse.send-credentials", SettingType::kSwitch, "false",
       "Whether clients that ask for access get keys of the store: those of "
       "warehouse.client-access-key-id, else those of s3.*."},
      {"warehouse.client-access-key-id", SettingType::kText, "",
       "Key that clients get instead of the server's own."},
      {"warehouse.client-secret-access-key", SettingType::kText, "", "Its secret."},
      {"warehouse.client-session-token", SettingType::kText, "", "Token of temporary keys."},
      {"warehouse.remote-signing", SettingType::kSwitch, "false",
       "Whether clients that ask for it get their requests to the store signed, within the places "
       "of the table."},
  };
  for (Setting& setting : S3Settings()) settings.push_back(std::move(setting));
  for (Setting& setting : CloudSettings()) settings.push_back(std::move(setting));
  std::vector<Setting> more = {
      {"catalog.metadata-cache", SettingType::kBytes, "64MiB", "Memory for table metadata.", 0,
       1024 * 1024 * kMiB},
      {"catalog.max-metadata", SettingType::kBytes, "256MiB", "Largest metadata file that is read.",
       kMiB, 4096 * kMiB},
      {"catalog.idempotency-key-lifetime", SettingType::kDuration, "30m",
       "How long a request may be sent again under its Idempotency-Key and is answered as the "
       "first "
       "time; 0: such keys are ignored.",
       0, 7LL * 86'400'000},
      {"catalog.drop-hold-time", SettingType::kDuration, "7d",
       "How long dropped tables, views and namespaces can be brought back; 0: not at all. A "
       "warehouse's overrides, the table's own property and a warehouse's defaults of this name "
       "win, in this order.",
       0, 3650LL * 86'400'000},
      {"catalog.history-retention", SettingType::kDuration, "30d",
       "How far back the history of tables goes.", 0, 3650LL * 86'400'000},
      {"catalog.report-retention", SettingType::kDuration, "7d",
       "How long metrics reports of engines are kept.", 1'000, 3650LL * 86'400'000},
      {"catalog.scan-usage-retention", SettingType::kDuration, "30d",
       "How far back it is known what scans filtered on, for `moraine table advise`.", 86'400'000,
       3650LL * 86'400'000},
      {"scan.files-per-answer", SettingType::kNumber, "5000",
       "Data files in one answer of scan planning; more are fetched by plan tasks.", 1, 1'000'000},
      {"scan.plan-lifetime", SettingType::kDuration, "1h",
       "How long plans and their plan tasks can be fetched.", 1'000, 7LL * 86'400'000},
      {"scan.submit-from", SettingType::kBytes, "16MiB",
       "Scans whose manifest lists are at least so long are answered with a plan to fetch later; 0 "
       "for all.",
       0, 1024 * 1024 * kMiB},
      {"scan.manifest-list-cache", SettingType::kBytes, "32MiB",
       "Memory for manifest lists of scans that are being planned.", 0, 1024 * 1024 * kMiB},
      {"optimizing.enabled", SettingType::kSwitch, "true",
       "Whether this server plans and commits optimizing; servers on one store share the work."},
      {"optimizing.lease", SettingType::kDuration, "6s",
       "The part of the work of a server that is silent for so long goes to the others.", 1'000,
       600'000},
      {"optimizing.refresh-interval", SettingType::kDuration, "1s",
       "The health of a table is looked at again at most this often.", 10, 86'400'000},
      {"optimizing.heartbeat-interval", SettingType::kDuration, "5s",
       "How often optimizers report.", 100, 600'000},
      {"optimizing.heartbeat-timeout", SettingType::kDuration, "30s",
       "An optimizer that is silent for longer is lost; its tasks go to others.", 500, 3'600'000},
      {"optimizing.acknowledge-timeout", SettingType::kDuration, "30s",
       "A task that is not acknowledged by then goes to another.", 500, 3'600'000},
      {"optimizing.task-timeout", SettingType::kDuration, "1h",
       "Longest time of one attempt of a task.", 1'000, 7LL * 86'400'000},
      {"optimizing.poll-timeout", SettingType::kDuration, "20s",
       "How long an optimizer's poll waits for a task.", 100, 60'000},
      {"optimizing.retry-first", SettingType::kDuration, "1m",
       "Wait after a failed process; doubles up to optimizing.retry-last.", 100, 86'400'000},
      {"optimizing.retry-last", SettingType::kDuration, "6h",
       "Longest wait after failed processes.", 100, 30LL * 86'400'000},
      {"optimizing.max-input-per-thread", SettingType::kBytes, "512MiB",
       "Input of one process, for each thread of the group.", kMiB, 1024 * 1024 * kMiB},
      {"optimizing.process-retention", SettingType::kDuration, "30d",
       "How long ended processes are remembered.", 1'000, 3650LL * 86'400'000},
      {"maintenance.enabled", SettingType::kSwitch, "true",
       "Whether this server looks after maintenance; servers on one store share the work. "
       "Optimizing"
       " must be on somewhere, too."},
      {"maintenance.expire-snapshots", SettingType::kText, "every 1h",
       "When snapshots expire, for tables that do not say it (property"
       " maintenance.expire-snapshots.schedule): off, every 6h, cron 0 3 * * *. The same for what"
       " follows."},
      {"maintenance.clean-orphan-files", SettingType::kText, "every 1d",
       "When files that no table names are looked for, where a table wants that."},
      {"maintenance.clean-dangling-delete-files", SettingType::kText, "every 1d",
       "When deletes that concern no row any more are removed."},
      {"maintenance.rewrite-manifests", SettingType::kText, "every 1d",
       "When manifests are put in order."},
      {"maintenance.expire-data", SettingType::kText, "every 1d",
       "When old rows go, where a table wants that."},
      {"maintenance.auto-create-tags", SettingType::kText, "every 1min",
       "When tags and branches are made, where a table wants that."},
      {"maintenance.compute-statistics", SettingType::kText, "every 6h",
       "When distinct values are counted, where a table wants that."},
      {"maintenance.window", SettingType::kText, "",
       "Hours in which runs may begin: 22:00-06:00 Mon-Fri; 00:00-24:00 Sat,Sun. Empty: at any"
       " time."},
      {"maintenance.time-zone", SettingType::kText, "UTC",
       "Of schedules and windows that name none."},
      {"maintenance.properties", SettingType::kList, "",
       "More of what holds for all tables that say nothing else: NAME=VALUE of the guide's list."},
      {"maintenance.threads", SettingType::kNumber, "4",
       "Tables that a server's maintenance works on at a time, beside what optimizers do; a slow "
       "one holds up none but itself.",
       1, 64},
      {"maintenance.thread-share", SettingType::kNumber, "25",
       "Per cent of an optimizer group's turns and threads that maintenance has while rewrites "
       "wait;"
       " one thread at least.",
       1, 100},
      {"maintenance.retry-first", SettingType::kDuration, "1m",
       "Wait after a failed run; doubles up to maintenance.retry-last.", 100, 86'400'000},
      {"maintenance.retry-last", SettingType::kDuration, "6h", "Longest wait after failed runs.",
       100, 30LL * 86'400'000},
      {"maintenance.history-retention", SettingType::kDuration, "30d",
       "How long runs that have ended, and what they deleted, are remembered.", 1'000,
       3650LL * 86'400'000},
      {"maintenance.hold-length", SettingType::kDuration, "7d",
       "How long a named hold of snapshots lasts that says nothing itself.", 1'000,
       3650LL * 86'400'000},
      {"maintenance.hold-most", SettingType::kDuration, "30d",
       "Holds that are to last longer are refused.", 1'000, 3650LL * 86'400'000},
      {"maintenance.hold-warn-after", SettingType::kDuration, "3d",
       "Holds of snapshots that are older are warned of: files are kept for them.", 1'000,
       3650LL * 86'400'000},
      {"events.source", SettingType::kText, "/moraine",
       "A URI that names this catalog in its events."},
      {"events.retention", SettingType::kDuration, "7d",
       "How long events are kept; who reads later has to look at all tables.", 3'600'000,
       3650LL * 86'400'000},
      {"events.poll-interval", SettingType::kDuration, "1s",
       "How often changes made by other servers are looked for.", 10, 600'000},
      {"events.heartbeat-interval", SettingType::kDuration, "15s",
       "How often a stream of events on which nothing happens says so.", 100, 600'000},
      {"events.max-streams", SettingType::kNumber, "200", "Open streams of events; more get 429.",
       0, 100'000},
      {"events.webhook-hosts", SettingType::kList, "localhost,127.0.0.1,::1",
       "Hosts that webhooks may send events to: host, host:port or *.example.com."},
      {"events.webhook-threads", SettingType::kNumber, "4",
       "Webhooks that are delivered to at the same time.", 1, 100},
      {"events.webhook-timeout", SettingType::kDuration, "10s",
       "Time that a webhook's receiver gets to answer.", 100, 600'000},
      {"events.webhook-retry-first", SettingType::kDuration, "1s",
       "Wait after a failed delivery; doubles up to events.webhook-retry-last.", 10, 86'400'000},
      {"events.webhook-retry-last", SettingType::kDuration, "5m",
       "Longest wait after failed deliveries.", 10, 30LL * 86'400'000},
      {"events.webhook-max-failures", SettingType::kNumber, "20",
       "Failed deliveries in a row that pause a webhook.", 1, 1'000'000},
      {"optimizer.threads", SettingType::kNumber, "1",
       "Threads of the embedded optimizer; 0 turns it off.", 0, 1024},
      {"optimizer.memory", SettingType::kBytes, "512MiB", "Memory of one optimizer thread.",
       64 * kMiB, 1024 * 1024 * kMiB},
      {"optimizer.group", SettingType::kText, "default",
       "Resource group of the embedded optimizer."},
      {"optimizer.spill-dir", SettingType::kText, "",
       "Local folder for what a sort does not hold in memory; empty: the system's for temporary "
       "files."},
      {"optimizer.send-storage-credentials", SettingType::kText, "",
       "Whether optimizer processes get the keys of the s3.* settings with their tasks: true, "
       "false, or empty: where server.listen is loopback and there is a server.token-file. "
       "Elsewhere only over TLS: who can register as an optimizer gets them."},
      {"log.level", SettingType::kText, "info", "debug, info, warn or error."},
      {"log.format", SettingType::kText, "text", "text or json."},
      {"log.file", SettingType::kText, "", "File for the log; empty: standard error."},
  };
  for (Setting& setting : more) settings.push_back(std::move(setting));
  return settings;
}

Result<Config> LoadSettings(const SettingSources& sources) {
  Config config(Settings());
  if (!sources.file.empty()) {
    std::error_code ignored;
    if (std::filesystem::is_directory(sources.file, ignored)) {
      return InvalidArgument(
          fmt::format("config file: {} is a folder, expected a file", sources.file));
    }
    Status loaded = config.LoadFile(sources.file);
    // A file that is not there is the command line's fault.
    if (loaded.code() == Code::kNotFound)
      loaded = std::move(loaded).WithCode(Code::kInvalidArgument);
    MORAINE_TRY(loaded);
  }
  MORAINE_TRY(config.LoadEnvironment());
  for (const auto& [key, value] : sources.flags) {
    MORAINE_TRY(config.Set(key, value, "command line"));
  }
  return config;
}

}  // namespace moraine::server

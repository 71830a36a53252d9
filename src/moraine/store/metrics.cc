#include "moraine/store/metrics_internal.h"

namespace moraine::store {
namespace {

constexpr std::string_view kAccess[] = {"read", "write"};
constexpr std::string_view kOk = "ok";

/// 0.1 ms to 10 s: most are far quicker than requests.
const std::vector<double>& Bounds() {
  static const std::vector<double> bounds = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01,
                                             0.025,  0.05,    0.1,    0.5,   1,      10};
  return bounds;
}

HistogramFamily& Durations(Metrics& metrics) {
  return metrics.Histograms({"moraine_store_transaction_duration_seconds",
                             "Time of transactions, the wait for their turn included.",
                             {"access"}},
                            Bounds());
}

}  // namespace

StoreMetrics::StoreMetrics(Metrics* metrics)
    : own_(metrics == nullptr ? std::make_unique<Metrics>() : nullptr),
      transactions_((metrics == nullptr ? *own_ : *metrics)
                        .Counters({"moraine_store_transactions_total",
                                   "Transactions by what they do and how they ended.",
                                   {"access", "result"}})),
      succeeded_{transactions_.With({kAccess[0], kOk}), transactions_.With({kAccess[1], kOk})},
      duration_{Durations(metrics == nullptr ? *own_ : *metrics).With({kAccess[0]}),
                Durations(metrics == nullptr ? *own_ : *metrics).With({kAccess[1]})},
      group_size_((metrics == nullptr ? *own_ : *metrics)
                      .Histograms({"moraine_store_group_commit_size",
                                   "Writers that shared one COMMIT and its sync of the disk."},
                                  {1, 2, 4, 8, 16, 32, 64})
                      .With()),
      reruns_((metrics == nullptr ? *own_ : *metrics)
                  .Counters({"moraine_store_transaction_reruns_total",
                             "Transactions run once more: they met another one or lost their "
                             "connection.",
                             {}})
                  .With()) {}

void StoreMetrics::Ended(Access access, const Status& status, std::chrono::nanoseconds duration) {
  auto kind = static_cast<size_t>(access);
  if (status.ok()) {
    succeeded_[kind].Add();
  } else {
    transactions_.With({kAccess[kind], CodeName(status.code())}).Add();
  }
  duration_[kind].Observe(std::chrono::duration<double>(duration).count());
}

}  // namespace moraine::store

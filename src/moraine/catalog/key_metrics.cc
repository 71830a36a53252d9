#include "moraine/catalog/key_metrics.h"

namespace moraine::catalog {

KeyMetrics::KeyMetrics(Metrics* metrics)
    : own_(metrics == nullptr ? std::make_unique<Metrics>() : nullptr),
      requests_(
          (metrics == nullptr ? *own_ : *metrics)
              .Counters({"moraine_catalog_keyed_requests_total",
                         "Requests with an Idempotency-Key: kept, the answer was written "
                         "down; replayed, it came from what was written down; waited, for the "
                         "first with the same key; reused, refused since the key was another "
                         "request's.",
                         {"outcome"}})),
      kept_(requests_.With({"kept"})),
      replayed_(requests_.With({"replayed"})),
      waited_(requests_.With({"waited"})),
      reused_(requests_.With({"reused"})) {}

}  // namespace moraine::catalog

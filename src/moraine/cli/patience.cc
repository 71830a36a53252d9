#include "moraine/cli/patience.h"

namespace moraine::cli {
namespace {

constexpr Millis kInterval{500};
/// A server that is started again is waited for this long.
constexpr Millis kPatience{60'000};

}  // namespace

Status PauseBetweenLooks(Session& session) {
  session.client.env().clock.SleepFor(kInterval, session.client.stop());
  if (!session.client.stop().stop_requested()) return {};
  return Cancelled("stopped waiting; what was started goes on");
}

Result<Answer> PatientGet(Session& session, const std::string& path,
                          const net::QueryParams& query) {
  Clock& clock = session.client.env().clock;
  const MonoTime until = clock.Mono() + kPatience;
  while (true) {
    auto answer = session.client.Get(path, query);
    if (answer.ok() || answer.status().code() != Code::kUnavailable || clock.Mono() >= until) {
      return answer;
    }
    MORAINE_TRY(PauseBetweenLooks(session));
  }
}

}  // namespace moraine::cli

#include "moraine/cli/signals.h"

#include <condition_variable>
#include <mutex>

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "moraine/base/check.h"

namespace moraine::cli {

StopOnSignals::StopOnSignals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &set, &before_);
  std::signal(SIGPIPE, SIG_IGN);
  signals_ = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  wake_ = eventfd(0, EFD_CLOEXEC);
  MORAINE_CHECK(signals_ >= 0 && wake_ >= 0, "can't make descriptors for signals");
  thread_ = Thread("signals", [this](std::stop_token) { Read(); });
}

StopOnSignals::~StopOnSignals() {
  eventfd_write(wake_, 1);
  thread_.Join();
  close(signals_);
  close(wake_);
  pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

void StopOnSignals::Read() {
  while (true) {
    pollfd polled[] = {{signals_, POLLIN, 0}, {wake_, POLLIN, 0}};
    if (poll(polled, 2, -1) < 0) continue;
    if (polled[1].revents != 0) return;
    signalfd_siginfo info;
    if (read(signals_, &info, sizeof(info)) != sizeof(info)) continue;
    if (!stop_.request_stop()) _exit(128 + static_cast<int>(info.ssi_signo));
  }
}

void StopOnSignals::Wait() {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  never.wait(lock, stop_.get_token(), [] { return false; });
}

}  // namespace moraine::cli

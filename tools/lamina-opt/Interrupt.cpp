//===- Interrupt.cpp - Ctrl-C leaves nothing half-written -----------------------------------------------------===//

#include "tools/lamina-opt/Interrupt.h"

#include "runtime/io/ArtifactWriter.h"

#include <csignal>
#include <mutex>
#include <string>
#include <thread>
#include <unistd.h>

namespace {

/// As for what nohup or a shell starts in the background: the signal is meant for others.
bool isIgnored(int signal) {
  struct sigaction action = {};
  sigaction(signal, nullptr, &action);
  return action.sa_handler == SIG_IGN;
}

} // namespace

void lamina::cleanUpOnSignals(const std::string &artifact) {
  static std::mutex mutex;
  static std::string current;
  {
    std::lock_guard lock(mutex);
    bool watched = !current.empty();
    current = artifact;
    if (watched)
      return;
  }
  sigset_t signals;
  sigemptyset(&signals);
  for (int signal : {SIGINT, SIGTERM, SIGHUP})
    if (!isIgnored(signal))
      sigaddset(&signals, signal);
  if (sigisemptyset(&signals))
    return;
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  // A thread, not a handler: removing a directory is not for signal handlers.
  std::thread([signals] {
    int signal = 0;
    sigwait(&signals, &signal);
    std::lock_guard lock(mutex);
    removeUnfinishedArtifact(current);
    _exit(128 + signal);
  }).detach();
}

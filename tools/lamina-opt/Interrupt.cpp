//===- Interrupt.cpp - Ctrl-C leaves nothing half-written -----------------------------------------------------===//

#include "tools/lamina-opt/Interrupt.h"

#include "runtime/io/ArtifactWriter.h"
#include "tools/common/Signals.h"

#include <csignal>
#include <mutex>
#include <string>
#include <thread>
#include <unistd.h>

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
  // Ignored ones are blocked as well: where LLVM writes files it would remove them for these, too.
  sigset_t blocked, heeded;
  sigemptyset(&blocked);
  sigemptyset(&heeded);
  for (int signal : {SIGINT, SIGTERM, SIGHUP}) {
    sigaddset(&blocked, signal);
    if (!isIgnored(signal))
      sigaddset(&heeded, signal);
  }
  pthread_sigmask(SIG_BLOCK, &blocked, nullptr);
  if (sigisemptyset(&heeded))
    return;
  // A thread, not a handler: removing a directory is not for signal handlers.
  std::thread([heeded] {
    int signal = 0;
    sigwait(&heeded, &signal);
    std::lock_guard lock(mutex);
    removeUnfinishedArtifact(current);
    _exit(128 + signal);
  }).detach();
}

//===- Interrupt.cpp - Ctrl-C -------------------------------------------------------------------------===//

#include "tools/lamina-run/Interrupt.h"

#include "tools/common/Signals.h"

#include <csignal>

namespace lamina::run {
namespace {

volatile std::sig_atomic_t noted = 0;

void note(int) { noted = 1; }

} // namespace

void catchInterrupts() {
  noted = 0;
  if (isIgnored(SIGINT))
    return;
  struct sigaction action = {};
  action.sa_handler = note;
  // Back to the default for the second one. No SA_RESTART: a read of the terminal must end.
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  sigaction(SIGINT, &action, nullptr);
}

void releaseInterrupts() {
  noted = 0;
  if (!isIgnored(SIGINT))
    std::signal(SIGINT, SIG_DFL);
}

bool interrupted() { return noted != 0; }

} // namespace lamina::run

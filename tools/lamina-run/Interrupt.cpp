//===- Interrupt.cpp - Ctrl-C -------------------------------------------------------------------------===//

#include "tools/lamina-run/Interrupt.h"

#include <csignal>

namespace lamina::run {
namespace {

volatile std::sig_atomic_t noted = 0;

void note(int) { noted = 1; }

/// As for what a shell starts in the background: Ctrl-C is meant for others.
bool isIgnored() {
  struct sigaction action = {};
  sigaction(SIGINT, nullptr, &action);
  return action.sa_handler == SIG_IGN;
}

} // namespace

void catchInterrupts() {
  noted = 0;
  if (isIgnored())
    return;
  struct sigaction action = {};
  action.sa_handler = note;
  // Back to the default for the second one. No SA_RESTART: a read of the terminal must end.
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  sigaction(SIGINT, &action, nullptr);
}

void releaseInterrupts() {
  noted = 0;
  if (!isIgnored())
    std::signal(SIGINT, SIG_DFL);
}

bool interrupted() { return noted != 0; }

} // namespace lamina::run

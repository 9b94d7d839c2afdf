//===- Signals.h - signals that are meant for others ----------------------------------------*- C++ -*-===//

#ifndef LAMINA_TOOLS_COMMON_SIGNALS_H
#define LAMINA_TOOLS_COMMON_SIGNALS_H

#include <csignal>

namespace lamina {

/// Whether the process was started to ignore it, by nohup or by a shell in the background, or has begun to.
inline bool isIgnored(int signal) {
  struct sigaction action = {};
  sigaction(signal, nullptr, &action);
  return action.sa_handler == SIG_IGN;
}

} // namespace lamina

#endif // LAMINA_TOOLS_COMMON_SIGNALS_H

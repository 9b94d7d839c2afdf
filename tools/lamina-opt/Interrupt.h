//===- Interrupt.h - Ctrl-C leaves nothing half-written -------------------------------------------*- C++ -*-===//

#ifndef LAMINA_TOOLS_LAMINA_OPT_INTERRUPT_H
#define LAMINA_TOOLS_LAMINA_OPT_INTERRUPT_H

#include <string>

namespace lamina {

/// From now on SIGINT, SIGTERM and SIGHUP remove what a running compilation has written beside `artifact`
/// (`artifact.partial-…`, made by this process) and end the process with status 128 + signal; those that the process was
/// started to ignore stay ignored. Call once, before other threads start: they must inherit the blocked signals.
void cleanUpOnSignals(const std::string &artifact);

} // namespace lamina

#endif // LAMINA_TOOLS_LAMINA_OPT_INTERRUPT_H

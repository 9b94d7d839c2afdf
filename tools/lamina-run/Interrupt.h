//===- Interrupt.h - Ctrl-C -----------------------------------------------------------------*- C++ -*-===//
//
// The first Ctrl-C asks for an end, the second ends the process at once. Who was started to ignore it goes on doing so.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_TOOLS_LAMINA_RUN_INTERRUPT_H
#define LAMINA_TOOLS_LAMINA_RUN_INTERRUPT_H

namespace lamina::run {

/// From now on Ctrl-C is noted; forgets one that was noted before.
void catchInterrupts();
/// From now on Ctrl-C ends the process.
void releaseInterrupts();
bool interrupted();

} // namespace lamina::run

#endif // LAMINA_TOOLS_LAMINA_RUN_INTERRUPT_H

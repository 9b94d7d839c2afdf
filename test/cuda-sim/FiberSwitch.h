//===- FiberSwitch.h - from one stack to another without a system call ----------------------*- C++ -*-===//
//
// A fiber is a stack with the registers that a function keeps on top. Fibers of one thread take turns.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_TEST_CUDASIM_FIBERSWITCH_H
#define LAMINA_TEST_CUDASIM_FIBERSWITCH_H

namespace lamina::cudasim {

/// A fiber that calls `entry` when it is first switched to; `entry` must not return. `stackEnd` is one past
/// the highest byte, a multiple of 16.
void *makeFiber(void *stackEnd, void (*entry)());

/// Leaves the running fiber, to be continued at what `*leave` then holds, and continues `enter`.
void switchFiber(void **leave, void *enter);

} // namespace lamina::cudasim

#endif // LAMINA_TEST_CUDASIM_FIBERSWITCH_H

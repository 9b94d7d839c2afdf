//===- Clock.h - the one clock of the runtime -----------------------------------------------*- C++ -*-===//
//
// Monotonic nanoseconds, comparable between the processes of one machine, read without a system call.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_BASE_CLOCK_H
#define LAMINA_RUNTIME_BASE_CLOCK_H

#include <cstdint>
#include <ctime>

namespace lamina {

inline uint64_t monotonicNanoseconds() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return uint64_t(now.tv_sec) * 1000000000u + uint64_t(now.tv_nsec);
}

} // namespace lamina

#endif // LAMINA_RUNTIME_BASE_CLOCK_H

//===- Parallel.h - work on several threads -------------------------------------------------*- C++ -*-===//

#ifndef LAMINA_LIB_TARGET_KERNELS_PARALLEL_H
#define LAMINA_LIB_TARGET_KERNELS_PARALLEL_H

#include "llvm/ADT/STLFunctionalExtras.h"

#include <cstddef>

namespace lamina {

/// Calls `body` for [0, count) on up to `threads` threads, this one among them.
void forEachInParallel(size_t count, unsigned threads, llvm::function_ref<void(size_t)> body);

} // namespace lamina

#endif // LAMINA_LIB_TARGET_KERNELS_PARALLEL_H

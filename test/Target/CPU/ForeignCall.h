//===- ForeignCall.h - the call of a kernel as bytes --------------------------------------------*- C -*-===//

#ifndef LAMINA_TEST_TARGET_CPU_FOREIGNCALL_H
#define LAMINA_TEST_TARGET_CPU_FOREIGNCALL_H

#include "runtime/device/KernelABI.h"

enum { FOREIGN_BUFFERS = 8 };

/// What ForeignRunner.c reads; the buffers follow, each at a multiple of LAMINA_BUFFER_ALIGNMENT.
typedef struct ForeignCall {
  char symbol[64];
  LaminaStep step;
  int64_t begin, end;
  int64_t offsets[FOREIGN_BUFFERS]; ///< from the begin of this
} ForeignCall;

#endif // LAMINA_TEST_TARGET_CPU_FOREIGNCALL_H

//===- FiberSwitch.cpp - from one stack to another without a system call ------------------------------===//

#include "FiberSwitch.h"

#include <cstdint>

// What a function must keep for its caller, and nothing else: the compiler saves the rest around the call.
#if defined(__x86_64__)
asm(R"(
  .text
  .local lamina_sim_switch
  .type lamina_sim_switch, @function
lamina_sim_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
  .size lamina_sim_switch, . - lamina_sim_switch
)");
#elif defined(__aarch64__)
asm(R"(
  .text
  .local lamina_sim_switch
  .type lamina_sim_switch, @function
lamina_sim_switch:
  stp x19, x20, [sp, #-160]!
  stp x21, x22, [sp, #16]
  stp x23, x24, [sp, #32]
  stp x25, x26, [sp, #48]
  stp x27, x28, [sp, #64]
  stp x29, x30, [sp, #80]
  stp d8, d9, [sp, #96]
  stp d10, d11, [sp, #112]
  stp d12, d13, [sp, #128]
  stp d14, d15, [sp, #144]
  mov x2, sp
  str x2, [x0]
  mov sp, x1
  ldp x21, x22, [sp, #16]
  ldp x23, x24, [sp, #32]
  ldp x25, x26, [sp, #48]
  ldp x27, x28, [sp, #64]
  ldp x29, x30, [sp, #80]
  ldp d8, d9, [sp, #96]
  ldp d10, d11, [sp, #112]
  ldp d12, d13, [sp, #128]
  ldp d14, d15, [sp, #144]
  ldp x19, x20, [sp], #160
  ret
  .size lamina_sim_switch, . - lamina_sim_switch
)");
#else
#error "fibers are not written for this architecture"
#endif

extern "C" void lamina_sim_switch(void **leave, void *enter);

namespace lamina::cudasim {

void *makeFiber(void *stackEnd, void (*entry)()) {
  uint64_t *top = static_cast<uint64_t *>(stackEnd);
#if defined(__x86_64__)
  constexpr int kWords = 8, kEntry = 6; // six registers, the return address, and none for `entry`
#else
  constexpr int kWords = 20, kEntry = 11; // x30
#endif
  uint64_t *stack = top - kWords;
  for (int i = 0; i < kWords; ++i)
    stack[i] = 0;
  stack[kEntry] = reinterpret_cast<uint64_t>(entry);
  return stack;
}

void switchFiber(void **leave, void *enter) { lamina_sim_switch(leave, enter); }

} // namespace lamina::cudasim

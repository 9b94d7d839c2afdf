//===- ForeignRunner.c - runs one kernel of a shared object under user-mode emulation -----------------===//
//
//   qemu-aarch64-static foreign_runner OBJECT CALL > BUFFERS
//
// CALL is a ForeignCall and behind it its buffers, which the kernel reads and writes; all of it is written to the
// standard output afterwards. Nothing of an operating system but four system calls is used, so that no library of the
// emulated machine is needed.
//
//===----------------------------------------------------------------------------------------------------===//

#include "test/Target/CPU/ForeignCall.h"

enum { kRead = 0, kReadWriteExecute = 7, kPrivate = 2, kPrivateAnonymous = 0x22 };

static long systemCall(long number, long a, long b, long c, long d, long e) {
  register long x8 __asm__("x8") = number, x0 __asm__("x0") = a, x1 __asm__("x1") = b, x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d, x4 __asm__("x4") = e, x5 __asm__("x5") = 0;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
  return x0;
}

static _Noreturn void leave(long status) {
  systemCall(94, status, 0, 0, 0, 0);
  __builtin_unreachable();
}

static char *map(long bytes, long protection, long flags, long file) {
  return (char *)systemCall(222, 0, bytes, protection, flags, file);
}

static char *mapFile(const char *path, long *bytes) {
  long file = systemCall(56, -100, (long)path, kRead, 0, 0);
  if (file < 0)
    leave(2);
  *bytes = systemCall(62, file, 0, 2, 0, 0);
  return map(*bytes, kReadWriteExecute, kPrivate, file);
}

//===--- The parts of ELF that are needed ---------------------------------------------------------------===//

typedef struct {
  unsigned type, flags;
  unsigned long offset, address, physical, fileSize, memorySize, alignment;
} Segment;
typedef struct {
  unsigned name;
  unsigned char info, other;
  unsigned short section;
  unsigned long value, size;
} Symbol;
typedef struct {
  unsigned long offset, info, addend;
} Relocation;

static int equal(const char *a, const char *b) {
  for (; *a && *a == *b; ++a, ++b) {
  }
  return *a == *b;
}

/// Loads what the linker of kernels makes: segments, relative relocations, a hash table that says how many symbols
/// there are.
static LaminaKernel load(const char *object, const char *name) {
  const Segment *segments = (const Segment *)(object + *(const unsigned long *)(object + 32));
  int count = *(const unsigned short *)(object + 56);
  char *base = map(64 << 20, kReadWriteExecute, kPrivateAnonymous, -1);
  const unsigned long *dynamic = 0;
  for (int i = 0; i < count; ++i) {
    if (segments[i].type == 1)
      for (unsigned long byte = 0; byte < segments[i].fileSize; ++byte)
        base[segments[i].address + byte] = object[segments[i].offset + byte];
    if (segments[i].type == 2)
      dynamic = (const unsigned long *)(base + segments[i].address);
  }
  unsigned long tags[16] = {0};
  for (; *dynamic; dynamic += 2)
    if (*dynamic < 16)
      tags[*dynamic] = dynamic[1];
  const Relocation *relocations = (const Relocation *)(base + tags[7]);
  for (unsigned long i = 0; i < tags[8] / sizeof *relocations; ++i)
    *(unsigned long *)(base + relocations[i].offset) = (unsigned long)base + relocations[i].addend;
  const Symbol *symbols = (const Symbol *)(base + tags[6]);
  for (unsigned i = 0; i < ((const unsigned *)(base + tags[4]))[1]; ++i)
    if (equal(base + tags[5] + symbols[i].name, name))
      return (LaminaKernel)(base + symbols[i].value);
  leave(3);
}

__attribute__((used)) void run(long *stack) {
  long bytes, objectBytes;
  if (stack[0] != 3)
    leave(1);
  const char *object = mapFile((const char *)stack[2], &objectBytes);
  char *call = mapFile((const char *)stack[3], &bytes);
  ForeignCall *header = (ForeignCall *)call;
  void *bindings[FOREIGN_BUFFERS];
  for (int i = 0; i < FOREIGN_BUFFERS; ++i)
    bindings[i] = call + header->offsets[i];
  load(object, header->symbol)(bindings, &header->step, header->begin, header->end);
  for (long written = 0; written < bytes;) {
    long now = systemCall(64, 1, (long)(call + written), bytes - written, 0, 0);
    if (now <= 0)
      leave(4);
    written += now;
  }
  leave(0);
}

__asm__(".globl _start\n_start:\n  mov x0, sp\n  bl run\n");

//===- main.cpp - lamina-bench ------------------------------------------------------------------------===//

#include "runtime/base/Clock.h"
#include "tools/lamina-bench/Bench.h"

int main(int argc, char **argv) {
  uint64_t began = lamina::monotonicNanoseconds();
  return lamina::bench::benchMain(argc, argv, began);
}

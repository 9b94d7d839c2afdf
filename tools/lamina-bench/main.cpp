//===- main.cpp - lamina-bench ------------------------------------------------------------------------===//

#include "runtime/base/Clock.h"
#include "tools/common/StandardStreams.h"
#include "tools/lamina-bench/Bench.h"

int main(int argc, char **argv) {
  uint64_t began = lamina::monotonicNanoseconds();
  lamina::occupyStandardStreams();
  return lamina::bench::benchMain(argc, argv, began);
}

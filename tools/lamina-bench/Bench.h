//===- Bench.h - lamina-bench as a library --------------------------------------------------*- C++ -*-===//

#ifndef LAMINA_TOOLS_LAMINA_BENCH_BENCH_H
#define LAMINA_TOOLS_LAMINA_BENCH_BENCH_H

#include "runtime/base/Status.h"
#include "tools/lamina-bench/Options.h"

namespace lamina::bench {

/// `began`: when the process started, on monotonicNanoseconds()'s clock.
int benchMain(int argc, char **argv, uint64_t began);

/// Runs every test of the options and prints what came of it.
absl::Status runTests(const BenchOptions &options, uint64_t began);

/// --probe: measures this machine, prints a table and writes the cluster file.
absl::Status probe(const BenchOptions &options);

} // namespace lamina::bench

#endif // LAMINA_TOOLS_LAMINA_BENCH_BENCH_H

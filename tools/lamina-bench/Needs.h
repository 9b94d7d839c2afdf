//===- Needs.h - what the tests ask of an artifact ------------------------------------------*- C++ -*-===//

#ifndef LAMINA_TOOLS_LAMINA_BENCH_NEEDS_H
#define LAMINA_TOOLS_LAMINA_BENCH_NEEDS_H

#include "runtime/base/Status.h"
#include "runtime/generate/StepRunner.h"
#include "tools/lamina-bench/Options.h"

#include <string>
#include <vector>

namespace lamina::bench {

/// Pages of the cache that so many tokens of one sequence take.
int64_t pagesOf(int64_t tokens);

/// FailedPrecondition names the first test that the artifact has no room for, the limit and the option of
/// lamina-opt that raises it.
absl::Status checkRoom(const BenchOptions &options, const RunnerLimits &limits);

/// The options of lamina-opt with which an artifact has room; none where its defaults will do.
std::vector<std::string> compileFlags(const BenchOptions &options);

} // namespace lamina::bench

#endif // LAMINA_TOOLS_LAMINA_BENCH_NEEDS_H

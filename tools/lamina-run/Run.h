//===- Run.h - lamina-run as a library ------------------------------------------------------*- C++ -*-===//
//
// One function per thing that lamina-run does. Each writes its results to standard output and returns what
// went wrong; runMain turns that into a line on standard error and an exit status.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_TOOLS_LAMINA_RUN_RUN_H
#define LAMINA_TOOLS_LAMINA_RUN_RUN_H

#include "runtime/base/Status.h"
#include "tools/lamina-run/Options.h"

namespace lamina::run {

int runMain(int argc, char **argv);

/// Cancelled if Ctrl-C ended it.
absl::Status generate(const RunOptions &options);
absl::Status chat(const RunOptions &options);
absl::Status perplexity(const RunOptions &options);
absl::Status runFunction(const RunOptions &options);
absl::Status describe(const RunOptions &options);
absl::Status check(const RunOptions &options);
absl::Status tokenize(const RunOptions &options);

} // namespace lamina::run

#endif // LAMINA_TOOLS_LAMINA_RUN_RUN_H

//===- Tables.h - results as Markdown -------------------------------------------------------*- C++ -*-===//
//
// The first two look as llama-bench's and llama-batched-bench's do, so that scripts read both. Every function
// returns whole lines.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_TOOLS_LAMINA_BENCH_TABLES_H
#define LAMINA_TOOLS_LAMINA_BENCH_TABLES_H

#include "tools/lamina-bench/Bencher.h"
#include "tools/lamina-bench/Environment.h"
#include "tools/lamina-bench/KernelBench.h"

#include <string>

namespace lamina::bench {

std::string testHeader();
std::string testRow(const Environment &environment, const TestResult &result);

std::string batchedHeader();
std::string batchedRow(const BatchedResult &result);

std::string workerHeader();
/// A row for each worker of a test.
std::string workerRows(const Environment &environment, const std::string &test,
                       const std::vector<WorkerUse> &workers);

std::string kernelHeader();
std::string kernelRow(const Environment &environment, const KernelResult &result);

std::string startUpTable(const Environment &environment);

} // namespace lamina::bench

#endif // LAMINA_TOOLS_LAMINA_BENCH_TABLES_H

//===- Fields.h - results under the field names of llama.cpp's benchmarks -------------------*- C++ -*-===//

#ifndef LAMINA_TOOLS_LAMINA_BENCH_FIELDS_H
#define LAMINA_TOOLS_LAMINA_BENCH_FIELDS_H

#include "tools/lamina-bench/Bencher.h"
#include "tools/lamina-bench/Environment.h"
#include "tools/lamina-bench/KernelBench.h"

#include <nlohmann/json.hpp>

namespace lamina::bench {

/// llama-bench's columns with its types and in its order. Those that mean nothing here have the value that
/// llama-bench would show on a machine without a GPU.
nlohmann::ordered_json testFields(const Environment &environment, const TestResult &result);

/// testFields, the samples as llama-bench has them, and what is ours: "load_ns", "first_token_ns", "workers".
nlohmann::ordered_json testJson(const Environment &environment, const TestResult &result);

/// llama-batched-bench's fields.
nlohmann::ordered_json batchedFields(const Environment &environment, const BatchedResult &result);

/// batchedFields and "workers".
nlohmann::ordered_json batchedJson(const Environment &environment, const BatchedResult &result);

/// What a kernel's launches of a step took and read.
nlohmann::ordered_json kernelJson(const Environment &environment, const KernelResult &result);

/// A line of CSV with what llama-bench would write for these values; every value is in quotes.
std::string csvLine(const nlohmann::ordered_json &fields);
/// The names of the fields.
std::string csvHeader(const nlohmann::ordered_json &fields);

} // namespace lamina::bench

#endif // LAMINA_TOOLS_LAMINA_BENCH_FIELDS_H

//===- Statistics.h - what llama-bench makes of its samples ---------------------------------*- C++ -*-===//

#ifndef LAMINA_TOOLS_LAMINA_BENCH_STATISTICS_H
#define LAMINA_TOOLS_LAMINA_BENCH_STATISTICS_H

#include <cstdint>
#include <span>
#include <vector>

namespace lamina::bench {

/// 0 of none.
double mean(std::span<const double> values);
/// The sample's (over n - 1); 0 of fewer than two.
double standardDeviation(std::span<const double> values);
double median(std::vector<double> values);

/// Tokens per second of each sample.
std::vector<double> tokensPerSecond(int64_t tokens, std::span<const uint64_t> nanoseconds);

} // namespace lamina::bench

#endif // LAMINA_TOOLS_LAMINA_BENCH_STATISTICS_H

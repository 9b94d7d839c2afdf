//===- Statistics.cpp - what llama-bench makes of its samples -----------------------------------------===//

#include "tools/lamina-bench/Statistics.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace lamina::bench {

double mean(std::span<const double> values) {
  return values.empty()
             ? 0
             : std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double standardDeviation(std::span<const double> values) {
  if (values.size() < 2)
    return 0;
  double centre = mean(values), sum = 0;
  for (double value : values)
    sum += (value - centre) * (value - centre);
  return std::sqrt(sum / static_cast<double>(values.size() - 1));
}

double median(std::vector<double> values) {
  if (values.empty())
    return 0;
  std::sort(values.begin(), values.end());
  size_t half = values.size() / 2;
  return values.size() % 2 ? values[half] : (values[half - 1] + values[half]) / 2;
}

std::vector<double> tokensPerSecond(int64_t tokens, std::span<const uint64_t> nanoseconds) {
  std::vector<double> rates;
  for (uint64_t duration : nanoseconds)
    rates.push_back(1e9 * static_cast<double>(tokens) / static_cast<double>(std::max<uint64_t>(duration, 1)));
  return rates;
}

} // namespace lamina::bench

//===- RopeFrequencies.cpp - rotary frequencies with their scalings -----------------------------------===//

#include "lib/Import/Models/RopeFrequencies.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace lamina {
namespace {

/// The (fractional) index of the frequency that makes `turns` turns in the original context.
double indexOfTurns(const RopeParameters &p, double turns) {
  return double(p.length) * std::log(double(p.originalContext) / (turns * 2 * std::numbers::pi)) /
         (2 * std::log(p.base));
}

} // namespace

RopeTable computeRopeTable(const RopeParameters &p, llvm::ArrayRef<float> divisors) {
  RopeTable table;
  table.magnitude = p.magnitude;
  double low = 0, high = 0;
  if (p.extrapolation != 0) {
    low = std::max(0.0, std::floor(indexOfTurns(p, p.fastTurns)));
    high = std::min(double(p.length) - 1, std::ceil(indexOfTurns(p, p.slowTurns)));
    // Yarn lowers the softmax temperature as the context grows; the paper's fit, applied to q and k.
    if (p.factor > 1)
      table.magnitude *= 1 + 0.1 * std::log(p.factor);
  }
  for (int64_t i = 0; i < p.length / 2; ++i) {
    double frequency = std::pow(p.base, -2.0 * double(i) / double(p.length));
    if (!divisors.empty())
      frequency /= divisors[i];
    double interpolated = frequency / p.factor;
    double share = 0;
    if (p.extrapolation != 0) // the ramp has a width even where both ends fall on one index
      share = (1 - std::clamp((double(i) - low) / std::max(0.001, high - low), 0.0, 1.0)) * p.extrapolation;
    table.frequencies.push_back(interpolated * (1 - share) + frequency * share);
  }
  return table;
}

} // namespace lamina

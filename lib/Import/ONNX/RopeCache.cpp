//===- RopeCache.cpp - frequencies from tables of cosines and sines ---------------------------------===//

#include "lib/Import/ONNX/RopeCache.h"

#include "runtime/base/StrCat.h"

#include <cmath>

namespace lamina::onnx {

namespace {
/// What tables are off by: their elements are rounded, and so were the angles, the more the farther.
double tolerance(const Tensor &table, int64_t position) {
  double rounding = table.type() == ElementType::Float     ? 1e-5
                    : table.type() == ElementType::Float16 ? 1e-3
                                                           : 8e-3;
  return rounding + 4e-7 * double(position);
}

/// The frequency of one column. The angle at row 1 is below half a turn for every RoPE; from there on each row twice as far
/// says which of the angles that look alike it is, and is twice as precise.
double frequencyOf(const Tensor &cosines, const Tensor &sines, int64_t column, int64_t rows,
                   int64_t columns) {
  double frequency = 0;
  for (int64_t row = 1; row < rows; row *= 2) {
    double seen = std::atan2(sines.real(row * columns + column), cosines.real(row * columns + column));
    double turns = std::round((frequency * double(row) - seen) / (2 * M_PI));
    frequency = (seen + 2 * M_PI * turns) / double(row);
  }
  return frequency;
}

/// The nearest number of few digits, as people choose bases.
double roundNumber(double number, double relativeError) {
  for (int digits = 1; digits < 8; ++digits) {
    double unit = std::pow(10.0, std::floor(std::log10(number)) + 1 - digits);
    double rounded = std::round(number / unit) * unit;
    if (std::abs(rounded - number) <= relativeError * number)
      return rounded;
  }
  return number;
}

/// Frequencies of the usual form, base^(-i / count): the slow ones cannot be read off short or coarse tables. The base is from
/// a frequency that is neither so fast that it says little nor so slow that it is imprecise.
std::vector<double> powersOfABase(const std::vector<double> &seen, double relativeError) {
  size_t count = seen.size(), from = std::max<size_t>(1, count / 4);
  if (count < 2 || seen[from] <= 0 || seen[from] >= 1)
    return seen;
  double base = roundNumber(std::pow(seen[from], -double(count) / double(from)), relativeError);
  std::vector<double> powers;
  for (size_t i = 0; i < count; ++i)
    powers.push_back(std::pow(base, -double(i) / double(count)));
  return powers;
}

/// The first row that does not have what the cache says; none if all do.
std::optional<int64_t> firstMisfit(const RopeCache &cache, const Tensor &cosines, const Tensor &sines) {
  int64_t columns = cosines.dims()[1];
  for (int64_t at = 0; at < cosines.count(); ++at) {
    double angle = cache.frequencies[at % columns] * double(at / columns);
    double allowed = tolerance(cosines, at / columns) * std::max(1.0, std::abs(cache.magnitude));
    // Not the negation of >, which lets a NaN pass.
    if (!(std::abs(cache.magnitude * std::cos(angle) - cosines.real(at)) <= allowed &&
          std::abs(cache.magnitude * std::sin(angle) - sines.real(at)) <= allowed))
      return at / columns;
  }
  return std::nullopt;
}
} // namespace

absl::StatusOr<RopeCache> readRopeCache(const Tensor &cosines, const Tensor &sines) {
  if (cosines.rank() != 2 || cosines.dims() != sines.dims() || cosines.count() == 0 || !cosines.hasData() ||
      !sines.hasData() || !isReal(cosines.type()) || !isReal(sines.type()))
    return absl::InvalidArgumentError(strCat("expected tables of cosines and sines of one shape, got ",
                                             cosines.describe(), " and ", sines.describe()));
  int64_t rows = cosines.dims()[0], columns = cosines.dims()[1];
  RopeCache cache{{}, cosines.real(0), rows};
  for (int64_t column = 0; column < columns; ++column)
    cache.frequencies.push_back(frequencyOf(cosines, sines, column, rows, columns));
  RopeCache usual = cache;
  usual.frequencies = powersOfABase(cache.frequencies, cosines.type() == ElementType::Float ? 1e-5 : 1e-2);
  if (!firstMisfit(usual, cosines, sines))
    return usual;
  if (std::optional<int64_t> row = firstMisfit(cache, cosines, sines))
    return absl::InvalidArgumentError(strCat("row ", *row,
                                             " of the tables has no cosines and sines of that position "
                                             "times fixed frequencies"));
  return cache;
}

} // namespace lamina::onnx

//===- Recognize.cpp - closed forms of values seen at probes --------------------------------------------===//

#include "lib/Import/ONNX/Recognize.h"

#include "lib/Import/ONNX/PositionRows.h"

#include "absl/strings/str_join.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace lamina::onnx {

namespace {
using Samples = std::span<const Tensor>;
using Points = std::span<const ProbePoint>;

constexpr Affine kS{0, 1, 0}, kP{0, 0, 1}, kZero{};
constexpr int64_t kMostNumbers = 256;

/// The factors of a number at three points by Cramer's rule.
int64_t determinant(const std::array<std::array<int64_t, 3>, 3> &m) {
  return m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1]) -
         m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0]) +
         m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0]);
}

bool allKnown(Samples samples) {
  return std::all_of(samples.begin(), samples.end(), [](const Tensor &sample) { return sample.hasData(); });
}

std::optional<Meaning> asFixed(Samples samples) {
  std::span<const uint8_t> first = samples[0].bytes();
  for (const Tensor &sample : samples) {
    bool same = sample.bytes().data() == first.data(); // weights: in a file, which this does not read
    if (!same && !std::equal(first.begin(), first.end(), sample.bytes().begin(), sample.bytes().end()))
      return std::nullopt;
  }
  return Fixed{samples[0]};
}

std::optional<Meaning> asNumbers(Samples samples, Points points) {
  if (!isInteger(samples[0].type()) || samples[0].count() > kMostNumbers)
    return std::nullopt;
  Numbers numbers;
  std::vector<int64_t> at(samples.size());
  for (int64_t i = 0; i < samples[0].count(); ++i) {
    for (size_t n = 0; n < samples.size(); ++n)
      at[n] = samples[n].integer(i);
    std::optional<Affine> element = fitAffine(at, points);
    if (!element)
      return std::nullopt;
    numbers.elements.push_back(*element);
  }
  return numbers;
}

std::optional<Meaning> asFilled(Samples samples) {
  std::optional<double> value;
  for (const Tensor &sample : samples)
    for (int64_t i = 0; i < sample.count(); ++i)
      if (double element = sample.real(i); value.value_or(element) != element)
        return std::nullopt;
      else
        value = element;
  return value ? std::optional<Meaning>(Filled{*value}) : std::nullopt;
}

std::optional<Meaning> asPositions(Samples samples, Points points, int64_t axis) {
  std::vector<int64_t> first;
  for (const Tensor &sample : samples) {
    if (sample.count() == 0)
      return std::nullopt;
    first.push_back(sample.integer(0));
    if (first.back() < 0 || first.back() > int64_t{1} << 40)
      return std::nullopt;
    AxisView view(sample.dims(), axis);
    for (int64_t i = 0; i < sample.count(); ++i)
      if (sample.integer(i) != first.back() + i / view.inner % view.size)
        return std::nullopt;
  }
  std::optional<Affine> base = fitAffine(first, points);
  return base ? std::optional<Meaning>(Positions{axis, *base}) : std::nullopt;
}

/// What an additive mask uses for "hidden" varies: the type's lowest number, minus infinity, sums of these.
constexpr double kHiddenAtMost = -5000;

std::optional<Meaning> asMask(Samples samples, Points points, const std::vector<Affine> &dims) {
  if (dims.size() < 2 || dims[dims.size() - 2] != kS || samples[0].count() == 0)
    return std::nullopt;
  Mask mask{samples[0].real(0), -INFINITY, std::nullopt};
  bool additive = isReal(samples[0].type()), anyHidden = false;
  auto isHidden = [&](double element) {
    return additive ? element <= kHiddenAtMost : element != mask.visible;
  };
  auto each = [&](auto f) { // f(element, how far the key is before the query)
    for (size_t n = 0; n < samples.size(); ++n) {
      int64_t keys = samples[n].dims().back();
      for (int64_t at = 0; at < samples[n].count(); ++at)
        if (!f(samples[n].real(at), points[n].P + at / keys % points[n].S - at % keys))
          return false;
    }
    return true;
  };
  bool twoValued = each([&](double element, int64_t before) {
    if (!isHidden(element))
      return element == mask.visible;
    anyHidden = true;
    mask.hidden = std::max(mask.hidden, element);
    if (before >= 0)
      mask.window = std::min(mask.window.value_or(before), before);
    return true;
  });
  if (!twoValued || !anyHidden || (mask.window && *mask.window < 1))
    return std::nullopt;
  bool fits = each([&](double element, int64_t before) {
    return isHidden(element) == (before < 0 || (mask.window && before >= *mask.window));
  });
  return fits ? std::optional<Meaning>(mask) : std::nullopt;
}

std::optional<Meaning> asRows(Samples samples, Points points, const std::vector<Affine> &dims, int64_t axis) {
  if (!isReal(samples[0].type()) || samples[0].count() == 0)
    return std::nullopt;
  for (size_t other = 0; other < dims.size(); ++other)
    if (static_cast<int64_t>(other) != axis && !dims[other].isConstant())
      return std::nullopt;
  for (const Affine &first : {kP, kZero}) {
    if (first == kP && dims[axis] != kS)
      continue;
    std::optional<Rows> rows = rowsOf(samples, points, axis, first);
    if (!rows)
      continue;
    RowsByPosition table;
    table.axis = axis, table.first = first;
    if (readAngles(*rows, samples[0].type(), table.frequencies))
      table.kind = RowsByPosition::Kind::Angles;
    else
      table.frequencies.clear();
    return table;
  }
  return std::nullopt;
}

Meaning meaningOf(Samples samples, Points points, const std::vector<Affine> &dims) {
  if (!allKnown(samples))
    return Computed{};
  if (std::all_of(dims.begin(), dims.end(), [](const Affine &size) { return size.isConstant(); })) {
    if (std::optional<Meaning> fixed = asFixed(samples))
      return *fixed;
    return asNumbers(samples, points).value_or(Unnamed{});
  }
  if (std::optional<Meaning> filled = asFilled(samples))
    return *filled;
  if (std::optional<Meaning> mask = asMask(samples, points, dims))
    return *mask;
  for (size_t axis = 0; axis < dims.size(); ++axis) {
    if (dims[axis].isConstant())
      continue;
    std::optional<Meaning> found = isInteger(samples[0].type())
                                       ? asPositions(samples, points, static_cast<int64_t>(axis))
                                       : asRows(samples, points, dims, static_cast<int64_t>(axis));
    if (found)
      return *found;
  }
  return Unnamed{};
}
/// Why a size is none, and what to do about the one that users meet: caches that are cut to a window.
std::string notAffine(size_t axis, const std::vector<int64_t> &sizes, Points points) {
  int64_t most = *std::max_element(sizes.begin(), sizes.end());
  bool ofPast = true, ofAll = true;
  for (size_t n = 0; n < sizes.size(); ++n) {
    ofPast &= sizes[n] == std::min(points[n].P, most);
    ofAll &= sizes[n] == std::min(points[n].S + points[n].P, most);
  }
  if (ofPast || ofAll)
    return strCat("axis ", axis, " is cut to the last ", most,
                  " positions; export with caches of all positions, whose windows are "
                  "masks (transformers: DynamicCache() without a config)");
  return strCat("the size of axis ", axis,
                " is not affine in the numbers of new and past tokens: ", absl::StrJoin(sizes, ", "));
}
} // namespace

std::optional<Affine> fitAffine(std::span<const int64_t> numbers, std::span<const ProbePoint> points) {
  constexpr int64_t kLargest = int64_t{1} << 40; // the products below cannot overflow
  if (std::any_of(numbers.begin(), numbers.end(), [](int64_t n) { return n < -kLargest || n > kLargest; }))
    return std::nullopt;
  std::array<std::array<int64_t, 3>, 3> matrix;
  for (size_t i = 0; i < 3; ++i)
    matrix[i] = {1, points[i].S, points[i].P};
  int64_t divisor = determinant(matrix);
  std::array<int64_t, 3> factors;
  for (size_t column = 0; column < 3; ++column) {
    auto replaced = matrix;
    for (size_t i = 0; i < 3; ++i)
      replaced[i][column] = numbers[i];
    int64_t numerator = determinant(replaced);
    if (numerator % divisor != 0)
      return std::nullopt;
    factors[column] = numerator / divisor;
  }
  Affine affine{factors[0], factors[1], factors[2]};
  for (size_t i = 0; i < numbers.size(); ++i)
    if (affine.at(points[i].S, points[i].P) != numbers[i])
      return std::nullopt;
  return affine;
}

ProbedValue recognize(std::span<const Tensor> samples, std::span<const ProbePoint> points) {
  if (samples[0].isAbsent())
    return {};
  ProbedValue value{.type = samples[0].type()};
  auto irregular = [&](std::string why) {
    return ProbedValue{.type = samples[0].type(), .irregular = std::move(why)};
  };
  for (size_t axis = 0; axis < samples[0].dims().size(); ++axis) {
    std::vector<int64_t> sizes;
    for (const Tensor &sample : samples) {
      if (sample.dims().size() != samples[0].dims().size())
        return irregular(strCat("its rank changes: ", samples[0].describe(), " and ", sample.describe()));
      sizes.push_back(sample.dims()[axis]);
    }
    std::optional<Affine> size = fitAffine(sizes, points);
    if (!size)
      return irregular(notAffine(axis, sizes, points));
    value.dims.push_back(*size);
  }
  value.meaning = meaningOf(samples, points, value.dims);
  return value;
}

} // namespace lamina::onnx

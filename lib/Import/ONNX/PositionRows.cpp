//===- PositionRows.cpp - tables that have a row for each position --------------------------------------===//

#include "lib/Import/ONNX/PositionRows.h"

#include "lib/Import/ONNX/RopeCache.h"

#include <algorithm>
#include <cmath>

namespace lamina::onnx {

namespace {
double tolerance(ElementType type) { return elementBits(type) >= 32 ? 2e-5 : 1e-2; }

bool near(double a, double b, double relative, double absolute) {
  return a == b || std::fabs(a - b) <= absolute + relative * std::fabs(b);
}

} // namespace

std::optional<Rows> rowsOf(std::span<const Tensor> samples, std::span<const ProbePoint> points, int64_t axis,
                           const Affine &first) {
  Rows rows;
  for (size_t n = 0; n < samples.size(); ++n) {
    AxisView view(samples[n].dims(), axis);
    for (int64_t i = 0; i < view.size; ++i) {
      std::vector<double> row(view.outer * view.inner);
      for (int64_t j = 0; j < static_cast<int64_t>(row.size()); ++j)
        row[j] = samples[n].real(view.at(j / view.inner, i, j % view.inner));
      auto [seen, fresh] = rows.try_emplace(first.at(points[n].S, points[n].P) + i, row);
      if (!fresh && seen->second != row)
        return std::nullopt;
    }
  }
  return rows;
}

bool readAngles(const Rows &rows, ElementType type, std::vector<double> &frequencies) {
  auto unit = rows.find(1);
  const auto &[q, row] = unit == rows.end() ? *rows.rbegin() : *unit;
  if (q < 1)
    return false;
  frequencies = row;
  for (double &frequency : frequencies)
    frequency /= static_cast<double>(q);
  for (const auto &[position, angles] : rows)
    for (size_t j = 0; j < angles.size(); ++j)
      if (!near(angles[j], static_cast<double>(position) * frequencies[j], tolerance(type), 0))
        return false;
  return true;
}

namespace {

/// The frequencies spread over a row that is a multiple as long: one after the other, or each several times.
std::vector<double> spread(const std::vector<double> &frequencies, size_t size, bool neighbours) {
  std::vector<double> result(size);
  for (size_t j = 0; j < size; ++j)
    result[j] = frequencies[neighbours ? j / (size / frequencies.size()) : j % frequencies.size()];
  return result;
}

/// Whether the rows are m f(q frequency); m is read where f is largest.
bool fitsWave(const Rows &rows, const std::vector<double> &frequencies, double (*wave)(double),
              double absolute, double &magnitude) {
  double largest = 0;
  for (const auto &[q, row] : rows)
    for (size_t j = 0; j < row.size(); ++j)
      if (double w = wave(static_cast<double>(q) * frequencies[j]); std::fabs(w) > largest) {
        largest = std::fabs(w);
        magnitude = row[j] / w;
      }
  constexpr double kAngleRounding = 1.2e-7; // of f32, relative
  for (const auto &[q, row] : rows)
    for (size_t j = 0; j < row.size(); ++j) {
      double angle = static_cast<double>(q) * frequencies[j];
      if (!near(row[j], magnitude * wave(angle), 0,
                (absolute + kAngleRounding * std::fabs(angle)) * std::fabs(magnitude)))
        return false;
    }
  return largest > 0 && magnitude != 0;
}

void nameWave(RowsByPosition &table, const Rows &rows, const std::vector<std::vector<double>> &angles,
              double absolute) {
  size_t size = rows.begin()->second.size();
  for (const std::vector<double> &candidate : angles)
    for (bool neighbours : {false, true}) {
      if (candidate.empty() || size % candidate.size() != 0)
        continue;
      std::vector<double> frequencies = spread(candidate, size, neighbours);
      bool cosine = fitsWave(rows, frequencies, std::cos, absolute, table.magnitude);
      if (cosine || fitsWave(rows, frequencies, std::sin, absolute, table.magnitude)) {
        table.kind = cosine ? RowsByPosition::Kind::Cosines : RowsByPosition::Kind::Sines;
        table.frequencies = std::move(frequencies);
        return;
      }
    }
  table.magnitude = 1;
}

/// The rows from position 0 on of which none is missing.
Tensor firstRows(const Rows &rows, ElementType type) {
  int64_t count = 0, columns = static_cast<int64_t>(rows.begin()->second.size());
  std::vector<double> elements;
  for (auto row = rows.find(0); row != rows.end() && row->first == count; ++row, ++count)
    elements.insert(elements.end(), row->second.begin(), row->second.end());
  Tensor tensor(type, {count, columns});
  tensor.allocate();
  tensor.setReals(elements);
  return tensor;
}

/// Frequencies of tables that are constants of the graph, where no angles are: two by two, as cosines and sines.
void addTabulated(const std::vector<ProbedValue> &values, const std::map<size_t, Rows> &tables,
                  std::vector<std::vector<double>> &angles) {
  std::vector<Tensor> first;
  for (const auto &[id, rows] : tables)
    first.push_back(firstRows(rows, values[id].type));
  for (const Tensor &cosines : first)
    for (const Tensor &sines : first) {
      bool candidates =
          cosines.count() > 1 && cosines.dims() == sines.dims() && cosines.real(0) != 0 && sines.real(0) == 0;
      absl::StatusOr<RopeCache> cache = candidates ? readRopeCache(cosines, sines) : absl::NotFoundError("");
      if (cache.ok() && std::find(angles.begin(), angles.end(), cache->frequencies) == angles.end())
        angles.push_back(std::move(cache->frequencies));
    }
}
} // namespace

void nameRotations(std::vector<ProbedValue> &values, const std::vector<std::vector<Tensor>> &samples,
                   std::span<const ProbePoint> points) {
  std::vector<std::vector<double>> angles;
  std::map<size_t, Rows> unnamed;
  for (size_t id = 0; id < values.size(); ++id) {
    const auto *table = std::get_if<RowsByPosition>(&values[id].meaning);
    if (table && table->kind == RowsByPosition::Kind::Angles &&
        std::find(angles.begin(), angles.end(), table->frequencies) == angles.end())
      angles.push_back(table->frequencies);
    if (!table || table->kind != RowsByPosition::Kind::Any)
      continue;
    std::vector<Tensor> own;
    for (const std::vector<Tensor> &at : samples)
      own.push_back(at[id]);
    if (std::optional<Rows> rows = rowsOf(own, points, table->axis, table->first); rows && !rows->empty())
      unnamed[id] = *std::move(rows);
  }
  if (angles.empty())
    addTabulated(values, unnamed, angles);
  for (const auto &[id, rows] : unnamed)
    nameWave(std::get<RowsByPosition>(values[id].meaning), rows, angles, 10 * tolerance(values[id].type));
}

} // namespace lamina::onnx

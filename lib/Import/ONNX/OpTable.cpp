//===- OpTable.cpp - looking up rows --------------------------------------------------------------------===//

#include "lib/Import/ONNX/OpTable.h"

#include "absl/container/flat_hash_map.h"

#include <algorithm>

namespace lamina::onnx {

namespace {
using RowsByName = absl::flat_hash_map<std::string, std::vector<const OpRow *>>;

const RowsByName &rowsByName() {
  static const RowsByName *const kRows = [] {
    auto *rows = new RowsByName;
    for (const OpRow *row : allRows())
      (*rows)[std::string(row->name)].push_back(row);
    return rows;
  }();
  return *kRows;
}

std::string domainName(std::string_view domain) { return domain.empty() ? "ai.onnx" : quoteName(domain); }

/// Insertions, removals and replacements from one name to the other.
size_t editDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j)
    row[j] = j;
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i + 1);
    for (size_t j = 0; j < b.size(); ++j) {
      size_t replaced = diagonal + (a[i] != b[j]);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

/// ", the closest is …" or nothing. Names come from files, so very long ones are not compared.
std::string closest(const Node &node) {
  constexpr size_t kLongest = 64;
  const OpRow *best = nullptr;
  size_t least = node.op.size() / 2 + 1;
  if (node.op.size() <= kLongest)
    for (const OpRow *row : allRows())
      if (size_t distance = editDistance(node.op, row->name); distance < least) {
        least = distance;
        best = row;
      }
  return best ? strCat("; the closest that is known: ", best->name, " of ", domainName(best->domain), " ",
                       best->since, " to ", best->until)
              : "";
}
} // namespace

std::vector<const OpRow *> allRows() {
  using Family = std::span<const OpRow> (*)();
  constexpr Family kFamilies[] = {unaryRows,          binaryRows,
                                  castRows,           shapeRows,
                                  movementRows,       gatherRows,
                                  scatterRows,        generatorRows,
                                  reduceRows,         orderRows,
                                  matmulRows,         einsumRows,
                                  convRows,           poolRows,
                                  softmaxRows,        normRows,
                                  quantizeRows,       controlRows,
                                  attentionRows,      linearAttentionRows,
                                  rotaryRows,         groupQueryAttentionRows,
                                  pagedAttentionRows, contribAttentionRows,
                                  contribNormRows,    contribQuantizeRows,
                                  contribExpertRows};
  std::vector<const OpRow *> rows;
  for (Family family : kFamilies)
    for (const OpRow &row : family())
      rows.push_back(&row);
  return rows;
}

absl::StatusOr<const OpRow *> findRow(const Node &node, int64_t opset) {
  auto found = rowsByName().find(node.op);
  if (found != rowsByName().end())
    for (const OpRow *row : found->second)
      if (row->domain == node.domain && row->since <= opset && opset <= row->until)
        return row;
  return absl::UnimplementedError(strCat(node.describe(), ": operator ", quoteName(node.op), " of ",
                                         domainName(node.domain), " at opset ", opset, " is not known",
                                         closest(node)));
}

} // namespace lamina::onnx

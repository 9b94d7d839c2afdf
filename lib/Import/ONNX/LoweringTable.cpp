//===- LoweringTable.cpp - looking up what operators map to ---------------------------------------------===//

#include "lib/Import/ONNX/Lowering.h"

#include "absl/container/flat_hash_map.h"

namespace lamina::onnx {

namespace {
using Rows = absl::flat_hash_map<std::pair<std::string_view, std::string_view>, const LoweringRow *>;

const Rows &rows() {
  using Family = std::span<const LoweringRow> (*)();
  static constexpr Family kFamilies[] = {elementwiseLowerings, activationLowerings,      movementLowerings,
                                         reduceLowerings,      matmulLowerings,          normLowerings,
                                         orderLowerings,       quantizeLowerings,        windowLowerings,
                                         attentionLowerings,   rotaryLowerings,          recurrentLowerings,
                                         contribNormLowerings, contribAttentionLowerings};
  static const Rows *const kRows = [] {
    auto *rows = new Rows;
    for (Family family : kFamilies)
      for (const LoweringRow &row : family())
        (*rows)[{row.domain, row.name}] = &row;
    return rows;
  }();
  return *kRows;
}
} // namespace

const LoweringRow *findLowering(const Node &node) {
  auto found = rows().find({node.domain, node.op});
  return found == rows().end() ? nullptr : found->second;
}

} // namespace lamina::onnx

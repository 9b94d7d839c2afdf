//===- ComputedPart.cpp - what weights need beyond the model's files -------------------------------===//

#include "lib/Import/ONNX/ComputedPart.h"

#include "lib/Import/ONNX/Attributes.h"
#include "runtime/base/StrCat.h"

namespace lamina::onnx {

namespace {
/// Elements of the longest norm with a mean but without a bias.
uint64_t mostZeros(const Model &model) {
  constexpr uint64_t kLongest = 1 << 20;
  uint64_t most = 0;
  for (const Node &node : model.graph.nodes) {
    bool skip = node.op == "SkipLayerNormalization";
    size_t scale = skip ? 2 : 1;
    auto found = model.graph.constants.find(node.input(scale));
    if ((skip || node.op == "LayerNormalization") && node.input(scale + 1) == kAbsent && found != model.graph.constants.end())
      most = std::max(most, countElements(found->second.dims).value_or(0));
  }
  return std::min(most, kLongest);
}
} // namespace

ComputedPart::ComputedPart(const Model &model) : model_(model) {
  for (const auto &[id, constant] : model.graph.constants)
    if (const auto *bytes = std::get_if<std::string>(&constant.data)) {
      offsets_[id] = folded_.size();
      folded_ += *bytes;
    }
  zeros_ = folded_.size();
  folded_.append(mostZeros(model) * sizeof(float), '\0');
  size_ = folded_.size();
  std::map<ValueId, const Node *> dequantized;
  for (const Node &node : model.graph.nodes) {
    if (node.op == "DequantizeLinear")
      dequantized[node.output(0)] = &node;
    auto order = attributeOr(node, "perm", std::vector<int64_t>{1, 0});
    bool swaps = node.op == "Transpose" && order == std::vector<int64_t>{1, 0};
    auto source = swaps ? dequantized.find(node.input(0)) : dequantized.end();
    if (source != dequantized.end())
      add(blockMatrixOf(model, *source->second, Orientation::Transposed), node.output(0));
    else
      add(blockMatrixOf(model, node), node.output(0));
  }
}

void ComputedPart::add(std::optional<BlockMatrix> matrix, ValueId key) {
  constexpr uint64_t kLargest = uint64_t{1} << 62; // with data that is missing, sizes may be anything
  if (!matrix || key == kAbsent || matrix->bytes() > kLargest - size_)
    return;
  Key whose(matrix->codes.tensor, matrix->scales.tensor, matrix->zeros.tensor, matrix->codes.row,
            matrix->run);
  auto [known, isNew] = known_.try_emplace(whose, size_);
  byResult_[key] = known->second;
  if (!isNew)
    return;
  uint64_t offset = std::exchange(size_, size_ + matrix->bytes());
  matrices_[offset] = {*std::move(matrix), offset};
}

const ComputedPart::Matrix *ComputedPart::find(const Node &node) const { return find(node.output(0)); }

const ComputedPart::Matrix *ComputedPart::find(ValueId result) const {
  auto found = byResult_.find(result);
  return found == byResult_.end() ? nullptr : &matrices_.at(found->second);
}

absl::Status ComputedPart::read(uint64_t offset, std::span<uint8_t> out) const {
  if (offset <= folded_.size() && out.size() <= folded_.size() - offset) {
    std::copy_n(folded_.data() + offset, out.size(), out.data());
    return absl::OkStatus();
  }
  auto after = matrices_.upper_bound(offset);
  if (after != matrices_.begin()) {
    const auto &[first, entry] = *std::prev(after);
    uint64_t rowBytes = entry.matrix.rowBytes(), inside = offset - first;
    if (inside % rowBytes == 0 && out.size() % rowBytes == 0 && out.size() <= entry.matrix.bytes() - inside)
      return encodeRows(model_, entry.matrix, static_cast<int64_t>(inside / rowBytes), out);
  }
  return absl::OutOfRangeError(
      strCat(model_.path(), ": no weight is computed as ", out.size(), " bytes at ", offset));
}

} // namespace lamina::onnx

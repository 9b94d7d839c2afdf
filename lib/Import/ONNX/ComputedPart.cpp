//===- ComputedPart.cpp - what weights need beyond the model's files -------------------------------===//

#include "lib/Import/ONNX/ComputedPart.h"

#include "lib/Import/ONNX/Attributes.h"
#include "runtime/base/StrCat.h"

namespace lamina::onnx {

ComputedPart::ComputedPart(const Model &model) : model_(model) {
  for (const auto &[id, constant] : model.graph.constants)
    if (const auto *bytes = std::get_if<std::string>(&constant.data)) {
      offsets_[id] = folded_.size();
      folded_ += *bytes;
    }
  size_ = folded_.size();
  std::map<ValueId, const Node *> dequantized;
  for (const Node &node : model.graph.nodes) {
    if (node.op == "DequantizeLinear")
      dequantized[node.output(0)] = &node;
    auto order = attributeOr(node, "perm", std::vector<int64_t>{1, 0});
    bool swaps = node.op == "Transpose" && order == std::vector<int64_t>{1, 0};
    auto source = swaps ? dequantized.find(node.input(0)) : dequantized.end();
    if (node.op == "QMoE")
      addExperts(node);
    else if (source != dequantized.end())
      add(blockMatrixOf(model, *source->second, Orientation::Transposed), node.output(0));
    else
      add(blockMatrixOf(model, node), node.output(0));
  }
}

std::optional<uint64_t> ComputedPart::place(std::optional<BlockMatrix> matrix) {
  constexpr uint64_t kLargest = uint64_t{1} << 62; // with data that is missing, sizes may be anything
  if (!matrix || matrix->bytes() > kLargest - size_)
    return std::nullopt;
  auto [known, isNew] = known_.try_emplace(*matrix, size_);
  if (isNew) {
    uint64_t offset = std::exchange(size_, size_ + matrix->bytes());
    matrices_[offset] = {*std::move(matrix), offset};
  }
  return known->second;
}

void ComputedPart::add(std::optional<BlockMatrix> matrix, ValueId key) {
  if (std::optional<uint64_t> offset = key == kAbsent ? std::nullopt : place(std::move(matrix)))
    byResult_[key] = *offset;
}

void ComputedPart::addExperts(const Node &node) {
  constexpr size_t kMost = size_t{1} << 18; // many nodes may read the same tensors
  auto first = model_.graph.constants.find(node.input(2));
  if (first == model_.graph.constants.end() || first->second.dims.size() != 3)
    return;
  for (ExpertMatrix::Role role : {ExpertMatrix::Gate, ExpertMatrix::Up, ExpertMatrix::Down})
    for (int64_t expert = 0; expert < first->second.dims[0]; ++expert) {
      std::optional<uint64_t> offset;
      if (byExpert_.size() < kMost)
        offset = place(blockMatrixOfExpert(model_, node, role, expert));
      if (!offset) // a tensor that is missing or too short for all
        break;
      byExpert_[{node.output(0), role, expert}] = *offset;
    }
}

const ComputedPart::Matrix *ComputedPart::find(const Node &node) const { return find(node.output(0)); }

const ComputedPart::Matrix *ComputedPart::find(ValueId result) const {
  auto found = byResult_.find(result);
  return found == byResult_.end() ? nullptr : &matrices_.at(found->second);
}

const ComputedPart::Matrix *ComputedPart::find(const Node &node, ExpertMatrix::Role role,
                                               int64_t expert) const {
  auto found = byExpert_.find({node.output(0), role, expert});
  return found == byExpert_.end() ? nullptr : &matrices_.at(found->second);
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

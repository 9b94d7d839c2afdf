//===- OpContext.cpp - checked access to a node's inputs ---------------------------------===//

#include "lib/Import/ONNX/OpContext.h"

#include "absl/strings/str_join.h"

#include <algorithm>

namespace lamina::onnx {

const Tensor &OpContext::in(size_t i) const {
  static const Tensor kNone;
  return i < inputs_.size() ? inputs_[i] : kNone;
}

absl::StatusOr<std::vector<int64_t>> OpContext::known(size_t i) const {
  const Tensor &input = in(i);
  if (!isInteger(input.type()))
    return error("expected integers as input ", i, ", got ", input.describe());
  if (!input.hasData())
    return absl::FailedPreconditionError(strCat(node_.describe(),
                                                ": the shape of the result needs the elements of input ", i,
                                                ", which are not known before the model runs"));
  if (input.count() > 1 << 20)
    return error("input ", i, " has too many elements to say a shape: ", input.describe());
  return input.integers();
}

absl::StatusOr<int64_t> OpContext::axis(std::string_view name, int64_t fallback, int64_t rank) {
  return normalizedAxis(integer(name, fallback), rank);
}

absl::StatusOr<int64_t> OpContext::normalizedAxis(int64_t axis, int64_t rank) const {
  if (axis < -rank || axis >= rank)
    return error("axis ", axis, " is not one of a tensor of rank ", rank);
  return axis < 0 ? axis + rank : axis;
}

absl::StatusOr<std::vector<int64_t>> OpContext::normalizedAxes(std::vector<int64_t> axes,
                                                               int64_t rank) const {
  for (int64_t &axis : axes) {
    LAMINA_ASSIGN_OR_RETURN(axis, normalizedAxis(axis, rank));
  }
  std::sort(axes.begin(), axes.end());
  if (std::adjacent_find(axes.begin(), axes.end()) != axes.end())
    return error("axes are given twice: ", absl::StrJoin(axes, ", "));
  return axes;
}

absl::StatusOr<Dims> OpContext::broadcasted(const Dims &a, const Dims &b) const {
  if (std::optional<Dims> dims = broadcast(a, b))
    return *std::move(dims);
  return error("shapes [", absl::StrJoin(a, ", "), "] and [", absl::StrJoin(b, ", "), "] do not broadcast");
}

absl::Status OpContext::expectDims(size_t i, const Dims &expected) const {
  bool same = dims(i).size() == expected.size();
  for (size_t axis = 0; same && axis < expected.size(); ++axis)
    same = expected[axis] == -1 || expected[axis] == dims(i)[axis];
  if (same)
    return absl::OkStatus();
  if (!has(i))
    return error("input ", i, " is missing");
  auto sizeOrAny = [](std::string *text, int64_t size) { *text += size == -1 ? "?" : std::to_string(size); };
  return error("expected shape [", absl::StrJoin(expected, ", ", sizeOrAny), "] of input ", i, ", got ",
               in(i).describe());
}

absl::Status OpContext::expectRank(size_t i, int64_t least, int64_t most) const {
  if (!has(i))
    return error("input ", i, " is missing");
  int64_t rank = in(i).rank();
  if (rank >= least && rank <= most)
    return absl::OkStatus();
  if (least == most)
    return error("expected rank ", least, " of input ", i, ", got ", in(i).describe());
  return error("expected rank ", least, " to ", most, " of input ", i, ", got ", in(i).describe());
}

absl::Status OpContext::spend(std::initializer_list<int64_t> factors) const {
  if (host_.spend(elementCount(std::span(factors.begin(), factors.size()))))
    return absl::OkStatus();
  return absl::ResourceExhaustedError(strCat(node_.describe(), ": takes too much work to be evaluated"));
}

} // namespace lamina::onnx

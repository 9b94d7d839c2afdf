//===- FunctionInputs.cpp - what the inputs of a function are -------------------------------------------===//

#include "lib/Import/ONNX/FunctionInputs.h"

#include "lib/Import/ONNX/ProbeInputs.h"
#include "runtime/base/StrCat.h"
#include "runtime/io/NpyFile.h"

#include "llvm/ADT/STLExtras.h"

namespace lamina::onnx {

static absl::StatusOr<Tensor> constantFromFile(const Value &input, const std::string &path) {
  LAMINA_ASSIGN_OR_RETURN(NpyArray array, readNpy(path));
  std::string type(elementTypeName(input.type.element));
  if (!npyHolds(array, type))
    return absl::InvalidArgumentError(
        strCat("'", path, "' holds elements of type '", array.descr, "', expected ", type));
  Tensor tensor(input.type.element, array.shape);
  tensor.allocate();
  std::copy(array.data.begin(), array.data.end(), tensor.mutableBytes());
  return tensor;
}

absl::StatusOr<Tensor> inputTensor(const Value &input, const ImportOptions &options) {
  if (input.type.kind != Type::Kind::Tensor)
    return absl::UnimplementedError("expected a tensor; sequences, optionals and maps are not compiled");
  if (auto fixed = options.constants.find(input.name); fixed != options.constants.end())
    return constantFromFile(input, fixed->second);
  if (!input.type.shape)
    return absl::InvalidArgumentError(
        "declares no shape, and what is compiled needs one; declare it in the model");
  Dims dims;
  for (auto [axis, dimension] : llvm::enumerate(*input.type.shape)) {
    auto given = options.sizes.find(dimension.symbol);
    int64_t size = dimension.size >= 0 || given == options.sizes.end() ? dimension.size : given->second;
    std::string symbol = dimension.symbol.empty() ? "" : strCat(" ", quoteName(dimension.symbol));
    if (size < 0 && symbol.empty())
      return absl::InvalidArgumentError(
          strCat("the size of axis ", axis,
                 " is not declared, and what is compiled needs it; declare it in the model"));
    if (size < 0)
      return absl::InvalidArgumentError(strCat("size", symbol, " of axis ", axis,
                                               " is not known; give it with --dim ", dimension.symbol, "=N"));
    dims.push_back(size);
  }
  return Tensor(input.type.element, std::move(dims));
}

absl::Status checkNames(const Graph &graph, const ImportOptions &options) {
  auto anyInput = [&](auto is) {
    return llvm::any_of(graph.inputs, [&](ValueId id) { return is(graph.values[id]); });
  };
  for (const auto &[name, path] : options.constants) {
    if (!anyInput([&](const Value &input) { return input.name == name; }))
      return absl::InvalidArgumentError(strCat("--constant: there is no input ", quoteName(name)));
    if (isDecoder(graph))
      return absl::InvalidArgumentError(
          strCat("--constant: input ", quoteName(name), " of a model with caches is the batch's"));
  }
  for (const auto &[name, size] : options.sizes)
    if (!anyInput([&](const Value &input) {
          return input.type.shape &&
                 llvm::any_of(*input.type.shape, [&](const Dimension &one) { return one.symbol == name; });
        }))
      return absl::InvalidArgumentError(strCat("--dim: no input has a size ", quoteName(name)));
  return absl::OkStatus();
}

std::string remedyFor(const Graph &graph, const std::vector<Tensor> &tensors, const Node &node) {
  std::vector<bool> needed(tensors.size());
  auto need = [&](const Node &by) {
    for (ValueId id : by.inputs)
      if (id != kAbsent)
        needed[id] = true;
  };
  need(node);
  for (const Node &before : llvm::reverse(graph.nodes))
    if (llvm::any_of(before.outputs, [&](ValueId id) { return id != kAbsent && needed[id]; }))
      need(before);
  for (ValueId id : graph.inputs)
    if (needed[id] && !tensors[id].hasData() && (isInteger(tensors[id].type()) || tensors[id].count() == 1))
      return strCat("; fix it with --constant ", graph.values[id].name, "=FILE.npy");
  return "; what is compiled has shapes that do not depend on the data";
}

} // namespace lamina::onnx

//===- CacheImporter.cpp - this step's keys and values put into caches ----------------------------------===//

#include "lib/Import/ONNX/Attributes.h"
#include "lib/Import/ONNX/NodeImporter.h"
#include "lib/Import/ONNX/StaticCaches.h"

using namespace mlir;

namespace lamina::onnx {

/// This step's keys or values behind those of a growing cache.
LogicalResult NodeImporter::concatCache(const Node &node) {
  if (node.inputs.size() != 2 || !pasts_.contains(node.input(0)))
    return error(node) << "expected this step's keys or values behind those of the cache";
  return appendCache(node, 1);
}

/// The same into a cache of a fixed size, at their positions.
LogicalResult NodeImporter::writeCache(const Node &node) {
  RowUpdate update = *rowUpdateOf(node, dims(node.input(0)).size());
  if (!pasts_.contains(node.input(0)) || !llvm::is_contained(dims(node.input(0)), kPast))
    return error(node) << "writes to what is no cache";
  if (attributeOr(node, "reduction", std::string("none")) != "none" ||
      attributeOr(node, "mode", std::string("linear")) != "linear")
    return error(node) << "expected rows that replace others, which do not wrap around";
  ValueId places = node.input(update.places);
  const auto *positions = places == kAbsent ? nullptr : std::get_if<Positions>(&probed_[places].meaning);
  bool inOrder = positions && positions->axis == update.axis && positions->first == kPast &&
                 (node.op != "ScatterND" || dims(places).back() == Affine{1});
  if (node.op == "TensorScatter" ? !isNumbers(node, update.places, {kPast}) : !inOrder)
    return error(node) << "expected to write at the positions of the new tokens, got "
                       << (places == kAbsent ? "nothing" : probed_[places].describe());
  return appendCache(node, update.rows);
}

LogicalResult NodeImporter::appendCache(const Node &node, size_t rows) {
  FailureOr<Placed> added = realOperand(node, rows);
  if (failed(added))
    return failure();
  ArrayRef<Affine> before = dims(node.input(0)), after = dims(node.output(0));
  int64_t axis = llvm::find(before, kPast) - before.begin();
  if (added->isNumber() || axis == int64_t(before.size()) || after[axis] != kContext ||
      dims(node.input(rows))[axis] != kTokens)
    return error(node) << "expected one row for each token";
  Placed ordered = make_.inOrder(*added);
  auto [cache, part] = pasts_.lookup(node.input(0));
  mlir::Value result =
      create<lm::ConcatCacheOp>(ordered.value.getType(), part, step_.caches[cache], ordered.value);
  make_.setContext(result);
  define(node, 0, result, ordered.axes);
  return success();
}

} // namespace lamina::onnx

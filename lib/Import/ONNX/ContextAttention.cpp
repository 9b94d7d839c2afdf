//===- ContextAttention.cpp - fused attention that is given all keys and values -------------------------===//
//
// A graph may put this step's keys and values behind those of its caches by itself. Then what Attention
// computes of them is written as products and a softmax, which lm-raise-attention recognises together with
// whatever was done to keys and values in between.
//
//===----------------------------------------------------------------------------------------------------===//

#include "lib/Import/ONNX/NodeImporter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

#include <cmath>

using namespace mlir;

namespace lamina::onnx {

static int64_t widthOf(mlir::Value rows) { return cast<RankedTensorType>(rows.getType()).getShape().back(); }

LogicalResult NodeImporter::attentionOverContext(const Node &node, const Attention &a) {
  if (failed(checkHeads(node, a)))
    return failure();
  FailureOr<mlir::Value> query = headRows(node, 0), key = failed(query) ? query : headRows(node, 1, kContext),
                         value = failed(key) ? key : headRows(node, 2, kContext);
  if (failed(value))
    return failure();
  int64_t members = a.heads / a.keyHeads, length = widthOf(*query) / a.heads,
          valueLength = widthOf(*value) / a.keyHeads;
  AffineExpr token, head, member, position, inner;
  bindDims(b_.getContext(), token, head, member, position, inner);
  auto product = [&](mlir::Value x, ArrayRef<AffineExpr> xAxes, mlir::Value y, AffineExpr last,
                     const Affine &size) {
    auto map = [&](ArrayRef<AffineExpr> axes) { return AffineMap::get(5, 0, axes, b_.getContext()); };
    SmallVector<AffineMap> maps{map(xAxes), map({position, head, inner}), map({token, head, member, last})};
    mlir::Value zero = make_.filled(0, {kTokens, {a.keyHeads}, {members}, size}, {0, 1, 2, 3});
    return linalg::ContractOp::create(b_, loc_, zero.getType(), ValueRange{x, y}, zero,
                                      b_.getAffineMapArrayAttr(maps))
        ->getResult(0);
  };
  mlir::Value scores =
      product(make_.reshaped(*query, {a.keyHeads, members, length}), {token, head, member, inner},
              make_.reshaped(*key, {a.keyHeads, length}), position, kContext);
  double scale = a.scale != 0 ? a.scale : 1 / std::sqrt(double(length));
  scores = create<lm::ScaleOp>(scores.getType(), scores, f32(scale));
  if (a.softCap != 0)
    scores = create<lm::SoftCapOp>(scores.getType(), scores, f32(a.softCap));
  auto pairs = RankedTensorType::get({ShapedType::kDynamic, ShapedType::kDynamic}, b_.getF32Type());
  mlir::Value mask = create<lm::CausalMaskOp>(pairs, step_.positions,
                                              a.window ? b_.getI64IntegerAttr(*a.window) : IntegerAttr());
  mlir::Value init = create<tensor::EmptyOp>(tensor::getMixedSizes(b_, loc_, scores), b_.getF32Type());
  mask = linalg::BroadcastOp::create(b_, loc_, mask, init, ArrayRef<int64_t>{1, 2})->getResult(0);
  scores = create<arith::AddFOp>(scores, mask);
  mlir::Value weights =
      linalg::SoftmaxOp::create(b_, loc_, init.getType(), scores, init, uint64_t(3))->getResult(0);
  mlir::Value result = product(weights, {token, head, member, position},
                               make_.reshaped(*value, {a.keyHeads, valueLength}), inner, {valueLength});
  defineHeads(node.output(0), make_.reshaped(result, {a.heads * valueLength}));
  return success();
}

} // namespace lamina::onnx

//===- AttentionMatch.h - attention in products and a softmax -----------------------------------*- C++ -*-===//

#ifndef LAMINA_DIALECTS_LM_TRANSFORMS_ATTENTIONMATCH_H
#define LAMINA_DIALECTS_LM_TRANSFORMS_ATTENTIONMATCH_H

#include "dialects/LM/IR/LM.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"

#include <optional>
#include <string>

namespace lamina::lm {

/// What softmax(scale · Q Kᵀ + mask) V is made of.
struct AttentionMatch {
  mlir::Value query; ///< a row has the heads side by side
  ConcatCacheOp keys, values;
  mlir::Value newKeys, newValues; ///< what this step puts behind the cache, heads side by side
  CausalMaskOp mask;
  double scale = 1;
  std::optional<double> softCap;
  mlir::linalg::ContractOp result; ///< the product with V
};

/// Matches what is around a softmax; otherwise `reason` says what is not as it is in attention.
std::optional<AttentionMatch> matchAttention(mlir::linalg::SoftmaxOp softmax, std::string &reason);

} // namespace lamina::lm

#endif // LAMINA_DIALECTS_LM_TRANSFORMS_ATTENTIONMATCH_H

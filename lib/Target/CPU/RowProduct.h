//===- RowProduct.h - rows of activations times rows of a weight ----------------------------*- C++ -*-===//

#ifndef LAMINA_LIB_TARGET_CPU_ROWPRODUCT_H
#define LAMINA_LIB_TARGET_CPU_ROWPRODUCT_H

#include "lib/Target/CPU/ByteTiles.h"
#include "lib/Target/Kernels/WeightDecoder.h"

#include <optional>

namespace lamina {

/// Generates the sums of one lm.linear or lm.expert_linear, with the weights on their way from memory to
/// registers used for all tokens at hand. The order of additions is that of lm.linear, whatever is computed
/// together.
class RowProduct {
public:
  /// Source values.
  RowProduct(KernelBuilder &builder, Value input, Value weight);

  WeightDecoder &decoder() { return decoder_; }
  /// Tokens that dot() likes to compute together when there are many.
  int64_t tileTokens() const;
  /// Groups that dot() likes to compute together for `tokens` tokens.
  int64_t groupsAtOnce(int64_t tokens) const;

  /// Calls `body` for every place in [begin, end) in ascending order: first in whole tiles, then in smaller
  /// ones, at last one by one.
  void forEachTile(Value begin, Value end, llvm::function_ref<void(Value first, int64_t size)> body);

  /// Products of whole tiles are made by ByteTiles, which the kernel has to set up.
  bool usesByteTiles() const { return byteTiles_.has_value(); }

  /// Sums [group][token] of the groups of rows that begin at `groups` and the input rows that begin at
  /// `inputRows`; the rows of a whole tile follow one another.
  Values dot(ValueRange groups, ValueRange inputRows);

private:
  /// Hardware alone does not bring weights as fast as `tokens` tokens use them.
  static bool fetchesAhead(int64_t tokens) { return tokens > 1; }
  Values floatDot(ValueRange groups, ValueRange inputRows);
  Values integerDot(Value group, ValueRange inputRows);
  void addCodes(const WeightDecoder::Codes &codes, ValueRange inputRows, Values &sums);
  void addTile(const WeightDecoder::Codes &codes, Value inputRows, Values &sums);
  Value addScaled(Value integers, const WeightDecoder::Scale &weight, Value input, int64_t part, Value sum);
  Value loadOfBlock(mlir::Type type, Value input, int64_t offset);

  KernelBuilder &b_;
  WeightDecoder decoder_;
  bool integers_;
  int64_t inputPitch_;                 ///< bytes from a row to the next
  std::optional<ByteTiles> byteTiles_; ///< experts' tokens do not follow one another
};

} // namespace lamina

#endif // LAMINA_LIB_TARGET_CPU_ROWPRODUCT_H

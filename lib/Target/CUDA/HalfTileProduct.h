//===- HalfTileProduct.h - products with weights of 16 bits on tensor cores ---------------------*- C++ -*-===//
//
// Weights in F16 and BF16 go to tensor cores as they are, activations in f32 as terms of the same type (HalfTileInput).
// A step, 32 elements, is a chain of mma that begins with zeros, the smallest terms first; its sums are added in f32.
// mma adds in an order of the hardware's own, but always the same for a row and a token, whatever the other rows and
// tokens of the tile: every form takes the same instructions for the same elements, so forms agree to the bit on one
// kind of GPU. The simulator agrees to rounding.
//
// Rows 2·i and 2·i + 1 of a group are the rows i and i + 8 of a tile, so that a lane has neighbours: 4 bytes.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_LIB_TARGET_CUDA_HALFTILEPRODUCT_H
#define LAMINA_LIB_TARGET_CUDA_HALFTILEPRODUCT_H

#include "lib/Target/CUDA/HalfTileInput.h"
#include "lib/Target/CUDA/TileProduct.h"

namespace lamina {

class HalfTileProduct : public TileProduct {
public:
  /// Whether an operation multiplies so: lm.linear, which has activations in f32 where the weight has 16 bits.
  static bool multiplies(mlir::Operation *op);

  /// Source values. `tokens` go together; a group has `teams` teams and `warps` warps, which share them.
  HalfTileProduct(DeviceContext &kernel, Value input, Value weight, int64_t tokens, int64_t teams,
                  int64_t warps);

  const WeightDecoder &decoder() const override { return decoder_; }

private:
  static constexpr int64_t kWords = 8; ///< that a lane has of a step: two rows of every fourth element

  void loadWeights(Value step, Values &loaded) override;
  int64_t weightValues() const override { return kWords; }
  TileInput &input() override { return input_; }
  void multiplyStep(ValueRange weights, Value buffer, int64_t slot, Values &sums) override;
  Value rowOfSum(int64_t i) override { return b_.add(b_.mul(row_, 2), i / 2); }

  PackedNumber number_;
  Value row_,
      quarter_; ///< the lane's: it has two rows of a tile, or a token, and this quarter of their elements
  WeightDecoder decoder_;
  HalfTileInput input_;
};

} // namespace lamina

#endif // LAMINA_LIB_TARGET_CUDA_HALFTILEPRODUCT_H

//===- ByteTileProduct.h - products of rounded activations on tensor cores ------------------*- C++ -*-===//
//
// What one scale covers is one mma: integers, so exact. A lane takes its codes from the packed weight as they lie
// there, so each is decoded by one lane only; the elements under a scale come in another order, for both
// factors alike.
//
// The floats are added as DeviceProduct adds them, to the bit: for each of its teams a chain over the steps that
// the team takes, and their sums as the lanes of a warp fold them.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_LIB_TARGET_CUDA_BYTETILEPRODUCT_H
#define LAMINA_LIB_TARGET_CUDA_BYTETILEPRODUCT_H

#include "lib/Target/CUDA/ByteTileInput.h"
#include "lib/Target/CUDA/TileProduct.h"

namespace lamina {

class ByteTileProduct : public TileProduct {
public:
  /// Source values. `tokens` go together, in whole tiles; a group has `teams` teams and `warps` warps, which share them.
  ByteTileProduct(DeviceContext &kernel, Value input, Value weight, int64_t tokens, int64_t teams,
                  int64_t warps);

  const WeightDecoder &decoder() const override { return decoders_[0]; }

private:
  void loadWeights(Value step, Values &loaded) override;
  int64_t weightValues() const override;
  TileInput &input() override { return input_; }
  void multiplyStep(ValueRange weights, Value buffer, int64_t slot, Values &sums) override;
  Value rowOfSum(int64_t i) override { return b_.add(row_, i / 2 * (kPackedRows / 2)); }
  int64_t mins() const { return decoder().hasMins() ? 2 : 0; }

  Value row_,
      quarter_; ///< the lane's: it has codes of this row and token of a tile, and this quarter of them
  WeightDecoder decoders_[2]; ///< of the lane's two rows
  ByteTileInput input_;
};

} // namespace lamina

#endif // LAMINA_LIB_TARGET_CUDA_BYTETILEPRODUCT_H

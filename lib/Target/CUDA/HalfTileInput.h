//===- HalfTileInput.h - f32 activations as terms of 16 bits, for tensor cores ------------------*- C++ -*-===//

#ifndef LAMINA_LIB_TARGET_CUDA_HALFTILEINPUT_H
#define LAMINA_LIB_TARGET_CUDA_HALFTILEINPUT_H

#include "lib/Target/CUDA/HalfTerms.h"
#include "lib/Target/CUDA/TileInput.h"

namespace lamina {

/// A step of a row shares the power of two that terms of F16 need; the sums of a step are multiplied by its inverse.
/// In the block's memory a token has for each of a step's terms 64 bytes: a lane's 16 are its elements as mma wants
/// pairs of them, number 8·i + quarter below number 8·i + 4 + quarter in word i.
class HalfTileInput : public TileInput {
public:
  /// `number` is F16 or BF16.
  HalfTileInput(DeviceContext &kernel, Value input, int64_t tokens, const TileStage &stage,
                PackedNumber number);

  Values fetch(Value firstStep) override;
  void store(ValueRange fetched, Value buffer) override;
  int64_t bufferBytes() const override {
    return items() * (terms_.count() * kTermBytes + (terms_.hasScale() ? 4 : 0));
  }

  const HalfTerms &terms() const { return terms_; }
  /// What a slot of a chain has: a term of a token, and what the sums of neighbouring tokens are multiplied by. Tokens
  /// beyond the last repeat it.
  Value term(Value buffer, Value chain, int64_t slot, int64_t term, Value token);
  Value scale(Value buffer, Value chain, int64_t slot, Value token);

private:
  static constexpr int64_t kTermBytes = 64, kPiece = 8; ///< elements that a thread takes apart together

  int64_t items() const { return stage_.places() * tokens_; }
  Value existing(Value token);
  Value scales(Value buffer) { return b_.offset(buffer, items() * terms_.count() * kTermBytes); }
  /// Multiplies the elements by their step's power of two and returns its inverse.
  Value scaleUp(Values &elements);

  int64_t width_; ///< of a row, with its padding
  HalfTerms terms_;
};

} // namespace lamina

#endif // LAMINA_LIB_TARGET_CUDA_HALFTILEINPUT_H

//===- ByteTileInput.h - activations rounded to eight bits, for tensor cores ----------------*- C++ -*-===//

#ifndef LAMINA_LIB_TARGET_CUDA_BYTETILEINPUT_H
#define LAMINA_LIB_TARGET_CUDA_BYTETILEINPUT_H

#include "lib/Target/CUDA/TileInput.h"

namespace lamina {

/// In the block's memory codes and scales lie apart, neighbouring tokens side by side.
class ByteTileInput : public TileInput {
public:
  /// `numbers` f32 fields of LaminaQuantizedBlock are wanted beside the codes; at most three.
  ByteTileInput(DeviceContext &kernel, Value input, int64_t tokens, const TileStage &stage,
                llvm::ArrayRef<int64_t> numbers)
      : TileInput(kernel, input, tokens, stage), numbers_(numbers) {}

  Values fetch(Value firstStep) override;
  void store(ValueRange fetched, Value buffer) override;
  int64_t bufferBytes() const override {
    return stage_.places() * tokens_ * (kCodeBytes + 4 * int64_t(numbers_.size()));
  }

  /// What a slot of a chain has of the tokens from `token` on: 32 bytes of codes each, and numbers of one field.
  Value codes(Value buffer, Value chain, int64_t slot, Value token);
  Value numbers(Value buffer, Value chain, int64_t slot, int64_t field, Value token);

private:
  static constexpr int64_t kCodeBytes = 32, kPieceBytes = 16;

  /// Where the block is that the token has of the step in `place`.
  Value block(Value firstStep, Value place, Value token);
  Value fieldOffset(Value field);

  llvm::SmallVector<int64_t> numbers_;
};

} // namespace lamina

#endif // LAMINA_LIB_TARGET_CUDA_BYTETILEINPUT_H

//===- TileInput.h - activations on their way to tensor cores -------------------------------*- C++ -*-===//

#ifndef LAMINA_LIB_TARGET_CUDA_TILEINPUT_H
#define LAMINA_LIB_TARGET_CUDA_TILEINPUT_H

#include "lib/Target/CUDA/KernelGenerators.h"

namespace lamina {

/// Which steps of a row the block's threads bring to its memory together: of each of some chains as many as there are
/// slots. Chains are `pitch` steps apart, slots `stride`.
struct TileStage {
  static constexpr int64_t kSlots = 2;
  int64_t chains, pitch, stride, steps; ///< of a row there are `steps`

  Value step(KernelBuilder &b, Value first, Value chain, int64_t slot) const {
    return b.add(b.add(first, b.mul(chain, pitch)), slot * stride);
  }
};

/// Rows of activations rounded to eight bits, stage by stage: a thread has its part of the next one in registers while
/// the block works on another. In the block's memory codes and scales lie apart, neighbouring tokens side by side.
class TileInput {
public:
  /// `numbers` f32 fields of LaminaQuantizedBlock are wanted beside the codes; at most three.
  TileInput(DeviceContext &kernel, Value input, int64_t tokens, const TileStage &stage,
            llvm::ArrayRef<int64_t> numbers);

  /// Takes the step's rows from `first` on; those beyond the last repeat it.
  void open(Value first) { first_ = first; }
  /// What the thread brings of a stage, as many values each time; steps beyond the last repeat it.
  Values fetch(Value firstStep);
  void store(ValueRange fetched, Value buffer);

  /// Places of the two buffers that are used by turns.
  int64_t bufferBytes() const { return places() * tokens_ * (kCodeBytes + 4 * int64_t(numbers_.size())); }
  /// What a slot of a chain has of the tokens from `token` on: 32 bytes of codes each, and numbers of one field.
  Value codes(Value buffer, Value chain, int64_t slot, Value token);
  Value numbers(Value buffer, Value chain, int64_t slot, int64_t field, Value token);

private:
  static constexpr int64_t kCodeBytes = 32, kPieceBytes = 16;

  int64_t places() const { return stage_.chains * TileStage::kSlots; }
  Value place(Value chain, int64_t slot) { return b_.add(b_.mul(chain, TileStage::kSlots), slot); }
  /// Where the block is that the token has of the step in `place`.
  Value block(Value firstStep, Value place, Value token);
  /// Calls `body` with the number of each of `count` things that the thread takes, as many times for every thread.
  void forOwn(int64_t count, llvm::function_ref<void(Value index)> body);
  Value fieldOffset(Value field);

  DeviceContext &kernel_;
  DeviceBuilder &b_;
  Value input_, first_;
  int64_t tokens_;
  TileStage stage_;
  llvm::SmallVector<int64_t> numbers_;
};

} // namespace lamina

#endif // LAMINA_LIB_TARGET_CUDA_TILEINPUT_H

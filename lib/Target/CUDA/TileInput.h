//===- TileInput.h - activations on their way to tensor cores -------------------------------*- C++ -*-===//

#ifndef LAMINA_LIB_TARGET_CUDA_TILEINPUT_H
#define LAMINA_LIB_TARGET_CUDA_TILEINPUT_H

#include "lib/Target/CUDA/KernelGenerators.h"

namespace lamina {

/// Which steps of a row the block's threads bring to its memory together: of each of some chains as many as there are
/// slots. Chains are `pitch` steps apart, slots `stride`.
struct TileStage {
  int64_t chains, pitch, slots, stride, steps; ///< of a row there are `steps`

  Value step(KernelBuilder &b, Value first, Value chain, int64_t slot) const {
    return b.add(b.add(first, b.mul(chain, pitch)), slot * stride);
  }
  int64_t places() const { return chains * slots; }
};

/// Rows of activations, stage by stage: a thread has its part of the next one in registers while the block works on
/// another, which lies in one of two buffers in the block's memory.
class TileInput {
public:
  virtual ~TileInput() = default;

  /// Takes the step's rows from `first` on; those beyond the last repeat it.
  void open(Value first) { first_ = first; }
  /// What the thread brings of a stage, as many values each time; steps beyond the last repeat it.
  virtual Values fetch(Value firstStep) = 0;
  virtual void store(ValueRange fetched, Value buffer) = 0;
  virtual int64_t bufferBytes() const = 0;

protected:
  TileInput(DeviceContext &kernel, Value input, int64_t tokens, const TileStage &stage)
      : kernel_(kernel), b_(kernel.device), tokens_(tokens), stage_(stage), input_(input) {}

  /// Which of the stage's places a slot of a chain is.
  Value place(Value chain, int64_t slot) { return b_.add(b_.mul(chain, stage_.slots), slot); }
  /// The step in `place`, and the row of a token.
  Value stepOf(Value firstStep, Value place);
  Value rowOf(Value token);
  /// Calls `body` with the number of each of `count` things that the thread takes, as many times for every thread:
  /// some are taken several times.
  void forOwn(int64_t count, llvm::function_ref<void(Value index)> body);

  DeviceContext &kernel_;
  DeviceBuilder &b_;
  int64_t tokens_;
  TileStage stage_;

private:
  Value input_, first_;
};

} // namespace lamina

#endif // LAMINA_LIB_TARGET_CUDA_TILEINPUT_H

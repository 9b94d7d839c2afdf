//===- DeviceBuilder.h - the vocabulary of kernels for GPUs ---------------------------------*- C++ -*-===//
//
// KernelBuilder with what the threads of a block do together. The same generators make code for GPUs and for
// the machine that tests run on (CudaKernelABI.h): only the functions here tell them apart.
//
// A value is what one thread has. Vectors stand for neighbouring numbers that a thread loads at once, at
// multiples of their size. Barriers and shuffles are reached by all threads of the block and of the warp.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_LIB_TARGET_CUDA_DEVICEBUILDER_H
#define LAMINA_LIB_TARGET_CUDA_DEVICEBUILDER_H

#include "lib/Target/Kernels/KernelBuilder.h"
#include "runtime/device/CudaKernelABI.h"

namespace lamina {

/// What code is made for: GPUs since sm_80 or since sm_90, or the machine that tests run on.
enum class DeviceMachine { sm_80, sm_90, simulator };

inline constexpr int64_t kWarp = LAMINA_CUDA_WARP;

class DeviceBuilder : public KernelBuilder {
public:
  /// `entry` is of a function of the machine's kind, whose blocks have `threads` threads, a multiple of a
  /// warp.
  DeviceBuilder(mlir::Location loc, mlir::Block *entry, DeviceMachine machine, int64_t threads);

  int64_t threads() const { return threads_; }
  int64_t warps() const { return threads_ / kWarp; }
  Value thread() { return thread_; } ///< i64, in [0, threads())
  Value warp() { return div(thread_, kWarp); }
  Value lane() { return rem(thread_, kWarp); }
  Value block() { return block_; } ///< i64

  /// A place in the block's memory, aligned to 16 bytes.
  Value shared(int64_t bytes);
  /// Lets what `body` takes of the block's memory be taken again by what other blocks do instead.
  void shareInstead(llvm::function_ref<void()> body) {
    int64_t before = sharedEnd_;
    body();
    sharedEnd_ = before;
  }
  /// Bytes of the block's memory so far.
  int64_t sharedBytes() const { return sharedBytes_; }
  void barrier();
  /// Loads stay where they are, before this: otherwise LLVM moves those for a loop's next turn to where that turn begins,
  /// and the thread waits for memory there.
  void keepLoadsAhead();

  /// Returns once the kernels before this one are done, where it may begin before they are; those behind it may begin.
  /// Every thread calls it, before it touches memory that kernels write.
  void waitForKernels();
  /// Asks for the cache line at `pointer`, which exists, to be brought to the second-level cache.
  void prefetchLine(Value pointer);

  /// `value` (i32, i64 or f32) of the lane whose number differs in the bits of `mask`.
  Value shuffleXor(Value value, int64_t mask);
  using Combine = llvm::function_ref<Value(Value, Value)>;
  /// Folds the values of lanes whose numbers differ in the bits from `from` up to below `to`; every lane gets
  /// the result. The same tree always.
  Value foldWarp(Value value, Combine combine, int64_t from = 1, int64_t to = kWarp);
  Value sumWarp(Value value);
  Value maxWarp(Value value);
  /// Folds the values of all threads of the block: warps first.
  Value foldBlock(Value value, Combine combine);
  Value sumBlock(Value f32);

  /// Calls `body` for the elements [0, count) that the thread takes, one of every `threads()`.
  void forThreads(int64_t count, llvm::function_ref<void(Value index)> body) {
    loop(thread_, i64(count), threads_, body);
  }
  /// The same for those that its warp takes.
  void forWarps(int64_t count, llvm::function_ref<void(Value index)> body) {
    loop(warp(), i64(count), warps(), body);
  }
  /// Only one thread of the block does `body`.
  void byOneThread(llvm::function_ref<void()> body) { branch(equal(thread_, i64(0)), body); }

  /// `sum` plus the products of the unsigned bytes of one i32 and the signed bytes of another.
  Value dotBytes(Value unsignedBytes, Value signedBytes, Value sum);
  /// By permutations of bytes.
  Value lookupBytes(Value indices, llvm::ArrayRef<int8_t> table) override;
  /// What a lane has of a tile of 16 × 8 sums, each `start` (i32) and the products of some signed bytes: 16 with two
  /// words in `a`, or 32 with four, as PTX's mma.m16n8k16 and m16n8k32 spread them over the lanes of a warp. All of them
  /// are here.
  Values multiplyTiles(ValueRange a, ValueRange b, Value start);
  /// The same of 16 numbers, F16 or BF16, with four words in `a` and two in `b`: what they add to each of `sums` (f32), as
  /// mma.m16n8k16 does. In which order it adds is the machine's, but does not depend on other rows and columns.
  Values multiplyTiles(PackedNumber number, ValueRange a, ValueRange b, ValueRange sums);
  /// Two numbers of F8E4M3 (i16) as a pair of F16 that stand for 2^kE4M3Power of them each: exact, NaNs too.
  static constexpr int kE4M3Power = -8;
  Value e4m3PairToHalves(Value pair);
  /// Pairs of 16-bit numbers as tiles have them, the first one below: of i16, and of the halves of i32.
  Value joinHalves(Value first, Value second);
  Value lowerHalves(Value first, Value second);
  Value upperHalves(Value first, Value second);

private:
  bool simulated() const { return machine_ == DeviceMachine::simulator; }
  /// Bytes of two words as PTX's prmt chooses them: byte i is that of number (selector >> 4·i) & 7, or eight times its
  /// highest bit if the fourth bit of the number is set.
  Value permuteBytes(Value low, Value high, Value selector);
  Value lookupWord(Value indices, llvm::ArrayRef<uint32_t> table);
  Value callSimulator(llvm::StringRef name, mlir::Type result, ValueRange arguments);
  Values callTileProduct(llvm::StringRef intrinsic, ValueRange a, ValueRange b, ValueRange sums);
  Values simulateTileProduct(llvm::StringRef function, ValueRange a, ValueRange b, ValueRange sums,
                             int64_t which);

  DeviceMachine machine_;
  int64_t threads_, sharedEnd_ = 0, sharedBytes_ = 0;
  Value thread_, block_, shared_;
  Value tiles_; ///< of the simulator: words on their way to multiplyTiles()
};

} // namespace lamina

#endif // LAMINA_LIB_TARGET_CUDA_DEVICEBUILDER_H

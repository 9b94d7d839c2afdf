//===- KernelBuilder.h - the vocabulary of kernel generators --------------------------------*- C++ -*-===//
//
// Creates the body of a kernel: LLVM pointers for memory, scf for loops, arith and vector for what is
// computed. All integers that count something are i64; offsets are in bytes. Vectors are one-dimensional, at
// most 16 lanes of 32 bits, which LLVM splits where registers are narrower: lane by lane the arithmetic is
// the same on every target.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_LIB_TARGET_KERNELS_KERNELBUILDER_H
#define LAMINA_LIB_TARGET_KERNELS_KERNELBUILDER_H

#include "lib/Target/Kernels/PackedLayout.h"
#include "lib/Target/Kernels/TargetInfo.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace lamina {

using mlir::Value;
using mlir::ValueRange;
using Values = llvm::SmallVector<mlir::Value, 8>;

class KernelBuilder : public mlir::ImplicitLocOpBuilder {
public:
  KernelBuilder(mlir::Location loc, mlir::Block *entry, const TargetInfo &target)
      : ImplicitLocOpBuilder(loc, loc.getContext()), target_(target), entry_(entry) {
    setInsertionPointToEnd(entry);
  }

  virtual ~KernelBuilder() = default;

  const TargetInfo &target() const { return target_; }

  //===--- Types and constants
  mlir::Type pointerType() { return mlir::LLVM::LLVMPointerType::get(getContext()); }
  /// `lanes` = 0: a scalar.
  mlir::Type f32(int64_t lanes) { return vectorOf(getF32Type(), lanes); }
  mlir::Type i32(int64_t lanes) { return vectorOf(getI32Type(), lanes); }
  mlir::Type vectorOf(mlir::Type element, int64_t lanes);
  /// A constant of `type`, which is a number or a vector of numbers.
  Value constant(mlir::Type type, double value);
  Value constant(mlir::Type type, int64_t value);
  Value i64(int64_t value) { return constant(getI64Type(), value); }

  //===--- Integers (i64 scalars, i32 vectors)
  Value add(Value a, Value b);
  Value add(Value a, int64_t b) { return b == 0 ? a : add(a, i64(b)); }
  Value sub(Value a, Value b);
  Value mul(Value a, Value b);
  Value mul(Value a, int64_t b) { return b == 1 ? a : mul(a, i64(b)); }
  Value div(Value a, int64_t b); ///< a >= 0
  Value rem(Value a, int64_t b); ///< a >= 0
  Value min(Value a, Value b);
  Value max(Value a, Value b);
  Value less(Value a, Value b); ///< signed
  Value equal(Value a, Value b);
  Value select(Value condition, Value a, Value b);
  Value bitAnd(Value a, int64_t mask);
  Value bitOr(Value a, Value b);
  Value shiftRight(Value a, int64_t bits); ///< logical
  Value shiftRightSigned(Value a, int64_t bits);
  Value shiftLeft(Value a, int64_t bits);
  Value toI64(Value i32); ///< signed

  //===--- Floats
  Value addf(Value a, Value b);
  Value subf(Value a, Value b);
  Value mulf(Value a, Value b);
  Value divf(Value a, Value b);
  /// a·b + c, fused where the target can.
  Value fma(Value a, Value b, Value c);
  Value maxf(Value a, Value b); ///< b where they cannot be compared
  Value lessf(Value a, Value b);
  Value sqrt(Value a);
  Value exp(Value x);  ///< 0 below -87.3; at most exp(88.3)
  Value exp2(Value x); ///< for x <= 0; 0 below -126
  Value tanh(Value x);
  Value sigmoid(Value x); ///< 1 / (1 + exp(-x))
  Value silu(Value x);    ///< x / (1 + exp(-x))
  Value erf(Value x);
  Value gelu(Value x);         ///< x/2·(1 + erf(x / √2))
  Value geluTanh(Value x);     ///< the tanh form of gelu
  Value intToFloat(Value i32); ///< signed
  Value bitcast(Value a, mlir::Type type);

  //===--- Vectors
  Value broadcast(Value scalar, int64_t lanes);
  Value extract(Value vector, int64_t lane);
  /// Parts of `lanes` lanes each, and the vector that such parts make.
  Values split(Value vector, int64_t lanes);
  Value join(ValueRange parts);
  Value callIntrinsic(llvm::StringRef name, mlir::Type type, ValueRange arguments);
  void callIntrinsic(llvm::StringRef name, ValueRange arguments); ///< that gives nothing
  /// [0, 1, …, lanes - 1] as i32.
  Value iota(int64_t lanes);
  /// Sum and maximum of the lanes, floats or integers, by halving: the same tree everywhere.
  Value sumLanes(Value vector);
  Value maxLanes(Value vector);
  /// A vector of the maxima of each of some vectors, whose number is a power of two.
  Value maxOfEach(llvm::ArrayRef<Value> vectors);
  /// Bytes of `indices` (i32 lanes, each byte < 16) looked up in `table` of 16 bytes.
  virtual Value lookupBytes(Value indices, llvm::ArrayRef<int8_t> table);

  //===--- Memory
  Value offset(Value pointer, Value bytes);
  Value offset(Value pointer, int64_t bytes);
  Value load(mlir::Type type, Value pointer);
  void store(Value value, Value pointer);
  /// Asks for the cache line at `pointer`, which need not exist, to be brought to the second-level cache.
  void prefetch(Value pointer);
  Value loadF32(Value pointer, int64_t lanes) { return load(f32(lanes), pointer); }
  /// A number of `pointer`'s array of i32, widened.
  Value loadIndex(Value pointer, Value index);
  /// `lanes` (0: a scalar) numbers stored as F32, F16, BF16, E8M0Half or F8E4M3 as f32, or I8 and U4 as i32.
  Value loadNumber(PackedNumber number, Value pointer, int64_t lanes);
  /// f32 values to f16 or bf16 bits (i16 lanes), to nearest even, and f16 bits to f32.
  Value toHalfBits(Value value);
  Value halfBitsToFloat(Value bits);
  Value toBfloatBits(Value value);
  /// f32 values to bits of F8E4M3 (i8 lanes), to nearest even; what is too large becomes ±448.
  Value toE4M3Bits(Value value);
  /// Memory of this call, aligned to 64 bytes, allocated once on entry.
  Value scratch(int64_t bytes);
  /// The same pointer, of which LLVM does not know that.
  Value opaque(Value pointer);
  /// Constant arrays in the object.
  Value constantArray(llvm::ArrayRef<double> values);
  Value constantBytes(llvm::ArrayRef<int8_t> values);

  //===--- Control flow
  using LoopBody = llvm::function_ref<Values(Value index, ValueRange state)>;
  /// for (index = begin; index < end; index += step) state = body(index, state)
  Values loop(Value begin, Value end, int64_t step, ValueRange state, LoopBody body);
  void loop(Value begin, Value end, int64_t step, llvm::function_ref<void(Value index)> body);
  void loop(int64_t end, int64_t step, llvm::function_ref<void(Value index)> body) {
    loop(i64(0), i64(end), step, body);
  }
  void branch(Value condition, llvm::function_ref<void()> then,
              llvm::function_ref<void()> otherwise = nullptr);
  /// What one of two branches gives.
  Values branchValues(Value condition, llvm::function_ref<Values()> then,
                      llvm::function_ref<Values()> otherwise);

private:
  unsigned alignmentOf(mlir::Type type) const;
  Value e4m3BitsToFloat(Value bits);
  template <typename T> Value constantGlobal(mlir::Type element, llvm::ArrayRef<T> values);
  Value lookupByShifts(Value indices, llvm::ArrayRef<int8_t> table);
  Value foldLanes(Value vector, llvm::function_ref<Value(Value, Value)> combine);

  const TargetInfo &target_;
  mlir::Block *entry_;
};

/// Lanes of a vector, 0 for a scalar.
int64_t lanesOf(Value value);

/// The largest power of two up to 16 that divides `length`: the lanes for rows of that many elements.
int64_t lanesFor(int64_t length);

} // namespace lamina

#endif // LAMINA_LIB_TARGET_KERNELS_KERNELBUILDER_H

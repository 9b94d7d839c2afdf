//===- CPUTarget.h - native kernels and the weights they read -------------------------------*- C++ -*-===//
//
// Turns kernels (bodies of lm and arith operations on tensors) into ELF shared objects with functions of the
// type LaminaKernel, and weights into the packed layout that these functions read. The object needs no other:
// it has no undefined symbols. Same input gives the same bytes.
//
// The bindings of a kernel are its block arguments, then its yielded values except those of type
// !lm.kv_cache. A value with dynamic leading dimension is stored as rows of plan::rowBytes(type) bytes;
// weights as WeightPacker writes them; a cache as plan.proto's Cache describes it.
//
// docs/dev/kernels.md explains the generator, docs/formats/packed-weights.md the layout.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_LIB_TARGET_CPU_CPUTARGET_H
#define LAMINA_LIB_TARGET_CPU_CPUTARGET_H

#include "dialects/Plan/IR/Plan.h"
#include "runtime/io/BlockFormat.h"

#include "absl/status/status.h"
#include "llvm/ADT/STLFunctionalExtras.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace lamina {

//===--- Kernels ---------------------------------------------------------------------------------------===//

/// What to compile: `body` is a region of one block whose terminator has the results as operands. The rows of
/// its activations follow `rows` (tokens or output_rows); a body that is dispatched with both is two kernels,
/// whose symbols differ even under one name.
struct KernelSource {
  std::string name;
  mlir::Region *body;
  plan::RowExtent rows = plan::RowExtent::tokens;
};

/// One form of a kernel, as KernelVariant in plan.proto says. The same for every target.
struct KernelVariant {
  std::string symbol;
  uint32_t maxTokens; ///< 0 = any
  plan::RowExtent extent;
  uint64_t workgroups; ///< for each row of `extent`
};

/// The forms of a kernel by ascending maxTokens, the one for any number last. Emits a located error for a
/// body that is none of the kernels that this target knows.
mlir::FailureOr<std::vector<KernelVariant>> describeKernel(const KernelSource &kernel);

/// The targets that kernels can be compiled for: x86-64-v2, -v3, -v3-avxvnni, -v4, -v4-vnni, -v4-amx,
/// aarch64, aarch64-dotprod, aarch64-i8mm.
llvm::ArrayRef<llvm::StringRef> cpuTargets();

/// The best of cpuTargets() that the machine at hand can run; empty if there is none.
llvm::StringRef hostCpuTarget();

/// Compiles the kernels for each target on up to `threads` threads; the result holds one shared object for
/// each target. Emits an error and fails for an unknown target or a body that describeKernel refuses.
mlir::FailureOr<std::vector<std::string>> compileKernels(llvm::ArrayRef<KernelSource> kernels,
                                                         llvm::ArrayRef<llvm::StringRef> targets,
                                                         unsigned threads);

//===--- Weights ---------------------------------------------------------------------------------------===//

/// Bytes of a weight in the packed layout; `type` has a static shape and block or f32 elements. A multiple of
/// 16; 0 for elements of a format that does not exist.
int64_t packedSize(mlir::RankedTensorType type);

/// A tensor as it lies in a model file.
struct WeightBytes {
  const BlockFormat *format;
  const uint8_t *data; ///< as many bytes as the format needs for the tensor's elements, or as a pitch spreads them over
};

/// A weight to be packed: what lm.weight says, with the bytes in place of their addresses.
struct WeightSource {
  mlir::RankedTensorType type;
  std::vector<WeightBytes> parts; ///< stacked along the leading dimension in equal shares
  int64_t ropeHeads = 0;          ///< 0: rows keep their order
  int64_t ropeLength = 0;
  int64_t columnPitch = 0;        ///< 0: rows lie one after another; otherwise lm.weight's column_pitch
};

/// Writes the packedSize(type) bytes of a weight in order, a few MiB at a time. Packs on up to `threads`
/// threads; `sink` is called on the calling thread alone, and its error ends the work. Fails if a part has a
/// format that the weight's type cannot be made of. Thread-safe.
absl::Status packWeight(const WeightSource &weight, unsigned threads,
                        llvm::function_ref<absl::Status(std::span<const uint8_t>)> sink);

} // namespace lamina

#endif // LAMINA_LIB_TARGET_CPU_CPUTARGET_H

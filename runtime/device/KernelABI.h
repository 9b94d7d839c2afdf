//===- KernelABI.h - what a compiled kernel expects from its caller -------------------------------*- C -*-===//
//
// The one interface between generated code and whoever launches it. It is plain C so that the code generator,
// the runtime and a reader with a disassembler see the same thing. CudaKernelABI.h has what differs on a GPU.
//
//===------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_DEVICE_KERNELABI_H
#define LAMINA_RUNTIME_DEVICE_KERNELABI_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// What a field is in C++ if nothing is said of it; in C everything is said.
#ifdef __cplusplus
#define LAMINA_UNLESS_SAID(value) = value
#else
#define LAMINA_UNLESS_SAID(value)
#endif

/// Sizes of one step: everything about a ragged batch that a kernel may need beside its buffers.
/// Offsets of the fields are part of the artifact format (docs/formats/artifact.md).
typedef struct LaminaStep {
  int64_t tokens;           ///< T, rows of every activation in this step; 1 <= T <= max_batch_tokens
  int64_t outputRows;       ///< R, rows whose logits are wanted; 0 <= R <= max_output_rows
  int64_t sequences;        ///< sequences in the batch (slots may be sparse)
  int64_t blockTableStride; ///< int32 entries per sequence slot in the block table
  /// 0: whole rows of logits are wanted; otherwise so many of the largest of each, up to LAMINA_CANDIDATES.
  int64_t candidates LAMINA_UNLESS_SAID(0);
} LaminaStep;
#undef LAMINA_UNLESS_SAID

/// Runs the workgroups [begin, end) of one dispatch. `bindings` holds one pointer per operand in the order of the
/// kernel's operands and results. Workgroups are independent of each other and write disjoint places, so a caller
/// may split the range over threads in any way without changing a bit of the result. A kernel neither allocates
/// nor calls out of its object, and its stack need is below 64 KiB.
typedef void (*LaminaKernel)(void *const *bindings, const LaminaStep *step, int64_t begin, int64_t end);

/// Bytes to which every buffer in an arena, weight shard or cache is aligned.
enum { LAMINA_BUFFER_ALIGNMENT = 64 };

/// Rows of activations are padded to this many elements; the padding holds zeros and kernels keep it so.
enum { LAMINA_ROW_PADDING = 16 };

/// Elements of a row that share a scale once they are rounded to eight bits.
enum { LAMINA_QUANTIZED_BLOCK_ELEMENTS = 32 };

/// A block of a row of quantised activations; a row is its blocks one after another. Where `largest` is the largest
/// magnitude in the block, an element x has the code x·(127 / largest) to the nearest integer, ties to even. A block
/// with `largest` below 2^-100 is all zeros; one with an infinity or a NaN has codes of 0 and a scale that is none.
typedef struct LaminaQuantizedBlock {
  int8_t codes[LAMINA_QUANTIZED_BLOCK_ELEMENTS]; ///< in [-127, 127]
  float scale;                                   ///< largest / 127
  int32_t negatedSums
      [3]; ///< minus the sum of codes 0 to 15, 16 to 31, all: times a format's offset, what an integer
           ///< product of unsigned weight codes starts from
  float scaledSums[3]; ///< scale times the same sums, not negated: factors of a format's mins
  int32_t padding;     ///< 0
} LaminaQuantizedBlock;

#ifdef __cplusplus
static_assert(sizeof(LaminaQuantizedBlock) == LAMINA_BUFFER_ALIGNMENT, "a block is a cache line");
#else
_Static_assert(sizeof(LaminaQuantizedBlock) == LAMINA_BUFFER_ALIGNMENT, "a block is a cache line");
#endif

/// How many of a row's largest logits a device can tell: more than sampling usually chooses from.
enum { LAMINA_CANDIDATES = 64 };

/// Tokens in one page of the KV cache.
enum { LAMINA_KV_PAGE_TOKENS = 16 };

/// Positions that attention folds into its softmax at once, and positions that have a softmax of their own; both
/// are counted from position 0 of a sequence, so that the order of additions depends on positions alone.
enum { LAMINA_ATTENTION_BLOCK = 128, LAMINA_ATTENTION_RANGE = 512 };

#ifdef __cplusplus
}
#endif

#endif // LAMINA_RUNTIME_DEVICE_KERNELABI_H

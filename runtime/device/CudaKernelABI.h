//===- CudaKernelABI.h - what a kernel compiled for a GPU expects from its launch -----------------*- C -*-===//
//
// A kernel is an entry SYMBOL(binding 0, …, binding N-1, step): every parameter is a 64-bit address in device
// memory; the bindings are those of LaminaKernel in their order, the step is that of a LaminaStep. The step lies in
// memory, so that a launch can be recorded once and serve every step of its class.
//
// Grids and blocks have one dimension. Block i computes workgroup i of the dispatch and returns at once if the step
// has fewer: a recorded grid is that of the largest step. Blocks are independent and write disjoint places. The
// threads of a block and the bytes of its shared memory are fixed for a kernel and stand in the plan.
//
// A kernel may begin while the one launched before it still runs. It says so itself, as other code for the same plan
// need not wait: where the code has an int32_t SYMBOL_waits, every thread of every block, also of those that return at
// once, waits for the launches before (PTX's griddepcontrol.wait) before it touches what kernels write: activations,
// caches, results. The step, the batch and weights may be read earlier. It lets the next one begin
// (griddepcontrol.launch_dependents) after that at the soonest, so all before it are done when it is.
//
// Tests run the same kernels on the CPU (docs/dev/cuda.md). Their objects export SYMBOL as a
// LaminaSimulatedKernel and import the functions below, which act on the thread of the block that calls.
//
//===------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_DEVICE_CUDAKERNELABI_H
#define LAMINA_RUNTIME_DEVICE_CUDAKERNELABI_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// Threads that run in step; a block's threads are a multiple of it.
enum { LAMINA_CUDA_WARP = 32 };

/// Threads and bytes of shared memory of a block, at most.
enum { LAMINA_CUDA_MAX_BLOCK = 1024, LAMINA_CUDA_MAX_SHARED = 227 << 10 };

/// `parameters[i]` is the i-th parameter. Where the object has an int32_t SYMBOL_parameters, that is how many there
/// must be.
typedef void (*LaminaSimulatedKernel)(void *const *parameters);

int32_t lamina_sim_thread_id(void);
int32_t lamina_sim_block_id(void);

/// Returns once every thread of the block has called it.
void lamina_sim_barrier(void);

/// The `value` that the thread `lane` (0 to 31) of the caller's warp gave; every thread of the warp calls it.
int32_t lamina_sim_shuffle(int32_t value, int32_t lane);

/// PTX's mma.m16n8k32 or m16n8k16 on signed bytes, `depth` says which: adds to the four `sums` that the lane has of a
/// tile of 16 × 8 the products of 16 × depth and depth × 8 bytes, of which it has depth / 8 words in `a` and half as
/// many in `b`. Every thread of the warp calls it.
void lamina_sim_mma_s8(const int32_t *a, const int32_t *b, int32_t *sums, int32_t depth);

/// PTX's mma.m16n8k16 on f16, or on bf16 where `bfloat` is not 0, with sums in f32: as above, with numbers of two bytes, and
/// so four words in `a` and two in `b`. Each sum and its 16 products are added in f64, in ascending order, and rounded
/// once; hardware has an order and roundings of its own.
void lamina_sim_mma_f32(const int32_t *a, const int32_t *b, float *sums, int32_t bfloat);

/// Waits for the launches before; where the object has an int32_t SYMBOL_waits, no thread returns without it.
void lamina_sim_grid_wait(void);

/// PTX's prmt: of the eight bytes of `low` and `high`, for each four bits of `selector` the one of that number, or, with
/// the fourth bit set, eight times its highest bit.
int32_t lamina_sim_permute(int32_t low, int32_t high, int32_t selector);

/// The block's shared memory, as many bytes as the launch asks for.
void *lamina_sim_shared(void);

#ifdef __cplusplus
}
#endif

#endif // LAMINA_RUNTIME_DEVICE_CUDAKERNELABI_H

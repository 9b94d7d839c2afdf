//===- Passes.td - passes of the schedule phase --------------------------------------------*- tablegen -*-===//

#ifndef LAMINA_DIALECTS_PLAN_TRANSFORMS_PASSES
#define LAMINA_DIALECTS_PLAN_TRANSFORMS_PASSES

include "mlir/Pass/PassBase.td"

def PlanFormDispatchesPass : Pass<"plan-form-dispatches", "::mlir::ModuleOp"> {
  let summary = "groups the operations of fragments into kernels";
  let description = [{
    Each operation that walks memory on its own (linear, norm, rotation, attention, …) starts a group; elementwise
    operations that follow its only result join it, two linears join their gated activation, other linears the
    first one of the same input, a rotation joins the norm of its heads, rounding the row that it rounds. Groups become
    `plan.kernel`s, equal ones once for all layers, and `plan.call`s in their place; all that something outside reads
    leaves them.

    Before:
    ```mlir
    %w = lm.get_weight @blk.0.attn_output.weight : tensor<64x64x!lm.block<q4_0>>
    %0 = lm.linear %o, %w : (tensor<?x64xf32>, tensor<64x64x!lm.block<q4_0>>) -> tensor<?x64xf32>
    %1 = arith.addf %0, %x : tensor<?x64xf32>
    ```
    After:
    ```mlir
    %w = lm.get_weight @blk.0.attn_output.weight : tensor<64x64x!lm.block<q4_0>>
    %1 = plan.call @linear_addf(%o, %w, %x) "blk.0.attn_output" : (…) -> tensor<?x64xf32>
    ```
  }];
  let statistics = [Statistic<"numCalls", "dispatches", "Dispatches formed">,
                    Statistic<"numKernels", "kernels", "Distinct kernels">];
  let dependentDialects = ["::lamina::plan::PlanDialect"];
}

def PlanAssignOffsetsPass : Pass<"plan-assign-offsets", "::mlir::ModuleOp"> {
  let summary = "gives every buffer its place in arena or weight shard";
  let description = [{
    Buffers of an arena that are never alive together share memory: a buffer lives from the instruction that
    first touches it to the last. Sizes follow from the module's `plan.limits`.

    Before: `%0 = plan.buffer arena "blk.0.attn_q" extent tokens : …`
    After:  `%0 = plan.buffer arena "blk.0.attn_q" extent tokens at 131072 : …` and `arena 1048576` on the program.
  }];
  let dependentDialects = ["::lamina::plan::PlanDialect"];
}

def PlanCheckMemoryPass : Pass<"plan-check-memory", "::mlir::ModuleOp"> {
  let summary = "refuses a plan that does not fit a device";
  let description = [{
    Where a device class states its memory, the weights, caches and arena of its programs must fit; the error says how
    much is lacking and what takes the room.
  }];
}

def PlanVerifySchedulePass : Pass<"plan-verify-schedule", "::mlir::ModuleOp"> {
  let summary = "checks what the executor relies on";
  let description = [{
    Verifies the following, independently of the passes that made the programs:
    - every recv has one send of the same transfer with equal buffers on the program that it names, and is waited for
    - running all programs side by side ends (no program waits for something that cannot be sent)
    - every arena and weight buffer has an offset, lies inside its memory, and none overlaps another while alive
  }];
}

#endif // LAMINA_DIALECTS_PLAN_TRANSFORMS_PASSES

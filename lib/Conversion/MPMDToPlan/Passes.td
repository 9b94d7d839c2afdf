//===- Passes.td - from mpmd to plan -------------------------------------------------------*- tablegen -*-===//

#ifndef LAMINA_LIB_CONVERSION_MPMDTOPLAN_PASSES
#define LAMINA_LIB_CONVERSION_MPMDTOPLAN_PASSES

include "mlir/Pass/PassBase.td"

def MPMDToPlanPass : Pass<"mpmd-to-plan", "::mlir::ModuleOp"> {
  let summary = "flattens fragments and transfers into one program for each worker";
  let description = [{
    Walks the step function in order. A fragment's calls become dispatches of its class's program, a transfer becomes a
    send on one side and a recv on the other; the wait stands before the first use of what arrives. Values become
    buffers: activations in the arena, weights once for each program, caches and batch arrays by index. A call that
    depends on the batch alone and stands in several fragments runs once.

    The function is replaced; the module gets `plan.limits`, the sizes that later passes multiply with, and keeps the
    function's `mpmd.cut_bytes`. The values that the function returns are the buffers named "logits", "candidate_logits" and
    "candidate_ids".
  }];
  let options = [
    Option<"maxBatchTokens", "max-batch-tokens", "int64_t", "512", "tokens of one step at most">,
    Option<"maxOutputRows", "max-output-rows", "int64_t", "64", "rows of logits in one step at most">,
    Option<"maxSequences", "max-sequences", "int64_t", "16", "sequences in flight at most">,
    Option<"maxContext", "max-context", "int64_t", "0",
           "tokens of one sequence at most, 0 = the model's lm.context_length up to 4096">,
    Option<"kvTokens", "kv-tokens", "int64_t", "0", "tokens that the cache holds, 0 = four sequences of max-context">,
  ];
  let dependentDialects = ["::lamina::plan::PlanDialect"];
}

#endif // LAMINA_LIB_CONVERSION_MPMDTOPLAN_PASSES

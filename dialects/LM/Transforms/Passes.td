//===- Passes.td - passes on what is computed -----------------------------------------------*- tablegen -*-===//

#ifndef LAMINA_DIALECTS_LM_TRANSFORMS_PASSES
#define LAMINA_DIALECTS_LM_TRANSFORMS_PASSES

include "mlir/Pass/PassBase.td"

def LMVerifyImportPass : Pass<"lm-verify-import", "::mlir::ModuleOp"> {
  let summary = "checks what leaves the import phase";
  let description = [{
    Verifies the following:
    - there is one public function `step`; it takes an !lm.batch and caches, and returns one tensor of logits
    - every lm.weight is used (that every use finds its weight is the verifier's business)
    - every weight of the file's own format keeps it: only vectors change their element type
  }];
}

def LMVerifyMarkPass : Pass<"lm-verify-mark", "::mlir::ModuleOp"> {
  let summary = "checks what leaves the mark phase";
  let description = [{
    Verifies the following:
    - there is one attention for each cache of `step`, and it reads that cache after this step's tokens were added
    - the model says as many layers (`lm.layers`, where present) as there are attentions
  }];
}

def LMRaiseActivationsPass : Pass<"lm-raise-activations", "::mlir::ModuleOp"> {
  let summary = "names activations that exporters write as arithmetic";
  let description = [{
    `x · sigmoid(x)` becomes `lm.activation silu`, and the product of an activation that nothing else reads with another
    value `lm.gated_activation`. The patterns are in RaiseActivations.td.

    Before:
    ```mlir
    %s = lm.activation sigmoid %g : tensor<?x64xf32>
    %a = arith.mulf %g, %s : tensor<?x64xf32>
    %r = arith.mulf %a, %u : tensor<?x64xf32>
    ```
    After:
    ```mlir
    %r = lm.gated_activation silu %g, %u : tensor<?x64xf32>
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect"];
}

def LMQuantizeActivationsPass : Pass<"lm-quantize-activations", "::mlir::ModuleOp"> {
  let summary = "rounds the inputs of products with quantised weights to eight bits";
  let description = [{
    Each product whose weight has a block format reads a rounded input, so that it can be taken in integers; products of
    one block that share an input share the rounding. Products with plain weights (F32, F16, BF16) keep their f32 input.
    It runs after everything has its place: what crosses a link stays f32.

    Before:
    ```mlir
    %k = lm.linear %n, %wk : (tensor<?x64xf32>, tensor<32x64x!lm.block<q4_0>>) -> tensor<?x32xf32>
    %v = lm.linear %n, %wv : (tensor<?x64xf32>, tensor<32x64x!lm.block<q6_k>>) -> tensor<?x32xf32>
    ```
    After:
    ```mlir
    %0 = lm.quantize %n : tensor<?x64xf32> -> tensor<?x64x!lm.q8>
    %k = lm.linear %0, %wk : (tensor<?x64x!lm.q8>, tensor<32x64x!lm.block<q4_0>>) -> tensor<?x32xf32>
    %v = lm.linear %0, %wv : (tensor<?x64x!lm.q8>, tensor<32x64x!lm.block<q6_k>>) -> tensor<?x32xf32>
    ```
  }];
  let statistics = [Statistic<"numQuantized", "quantized", "Inputs rounded">];
}

def LMSplitAttentionPass : Pass<"lm-split-attention", "::mlir::ModuleOp"> {
  let summary = "splits attention over ranges of positions";
  let description = [{
    Each `lm.attention` becomes an `lm.online_attention`, whose ranges of positions threads can share, and an
    `lm.attention_combine`, which merges them. Steps of up to 8 tokens are split; others have work enough in their rows.
    Where a sequence has no more than one range nothing is split.
  }];
  let options = [
    Option<"maxContext", "max-context", "int64_t", "0", "as for mpmd-to-plan">,
    Option<"maxBatchTokens", "max-batch-tokens", "int64_t", "512", "tokens of one step at most">,
  ];
  let statistics = [Statistic<"numSplit", "attentions", "attentions that became two operations">];
}

#endif // LAMINA_DIALECTS_LM_TRANSFORMS_PASSES

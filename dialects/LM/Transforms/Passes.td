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
    - a table has a row for each token of the logits, or for each position of the context
  }];
}

def LMVerifyMarkPass : Pass<"lm-verify-mark", "::mlir::ModuleOp"> {
  let summary = "checks what leaves the mark phase";
  let description = [{
    Verifies the following:
    - no products around a softmax are left that might be attention; the error says why each was not recognised
    - `step` has operations of lm and sums of rows, nothing else
    - there is one attention for each cache of `step`, and it reads that cache after this step's tokens were added
    - the model says as many layers (`lm.layers`, where present) as there are attentions
  }];
}

def LMSplitLinearsPass : Pass<"lm-split-linears", "::mlir::ModuleOp"> {
  let summary = "makes parts of a product products of their own";
  let description = [{
    Exporters pack the matrices of query, key and value, or of gate and up, and take the product apart. Elements of a
    product (and its bias) that lie one after another, or so for each head, become a product with these rows of the
    weight, whatever way they were taken: rows of a matrix are places in the file like the whole. What is put together
    again with other elements of the product, as halves of rotated heads are, is no part. Where rotary pairs that lie side by side are moved
    half a head apart before `lm.rotary_embedding`, that becomes the weight's `rope_heads` and `rope_length`.

    Before:
    ```mlir
    %qkv = lm.linear %x, %w : (tensor<?x64xf32>, tensor<192x64x!lm.block<f32>>) -> tensor<?x192xf32>
    %k = tensor.extract_slice %qkv[0, 64] [%n, 64] [1, 1] : tensor<?x192xf32> to tensor<?x64xf32>
    ```
    After:
    ```mlir
    %wk = lm.get_weight @w.64to128 : tensor<64x64x!lm.block<f32>>
    %k = lm.linear %x, %wk : (tensor<?x64xf32>, tensor<64x64x!lm.block<f32>>) -> tensor<?x64xf32>
    ```
  }];
  let dependentDialects = ["::mlir::tensor::TensorDialect"];
  let statistics = [Statistic<"numSplit", "split", "Parts that became products">];
}

def LMRaiseNormsPass : Pass<"lm-raise-norms", "::mlir::ModuleOp"> {
  let summary = "names norms that exporters write as means and roots";
  let description = [{
    `x / sqrt(mean(x²) + epsilon) · weight` becomes `lm.rms_norm`, over each head where x has heads; with `x - mean(x)` for x
    and a bias it becomes `lm.layer_norm`. The root may be divided by, or its reciprocal multiplied with.

    Before:
    ```mlir
    %q = arith.mulf %x, %x : tensor<?x64xf32>
    %sum = linalg.reduce ins(%q : tensor<?x64xf32>) outs(%zero : tensor<?xf32>) dimensions = [1] …
    %mean = lm.scale %sum, 0.015625 : tensor<?xf32>
    %m = arith.addf %mean, %epsilon : tensor<?xf32>
    %r = math.sqrt %m : tensor<?xf32>
    %b = linalg.broadcast ins(%r : tensor<?xf32>) outs(%e : tensor<?x64xf32>) dimensions = [1]
    %n = arith.divf %x, %b : tensor<?x64xf32>
    %w = linalg.broadcast ins(%weight : tensor<64xf32>) outs(%e : tensor<?x64xf32>) dimensions = [0]
    %y = arith.mulf %n, %w : tensor<?x64xf32>
    ```
    After:
    ```mlir
    %y = lm.rms_norm %x, %weight {epsilon = 1.0e-5 : f32} : tensor<?x64xf32>, tensor<64xf32>
    ```
  }];
  let dependentDialects = ["::mlir::tensor::TensorDialect"];
  let statistics = [Statistic<"numRaised", "raised", "Norms that were named">];
}

def LMRaiseRotaryPass : Pass<"lm-raise-rotary", "::mlir::ModuleOp"> {
  let summary = "names rotations that exporters write as products with cosines and sines";
  let description = [{
    Sums of products with a rope table, in which each element of a head is turned with the one half a head further,
    become `lm.rotary_embedding` of the rows that the heads lie in, whatever way halves were taken and put together; what
    is behind the rotated elements of a head may stay as it is. Where neighbours are turned with each other, they are moved
    half a head apart before the rotation and back behind it. A table that has each frequency twice is made to have it once.

    Before (x has one head of 4):
    ```mlir
    %a = arith.mulf %x, %cosines : tensor<?x4xf32>
    %h1 = tensor.extract_slice %x[0, 0] [%n, 2] [1, 1] : tensor<?x4xf32> to tensor<?x2xf32>
    %h2 = tensor.extract_slice %x[0, 2] [%n, 2] [1, 1] : tensor<?x4xf32> to tensor<?x2xf32>
    %m = arith.negf %h2 : tensor<?x2xf32>
    %t = tensor.concat dim(1) %m, %h1 : (tensor<?x2xf32>, tensor<?x2xf32>) -> tensor<?x4xf32>
    %b = arith.mulf %t, %sines : tensor<?x4xf32>
    %y = arith.addf %a, %b : tensor<?x4xf32>
    ```
    After:
    ```mlir
    %y = lm.rotary_embedding %x, %table {head_length = 4 : i64} : tensor<?x4xf32>, tensor<?x4xf32>
    ```
  }];
  let dependentDialects = ["::mlir::tensor::TensorDialect"];
  let statistics = [Statistic<"numRaised", "raised", "Rotations that were named">];
}

def LMRaiseActivationsPass : Pass<"lm-raise-activations", "::mlir::ModuleOp"> {
  let summary = "names activations that exporters write as arithmetic";
  let description = [{
    Arithmetic on the elements of one value that computes an activation becomes `lm.activation`: it is evaluated at numbers
    and compared, since each exporter spells it differently. `x · sigmoid(x)` becomes `lm.activation silu`, the product of an
    activation that nothing else reads with another value `lm.gated_activation`, and `cap · tanh(x / cap)` `lm.soft_cap`: these
    patterns are in RaiseActivations.td.

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

def LMRaiseAttentionPass : Pass<"lm-raise-attention", "::mlir::ModuleOp"> {
  let summary = "names attention that exporters write as products and a softmax";
  let description = [{
    `softmax(scale · Q Kᵀ + mask) V` becomes `lm.attention` where K and V are what a cache holds and behind it this step's, and
    the mask is causal. The scale may be anywhere before the mask, on one side or both, a soft cap behind it; the mask is added
    or chooses; heads of K and V may be repeated in any way that lets each serve as many heads of Q, one after another.
    What was not recognised stays; `lm-verify-mark` says why.

    Before:
    ```mlir
    %k = lm.concat_cache keys %cache, %k0 : !lm.kv_cache<4 x 16 x 16, f16>, tensor<?x4x16xf32>
    %v = lm.concat_cache values %cache, %v0 : !lm.kv_cache<4 x 16 x 16, f16>, tensor<?x4x16xf32>
    %s = linalg.contract indexing_maps = [affine_map<(s, h, c, d) -> (s, h, d)>, affine_map<(s, h, c, d) -> (c, h, d)>, …
    %m = arith.addf %s, %mask : tensor<?x4x?xf32>
    %w = linalg.softmax dimension(2) ins(%m : tensor<?x4x?xf32>) outs(%e : tensor<?x4x?xf32>) -> tensor<?x4x?xf32>
    %o = linalg.contract … ins(%w, %v : tensor<?x4x?xf32>, tensor<?x4x16xf32>) …
    ```
    After:
    ```mlir
    %c = lm.cache_append %cache, %k0, %v0 at %positions, %sequences, %block_table : …
    %o = lm.attention %q, %c at %positions, %sequences, %block_table {scale = 0.25 : f32} : …
    ```
  }];
  let dependentDialects = ["::mlir::tensor::TensorDialect"];
  let statistics = [Statistic<"numRaised", "raised", "Attentions that were named">];
}

def LMHoistGathersPass : Pass<"lm-hoist-gathers", "::mlir::ModuleOp"> {
  let summary = "picks the wanted rows before what works on each row by itself";
  let description = [{
    A prompt's other tokens then pay for neither the last norm nor the head.

    Before:
    ```mlir
    %n = lm.rms_norm %x, %w {epsilon = 1.0e-5 : f32} : tensor<?x64xf32>, tensor<64xf32>
    %r = lm.gather_rows %n, %rows : (tensor<?x64xf32>, tensor<?xi32>) -> tensor<?x64xf32>
    ```
    After:
    ```mlir
    %g = lm.gather_rows %x, %rows : (tensor<?x64xf32>, tensor<?xi32>) -> tensor<?x64xf32>
    %r = lm.rms_norm %g, %w {epsilon = 1.0e-5 : f32} : tensor<?x64xf32>, tensor<64xf32>
    ```
  }];
  let statistics = [Statistic<"numHoisted", "hoisted", "Gathers that were moved">];
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

//===- LMOps.td - operations of the lm dialect --------------------------------------------*- tablegen -*-===//

#ifndef LAMINA_DIALECTS_LM_IR_LMOPS
#define LAMINA_DIALECTS_LM_IR_LMOPS

include "dialects/LM/IR/LMTypes.td"
include "dialects/LM/IR/LMInterfaces.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

//===--- Weights and batch ------------------------------------------------------------------------------------===//

def LM_WeightOp : LM_Op<"weight", [Symbol]> {
  let summary = "names a weight and the place of its bytes";
  let description = [{
    A symbol for one weight of the model. Several `sources` are stacked along the leading dimension (the experts of an
    older mixture file). With `rope_heads = H` the rows are H heads whose rotary pairs lie interleaved in the file and
    are to be read in half-split order: row `2i + s` of a head of D rows becomes row `s·D/2 + i`; `rope_length` bounds
    the rows of a head that are permuted. With `column_pitch = P` the file holds the matrix transposed, as ONNX keeps the
    right side of a MatMul: element k of row n lies P·k + n elements after a source's offset, in a plain format.

    Example:
    ```mlir
    lm.weight @blk.0.attn_q.weight : tensor<64x64x!lm.block<q4_0>>
        from [#lm.source<"blk.0.attn_q.weight" : q4_0, 0 at 4096>] {rope_heads = 8 : i64, rope_length = 8 : i64}
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, TypeAttrOf<AnyRankedTensor>:$type,
                       TypedArrayAttrBase<LM_SourceAttr, "places in files">:$sources,
                       OptionalAttr<I64Attr>:$rope_heads, OptionalAttr<I64Attr>:$rope_length,
                       OptionalAttr<I64Attr>:$column_pitch);
  let assemblyFormat = "$sym_name `:` $type `from` $sources attr-dict";
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    ::mlir::RankedTensorType getTensorType() { return ::llvm::cast<::mlir::RankedTensorType>(getType()); }
  }];
}

def LM_GetWeightOp : LM_Op<"get_weight", [Pure, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "the value of a weight";
  let arguments = (ins FlatSymbolRefAttr:$weight);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$weight attr-dict `:` type($result)";
}

def LM_BatchFieldOp : LM_Op<"batch_field", [Pure]> {
  let summary = "one of the arrays that describe the batch";
  let description = [{
    `token_ids`, `positions` and `sequences` have an entry for each token of the step, `output_rows` one for each row
    of logits that is wanted, `block_table` is `[sequence, page of 16 positions]`.
  }];
  let arguments = (ins LM_BatchType:$batch, LM_BatchFieldAttr:$field);
  let results = (outs LM_Indices:$result);
  let assemblyFormat = "$batch `,` $field attr-dict `:` type($result)";
  let hasVerifier = 1;
}

def LM_EmbeddingOp : LM_Op<"embedding", [Pure]> {
  let summary = "rows of a table: result[t] = table[ids[t]]";
  let arguments = (ins LM_Indices:$ids, LM_Matrix:$table);
  let results = (outs LM_Activations:$result);
  let assemblyFormat = "$ids `,` $table attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def LM_GatherRowsOp : LM_Op<"gather_rows", [Pure]> {
  let summary = "the rows whose logits are wanted: result[r] = input[rows[r]]";
  let arguments = (ins LM_Activations:$input, LM_Indices:$rows);
  let results = (outs LM_Activations:$result);
  let assemblyFormat = "$input `,` $rows attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

//===--- Linear algebra ---------------------------------------------------------------------------------------===//

def LM_QuantizeOp : LM_Op<"quantize", [Pure]> {
  let summary = "rounds activations to eight bits, 32 elements with one scale";
  let description = [{
    For each block of 32 elements of a row, with `largest` the largest magnitude in it:

        code[i] = to the nearest integer, ties to even: x[i] · (127 / largest)        in [-127, 127]
        scale   = largest / 127

    and code[i]·scale stands for x[i]. All operations are single f32 ones, so every device gives the same bits. A block
    whose `largest` is below 2^-100 is all zeros; one with an infinity or a NaN has codes of 0 and a scale that is not
    finite, so whatever is computed from it is a NaN. A block is kept with the sums of its codes
    (LaminaQuantizedBlock in runtime/device/KernelABI.h).

    Example:
    ```mlir
    %q = lm.quantize %x : tensor<?x2048xf32> -> tensor<?x2048x!lm.q8>
    ```
  }];
  let arguments = (ins LM_Activations:$input);
  let results = (outs LM_QuantizedActivations:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
}

def LM_LinearOp : LM_Op<"linear", [Pure]> {
  let summary = "product with a weight matrix: result[t, n] = sum over k of input[t, k] · weight[n, k]";
  let description = [{
    Its order is fixed, so batching and chunking never change a bit. With f32 input the sum runs over k in ascending
    order in one chain of fused multiply-adds per output. With q8 input, which takes a weight in a block format, s runs
    in ascending order over the weight's scales, at most 32 elements each:

        dot(s) = sum over the elements of s of code(input) · value(weight)                      exact, in i32
        result = fma(dot(s), scale(weight, s) · scale(input, s), result), and for a format with mins then
        result = fma(-min(weight, s), scale(input, s) · (sum of the codes of the input in s), result)
  }];
  let arguments = (ins LM_ProductInput:$input, LM_Matrix:$weight);
  let results = (outs LM_Activations:$result);
  let assemblyFormat = "$input `,` $weight attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def LM_BiasAddOp : LM_Op<"bias_add", [Pure, AllTypesMatch<["input", "result"]>]> {
  let summary = "adds a vector to each row";
  let arguments = (ins LM_Activations:$input, LM_Vector:$bias);
  let results = (outs LM_Activations:$result);
  let assemblyFormat = "$input `,` $bias attr-dict `:` type($input) `,` type($bias)";
  let hasVerifier = 1;
}

def LM_ScaleOp : LM_Op<"scale", [Pure, SameOperandsAndResultType]> {
  let summary = "multiplies by a constant";
  let arguments = (ins LM_Activations:$input, F32Attr:$factor);
  let results = (outs LM_Activations:$result);
  let assemblyFormat = "$input `,` $factor attr-dict `:` type($input)";
}

def LM_SoftCapOp : LM_Op<"soft_cap", [Pure, SameOperandsAndResultType]> {
  let summary = "cap · tanh(x / cap)";
  let arguments = (ins LM_Activations:$input, F32Attr:$cap);
  let results = (outs LM_Activations:$result);
  let assemblyFormat = "$input `,` $cap attr-dict `:` type($input)";
  let hasVerifier = 1;
}

def LM_RMSNormOp : LM_Op<"rms_norm", [Pure, AllTypesMatch<["input", "result"]>]> {
  let summary = "x · weight / sqrt(mean(x²) + epsilon) over groups of a row";
  let description = [{
    The length G of `weight` is the group: G equal to the row normalises whole rows, G equal to the head's length
    normalises each head with the same weights (query/key norm of qwen3 and gemma3).
  }];
  let arguments = (ins LM_Activations:$input, LM_Vector:$weight, F32Attr:$epsilon);
  let results = (outs LM_Activations:$result);
  let assemblyFormat = "$input `,` $weight attr-dict `:` type($input) `,` type($weight)";
  let hasVerifier = 1;
}

def LM_LayerNormOp : LM_Op<"layer_norm", [Pure, AllTypesMatch<["input", "result"]>]> {
  let summary = "(x - mean(x)) · weight / sqrt(variance(x) + epsilon), plus bias if there is one, over each row";
  let arguments = (ins LM_Activations:$input, LM_Vector:$weight, Optional<LM_Vector>:$bias, F32Attr:$epsilon);
  let results = (outs LM_Activations:$result);
  let assemblyFormat = "$input `,` $weight (`,` $bias^)? attr-dict `:` type($input) `,` type($weight) (`,` type($bias)^)?";
  let hasVerifier = 1;
}

def LM_ActivationOp : LM_Op<"activation", [Pure, SameOperandsAndResultType]> {
  let summary = "a function of each element";
  let description = [{
    `silu` x·σ(x), `gelu` x·Φ(x), `gelu_tanh` x/2·(1 + tanh(√(2/π)·(x + 0.044715·x³))), `relu` max(x, 0),
    `sigmoid` σ(x) = 1 / (1 + exp(-x)).
  }];
  let arguments = (ins LM_Activations:$input, LM_ActivationAttr:$activation);
  let results = (outs LM_Activations:$result);
  let assemblyFormat = "$activation $input attr-dict `:` type($input)";
}

def LM_GatedActivationOp : LM_Op<"gated_activation", [Pure, SameOperandsAndResultType]> {
  let summary = "activation(gate) · up";
  let arguments = (ins LM_Activations:$gate, LM_Activations:$up, LM_ActivationAttr:$activation);
  let results = (outs LM_Activations:$result);
  let assemblyFormat = "$activation $gate `,` $up attr-dict `:` type($gate)";
}

//===--- Positions --------------------------------------------------------------------------------------------===//

def LM_RopeTableOp : LM_Op<"rope_table", [Pure]> {
  let summary = "cosines and sines of rotary angles";
  let description = [{
    result[t, i] = magnitude · cos(positions[t] · frequencies[i]) and result[t, h + i] the sine, h the number of
    frequencies; angles in f64. Every scaling of RoPE (linear, Llama 3.1, yarn, longrope) lies in `frequencies` and
    `magnitude`. It depends on the batch alone, so any device can compute it.
  }];
  let arguments = (ins LM_Indices:$positions, DenseF64ArrayAttr:$frequencies, F32Attr:$magnitude);
  let results = (outs LM_Activations:$result);
  let assemblyFormat = "$positions attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def LM_RotaryEmbeddingOp : LM_Op<"rotary_embedding", [Pure, AllTypesMatch<["input", "result"]>]> {
  let summary = "rotates the first elements of each head by the angles of a rope table";
  let description = [{
    In each head of `head_length` elements, with h half the width of `table`: elements i and i + h (i < h) become
    `x_i·cos_i − x_{i+h}·sin_i` and `x_{i+h}·cos_i + x_i·sin_i`; the rest is unchanged.
  }];
  let arguments = (ins LM_Activations:$input, LM_Activations:$table, I64Attr:$head_length);
  let results = (outs LM_Activations:$result);
  let assemblyFormat = "$input `,` $table attr-dict `:` type($input) `,` type($table)";
  let hasVerifier = 1;
}

//===--- Attention --------------------------------------------------------------------------------------------===//

def LM_CacheAppendOp : LM_Op<"cache_append", [Pure, AllTypesMatch<["cache", "result"]>]> {
  let summary = "writes this step's keys and values into the cache";
  let description = [{
    Token t goes to position `positions[t]` of sequence `sequences[t]`, in page `block_table[sequence, position / 16]`.
    The result is the same cache after the write; the old value is dead.
  }];
  let arguments = (ins LM_KVCacheType:$cache, LM_Activations:$key, LM_Activations:$value,
                       LM_Indices:$positions, LM_Indices:$sequences, LM_Indices:$block_table);
  let results = (outs LM_KVCacheType:$result);
  let assemblyFormat = [{$cache `,` $key `,` $value `at` $positions `,` $sequences `,` $block_table attr-dict
                         `:` type($cache) `,` type($key) `,` type($value) `,` type($positions) `,` type($sequences) `,` type($block_table)}];
  let hasVerifier = 1;
}

// What a graph of products and a softmax says of its cache. Neither leaves the mark phase: passes there raise the attention
// around them.

def LM_ConcatCacheOp : LM_Op<"concat_cache", [Pure, AllTypesMatch<["input", "result"]>]> {
  let summary = "the keys or values of a sequence: those of the cache, and behind them this step's";
  let description = [{
    `input` has a row for each token of one sequence, `result` for each position of its context, from 0: first what the
    cache holds, then `input`.

    Example:
    ```mlir
    %keys = lm.concat_cache keys %cache0, %k : !lm.kv_cache<4 x 16 x 16, f16>, tensor<?x4x16xf32>
    ```
  }];
  let arguments = (ins LM_CachePartAttr:$part, LM_KVCacheType:$cache, LM_Activations:$input);
  let results = (outs LM_Activations:$result);
  let assemblyFormat = "$part $cache `,` $input attr-dict `:` type($cache) `,` type($input)";
  let hasVerifier = 1;
}

def LM_CausalMaskOp : LM_Op<"causal_mask", [Pure]> {
  let summary = "which positions of the context each token sees";
  let description = [{
    For a token at position p and a position i of its sequence's context: whether `max(0, p - window + 1) <= i <= p`
    (window absent: from 0). As i1 that is the element; as f32 it is 0 where it holds, and elsewhere a number so low that
    a softmax leaves nothing of what it is added to.

    Example:
    ```mlir
    %mask = lm.causal_mask %positions {window = 1024 : i64} : (tensor<?xi32>) -> tensor<?x?xf32>
    ```
  }];
  let arguments = (ins LM_Indices:$positions, OptionalAttr<I64Attr>:$window);
  let results = (outs LM_Mask:$result);
  let assemblyFormat = "$positions attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def LM_AttentionOp : LM_Op<"attention", [Pure, DeclareOpInterfaceMethods<LM_AttentionOpInterface>]> {
  let summary = "causal softmax attention of queries over a paged cache";
  let description = [{
    For token t at position p of its sequence and query head h (key/value head h div group): softmax over positions i
    of `scale · q·k_i`, first soft-capped when `soft_cap` is given, over `max(0, p - window + 1) <= i <= p` (window
    absent: from 0), times v_i. The schedule phase splits it over ranges of positions (`lm-split-attention`).

    Example:
    ```mlir
    %o = lm.attention %q, %cache at %pos, %seq, %table {scale = 0.125 : f32}
       : tensor<?x64xf32>, !lm.kv_cache<4 x 8 x 8, f16>, tensor<?xi32>, tensor<?xi32>, tensor<?x?xi32> -> tensor<?x64xf32>
    ```
  }];
  let arguments = (ins LM_Activations:$query, LM_KVCacheType:$cache,
                       LM_Indices:$positions, LM_Indices:$sequences, LM_Indices:$block_table,
                       F32Attr:$scale, OptionalAttr<F32Attr>:$soft_cap, OptionalAttr<I64Attr>:$window);
  let results = (outs LM_Activations:$result);
  let assemblyFormat = [{$query `,` $cache `at` $positions `,` $sequences `,` $block_table attr-dict
                         `:` type($query) `,` type($cache) `,` type($positions) `,` type($sequences) `,` type($block_table) `->` type($result)}];
  let hasVerifier = 1;
}

def LM_OnlineAttentionOp : LM_Op<"online_attention", [Pure]> {
  let summary = "softmax attention over each range of positions by itself";
  let description = [{
    What `attention` says, before the last step: positions fall into ranges of `range`, counted from position 0 of the
    sequence, and each range has its own online softmax. A partial result has, for each query head, the weighted sum
    of values, the greatest score and the sum of weights; `result` holds the partial results by slot:

    - a step of at most `split_tokens` tokens: slot `t · ranges + r` has range r of token t;
    - a larger step: slot t has token t's ranges, merged in ascending order as `attention_combine` merges.

    Slots of ranges without a position that the token attends to hold anything. `result` has slots side by side in a
    row, as many as it takes for `split_tokens · ranges` of them in the rows of the largest step.

    A token that is its sequence's only or first one of the step has **cached ranges**: those that end before its own
    position's range. They do not need the step's keys and values. With `cached_only` nothing else is computed, so the cache
    may be that before the step; with `after` they are not computed but taken from such a result. Both together give the same
    bits as one operation does.
  }];
  let arguments = (ins LM_Activations:$query, LM_KVCacheType:$cache,
                       LM_Indices:$positions, LM_Indices:$sequences, LM_Indices:$block_table,
                       Optional<LM_Activations>:$cached, UnitAttr:$cached_only, F32Attr:$scale, OptionalAttr<F32Attr>:$soft_cap, OptionalAttr<I64Attr>:$window,
                       I64Attr:$range, I64Attr:$ranges, I64Attr:$split_tokens);
  let results = (outs LM_Activations:$result);
  let assemblyFormat = [{$query `,` $cache `at` $positions `,` $sequences `,` $block_table
                         (`after` $cached^ `:` type($cached))? attr-dict
                         `:` type($query) `,` type($cache) `,` type($positions) `,` type($sequences) `,` type($block_table) `->` type($result)}];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// Floats of a slot for `heads` query heads with values of `length`: [head][value, padded], maxima, sums.
    static int64_t slotWidth(int64_t heads, int64_t length);
    int64_t getQueryHeads();
  }];
}

def LM_AttentionCombineOp : LM_Op<"attention_combine", [Pure]> {
  let summary = "merges the partial results of online_attention";
  let description = [{
    result[t] from the slots of token t at `positions[t]`: ranges in ascending order, one after another, into the first;
    weighted sums divided by sums of weights at the end. The attributes are those of the `online_attention`.
  }];
  let arguments = (ins LM_Activations:$partials, LM_Indices:$positions, I64Attr:$heads, OptionalAttr<I64Attr>:$window,
                       I64Attr:$range, I64Attr:$ranges, I64Attr:$split_tokens);
  let results = (outs LM_Activations:$result);
  let assemblyFormat = "$partials `at` $positions attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def LM_TensorAttentionOp : LM_Op<"tensor_attention", [IsolatedFromAbove, SingleBlock, RecursiveMemoryEffects, RecursivelySpeculatable,
                                                       DeclareOpInterfaceMethods<LM_AttentionOpInterface>]> {
  let summary = "attention of a model without a cache: keys and values are tensors";
  let description = [{
    The body says what is computed, in upstream operations: the products of queries with keys and with values, and all that lies
    between them. Its arguments are the operands, `others` are masks and biases. `kind` tells what weighs the values: `softmax`
    of scores, or `linear`, the scores themselves, of queries and keys that were mapped before, where keys and values may be
    multiplied first. Partitioning sees one operation; the schedule phase puts the body in its place (`function-outline`).

    Example:
    ```mlir
    %y = lm.tensor_attention linear %q over %k, %v : (tensor<9x4xf32>, tensor<4x9xf32>, tensor<9x4xf32>) -> tensor<9x4xf32> {
    ^bb0(%query: tensor<9x4xf32>, %keys: tensor<4x9xf32>, %values: tensor<9x4xf32>):
      %0 = tensor.empty() : tensor<4x4xf32>
      %1 = linalg.matmul ins(%keys, %values : tensor<4x9xf32>, tensor<9x4xf32>) outs(%0 : tensor<4x4xf32>) -> tensor<4x4xf32>
      %2 = tensor.empty() : tensor<9x4xf32>
      %3 = linalg.matmul ins(%query, %1 : tensor<9x4xf32>, tensor<4x4xf32>) outs(%2 : tensor<9x4xf32>) -> tensor<9x4xf32>
      lm.yield %3 : tensor<9x4xf32>
    }
    ```
  }];
  let arguments = (ins LM_AttentionKindAttr:$kind, AnyStaticShapeTensor:$query, AnyStaticShapeTensor:$key,
                       AnyStaticShapeTensor:$value, Variadic<AnyStaticShapeTensor>:$others);
  let results = (outs Variadic<AnyStaticShapeTensor>:$outputs);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{$kind $query `over` $key `,` $value (`with` $others^)? attr-dict
                         `:` functional-type(operands, results) $body}];
  let hasVerifier = 1;
}

def LM_YieldOp : LM_Op<"yield", [Pure, Terminator, HasParent<"TensorAttentionOp">]> {
  let summary = "results of an operation with a body";
  let arguments = (ins Variadic<AnyType>:$values);
  let assemblyFormat = "attr-dict ($values^ `:` type($values))?";
}

//===--- Mixture of experts -----------------------------------------------------------------------------------===//

def LM_RouteExpertsOp : LM_Op<"route_experts", [Pure]> {
  let summary = "chooses the experts of each token";
  let description = [{
    Softmax over the router's logits of all experts; the `k` largest (equal ones by lower index) with their
    probabilities in descending order, divided by their sum when `normalize` is set, times `scale`.
  }];
  let arguments = (ins LM_Activations:$logits, UnitAttr:$normalize, DefaultValuedAttr<F32Attr, "1.0f">:$scale);
  let results = (outs LM_Indices:$experts, LM_Activations:$weights);
  let assemblyFormat = "$logits attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def LM_ExpertLinearOp : LM_Op<"expert_linear", [Pure]> {
  let summary = "product with the matrices of the chosen experts";
  let description = [{
    result[t, j, n] = sum over k of x[t, (j,) k] · weight[experts[t, j], n, k], in the order of lm.linear; `input` is
    `[t, k]` (one row for all chosen experts) or `[t, j, k]`.
  }];
  let arguments = (ins LM_ProductInput:$input, LM_Indices:$experts, LM_ExpertMatrices:$weight);
  let results = (outs LM_Activations:$result);
  let assemblyFormat = "$input `,` $experts `,` $weight attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def LM_CombineExpertsOp : LM_Op<"combine_experts", [Pure]> {
  let summary = "weighted sum over the chosen experts: result[t, n] = sum over j of input[t, j, n] · weights[t, j]";
  let arguments = (ins LM_Activations:$input, LM_Activations:$weights);
  let results = (outs LM_Activations:$result);
  let assemblyFormat = "$input `,` $weights attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

//===--- Sampling ---------------------------------------------------------------------------------------------===//

def LM_TopKOp : LM_Op<"top_k", [Pure]> {
  let summary = "the largest elements of each row, in descending order";
  let description = [{
    `values[t, j]` is the j-th largest element of row t and `ids[t, j]` its column: of equal ones the lower column first, and
    what is no number counts as plus infinity. So the first says whether a row has anything that is no number. Of the columns of
    the results as many are computed as the step asks for (LaminaStep.candidates); the rest hold anything.

    Example:
    ```mlir
    %values, %ids = lm.top_k %logits : (tensor<?x128256xf32>) -> (tensor<?x64xf32>, tensor<?x64xi32>)
    ```
  }];
  let arguments = (ins LM_Activations:$input);
  let results = (outs LM_Activations:$values, LM_Indices:$ids);
  let assemblyFormat = "$input attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

#endif // LAMINA_DIALECTS_LM_IR_LMOPS

//===- LMTypes.td - types and attributes of the lm dialect --------------------------------*- tablegen -*-===//

#ifndef LAMINA_DIALECTS_LM_IR_LMTYPES
#define LAMINA_DIALECTS_LM_IR_LMTYPES

include "dialects/LM/IR/LMBase.td"
include "mlir/IR/EnumAttr.td"

def LM_BlockType : LM_Type<"Block", "block"> {
  let summary = "element of a matrix stored in a block format";
  let description = [{
    The element type of a weight matrix; the parameter names a format of runtime/io/BlockFormat.h in lower case, plain
    formats included: `!lm.block<q4_0>`, `!lm.block<f16>`. The innermost dimension of the tensor is the row that blocks
    divide.
  }];
  let parameters = (ins StringRefParameter<"name of the block format">:$format);
  let hasCustomAssemblyFormat = 1;
}

def LM_Q8Type : LM_Type<"Q8", "q8"> {
  let summary = "element of an activation rounded to eight bits";
  let description = [{
    `tensor<?x2048x!lm.q8>`: rows that lm.quantize has made, in blocks of 32 elements with a scale each. Only products
    with weights in a block format read them, and they stay on the device that computed them.
  }];
}

def LM_BatchType : LM_Type<"Batch", "batch"> {
  let summary = "a ragged batch: which tokens of which sequences one step computes";
}

def LM_KVCacheType : LM_Type<"KVCache", "kv_cache"> {
  let summary = "the paged keys and values of one layer for every sequence";
  let description = [{
    `!lm.kv_cache<8 x 128 x 128, f16>`: 8 key/value heads, keys of 128 and values of 128 elements, stored as f16. Other
    elements are f32, bf16, f8E4M3FN and `!lm.block<q8_0>`: blocks of 32 elements along a key or value with a scale, so
    lengths are multiples of 32. It is per-request state: only memory devices hold it, and it never crosses a link.
  }];
  let parameters = (ins "int64_t":$heads, "int64_t":$keyLength, "int64_t":$valueLength, "::mlir::Type":$elementType);
  let assemblyFormat = "`<` $heads `x` $keyLength `x` $valueLength `,` $elementType `>`";
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// Elements that share a scale where elements are `!lm.block<q8_0>`.
    static constexpr int64_t kBlockElements = 32;
    bool hasBlocks() const { return ::llvm::isa<BlockType>(getElementType()); }
    /// "f32", "f16", "bf16", "fp8_e4m3" or "q8_0".
    ::llvm::StringRef getElementName() const;
    /// Bytes of a page as plan.proto's Cache describes it.
    int64_t getPageBytes() const;
  }];
}

def LM_SourceAttr : LM_Attr<"Source", "source"> {
  let summary = "where a tensor's bytes lie in the model's files";
  let description = [{
    `#lm.source<"blk.0.attn_q.weight" : q4_0, 0 at 1234>`: tensor name, block format of the file, index of the file
    among the model's parts, byte offset in that file.
  }];
  let parameters = (ins StringRefParameter<"tensor name">:$tensor, StringRefParameter<"format in the file">:$format,
                        "int64_t":$part, "int64_t":$offset);
  let hasCustomAssemblyFormat = 1;
}

def LM_BatchFieldAttr : I32EnumAttr<"BatchField", "an array that describes the batch", [
    I32EnumAttrCase<"token_ids", 0>, I32EnumAttrCase<"positions", 1>, I32EnumAttrCase<"sequences", 2>,
    I32EnumAttrCase<"output_rows", 3>, I32EnumAttrCase<"block_table", 4>]> {
  let cppNamespace = "::lamina::lm";
}

def LM_CachePartAttr : I32EnumAttr<"CachePart", "what a cache holds", [
    I32EnumAttrCase<"keys", 0>, I32EnumAttrCase<"values", 1>]> {
  let cppNamespace = "::lamina::lm";
}

def LM_AttentionKindAttr : I32EnumAttr<"AttentionKind", "how queries weigh values", [
    I32EnumAttrCase<"softmax", 0>, I32EnumAttrCase<"linear", 1>]> {
  let cppNamespace = "::lamina::lm";
}

def LM_ActivationAttr : I32EnumAttr<"Activation", "a function of one element", [
    I32EnumAttrCase<"silu", 0>, I32EnumAttrCase<"gelu_tanh", 1>, I32EnumAttrCase<"gelu", 2>,
    I32EnumAttrCase<"relu", 3>, I32EnumAttrCase<"sigmoid", 4>]> {
  let cppNamespace = "::lamina::lm";
}

// Predicates over ranked tensors; $_self is a type.
class LM_RankIs<int rank> : CPred<"::llvm::cast<::mlir::RankedTensorType>($_self).getRank() == " # rank>;
def LM_IsRagged : CPred<"::llvm::cast<::mlir::RankedTensorType>($_self).getRank() > 0 && ::llvm::cast<::mlir::RankedTensorType>($_self).isDynamicDim(0)">;
def LM_IsStatic : CPred<"::llvm::cast<::mlir::RankedTensorType>($_self).hasStaticShape()">;
def LM_IsBlocks : And<[CPred<"::llvm::isa<::mlir::RankedTensorType>($_self)">,
    CPred<"::llvm::isa<::lamina::lm::BlockType>(::llvm::cast<::mlir::RankedTensorType>($_self).getElementType())">]>;

class LM_TensorOf<list<Pred> preds, string summary> : Type<And<preds>, summary, "::mlir::RankedTensorType">;
def LM_Activations : LM_TensorOf<[RankedTensorOf<[F32]>.predicate, LM_IsRagged], "an f32 tensor with dynamic leading dimension">;
def LM_IsQuantized : And<[CPred<"::llvm::isa<::mlir::RankedTensorType>($_self)">,
    CPred<"::llvm::isa<::lamina::lm::Q8Type>(::llvm::cast<::mlir::RankedTensorType>($_self).getElementType())">]>;
def LM_QuantizedActivations : LM_TensorOf<[LM_IsQuantized, LM_IsRagged], "a q8 tensor with dynamic leading dimension">;
def LM_ProductInput : LM_TensorOf<[Or<[RankedTensorOf<[F32]>.predicate, LM_IsQuantized]>, LM_IsRagged],
                                  "an f32 or q8 tensor with dynamic leading dimension">;
def LM_Vector : LM_TensorOf<[RankedTensorOf<[F32]>.predicate, LM_RankIs<1>, LM_IsStatic], "a static f32 vector">;
def LM_Indices : LM_TensorOf<[RankedTensorOf<[I32]>.predicate], "an i32 tensor">;
def LM_Mask : LM_TensorOf<[RankedTensorOf<[I1, F32]>.predicate, LM_RankIs<2>], "a matrix of i1 or f32">;
def LM_Matrix : LM_TensorOf<[LM_IsBlocks, LM_RankIs<2>], "a matrix of blocks">;
def LM_ExpertMatrices : LM_TensorOf<[LM_IsBlocks, LM_RankIs<3>], "a matrix of blocks for each expert">;

#endif // LAMINA_DIALECTS_LM_IR_LMTYPES

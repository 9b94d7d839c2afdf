//===- LMBase.td - the lm dialect: what is computed ---------------------------------------*- tablegen -*-===//
//
// A transformer decoder as tensors. The leading dimension of every activation is the tokens of a ragged batch, so one
// step function serves prefill chunks, decode and any mix of both.
//
//   importers ──► lm  ──► mpmd (where it runs) ──► plan (when it runs)
//                  └───── bodies of plan.kernel ──► native code (lib/Target)
//
// * In: lib/Import builds it from model files. `lm` says nothing of devices, buffers or batches' sizes.
// * Beside: additions are arith.addf; everything that a model needs and upstream has stays upstream.
// * Out: `mpmd` wraps lm ops in fragments without changing them; kernels keep them as the meaning of a dispatch.
//
// Weights never appear as bytes: lm.weight names a place in a file, lm.get_weight its value.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_DIALECTS_LM_IR_LMBASE
#define LAMINA_DIALECTS_LM_IR_LMBASE

include "mlir/IR/OpBase.td"
include "mlir/IR/AttrTypeBase.td"

def LM_Dialect : Dialect {
  let name = "lm";
  let cppNamespace = "::lamina::lm";
  let summary = "what is computed: a transformer as tensors";
  let description = [{
    Operations of a decoder transformer on tensors whose leading dimension is the tokens of a ragged batch.
    Activations are f32, or q8 where products with quantised weights read them; matrices of weights keep the block
    format of their file in the element type (`tensor<4096x4096x!lm.block<q4_k>>`) and are decoded where they are used.
    See docs/dialects/lm.md.
  }];
  let useDefaultTypePrinterParser = 1;
  let useDefaultAttributePrinterParser = 1;
}

class LM_Type<string name, string typeMnemonic, list<Trait> traits = []> : TypeDef<LM_Dialect, name, traits> {
  let mnemonic = typeMnemonic;
}

class LM_Attr<string name, string attrMnemonic> : AttrDef<LM_Dialect, name> {
  let mnemonic = attrMnemonic;
}

class LM_Op<string mnemonic, list<Trait> traits = []> : Op<LM_Dialect, mnemonic, traits>;

#endif // LAMINA_DIALECTS_LM_IR_LMBASE

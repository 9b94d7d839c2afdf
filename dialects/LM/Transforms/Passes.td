//===- Passes.td - contracts of the import and mark phases ----------------------------------*- tablegen -*-===//

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

#endif // LAMINA_DIALECTS_LM_TRANSFORMS_PASSES

//===- LMInterfaces.td - what the partitioner knows of attention --------------------------*- tablegen -*-===//

#ifndef LAMINA_DIALECTS_LM_IR_LMINTERFACES
#define LAMINA_DIALECTS_LM_IR_LMINTERFACES

include "mlir/IR/OpBase.td"

def LM_AttentionOpInterface : OpInterface<"AttentionOpInterface"> {
  let cppNamespace = "::lamina::lm";
  let description = [{
    An operation that reads per-request state which grows with the sequence. The partitioner puts it on a memory
    device beside that state, whatever kind of attention it is.
  }];
  let methods = [
    InterfaceMethod<"The query: the only operand that changes with every token and is needed before anything else.",
                    "::mlir::Value", "getQueryOperand">,
    InterfaceMethod<"The state after this step's tokens have been added, a !lm.kv_cache.",
                    "::mlir::Value", "getStateOperand">,
  ];
}

#endif // LAMINA_DIALECTS_LM_IR_LMINTERFACES

//===- LMInterfaces.td - what the partitioner knows of attention --------------------------*- tablegen -*-===//

#ifndef LAMINA_DIALECTS_LM_IR_LMINTERFACES
#define LAMINA_DIALECTS_LM_IR_LMINTERFACES

include "mlir/IR/OpBase.td"

def LM_AttentionOpInterface : OpInterface<"AttentionOpInterface"> {
  let cppNamespace = "::lamina::lm";
  let description = [{
    An operation in which every query reads all keys and values: per-request state that grows with the sequence, or in a
    model without a cache tensors of the run. The partitioner puts it on a memory device, beside its state if it has one,
    whatever kind of attention it is.
  }];
  let methods = [
    InterfaceMethod<"The query: the only operand that changes with every token and is needed before anything else.",
                    "::mlir::Value", "getQueryOperand">,
    InterfaceMethod<"The state after this step's tokens have been added, a !lm.kv_cache; null if keys and values are tensors.",
                    "::mlir::Value", "getStateOperand">,
  ];
}

#endif // LAMINA_DIALECTS_LM_IR_LMINTERFACES

//===- PlanBase.td - the plan dialect: when it runs ---------------------------------------*- tablegen -*-===//
//
// What the runtime executes, one to one with runtime/io/plan.proto: for each worker a straight-line program of
// dispatches and transfers over buffers whose places are fixed at compile time.
//
//   mpmd (where) ──► plan.program @compute0 { dispatch, send, recv, wait }  ──► plan.pb ──► runtime/executor
//                    plan.kernel  @linear_0 { lm ops }                      ──► lib/Target ──► code objects
//
// * In: lib/Conversion/MPMDToPlan flattens fragments and transfers into programs.
// * Beside: bodies of plan.kernel are lm and arith on tensors; they say what a dispatch means, not how.
// * Out: lib/Target/Plan writes plan.pb; the executor has one case per instruction.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_DIALECTS_PLAN_IR_PLANBASE
#define LAMINA_DIALECTS_PLAN_IR_PLANBASE

include "mlir/IR/OpBase.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"

def Plan_Dialect : Dialect {
  let name = "plan";
  let cppNamespace = "::lamina::plan";
  let summary = "when it runs: the programs of the workers";
  let description = [{
    Programs of dispatches and transfers over buffers with fixed places. See docs/dialects/plan.md.
  }];
  let useDefaultTypePrinterParser = 1;
}

class Plan_Op<string mnemonic, list<Trait> traits = []> : Op<Plan_Dialect, mnemonic, traits>;

def Plan_BufferType : TypeDef<Plan_Dialect, "Buffer"> {
  let mnemonic = "buffer";
  let summary = "memory of one worker that holds a value";
  let description = "`!plan.buffer<tensor<?x64xf32>>`: the type inside says what lies in the memory.";
  let parameters = (ins "::mlir::Type":$contents);
  let assemblyFormat = "`<` $contents `>`";
}

def Plan_BufferKindAttr : I32EnumAttr<"BufferKind", "the memory that a buffer lies in", [
    I32EnumAttrCase<"arena", 0>, I32EnumAttrCase<"weight", 1>, I32EnumAttrCase<"cache", 2>,
    I32EnumAttrCase<"batch", 3>]> {
  let cppNamespace = "::lamina::plan";
}

def Plan_ExtentAttr : I32EnumAttr<"RowExtent", "what a leading dimension follows", [
    I32EnumAttrCase<"fixed", 0>, I32EnumAttrCase<"tokens", 1>, I32EnumAttrCase<"output_rows", 2>]> {
  let cppNamespace = "::lamina::plan";
}

#endif // LAMINA_DIALECTS_PLAN_IR_PLANBASE

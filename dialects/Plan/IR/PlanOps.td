//===- PlanOps.td - operations of the plan dialect ----------------------------------------*- tablegen -*-===//

#ifndef LAMINA_DIALECTS_PLAN_IR_PLANOPS
#define LAMINA_DIALECTS_PLAN_IR_PLANOPS

include "dialects/Plan/IR/PlanBase.td"
include "mlir/IR/BuiltinAttributes.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

//===--- Kernels ----------------------------------------------------------------------------------------------===//

def Plan_KernelOp : Plan_Op<"kernel", [Symbol, IsolatedFromAbove, SingleBlockImplicitTerminator<"YieldOp">]> {
  let summary = "what one dispatch computes";
  let description = [{
    The body is tensor code; block arguments are the operands of a dispatch, yielded values its results. A yielded
    !lm.kv_cache is the operand of that type after an update in place and has no memory of its own.

    Example:
    ```mlir
    plan.kernel @linear_addf_0 {
    ^bb0(%x: tensor<?x64xf32>, %w: tensor<64x64x!lm.block<q4_0>>, %residual: tensor<?x64xf32>):
      %0 = lm.linear %x, %w : (tensor<?x64xf32>, tensor<64x64x!lm.block<q4_0>>) -> tensor<?x64xf32>
      %1 = arith.addf %0, %residual : tensor<?x64xf32>
      plan.yield %1 : tensor<?x64xf32>
    }
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$sym_name attr-dict-with-keyword $body";
  let extraClassDeclaration = [{
    ::mlir::Block::BlockArgListType getKernelArguments() { return getBody().front().getArguments(); }
    ::mlir::OperandRange getYieldedValues() { return getBody().front().getTerminator()->getOperands(); }
  }];
}

def Plan_YieldOp : Plan_Op<"yield", [Pure, Terminator, ParentOneOf<["KernelOp"]>]> {
  let summary = "results of a kernel";
  let arguments = (ins Variadic<AnyType>:$values);
  let builders = [OpBuilder<(ins), [{ /* a kernel without results */ }]>];
  let assemblyFormat = "attr-dict ($values^ `:` type($values))?";
}

def Plan_CallOp : Plan_Op<"call", [Pure, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "a dispatch on tensors, before buffers are known";
  let description = [{
    Stands in fragments between dispatch formation and the conversion to programs; `label` names the place in the
    model for traces.
  }];
  let arguments = (ins FlatSymbolRefAttr:$kernel, Variadic<AnyType>:$inputs, StrAttr:$label);
  let results = (outs Variadic<AnyType>:$outputs);
  let assemblyFormat = "$kernel `(` $inputs `)` $label attr-dict `:` functional-type($inputs, $outputs)";
}

//===--- Programs ---------------------------------------------------------------------------------------------===//

def Plan_ProgramOp : Plan_Op<"program", [Symbol, IsolatedFromAbove, NoTerminator, SingleBlock]> {
  let summary = "what one worker does in a step";
  let description = [{
    A straight line of instructions in the order of execution, each buffer before its first use. `arena_bytes` and
    `weight_bytes` are the sizes of the worker's memories once offsets are assigned.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, FlatSymbolRefAttr:$device_class,
                       OptionalAttr<I64Attr>:$arena_bytes, OptionalAttr<I64Attr>:$weight_bytes);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{$sym_name `on` $device_class (`arena` $arena_bytes^)? (`weights` $weight_bytes^)?
                         attr-dict-with-keyword $body}];
  let hasVerifier = 1;
}

class Plan_ProgramElement<string mnemonic, list<Trait> traits = []>
    : Plan_Op<mnemonic, traits # [HasParent<"ProgramOp">]>;

def Plan_BufferOp : Plan_ProgramElement<"buffer"> {
  let summary = "memory that instructions use";
  let description = [{
    `offset` is a byte offset in the arena or in the weight shard, the index of a cache, or a batch field by number;
    it is absent for arena and weight buffers until places are assigned. `source` names the lm.weight of a weight buffer.
  }];
  let arguments = (ins Plan_BufferKindAttr:$kind, StrAttr:$name, Plan_ExtentAttr:$extent, OptionalAttr<I64Attr>:$offset,
                       OptionalAttr<FlatSymbolRefAttr>:$source);
  let results = (outs Plan_BufferType:$result);
  let assemblyFormat = "$kind $name `extent` $extent (`at` $offset^)? (`from` $source^)? attr-dict `:` type($result)";
  let hasVerifier = 1;
}

def Plan_DispatchOp : Plan_ProgramElement<"dispatch", [AttrSizedOperandSegments, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "runs a kernel";
  let description = [{
    Buffers bind the kernel's arguments and then its results, results of cache type left out. `slice` is the fragment
    that the work comes from, `extent` what the number of rows follows.
  }];
  let arguments = (ins FlatSymbolRefAttr:$kernel, Variadic<Plan_BufferType>:$reads, Variadic<Plan_BufferType>:$writes,
                       Plan_ExtentAttr:$extent, StrAttr:$label, I64Attr:$slice);
  let assemblyFormat = [{$kernel `(` $reads `)` `->` `(` $writes `)` $label `extent` $extent `slice` $slice attr-dict
                         `:` functional-type($reads, $writes)}];
}

class Plan_TransferOp<string mnemonic> : Plan_ProgramElement<mnemonic> {
  let arguments = (ins I64Attr:$transfer, FlatSymbolRefAttr:$peer, Variadic<Plan_BufferType>:$buffers, StrAttr:$label, I64Attr:$slice);
  let assemblyFormat = "$transfer $peer `(` $buffers `)` $label `slice` $slice attr-dict `:` type($buffers)";
  let hasVerifier = 1;
}

def Plan_SendOp : Plan_TransferOp<"send"> {
  let summary = "starts moving buffers to the peer; they may be written again when it returns";
}

def Plan_RecvOp : Plan_TransferOp<"recv"> {
  let summary = "lets the peer fill buffers; they are not to be touched before the wait";
}

def Plan_WaitOp : Plan_ProgramElement<"wait"> {
  let summary = "until the recv of a transfer has arrived";
  let arguments = (ins I64Attr:$transfer, I64Attr:$slice);
  let assemblyFormat = "$transfer `slice` $slice attr-dict";
}

#endif // LAMINA_DIALECTS_PLAN_IR_PLANOPS

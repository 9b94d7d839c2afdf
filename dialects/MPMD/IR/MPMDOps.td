//===- MPMDOps.td - operations of the mpmd dialect ----------------------------------------*- tablegen -*-===//

#ifndef LAMINA_DIALECTS_MPMD_IR_MPMDOPS
#define LAMINA_DIALECTS_MPMD_IR_MPMDOPS

include "dialects/MPMD/IR/MPMDBase.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

//===--- Topology ---------------------------------------------------------------------------------------------===//

def MPMD_TopologyOp : MPMD_Op<"topology", [Symbol, SymbolTable, SingleBlock, NoTerminator, NoRegionArguments,
                                           IsolatedFromAbove, HasParent<"::mlir::ModuleOp">]> {
  let summary = "the device classes of a cluster and the links between them";
  let description = [{
    A module has at most one. One class alone is the monolithic placement: it runs everything, attention too. With more,
    classes of role `compute` hold the weights and run all but attention, those of role `memory` hold the caches
    and run attention.

    Example:
    ```mlir
    mpmd.topology @cluster {
      mpmd.device_class @compute : compute on cuda {memory_bytes = 85899345920 : i64}
      mpmd.device_class @memory : memory on cpu {count = 2 : i64}
      mpmd.link @compute -> @memory {bandwidth = 50000000000 : i64, latency_ns = 2000 : i64}
    }
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$sym_name attr-dict-with-keyword $body";
  let hasRegionVerifier = 1;
}

def MPMD_DeviceClassOp : MPMD_Op<"device_class", [Symbol, HasParent<"TopologyOp">]> {
  let summary = "equal devices that play one role";
  let description = [{
    `count` devices, each with `memory_bytes` of memory, `flops` floating-point and `int8_ops` 8-bit integer operations
    per second (a multiply-add is two) and `bandwidth` bytes per second between its memory and its arithmetic; absent
    means unknown.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, MPMD_Role:$role, MPMD_DeviceKind:$device,
                       DefaultValuedAttr<ConfinedAttr<I64Attr, [IntPositive]>, "1">:$count,
                       OptionalAttr<ConfinedAttr<I64Attr, [IntPositive]>>:$memory_bytes,
                       OptionalAttr<ConfinedAttr<I64Attr, [IntPositive]>>:$flops,
                       OptionalAttr<ConfinedAttr<I64Attr, [IntPositive]>>:$int8_ops,
                       OptionalAttr<ConfinedAttr<I64Attr, [IntPositive]>>:$bandwidth);
  let assemblyFormat = "$sym_name `:` $role `on` $device attr-dict";
}

def MPMD_LinkOp : MPMD_Op<"link", [HasParent<"TopologyOp">]> {
  let summary = "how two device classes reach each other";
  let description = [{
    Both directions are alike. `bandwidth` is in bytes per second and direction between one device of each class,
    `latency_ns` the time until the first byte arrives; absent means unknown.
  }];
  let arguments = (ins FlatSymbolRefAttr:$source, FlatSymbolRefAttr:$destination,
                       OptionalAttr<ConfinedAttr<I64Attr, [IntPositive]>>:$bandwidth,
                       OptionalAttr<ConfinedAttr<I64Attr, [IntNonNegative]>>:$latency_ns);
  let assemblyFormat = "$source `->` $destination attr-dict";
}

//===--- Programs ---------------------------------------------------------------------------------------------===//

// Named here because including the lm dialect's .td would generate its enumerations a second time.
def MPMD_Batch : Type<CPred<"::llvm::isa<::lamina::lm::BatchType>($_self)">, "!lm.batch", "::lamina::lm::BatchType">;
def MPMD_Operand : AnyTypeOf<[MPMD_PlacedType, MPMD_Batch], "a placed value or a batch">;

def MPMD_FragmentOp : MPMD_Op<"fragment", [IsolatedFromAbove, RecursiveMemoryEffects, RecursivelySpeculatable,
                                           SingleBlockImplicitTerminator<"ReturnOp">,
                                           DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "a part of the step that the devices of one class run without interruption";
  let description = [{
    Operands and results are placed on the fragment's class; inside they are plain values. A batch is not placed: every
    device sees it. Weights, constants and what follows from the batch alone are not passed in but repeated inside.

    Example:
    ```mlir
    %q, %x = mpmd.fragment @compute "slice0.q"(%b = %batch) : (!lm.batch)
        -> (!mpmd.placed<tensor<?x64xf32>, @compute>, !mpmd.placed<tensor<?x64xf32>, @compute>) {
      ...
      mpmd.return %1, %0 : tensor<?x64xf32>, tensor<?x64xf32>
    }
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$device_class, StrAttr:$name, Variadic<MPMD_Operand>:$inputs);
  let results = (outs Variadic<MPMD_PlacedType>:$outputs);
  let regions = (region SizedRegion<1>:$body);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
  let skipDefaultBuilders = 1;
  let builders = [OpBuilder<(ins "::mlir::FlatSymbolRefAttr":$deviceClass, "::llvm::StringRef":$name,
                                 "::mlir::ValueRange":$inputs, "::mlir::TypeRange":$valueTypes), [{}]>];
  let extraClassDeclaration = [{
    /// The operation that ends the body.
    ReturnOp getReturn();
  }];
}

def MPMD_ReturnOp : MPMD_Op<"return", [Pure, Terminator, ReturnLike, HasParent<"FragmentOp">]> {
  let summary = "ends a fragment and names its results";
  let arguments = (ins Variadic<AnyType>:$values);
  let assemblyFormat = "attr-dict ($values^ `:` type($values))?";
  let builders = [OpBuilder<(ins), [{ /* a fragment without results */ }]>];
  let hasVerifier = 1;
}

def MPMD_TransferOp : MPMD_Op<"transfer", [Pure, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "moves tensors from one device class to another in one message";
  let description = [{
    Result i is operand i in the memory of the other class. Per-request state does not move.

    Example:
    ```mlir
    %k1, %v1 = mpmd.transfer %k, %v
        : (!mpmd.placed<tensor<?x32xf32>, @compute>, !mpmd.placed<tensor<?x32xf32>, @compute>)
       -> (!mpmd.placed<tensor<?x32xf32>, @memory>, !mpmd.placed<tensor<?x32xf32>, @memory>)
    ```
  }];
  let arguments = (ins Variadic<MPMD_PlacedType>:$inputs);
  let results = (outs Variadic<MPMD_PlacedType>:$outputs);
  let assemblyFormat = "$inputs attr-dict `:` functional-type($inputs, $outputs)";
  let hasVerifier = 1;
  let skipDefaultBuilders = 1;
  let builders = [OpBuilder<(ins "::mlir::ValueRange":$inputs, "::mlir::FlatSymbolRefAttr":$destination), [{}]>];
  let extraClassDeclaration = [{
    /// The class that the values leave and the one that they reach.
    ::mlir::FlatSymbolRefAttr getSource();
    ::mlir::FlatSymbolRefAttr getDestination();
  }];
}

#endif // LAMINA_DIALECTS_MPMD_IR_MPMDOPS

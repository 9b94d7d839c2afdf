//===- MPMDBase.td - the mpmd dialect: where it runs --------------------------------------*- tablegen -*-===//
//
// Multiple programs on multiple devices: which class of devices runs which part of a step, and what moves between.
//
//        lm  ──►  mpmd  ──►  plan
//
//     @compute                             @memory
//   ┌──────────────────┐                 ┌────────────────────┐
//   │ fragment slice0.q├──── transfer ──►│                    │
//   │ fragment slice0.kv├─── transfer ──►│ fragment attention0│
//   └───┬ x (context)──┘                 │  (holds the cache) │
//   ┌───▼──────────────┐                 │                    │
//   │ fragment slice1.q│◄── transfer ────┤                    │
//
// * In: a step function of lm ops on plain tensors. mpmd wraps the ops in fragments and does not change them.
// * Placement is in the type (!mpmd.placed<T, @class>), so a use on a foreign device does not verify; only
//   mpmd.transfer changes a value's class, and it refuses per-request state.
// * Out: `plan` gives each worker of a class the class's fragments in order; transfers become send and recv.
//
// The device classes and links themselves are one mpmd.topology per module.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_DIALECTS_MPMD_IR_MPMDBASE
#define LAMINA_DIALECTS_MPMD_IR_MPMDBASE

include "mlir/IR/OpBase.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"

def MPMD_Dialect : Dialect {
  let name = "mpmd";
  let cppNamespace = "::lamina::mpmd";
  let summary = "where it runs: device classes, fragments and transfers";
  let description = [{
    Splits a step function over classes of devices. A fragment is a part that one class runs without interruption, a
    transfer moves values between classes. See docs/dialects/mpmd.md.
  }];
  let dependentDialects = ["::lamina::lm::LMDialect"];
  let useDefaultTypePrinterParser = 1;
}

def MPMD_Role : I32EnumAttr<"Role", "what a device class is for", [
    I32EnumAttrCase<"compute", 0>, I32EnumAttrCase<"memory", 1>]> {
  let cppNamespace = "::lamina::mpmd";
}

def MPMD_DeviceKind : I32EnumAttr<"DeviceKind", "kind of device", [
    I32EnumAttrCase<"cpu", 0>, I32EnumAttrCase<"cuda", 1>]> {
  let cppNamespace = "::lamina::mpmd";
}

def MPMD_PlacedType : TypeDef<MPMD_Dialect, "Placed"> {
  let mnemonic = "placed";
  let summary = "a value and the device class that holds it";
  let description = [{
    `!mpmd.placed<tensor<?x64xf32>, @compute>`: a tensor, or a `!lm.kv_cache`, in the memory of the devices of a class of
    the module's topology. Only fragments on that class take it; `mpmd.transfer` alone brings a tensor to another one.
  }];
  let parameters = (ins "::mlir::Type":$valueType, "::mlir::FlatSymbolRefAttr":$deviceClass);
  let assemblyFormat = "`<` $valueType `,` $deviceClass `>`";
  let genVerifyDecl = 1;
  let skipDefaultBuilders = 1;
  let builders = [TypeBuilderWithInferredContext<(ins "::mlir::Type":$valueType,
                                                      "::mlir::FlatSymbolRefAttr":$deviceClass), [{
    return $_get(valueType.getContext(), valueType, deviceClass);
  }]>];
}

class MPMD_Op<string mnemonic, list<Trait> traits = []> : Op<MPMD_Dialect, mnemonic, traits>;

#endif // LAMINA_DIALECTS_MPMD_IR_MPMDBASE

//===- MPMDDialect.cpp - registration and types of the mpmd dialect -----------------------------------===//

#include "dialects/MPMD/IR/MPMD.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace lamina::mpmd;

#include "dialects/MPMD/IR/MPMDDialect.cpp.inc"
#include "dialects/MPMD/IR/MPMDEnums.cpp.inc"

#define GET_TYPEDEF_CLASSES
#include "dialects/MPMD/IR/MPMDTypes.cpp.inc"

void MPMDDialect::initialize() {
  addTypes<
#define GET_TYPEDEF_LIST
#include "dialects/MPMD/IR/MPMDTypes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/MPMD/IR/MPMDOps.cpp.inc"
      >();
}

/// Verifies the following:
/// - the value is a ranked tensor or a cache
LogicalResult PlacedType::verify(function_ref<InFlightDiagnostic()> emitError, Type valueType,
                                 FlatSymbolRefAttr) {
  if (!isa<RankedTensorType, lm::KVCacheType>(valueType))
    return emitError() << "expected a ranked tensor or a !lm.kv_cache to place, got: " << valueType;
  return success();
}

Type lamina::mpmd::stripPlacement(Type type) {
  auto placed = dyn_cast<PlacedType>(type);
  return placed ? placed.getValueType() : type;
}

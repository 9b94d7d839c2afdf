//===- ScratchMemory.h - places of a function's allocations ---------------------------------------*- C++ -*-===//

#ifndef LAMINA_LIB_CONVERSION_SCRATCHMEMORY_H
#define LAMINA_LIB_CONVERSION_SCRATCHMEMORY_H

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace lamina {

/// Gives a function of one block an argument of type memref<Nxi8> and every allocation a place in it. Fails with a located error
/// for an allocation whose size is not known.
mlir::LogicalResult placeAllocations(mlir::func::FuncOp function);

} // namespace lamina

#endif // LAMINA_LIB_CONVERSION_SCRATCHMEMORY_H

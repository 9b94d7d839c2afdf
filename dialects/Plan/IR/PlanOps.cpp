//===- PlanOps.cpp - registration and verifiers of the plan dialect -------------------------------------------===//

#include "dialects/Plan/IR/Plan.h"

#include "dialects/LM/IR/LM.h"
#include "runtime/device/KernelABI.h"
#include "runtime/io/NpyFile.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace lamina;
using namespace lamina::plan;

#include "dialects/Plan/IR/PlanDialect.cpp.inc"
#include "dialects/Plan/IR/PlanEnums.cpp.inc"

#define GET_TYPEDEF_CLASSES
#include "dialects/Plan/IR/PlanTypes.cpp.inc"

#define GET_OP_CLASSES
#include "dialects/Plan/IR/PlanOps.cpp.inc"

void PlanDialect::initialize() {
  addTypes<
#define GET_TYPEDEF_LIST
#include "dialects/Plan/IR/PlanTypes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/Plan/IR/PlanOps.cpp.inc"
      >();
}

int64_t plan::rowBytes(RankedTensorType type) {
  if (type.getRank() == 1)
    return 4;
  int64_t bytes = 4 * llvm::alignTo(type.getShape().back(), LAMINA_ROW_PADDING);
  if (isa<lm::Q8Type>(type.getElementType()))
    bytes = type.getShape().back() / LAMINA_QUANTIZED_BLOCK_ELEMENTS * int64_t(sizeof(LaminaQuantizedBlock));
  for (int64_t dim : type.getShape().slice(1, type.getRank() - 2))
    bytes *= dim;
  return bytes;
}

namespace {

/// Verifies that `operands` and `results` are what `kernel` takes and gives.
LogicalResult verifyKernelUse(Operation *op, KernelOp kernel, ArrayRef<Type> operands,
                              ArrayRef<Type> results) {
  auto mismatch = [&](StringRef what, size_t index, Type expected, Type got) {
    InFlightDiagnostic diag = op->emitOpError() << "expected " << what << " " << index << " of type "
                                                << expected << ", got: " << got;
    diag.attachNote(kernel.getLoc()) << "kernel declared here";
    return diag;
  };
  auto expectTypes = [&](StringRef what, TypeRange expected, ArrayRef<Type> got) -> LogicalResult {
    if (expected.size() != got.size()) {
      InFlightDiagnostic diag = op->emitOpError()
                                << "expected " << expected.size() << " " << what << "s, got: " << got.size();
      diag.attachNote(kernel.getLoc()) << "kernel declared here";
      return diag;
    }
    for (size_t i = 0; i < got.size(); ++i)
      if (expected[i] != got[i])
        return mismatch(what, i, expected[i], got[i]);
    return success();
  };
  Block &body = kernel.getBody().front();
  if (failed(expectTypes("operand", body.getArgumentTypes(), operands)))
    return failure();
  return expectTypes("result", kernel.getYieldedValues().getTypes(), results);
}

FailureOr<KernelOp> lookupKernel(Operation *op, FlatSymbolRefAttr name, SymbolTableCollection &symbols) {
  auto kernel = symbols.lookupNearestSymbolFrom<KernelOp>(op, name);
  if (!kernel)
    return op->emitOpError() << "expected the name of a plan.kernel, got: " << name;
  return kernel;
}

Type contents(Value buffer) { return cast<BufferType>(buffer.getType()).getContents(); }

/// Verifies the following:
/// - something is transferred
/// - every buffer has rows (its leading dimension is dynamic) or is a memref in the arena that has elements, so no weight and no cache
///   crosses a link
/// - rounded activations stay where they were computed
/// - all buffers are of one extent
LogicalResult verifyTransfer(Operation *op, OperandRange buffers) {
  if (buffers.empty())
    return op->emitOpError("expected at least one buffer");
  std::optional<RowExtent> extent;
  for (Value buffer : buffers) {
    auto made = buffer.getDefiningOp<BufferOp>();
    auto type = dyn_cast<RankedTensorType>(contents(buffer));
    auto memory = dyn_cast<MemRefType>(contents(buffer));
    bool moves = type ? type.getRank() > 0 && type.isDynamicDim(0) && !isa<lm::Q8Type>(type.getElementType())
                      : memory && memory.hasStaticShape() && memory.getNumElements() != 0;
    if (!made || made.getKind() != BufferKind::arena || !moves)
      return op->emitOpError() << "expected buffers of activations, got: " << contents(buffer);
    if (extent.value_or(made.getExtent()) != made.getExtent())
      return op->emitOpError() << "expected buffers of one extent, got: " << stringifyRowExtent(*extent)
                               << " and " << stringifyRowExtent(made.getExtent());
    extent = made.getExtent();
  }
  return success();
}

/// Beyond this no machine has memory, and sums of such sizes could overflow.
constexpr uint64_t kMostBytes = uint64_t{1} << 46;

bool fitsMachines(MemRefType memory) {
  uint64_t bytes = llvm::divideCeil(memory.getElementTypeBitWidth(), 8u);
  for (int64_t size : memory.getShape())
    bytes = llvm::SaturatingMultiply<uint64_t>(bytes, size);
  return bytes <= kMostBytes;
}

/// What may lie in memory of each kind; sizes are computed from these shapes.
bool canHold(BufferKind kind, Type contents) {
  if (kind == BufferKind::cache)
    return isa<lm::KVCacheType>(contents);
  if (auto memory = dyn_cast<MemRefType>(contents))
    return memory.hasStaticShape() && memory.getLayout().isIdentity() &&
           memory.getElementType().isIntOrFloat() && fitsMachines(memory) &&
           (kind == BufferKind::arena || (kind == BufferKind::weight && memory.getElementType().isF32()));
  auto type = dyn_cast<RankedTensorType>(contents);
  if (!type || type.getRank() == 0)
    return false;
  switch (kind) {
  case BufferKind::arena:
    return type.isDynamicDim(0) && type.getNumDynamicDims() == 1 &&
           (type.getElementType().isF32() || type.getElementType().isInteger(32) ||
            isa<lm::Q8Type>(type.getElementType()));
  case BufferKind::weight:
    return type.hasStaticShape() &&
           (type.getElementType().isF32() || isa<lm::BlockType>(type.getElementType()));
  default:
    return type.getElementType().isInteger(32);
  }
}

/// Verifies the following of a buffer that is the model's input or output:
/// - it is a memref in the arena
/// - plan.port is one of the two words, plan.element ONNX's name of a type with elements of that size
LogicalResult verifyPort(BufferOp buffer) {
  Attribute port = buffer->getAttr("plan.port"), element = buffer->getAttr("plan.element");
  if (!port && !element)
    return success();
  auto memory = dyn_cast<MemRefType>(contents(buffer.getResult()));
  if (!memory || buffer.getKind() != BufferKind::arena)
    return buffer.emitOpError() << "expected a memref in the arena as the model's input or output, got: "
                                << contents(buffer.getResult());
  auto direction = dyn_cast_or_null<StringAttr>(port), type = dyn_cast_or_null<StringAttr>(element);
  if (!direction || (direction != "input" && direction != "output"))
    return buffer.emitOpError("expected plan.port to be \"input\" or \"output\"");
  if (!type ||
      npyElementBytes(npyDescr(type.getValue())) != llvm::divideCeil(memory.getElementTypeBitWidth(), 8u))
    return buffer.emitOpError() << "expected plan.element to name a type of elements that " << memory
                                << " has";
  return success();
}

} // namespace

/// Verifies the following:
/// - the kernel exists
/// - operands and results are the kernel's
LogicalResult CallOp::verifySymbolUses(SymbolTableCollection &symbols) {
  FailureOr<KernelOp> kernel = lookupKernel(*this, getKernelAttr(), symbols);
  if (failed(kernel))
    return failure();
  return verifyKernelUse(*this, *kernel, SmallVector<Type>(getInputs().getTypes()),
                         SmallVector<Type>(getOutputs().getTypes()));
}

/// Verifies the following:
/// - a buffer precedes its uses and every instruction stands on its own: the body has one block
/// - arena buffers with an offset lie in the arena, unless they are empty
LogicalResult ProgramOp::verify() {
  if (!getArenaBytes())
    return success();
  auto isEmpty = [](BufferOp buffer) {
    auto memory = dyn_cast<MemRefType>(contents(buffer.getResult()));
    return memory && memory.hasStaticShape() && memory.getNumElements() == 0;
  };
  for (BufferOp buffer : getBody().front().getOps<BufferOp>())
    if (buffer.getKind() == BufferKind::arena && buffer.getOffset() && !isEmpty(buffer) &&
        int64_t(*buffer.getOffset()) >= int64_t(*getArenaBytes()))
      return buffer.emitOpError() << "expected an offset inside the arena of " << *getArenaBytes()
                                  << " bytes, got: " << *buffer.getOffset();
  return success();
}

/// Verifies the following:
/// - the contents are what memory of this kind holds; a memref has no rows
/// - an offset or index is not negative, an offset in memory is aligned
/// - a weight buffer names its weight
/// - cache and batch buffers have their index from the start
/// - inputs and outputs say which and of what type
LogicalResult BufferOp::verify() {
  bool inMemory = getKind() == BufferKind::arena || getKind() == BufferKind::weight;
  if (!canHold(getKind(), contents(getResult())))
    return emitOpError() << "expected contents that " << stringifyBufferKind(getKind())
                         << " memory holds, got: " << contents(getResult());
  if (isa<MemRefType>(contents(getResult())) && getExtent() != RowExtent::fixed)
    return emitOpError() << "expected extent fixed for a memref, got: " << stringifyRowExtent(getExtent());
  if (getOffset() && int64_t(*getOffset()) < 0)
    return emitOpError() << "expected a non-negative offset, got: " << int64_t(*getOffset());
  if (inMemory && getOffset() && *getOffset() % LAMINA_BUFFER_ALIGNMENT != 0)
    return emitOpError() << "expected an offset aligned to " << int(LAMINA_BUFFER_ALIGNMENT)
                         << " bytes, got: " << *getOffset();
  if ((getKind() == BufferKind::weight) != getSource().has_value())
    return emitOpError("expected a source on weight buffers and on no others");
  if (!inMemory && !getOffset())
    return emitOpError("expected the index of the cache or batch field");
  return verifyPort(*this);
}

/// Verifies the following:
/// - the kernel exists
/// - buffers hold what the kernel takes and gives, cache results left out
LogicalResult DispatchOp::verifySymbolUses(SymbolTableCollection &symbols) {
  FailureOr<KernelOp> kernel = lookupKernel(*this, getKernelAttr(), symbols);
  if (failed(kernel))
    return failure();
  SmallVector<Type> reads, writes;
  for (Value buffer : getReads())
    reads.push_back(contents(buffer));
  auto written = getWrites().begin();
  for (Type type : kernel->getYieldedValues().getTypes())
    if (isa<lm::KVCacheType>(type))
      writes.push_back(type);
    else if (written != getWrites().end())
      writes.push_back(contents(*written++));
  for (; written != getWrites().end(); ++written)
    writes.push_back(contents(*written));
  return verifyKernelUse(*this, *kernel, reads, writes);
}

LogicalResult SendOp::verify() { return verifyTransfer(*this, getBuffers()); }
LogicalResult RecvOp::verify() { return verifyTransfer(*this, getBuffers()); }

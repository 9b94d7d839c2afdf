//===- KernelEmitter.cpp - one form of a kernel as an LLVM-dialect function ---------------------------===//

#include "lib/Target/CUDA/KernelGenerators.h"

#include "runtime/device/KernelABI.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/BuiltinOps.h"

#include <cstddef>

using namespace mlir;
using namespace lamina;

void lamina::loadDeviceDialects(MLIRContext &context) {
  context.loadDialect<LLVM::LLVMDialect, arith::ArithDialect, scf::SCFDialect, vector::VectorDialect>();
}

namespace {

/// What a kernel is bound to, in order: operands, then results but caches, which are updated in place.
SmallVector<Value> bindings(Block &body) {
  SmallVector<Value> values(body.getArguments());
  for (Value result : body.getTerminator()->getOperands())
    if (!isa<lm::KVCacheType>(result.getType()))
      values.push_back(result);
  return values;
}

/// A function of `parameters` pointers on a GPU; of an array of them for the simulator.
LLVM::LLVMFuncOp createFunction(ImplicitLocOpBuilder &builder, StringRef symbol, DeviceMachine machine,
                                size_t parameters) {
  Type pointer = LLVM::LLVMPointerType::get(builder.getContext());
  SmallVector<Type> arguments(machine == DeviceMachine::simulator ? 1 : parameters, pointer);
  auto type = LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(builder.getContext()), arguments);
  return LLVM::LLVMFuncOp::create(builder, symbol, type);
}

/// What the runtime and the simulator know of a kernel beside its code: CudaKernelABI.h.
void exportNumber(ImplicitLocOpBuilder &builder, StringRef name, size_t number, DeviceMachine machine) {
  unsigned space = machine == DeviceMachine::simulator ? 0 : 1; // on GPUs global memory
  LLVM::GlobalOp::create(builder, builder.getI32Type(), /*isConstant=*/true, LLVM::Linkage::External, name,
                         builder.getI32IntegerAttr(int32_t(number)), /*alignment=*/4, space);
}

/// Takes the parameters; returns the step.
Value bindParameters(DeviceContext &kernel, ArrayRef<Value> values, DeviceMachine machine, Block *entry) {
  DeviceBuilder &b = kernel.device;
  auto parameter = [&](size_t index) -> Value {
    if (machine != DeviceMachine::simulator)
      return entry->getArgument(index);
    return b.load(b.pointerType(), b.offset(entry->getArgument(0), 8 * int64_t(index)));
  };
  for (auto [index, value] : llvm::enumerate(values))
    kernel.pointers[value] = parameter(index);
  kernel.begin = b.block();
  return parameter(values.size());
}

/// Returns how many workgroups it has.
Value readStep(DeviceContext &kernel, Value step, const KernelSource &source, const KernelVariant &variant) {
  DeviceBuilder &b = kernel.device;
  auto field = [&](size_t offset) { return b.load(b.getI64Type(), b.offset(step, int64_t(offset))); };
  kernel.tokens = field(offsetof(LaminaStep, tokens));
  kernel.rows =
      source.rows == plan::RowExtent::output_rows ? field(offsetof(LaminaStep, outputRows)) : kernel.tokens;
  kernel.blockTableStride = field(offsetof(LaminaStep, blockTableStride));
  kernel.candidates = field(offsetof(LaminaStep, candidates));
  Value rows = variant.extent == plan::RowExtent::fixed ? b.i64(1) : kernel.rows;
  return b.mul(rows, int64_t(variant.workgroups));
}

void emitBody(DeviceContext &kernel, const DeviceForm &form) {
  bool few = form.variant.maxTokens != 0;
  switch (form.kind) {
  case KernelKind::Linear:
    return emitDeviceLinear(kernel, form.product);
  case KernelKind::Row:
    return emitDeviceRows(kernel);
  case KernelKind::Embedding:
    return emitDeviceEmbedding(kernel);
  case KernelKind::RopeTable:
    return emitDeviceRopeTable(kernel);
  case KernelKind::CacheAppend:
    return emitDeviceCacheAppend(kernel);
  case KernelKind::OnlineAttention:
    return emitDeviceAttention(kernel, few);
  case KernelKind::AttentionCombine:
    return emitDeviceAttentionCombine(kernel, few);
  case KernelKind::ExpertLinear:
    return emitDeviceExpertLinear(kernel);
  case KernelKind::RouteExperts:
    return emitDeviceRouteExperts(kernel);
  case KernelKind::TopK:
    return emitDeviceTopK(kernel);
  }
}

} // namespace

int64_t lamina::emitDeviceKernel(const KernelSource &source, const DeviceForm &form, DeviceMachine machine,
                                 ModuleOp module) {
  Location loc = UnknownLoc::get(module.getContext());
  ImplicitLocOpBuilder builder = ImplicitLocOpBuilder::atBlockEnd(loc, module.getBody());
  SmallVector<Value> values = bindings(source.body->front());
  auto function = createFunction(builder, form.variant.symbol, machine, values.size() + 1);
  if (machine == DeviceMachine::simulator)
    exportNumber(builder, form.variant.symbol + "_parameters", values.size() + 1, machine);
  bool waits = machine != DeviceMachine::sm_80; // which knows no early beginning
  if (waits)
    exportNumber(builder, form.variant.symbol + "_waits", 1, machine);
  Block *entry = function.addEntryBlock(builder);
  DeviceBuilder b(loc, entry, machine, form.variant.blockThreads);
  DeviceContext kernel{{b, source.body->front(), llvm::DenseMap<Value, Value>(), {}, {}, {}, {}, {}, {}}, b};
  Value step = bindParameters(kernel, values, machine, entry);
  if (waits && form.kind == KernelKind::Linear)
    prefetchDeviceWeights(kernel, form.product);
  b.waitForKernels();
  Value workgroups = readStep(kernel, step, source, form.variant);
  b.branch(b.less(kernel.begin, workgroups), [&] { emitBody(kernel, form); });
  LLVM::ReturnOp::create(b, ValueRange());
  return b.sharedBytes();
}

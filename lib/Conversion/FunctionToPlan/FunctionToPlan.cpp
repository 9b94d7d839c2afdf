//===- FunctionToPlan.cpp - the function @main as kernels and a program ---------------------------------------===//

#include "lib/Conversion/FunctionToPlan/FunctionToPlan.h"

#include "dialects/MPMD/IR/MPMD.h"
#include "dialects/Plan/IR/Labels.h"
#include "dialects/Plan/IR/Plan.h"
#include "lib/Conversion/FunctionToPlan/KernelOutliner.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

namespace lamina {
#define GEN_PASS_DEF_FUNCTIONTOPLANPASS
#include "lib/Conversion/FunctionToPlan/Passes.h.inc"
} // namespace lamina

using namespace mlir;
using namespace lamina;

namespace {

/// The first class of role compute, for which the program is.
mpmd::DeviceClassOp computeClass(ModuleOp module) {
  for (auto topology : module.getOps<mpmd::TopologyOp>())
    for (auto deviceClass : topology.getOps<mpmd::DeviceClassOp>())
      if (deviceClass.getRole() == mpmd::Role::compute)
        return deviceClass;
  return {};
}

bool hasKnownSize(Type type) {
  auto memory = dyn_cast<MemRefType>(type);
  return memory && memory.hasStaticShape() && memory.getLayout().isIdentity();
}

class Converter {
public:
  Converter(func::FuncOp function, mpmd::DeviceClassOp deviceClass)
      : function_(function), deviceClass_(deviceClass), b_(function) {}

  LogicalResult run() {
    if (failed(check()))
      return failure();
    Location loc = function_.getLoc();
    auto program = plan::ProgramOp::create(b_, loc, b_.getStringAttr(deviceClass_.getSymName() + "0"),
                                           FlatSymbolRefAttr::get(deviceClass_.getSymNameAttr()), IntegerAttr(), IntegerAttr());
    SmallVector<KernelWork> works = divideIntoKernels(function_.getBody().front());
    KernelOutliner kernels(function_->getParentOfType<ModuleOp>());
    b_.createBlock(&program.getBody());
    for (BlockArgument argument : function_.getArguments())
      addArgument(argument);
    for (const KernelWork &work : works)
      for (Value memory : work.memory)
        if (!buffers_.contains(memory))
          buffers_[memory] = addBuffer(memory, plan::BufferKind::arena, plan::labelOf(memory.getLoc()), {});
    for (const KernelWork &work : works) {
      SmallVector<Value> operands = llvm::map_to_vector(work.memory, [&](Value memory) { return buffers_.lookup(memory); });
      Location at = work.operations.front()->getLoc();
      plan::DispatchOp::create(b_, at, kernels.get(work).getSymName(), operands, ValueRange(), plan::RowExtent::fixed,
                               plan::labelOf(at), 0);
    }
    function_.erase();
    return success();
  }

private:
  LogicalResult check() {
    if (!function_.getBody().hasOneBlock() || function_.getNumResults() != 0)
      return function_.emitError("expected a function of one block without results; run function-bufferize and function-to-loops first");
    for (Type type : function_.getArgumentTypes())
      if (!hasKnownSize(type))
        return function_.emitError() << "expected arguments in memory, of known size, got: " << type;
    WalkResult walk = function_.walk([&](memref::AllocOp alloc) {
      if (hasKnownSize(alloc.getType()) && alloc->getParentOp() == function_)
        return WalkResult::advance();
      alloc.emitError() << "expected memory of a size that is known, outside of loops, got: " << alloc.getType();
      return WalkResult::interrupt();
    });
    return failure(walk.wasInterrupted());
  }

  plan::BufferOp addBuffer(Value memory, plan::BufferKind kind, StringRef name, FlatSymbolRefAttr source) {
    return plan::BufferOp::create(b_, memory.getLoc(), plan::BufferType::get(b_.getContext(), memory.getType()), kind, name,
                                  plan::RowExtent::fixed, IntegerAttr(), source);
  }

  void addArgument(BlockArgument argument) {
    unsigned index = argument.getArgNumber();
    auto name = function_.getArgAttrOfType<StringAttr>(index, "plan.name");
    auto weight = function_.getArgAttrOfType<FlatSymbolRefAttr>(index, "plan.source");
    plan::BufferKind kind = weight ? plan::BufferKind::weight : plan::BufferKind::arena;
    StringRef text = weight ? weight.getValue() : name ? name.getValue() : "";
    plan::BufferOp buffer = addBuffer(argument, kind, text, weight);
    for (StringRef attribute : {"plan.port", "plan.element"})
      if (Attribute value = function_.getArgAttr(index, attribute))
        buffer->setAttr(attribute, value);
    buffers_[argument] = buffer;
  }

  func::FuncOp function_;
  mpmd::DeviceClassOp deviceClass_;
  OpBuilder b_;
  DenseMap<Value, Value> buffers_; // of the function's memory
};

struct FunctionToPlanPass : lamina::impl::FunctionToPlanPassBase<FunctionToPlanPass> {
  using Base::Base;

  void runOnOperation() final {
    ModuleOp module = getOperation();
    auto main = module.lookupSymbol<func::FuncOp>("main");
    if (!main)
      return;
    mpmd::DeviceClassOp deviceClass = computeClass(module);
    if (!deviceClass) {
      main.emitError("expected a topology with a class of role compute; run mpmd-default-topology first");
      return signalPassFailure();
    }
    if (failed(Converter(main, deviceClass).run()))
      return signalPassFailure();
    Builder b(module.getContext());
    NamedAttrList limits;
    for (StringRef name : {"max_batch_tokens", "max_output_rows", "max_sequences", "max_context", "kv_pages"})
      limits.set(name, b.getI64IntegerAttr(1));
    module->setAttr("plan.limits", limits.getDictionary(b.getContext()));
  }
};

} // namespace

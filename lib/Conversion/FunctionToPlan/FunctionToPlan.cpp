//===- FunctionToPlan.cpp - the function @main as a kernel and its program ------------------------------------===//

#include "lib/Conversion/FunctionToPlan/FunctionToPlan.h"

#include "dialects/MPMD/IR/MPMD.h"
#include "dialects/Plan/IR/Plan.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

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

class Converter {
public:
  Converter(func::FuncOp function, mpmd::DeviceClassOp deviceClass)
      : function_(function), deviceClass_(deviceClass), b_(function) {}

  LogicalResult run() {
    Location loc = function_.getLoc();
    if (!function_.getBody().hasOneBlock() || function_.getNumResults() != 0)
      return function_.emitError("expected a function of one block without results; run function-bufferize first");
    for (Type type : function_.getArgumentTypes())
      if (auto memref = dyn_cast<MemRefType>(type); !memref || !memref.hasStaticShape() || !memref.getLayout().isIdentity())
        return function_.emitError() << "expected arguments in memory, of known size, got: " << type;
    auto program = plan::ProgramOp::create(b_, loc, b_.getStringAttr(deviceClass_.getSymName() + "0"),
                                           FlatSymbolRefAttr::get(deviceClass_.getSymNameAttr()), IntegerAttr(), IntegerAttr());
    OpBuilder::InsertionGuard guard(b_);
    b_.createBlock(&program.getBody());
    SmallVector<Value> buffers;
    for (BlockArgument argument : function_.getArguments())
      buffers.push_back(createBuffer(argument));
    plan::DispatchOp::create(b_, loc, "main", buffers, ValueRange(), plan::RowExtent::fixed, "main", 0);
    return success();
  }

  void makeKernel() {
    auto kernel = plan::KernelOp::create(b_, function_.getLoc(), "main");
    kernel.getBody().takeBody(function_.getBody());
    Operation *end = kernel.getBody().front().getTerminator();
    b_.setInsertionPoint(end);
    plan::YieldOp::create(b_, end->getLoc());
    end->erase();
    function_.erase();
  }

private:
  Value createBuffer(BlockArgument argument) {
    unsigned index = argument.getArgNumber();
    auto name = function_.getArgAttrOfType<StringAttr>(index, "plan.name");
    auto buffer = plan::BufferOp::create(b_, argument.getLoc(), plan::BufferType::get(b_.getContext(), argument.getType()),
                                         plan::BufferKind::arena, name ? name.getValue() : "scratch", plan::RowExtent::fixed,
                                         IntegerAttr(), FlatSymbolRefAttr());
    for (StringRef attribute : {"plan.port", "plan.element"})
      if (Attribute value = function_.getArgAttr(index, attribute))
        buffer->setAttr(attribute, value);
    return buffer;
  }

  func::FuncOp function_;
  mpmd::DeviceClassOp deviceClass_;
  OpBuilder b_;
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
    Converter converter(main, deviceClass);
    if (failed(converter.run()))
      return signalPassFailure();
    converter.makeKernel();
    Builder b(module.getContext());
    NamedAttrList limits;
    for (StringRef name : {"max_batch_tokens", "max_output_rows", "max_sequences", "max_context", "kv_pages"})
      limits.set(name, b.getI64IntegerAttr(1));
    module->setAttr("plan.limits", limits.getDictionary(b.getContext()));
  }
};

} // namespace

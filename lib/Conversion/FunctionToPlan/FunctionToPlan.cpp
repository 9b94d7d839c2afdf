//===- FunctionToPlan.cpp - the fragments of @main as kernels and programs ---------------------------------------===//

#include "lib/Conversion/FunctionToPlan/FunctionToPlan.h"

#include "dialects/Plan/IR/Labels.h"
#include "lib/Conversion/FunctionToPlan/KernelOutliner.h"
#include "lib/Conversion/MPMDToPlan/ProgramSet.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

namespace lamina {
#define GEN_PASS_DEF_FUNCTIONTOPLANPASS
#include "lib/Conversion/FunctionToPlan/Passes.h.inc"
} // namespace lamina

using namespace mlir;
using namespace lamina;

namespace {

bool hasKnownSize(Type type) {
  auto memory = dyn_cast<MemRefType>(type);
  return memory && memory.hasStaticShape() && memory.getLayout().isIdentity();
}

/// What a tensor takes in memory; null for anything else.
MemRefType memoryOf(Type placed) {
  auto type = dyn_cast<mpmd::PlacedType>(placed);
  auto tensor = type ? dyn_cast<RankedTensorType>(type.getValueType()) : RankedTensorType();
  return tensor && tensor.hasStaticShape() ? MemRefType::get(tensor.getShape(), tensor.getElementType())
                                           : MemRefType();
}

class Converter {
public:
  Converter(func::FuncOp main, ModuleOp functions, OpBuilder &builder)
      : main_(main), functions_(functions), builder_(builder), kernels_(main->getParentOfType<ModuleOp>()) {}

  LogicalResult run() {
    if (failed(programs_.create(main_, builder_)))
      return failure();
    for (BlockArgument argument : main_.getArguments()) {
      MemRefType memory = memoryOf(argument.getType());
      if (!memory)
        return main_.emitError() << "expected arguments that are tensors with a place, got: "
                                 << argument.getType();
      Value buffer = programs_.of(argument).addMemory(argument.getLoc(), "", memory);
      programs_.setBuffer(argument, buffer);
      describePort(buffer, main_.getArgAttrDict(argument.getArgNumber()));
      lastPort_ = buffer.getDefiningOp();
    }
    for (Operation &op : main_.getBody().front())
      if (failed(convert(&op)))
        return failure();
    return success();
  }

private:
  LogicalResult convert(Operation *op) {
    if (auto fragment = dyn_cast<mpmd::FragmentOp>(op))
      return convertFragment(fragment);
    if (auto transfer = dyn_cast<mpmd::TransferOp>(op))
      return programs_.append(transfer), success();
    if (auto ret = dyn_cast<func::ReturnOp>(op))
      return convertReturn(ret);
    return op->emitOpError("expected only fragments and transfers in @main; run the comm phase first");
  }

  LogicalResult convertFragment(mpmd::FragmentOp fragment) {
    if (mpmd::lookupDeviceClass(fragment, fragment.getDeviceClassAttr()).getDevice() != mpmd::DeviceKind::cpu)
      return fragment.emitError() << "models without a cache run on CPUs alone, got a fragment on the class "
                                  << fragment.getDeviceClassAttr() << " of GPUs; give classes of kind cpu";
    auto name = fragment->getAttrOfType<FlatSymbolRefAttr>(kFunctionAttr);
    auto function = name ? functions_.lookupSymbol<func::FuncOp>(name.getAttr()) : func::FuncOp();
    if (!function && fragment.getNumResults() != 0)
      return fragment.emitOpError("has no function; run function-outline first");
    if (function && (failed(check(fragment, function)) || failed(append(fragment, function))))
      return failure();
    ++programs_.slice;
    return success();
  }

  /// The function takes the fragment's operands, weights, and last memory for the results.
  static LogicalResult check(mpmd::FragmentOp fragment, func::FuncOp function) {
    if (!function.getBody().hasOneBlock() || function.getNumResults() != 0)
      return function.emitError("expected a function of one block without results; run function-bufferize "
                                "and function-to-loops first");
    for (Type type : function.getArgumentTypes())
      if (!hasKnownSize(type))
        return function.emitError() << "expected arguments in memory, of known size, got: " << type;
    size_t weights = 0;
    for (unsigned i = 0; i < function.getNumArguments(); ++i)
      weights += function.getArgAttrOfType<FlatSymbolRefAttr>(i, kSourceAttr) != nullptr;
    if (function.getNumArguments() != fragment.getInputs().size() + weights + fragment.getNumResults())
      return function.emitError()
             << "expected an argument for each operand, weight and result of its fragment, got: "
             << function.getNumArguments();
    WalkResult walk = function.walk([&](memref::AllocOp alloc) {
      if (hasKnownSize(alloc.getType()) && alloc->getParentOp() == function)
        return WalkResult::advance();
      alloc.emitError() << "expected memory of a size that is known, outside of loops, got: "
                        << alloc.getType();
      return WalkResult::interrupt();
    });
    return failure(walk.wasInterrupted());
  }

  LogicalResult append(mpmd::FragmentOp fragment, func::FuncOp function) {
    ProgramBuilder &program = programs_.of(fragment.getDeviceClass());
    DenseMap<Value, Value> buffers; // of the function's memory
    size_t operand = 0, result = 0;
    for (BlockArgument argument : function.getArguments()) {
      if (auto weight = function.getArgAttrOfType<FlatSymbolRefAttr>(argument.getArgNumber(), kSourceAttr)) {
        buffers[argument] = program.addWeight(argument.getLoc(), weight, argument.getType());
        continue;
      }
      Value placed = operand < fragment.getInputs().size() ? fragment.getInputs()[operand++] : Value();
      if (!placed) {
        placed = fragment.getOutputs()[result++];
        programs_.setBuffer(placed, program.addMemory(argument.getLoc(), plan::labelOf(argument.getLoc()),
                                                      argument.getType()));
      }
      buffers[argument] = programs_.buffer(placed);
      if (memoryOf(placed.getType()) != argument.getType())
        return function.emitError() << "expected memory of " << placed.getType() << " as argument "
                                    << argument.getArgNumber() << ", got: " << argument.getType();
    }
    for (const KernelWork &work : divideIntoKernels(function.getBody().front())) {
      for (Value memory : work.memory)
        if (!buffers.contains(memory))
          buffers[memory] =
              program.addMemory(memory.getLoc(), plan::labelOf(memory.getLoc()), memory.getType());
      SmallVector<Value> operands =
          llvm::map_to_vector(work.memory, [&](Value memory) { return buffers.lookup(memory); });
      Location loc = work.operations.front()->getLoc();
      program.appendDispatch(loc, kernels_.get(work).getSymName(), operands, plan::labelOf(loc),
                             programs_.slice);
    }
    return success();
  }

  LogicalResult convertReturn(func::ReturnOp ret) {
    for (OpOperand &result : ret->getOpOperands()) {
      Value buffer = programs_.buffer(result.get());
      if (!buffer || buffer.getDefiningOp()->hasAttr("plan.port"))
        return ret.emitOpError() << "expected result " << result.getOperandNumber()
                                 << " to be a fragment's or a transfer's and no other result";
      programs_.of(result.get()).waitFor(buffer, programs_.slice);
      describePort(buffer, main_.getResultAttrDict(result.getOperandNumber()));
      Operation *op = buffer.getDefiningOp(); // inputs and outputs are listed in the order of their buffers
      if (lastPort_ && lastPort_->getBlock() == op->getBlock())
        op->moveAfter(lastPort_);
      else
        op->moveBefore(op->getBlock(), op->getBlock()->begin());
      lastPort_ = op;
    }
    return success();
  }

  /// Makes a buffer an input or output, as the attributes of @main say.
  static void describePort(Value buffer, DictionaryAttr attrs) {
    auto op = buffer.getDefiningOp<plan::BufferOp>();
    if (auto name = attrs ? attrs.getAs<StringAttr>("plan.name") : StringAttr())
      op.setName(name.getValue());
    for (StringRef attribute : {"plan.port", "plan.element"})
      if (Attribute value = attrs ? attrs.get(attribute) : Attribute())
        op->setAttr(attribute, value);
  }

  func::FuncOp main_;
  ModuleOp functions_;
  OpBuilder &builder_;
  KernelOutliner kernels_;
  ProgramSet programs_;
  Operation *lastPort_ = nullptr; // the buffer of the last input or output so far
};

/// Kernels read constants by name, which are then the outer module's.
void moveGlobals(ModuleOp from, ModuleOp to) {
  SymbolTable inner(from), outer(to);
  for (auto global : llvm::make_early_inc_range(from.getOps<memref::GlobalOp>())) {
    if (outer.lookup(global.getSymName()))
      (void)inner.renameToUnique(global, {&outer}); // fails where a use is hidden, which none is here
    inner.remove(global);
    global->remove();
    outer.insert(global);
  }
}

struct FunctionToPlanPass : lamina::impl::FunctionToPlanPassBase<FunctionToPlanPass> {
  using Base::Base;

  void runOnOperation() final {
    ModuleOp module = getOperation();
    auto main = module.lookupSymbol<func::FuncOp>("main");
    auto functions = module.getOps<ModuleOp>();
    if (!main || !main.getBody().hasOneBlock() || functions.empty()) {
      module.emitError("expected a function @main of one block and the functions of its fragments; run "
                       "function-outline first");
      return signalPassFailure();
    }
    moveGlobals(*functions.begin(), module);
    OpBuilder builder = OpBuilder::atBlockEnd(module.getBody());
    if (failed(Converter(main, *functions.begin(), builder).run()))
      return signalPassFailure();
    if (Attribute cuts = main->getAttr(mpmd::kCutBytesAttr))
      module->setAttr(mpmd::kCutBytesAttr, cuts);
    main.erase();
    (*functions.begin()).erase();
    NamedAttrList limits;
    for (StringRef name : {"max_batch_tokens", "max_output_rows", "max_sequences", "max_context", "kv_pages"})
      limits.set(name, builder.getI64IntegerAttr(1));
    module->setAttr("plan.limits", limits.getDictionary(builder.getContext()));
  }
};

} // namespace

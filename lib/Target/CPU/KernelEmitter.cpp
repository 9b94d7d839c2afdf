//===- KernelEmitter.cpp - one form of a kernel as an LLVM-dialect function ---------------------------===//

#include "lib/Target/CPU/KernelEmitter.h"

#include "runtime/device/KernelABI.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

#include <cstddef>

using namespace mlir;
using namespace lamina;

void lamina::loadKernelDialects(MLIRContext &context) {
  context.loadDialect<LLVM::LLVMDialect, arith::ArithDialect, scf::SCFDialect, vector::VectorDialect>();
}

namespace {

/// Loads what the caller passes in: the step's sizes and one pointer for each binding.
void bindArguments(KernelContext &kernel, const KernelSource &source, ValueRange arguments) {
  KernelBuilder &b = kernel.b;
  auto stepField = [&](size_t offset) {
    return b.load(b.getI64Type(), b.offset(arguments[1], int64_t(offset)));
  };
  kernel.tokens = stepField(offsetof(LaminaStep, tokens));
  kernel.rows = source.rows == plan::RowExtent::output_rows ? stepField(offsetof(LaminaStep, outputRows))
                                                            : kernel.tokens;
  kernel.blockTableStride = stepField(offsetof(LaminaStep, blockTableStride));
  kernel.candidates = stepField(offsetof(LaminaStep, candidates));
  kernel.begin = arguments[2];
  kernel.end = arguments[3];
  int64_t binding = 0;
  auto bind = [&](Value value) {
    kernel.pointers[value] = b.load(b.pointerType(), b.offset(arguments[0], 8 * binding++));
  };
  for (BlockArgument argument : kernel.body.getArguments())
    bind(argument);
  for (Value result : kernel.results())
    if (!isa<lm::KVCacheType>(result.getType())) // updated in place
      bind(result);
}

void emitBody(KernelContext &kernel, const KernelForm &form, plan::RowExtent rows) {
  switch (form.kind) {
  case KernelKind::Linear:
    if (rows != plan::RowExtent::output_rows)
      return emitLinear(kernel, form.tokens);
    return kernel.b.branch(
        kernel.b.equal(kernel.rows, kernel.b.i64(1)), [&] { emitLinear(kernel, TokenClass::One); },
        [&] { emitLinear(kernel, TokenClass::Many); });
  case KernelKind::ExpertLinear:
    return emitExpertLinear(kernel);
  case KernelKind::Row:
    return emitRows(kernel);
  case KernelKind::Embedding:
    return emitEmbedding(kernel);
  case KernelKind::RopeTable:
    return emitRopeTable(kernel);
  case KernelKind::RouteExperts:
    return emitRouteExperts(kernel);
  case KernelKind::CacheAppend:
    return emitCacheAppend(kernel);
  case KernelKind::OnlineAttention:
    return emitOnlineAttention(kernel, form.variant.maxTokens != 0);
  case KernelKind::AttentionCombine:
    return emitAttentionCombine(kernel, form.variant.maxTokens != 0);
  case KernelKind::TopK:
    return emitTopK(kernel);
  }
}

} // namespace

void lamina::emitKernel(const KernelSource &source, const KernelForm &form, const TargetInfo &target,
                        ModuleOp module) {
  MLIRContext *context = module.getContext();
  Location loc = UnknownLoc::get(context);
  ImplicitLocOpBuilder builder = ImplicitLocOpBuilder::atBlockEnd(loc, module.getBody());
  Type pointer = LLVM::LLVMPointerType::get(context), i64 = builder.getI64Type();
  auto type = LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(context), {pointer, pointer, i64, i64});
  auto function = LLVM::LLVMFuncOp::create(builder, form.variant.symbol, type);
  KernelBuilder b(loc, function.addEntryBlock(builder), target);
  KernelContext kernel{b, source.body->front(), llvm::DenseMap<Value, Value>(), {}, {}, {}, {}, {}, {}};
  bindArguments(kernel, source, function.getArguments());
  emitBody(kernel, form, source.rows);
  LLVM::ReturnOp::create(b, ValueRange());
}

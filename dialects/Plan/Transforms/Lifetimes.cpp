//===- Lifetimes.cpp - when the buffers of a program are alive ------------------------------------------------===//

#include "dialects/Plan/Transforms/Lifetimes.h"

#include "dialects/LM/IR/LM.h"
#include "dialects/Plan/IR/Labels.h"
#include "lib/Target/Kernels/PackedWeight.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace lamina;
using namespace lamina::plan;

FailureOr<StepLimits> StepLimits::get(ModuleOp module) {
  auto limits = module->getAttrOfType<DictionaryAttr>("plan.limits");
  StepLimits result{};
  using Field = std::pair<StringRef, int64_t *>;
  for (auto [name, field] : {Field("max_batch_tokens", &result.maxBatchTokens),
                             {"max_output_rows", &result.maxOutputRows},
                             {"max_sequences", &result.maxSequences},
                             {"max_context", &result.maxContext},
                             {"kv_pages", &result.kvPages}}) {
    auto value = limits ? limits.getAs<IntegerAttr>(name) : IntegerAttr();
    if (!value || value.getInt() <= 0)
      return module.emitError() << "expected a positive '" << name << "' in the attribute plan.limits";
    *field = value.getInt();
  }
  return result;
}

ArenaUse plan::collectArenaUse(ProgramOp program, const StepLimits &limits) {
  ArenaUse use;
  DenseMap<Value, size_t> indexOf;
  DenseMap<int64_t, Operation *> receiving; // by transfer: the peer may write up to the wait
  uint64_t time = 0;
  for (Operation &op : program.getBody().front()) {
    if (auto buffer = dyn_cast<BufferOp>(&op)) {
      if (buffer.getKind() != BufferKind::arena)
        continue;
      Type contents = buffer.getResult().getType().getContents();
      indexOf[buffer] = use.ops.size();
      use.ops.push_back(buffer);
      use.buffers.push_back(
          {uint64_t(limits.rows(buffer.getExtent()) * contentsRowBytes(contents)), UINT64_MAX, 0});
      continue;
    }
    Operation *touching = &op;
    if (auto recv = dyn_cast<RecvOp>(op))
      receiving[recv.getTransfer()] = recv;
    else if (auto wait = dyn_cast<WaitOp>(op))
      touching = receiving.lookup(wait.getTransfer());
    for (Value operand : touching ? touching->getOperands() : OperandRange(op.getOperands()))
      if (auto it = indexOf.find(operand); it != indexOf.end()) {
        ArenaBuffer &buffer = use.buffers[it->second];
        buffer.firstUse = std::min(buffer.firstUse, time);
        buffer.lastUse = std::max(buffer.lastUse, time);
      }
    ++time;
  }
  for (auto [op, buffer] : llvm::zip(use.ops, use.buffers)) {
    if (buffer.firstUse > buffer.lastUse) // never used
      buffer.firstUse = buffer.lastUse = 0;
    if (llvm::is_contained(kResultNames, op.getName()))
      buffer.lastUse = time;
  }
  return use;
}

int64_t plan::contentsRowBytes(Type contents) {
  auto memory = dyn_cast<MemRefType>(contents);
  return memory ? memory.getNumElements() * llvm::divideCeil(memory.getElementTypeBitWidth(), 8u)
                : rowBytes(cast<RankedTensorType>(contents));
}

int64_t plan::weightBytes(Type contents) {
  if (auto memory = dyn_cast<MemRefType>(contents)) // vectors of f32 are packed as they are
    return packedSize(RankedTensorType::get({memory.getNumElements()}, memory.getElementType()));
  return packedSize(cast<RankedTensorType>(contents));
}

int64_t plan::pageBytes(Type cache) { return cast<lm::KVCacheType>(cache).getPageBytes(); }

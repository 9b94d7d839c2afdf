//===- KernelForms.cpp - how the work of a kernel divides ---------------------------------------------===//

#include "lib/Target/CPU/AttentionTile.h"
#include "lib/Target/CPU/KernelEmitter.h"
#include "lib/Target/CPU/LoopDivision.h"
#include "lib/Target/CPU/LoweredKernel.h"
#include "lib/Target/Kernels/ProductParts.h"

using namespace mlir;
using namespace lamina;

/// What of its stack a kernel may use for arrays whose size the model decides.
static constexpr int64_t kMaxScratchBytes = 48 << 10;

static LogicalResult checkScratch(Block &body) {
  for (Operation &each : body.without_terminator()) {
    Operation *op = &each;
    if (auto attention = dyn_cast<lm::OnlineAttentionOp>(op))
      if (AttentionTile::memoryBytes(attention) > kMaxScratchBytes)
        return op->emitOpError("has keys and values too long for the CPU kernel");
    if (auto combine = dyn_cast<lm::AttentionCombineOp>(op))
      if (int64_t(combine.getHeads()) * 4 * 4 > kMaxScratchBytes)
        return op->emitOpError("has too many heads for the CPU kernel");
    if (auto linear = dyn_cast<lm::ExpertLinearOp>(op))
      if (cast<RankedTensorType>(linear.getWeight().getType()).getDimSize(0) * 4 > kMaxScratchBytes / 2)
        return op->emitOpError("has too many experts for the CPU kernel");
    if (auto route = dyn_cast<lm::RouteExpertsOp>(op))
      if (width(route.getLogits()) * 4 > kMaxScratchBytes)
        return op->emitOpError("has too many experts for the CPU kernel");
  }
  return success();
}

/// Workgroups of the products of a body.
static uint64_t productWorkgroups(Block &body) {
  uint64_t workgroups = 0;
  if (body.getOps<lm::LinearOp>().empty())
    return llvm::divideCeil(width((*body.getOps<lm::ExpertLinearOp>().begin()).getResult()),
                            kPackedRows * kGroupsPerWorkgroup);
  for (const ProductPart &part : productParts(body))
    workgroups += part.workgroups(kGroupsPerWorkgroup);
  return workgroups;
}

FailureOr<std::vector<KernelForm>> lamina::kernelForms(const KernelSource &kernel) {
  FailureOr<KernelKind> kind = classifyKernel(kernel, "CPU");
  if (failed(kind) || failed(checkScratch(kernel.body->front())))
    return failure();
  Block &body = kernel.body->front();
  bool outputRows = kernel.rows == plan::RowExtent::output_rows;
  std::string name = kernel.name + (outputRows ? ".out" : "");
  switch (*kind) {
  case KernelKind::Linear: {
    uint64_t workgroups = productWorkgroups(body);
    auto form = [&](const char *suffix, uint32_t maxTokens, TokenClass tokens) {
      return KernelForm{{name + suffix, maxTokens, plan::RowExtent::fixed, workgroups}, *kind, tokens};
    };
    // The plan chooses by tokens; a kernel on output rows has to look at their number itself.
    if (outputRows)
      return std::vector{form("", 0, TokenClass::Many)};
    return std::vector{form(".t1", 1, TokenClass::One), form(".t4", 4, TokenClass::UpToFour),
                       form(".any", 0, TokenClass::Many)};
  }
  case KernelKind::ExpertLinear: {
    uint64_t workgroups = productWorkgroups(body);
    return std::vector{KernelForm{{name, 0, plan::RowExtent::fixed, workgroups}, *kind, TokenClass::One}};
  }
  case KernelKind::OnlineAttention: {
    auto attention = *body.getOps<lm::OnlineAttentionOp>().begin();
    uint64_t heads = attention.getCache().getType().getHeads();
    KernelForm whole{{name + ".any", 0, kernel.rows, heads}, *kind, TokenClass::Many};
    if (attention.getSplitTokens() == 0)
      return std::vector{whole};
    uint32_t tokens = attention.getSplitTokens();
    KernelVariant split{name + ".split", tokens, plan::RowExtent::fixed, kAttentionShares};
    return std::vector{KernelForm{split, *kind, TokenClass::Many}, whole};
  }
  case KernelKind::AttentionCombine: {
    auto combine = *body.getOps<lm::AttentionCombineOp>().begin();
    KernelForm whole{{name + ".any", 0, kernel.rows, 1}, *kind, TokenClass::Many};
    if (combine.getSplitTokens() == 0)
      return std::vector{whole};
    uint32_t tokens = combine.getSplitTokens();
    return std::vector{KernelForm{{name + ".split", tokens, kernel.rows, 1}, *kind, TokenClass::Many}, whole};
  }
  default:
    return std::vector{KernelForm{{name, 0, kernel.rows, 1}, *kind, TokenClass::Many}};
  }
}

FailureOr<std::vector<KernelVariant>> lamina::describeKernel(const KernelSource &kernel) {
  if (isLoweredKernel(kernel))
    return std::vector{KernelVariant{kernel.name, 0, plan::RowExtent::fixed,
                                     static_cast<uint64_t>(LoopDivision(kernel.body->front()).workgroups())}};
  FailureOr<std::vector<KernelForm>> forms = kernelForms(kernel);
  if (failed(forms))
    return failure();
  std::vector<KernelVariant> variants;
  for (KernelForm &form : *forms)
    variants.push_back(std::move(form.variant));
  return variants;
}

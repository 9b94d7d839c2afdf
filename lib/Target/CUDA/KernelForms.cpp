//===- KernelForms.cpp - how the work of a kernel divides over blocks ---------------------------------===//

#include "lib/Target/CUDA/CUDATarget.h"
#include "lib/Target/CUDA/HalfTileProduct.h"
#include "lib/Target/Kernels/ProductParts.h"
#include "runtime/device/KernelABI.h"

#include "mlir/IR/BuiltinOps.h"

using namespace mlir;
using namespace lamina;

namespace {

constexpr uint32_t kProductThreads = 256, kAttentionThreads = LAMINA_ATTENTION_BLOCK, kSmallThreads = 128;
constexpr int64_t kMaxThreads = 1024;
/// What every GPU since sm_80 can give a block: the least has sm_86.
constexpr int64_t kMaxSharedBytes = 99 << 10;

/// Threads for rows of `width` elements: four for each, in whole warps.
uint32_t rowThreads(int64_t width) {
  return uint32_t(std::clamp<int64_t>(llvm::alignTo(llvm::divideCeil(width, 4), kWarp), kWarp, kMaxThreads));
}

/// Forms for steps of ever more tokens. What goes to tensor cores does so first with the warps of a block side by side in
/// a row, so that few rows bring enough of the weights at once; then with more rows in a block, for which activations
/// are brought to it once. Weights of 16 bits come from the second-level cache for each share of the tokens, which is slower
/// than their products: there are fewer shares.
using NamedForm = std::pair<const char *, ProductForm>;
std::vector<NamedForm> productForms(Block &body) {
  auto linears = body.getOps<lm::LinearOp>();
  auto input = cast<RankedTensorType>((*linears.begin()).getInput().getType());
  bool halves = llvm::all_of(linears, HalfTileProduct::multiplies);
  constexpr int64_t kTile = TileProduct::kTokens;
  std::vector<NamedForm> forms = {{"$t1", kOneToken}, {"$t4", {.groups = 2, .tokens = 4, .maxTokens = 4}}};
  if (halves) // a tile of one token costs what a whole one does
    forms = {{"$t8", {.groups = 2, .tokens = kTile, .maxTokens = kTile}}};
  if (!halves && !isa<lm::Q8Type>(input.getElementType())) {
    forms.push_back({"$any", {.groups = 2, .tokens = 4, .shares = 8}});
    return forms;
  }
  size_t products = 1; // that meet: their sums lie side by side in the block's memory
  for (const ProductPart &part : productParts(body))
    products = std::max(products, part.linears.size());
  int64_t tiles = products > 2 ? 1 : halves ? 4 : 2;
  forms.push_back(
      {"$t64",
       {.groups = 2, .tokens = tiles * kTile, .shares = tiles > 2 ? 2 : 4, .maxTokens = 64, .tiles = true}});
  forms.push_back({"$any", {.groups = 8, .tokens = 2 * tiles * kTile, .shares = 16, .tiles = true}});
  return forms;
}

DeviceForm productForm(Block &body, const std::string &symbol, const ProductForm &form) {
  uint64_t workgroups = 0;
  for (const ProductPart &part : productParts(body))
    workgroups += part.workgroups(form.groups) * form.shares;
  return {{symbol, form.maxTokens, plan::RowExtent::fixed, workgroups, kProductThreads},
          KernelKind::Linear,
          form};
}

/// The plan chooses by tokens; a kernel on output rows, of which there are few, has one form: the first that is for more
/// than eight, with at most two tiles of them.
std::vector<DeviceForm> linearForms(Block &body, const std::string &name, bool outputRows) {
  auto forms = productForms(body);
  if (outputRows) {
    auto forMore = [](const NamedForm &form) {
      return form.second.maxTokens == 0 || form.second.maxTokens > 8;
    };
    ProductForm form = llvm::find_if(forms, forMore)->second;
    form.tokens = std::min(form.tokens, 2 * TileProduct::kTokens);
    form.shares = 1;
    form.maxTokens = 0;
    return {productForm(body, name, form)};
  }
  std::vector<DeviceForm> result;
  for (auto &[suffix, form] : forms)
    result.push_back(productForm(body, name + suffix, form));
  return result;
}

LogicalResult checkShared(Block &body, const DeviceForm &form, int64_t bytes) {
  if (bytes <= kMaxSharedBytes)
    return success();
  return body.front().emitOpError() << "needs more of a GPU's shared memory in kernel '"
                                    << form.variant.symbol << "' than there is: " << bytes << " bytes of "
                                    << kMaxSharedBytes;
}

} // namespace

FailureOr<std::vector<DeviceForm>> lamina::deviceForms(const KernelSource &kernel) {
  FailureOr<KernelKind> kind = classifyKernel(kernel, "CUDA");
  if (failed(kind))
    return failure();
  Block &body = kernel.body->front();
  bool outputRows = kernel.rows == plan::RowExtent::output_rows;
  std::string name = kernel.name + (outputRows ? "$out" : "");
  auto forms = [&](uint64_t workgroups, uint32_t threads) {
    return std::vector{DeviceForm{{name, 0, kernel.rows, workgroups, threads}, *kind}};
  };
  // Steps of up to `split` tokens have a form of their own.
  auto splitForms = [&](uint32_t split, KernelVariant few, uint64_t workgroups) {
    std::vector<DeviceForm> result;
    if (split != 0)
      result.push_back({few, *kind});
    result.push_back({{name + "$any", 0, kernel.rows, workgroups, kAttentionThreads}, *kind});
    return result;
  };
  switch (*kind) {
  case KernelKind::Linear:
    return linearForms(body, name, outputRows);
  case KernelKind::OnlineAttention: {
    auto op = *body.getOps<lm::OnlineAttentionOp>().begin();
    auto split = uint32_t(op.getSplitTokens());
    return splitForms(
        split, {name + "$split", split, plan::RowExtent::fixed, kDeviceAttentionShares, kAttentionThreads},
        op.getCache().getType().getHeads());
  }
  case KernelKind::AttentionCombine: {
    auto op = *body.getOps<lm::AttentionCombineOp>().begin();
    auto split = uint32_t(op.getSplitTokens());
    return splitForms(split, {name + "$split", split, kernel.rows, op.getHeads(), kAttentionThreads},
                      op.getHeads());
  }
  case KernelKind::Row:
    return forms(1, rowThreads(width(body.getTerminator()->getOperand(0))));
  case KernelKind::Embedding:
  case KernelKind::RopeTable:
  case KernelKind::CacheAppend:
    return forms(1, kSmallThreads);
  case KernelKind::ExpertLinear: {
    auto op = *body.getOps<lm::ExpertLinearOp>().begin();
    uint64_t pairs = llvm::divideCeil(width(op.getResult()), kPackedRows * kOneToken.groups);
    return forms(pairs * width(op.getExperts()), kProductThreads);
  }
  case KernelKind::RouteExperts:
    return forms(1, kWarp);
  case KernelKind::TopK:
    return forms(1, rowThreads(width((*body.getOps<lm::TopKOp>().begin()).getInput()) / 4));
  }
  llvm_unreachable("a kind of kernels without forms");
}

/// What blocks share is what the generators take.
FailureOr<std::vector<KernelVariant>> lamina::describeCudaKernel(const KernelSource &kernel) {
  FailureOr<std::vector<DeviceForm>> forms = deviceForms(kernel);
  if (failed(forms))
    return failure();
  MLIRContext context(MLIRContext::Threading::DISABLED);
  loadDeviceDialects(context);
  OwningOpRef<ModuleOp> module = ModuleOp::create(UnknownLoc::get(&context));
  std::vector<KernelVariant> variants;
  for (DeviceForm &form : *forms) {
    int64_t bytes = emitDeviceKernel(kernel, form, DeviceMachine::sm_80, *module);
    if (failed(checkShared(kernel.body->front(), form, bytes)))
      return failure();
    form.variant.sharedBytes = uint32_t(bytes);
    variants.push_back(form.variant);
  }
  return variants;
}

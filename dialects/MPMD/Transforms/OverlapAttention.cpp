//===- OverlapAttention.cpp - attention to what is cached, before keys and values arrive --------------===//

#include "dialects/LM/IR/LM.h"
#include "dialects/MPMD/Transforms/Passes.h"
#include "dialects/MPMD/Transforms/Roles.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace lamina;
using namespace lamina::mpmd;

namespace lamina::mpmd {
#define GEN_PASS_DEF_MPMDOVERLAPATTENTIONPASS
#include "dialects/MPMD/Transforms/Passes.h.inc"
} // namespace lamina::mpmd

namespace {

DeviceKind deviceOf(ModuleOp module, FlatSymbolRefAttr deviceClass) {
  TopologyOp topology = *module.getOps<TopologyOp>().begin();
  return topology.lookupSymbol<DeviceClassOp>(deviceClass.getAttr()).getDevice();
}

/// What a fragment gets for one of its arguments; null for other values.
Value inputFor(FragmentOp fragment, Value value) {
  auto argument = dyn_cast<BlockArgument>(value);
  return argument ? fragment.getInputs()[argument.getArgNumber()] : Value();
}

/// The query's transfer, where keys and values come by a later one and all else is there from the beginning; null otherwise.
TransferOp earlierQuery(FragmentOp fragment, lm::OnlineAttentionOp attention, lm::CacheAppendOp append) {
  if (!isa_and_present<BlockArgument>(inputFor(fragment, append.getCache())))
    return {};
  for (Value place : {attention.getPositions(), attention.getSequences(), attention.getBlockTable()})
    if (!place.getDefiningOp<lm::BatchFieldOp>())
      return {};
  auto transferOf = [&](Value value) {
    Value input = inputFor(fragment, value);
    return input ? input.getDefiningOp<TransferOp>() : TransferOp();
  };
  TransferOp query = transferOf(attention.getQuery());
  for (Value added : {append.getKey(), append.getValue()})
    if (TransferOp transfer = transferOf(added); !query || !transfer || !query->isBeforeInBlock(transfer))
      return {};
  return query;
}

/// A fragment right behind the query's transfer that computes the cached ranges.
Value createCachedRanges(FragmentOp fragment, lm::OnlineAttentionOp attention, lm::CacheAppendOp append,
                         TransferOp query) {
  SmallVector<Operation *> places;
  SetVector<Value> inner(llvm::from_range, ArrayRef<Value>{attention.getQuery(), append.getCache()});
  for (Value place : {attention.getPositions(), attention.getSequences(), attention.getBlockTable()}) {
    auto field = place.getDefiningOp<lm::BatchFieldOp>();
    if (!llvm::is_contained(places, field))
      places.push_back(field);
    inner.insert(field.getBatch());
  }
  SmallVector<Value> inputs =
      llvm::map_to_vector(inner, [&](Value value) { return inputFor(fragment, value); });
  OpBuilder builder(fragment.getContext());
  builder.setInsertionPointAfter(query);
  auto early = FragmentOp::create(builder, attention.getLoc(), fragment.getDeviceClassAttr(),
                                  (fragment.getName() + ".cached").str(), inputs, attention.getType());
  IRMapping mapping;
  mapping.map(inner.getArrayRef(), early.getBody().getArguments());
  mapping.map(append.getResult(), mapping.lookup(append.getCache()));
  auto body = OpBuilder::atBlockEnd(&early.getBody().front());
  for (Operation *place : places)
    body.clone(*place, mapping);
  auto cached = cast<lm::OnlineAttentionOp>(body.clone(*attention, mapping));
  cached.setCachedOnly(true);
  ReturnOp::create(body, attention.getLoc(), cached.getResult());
  return early.getOutputs().front();
}

void overlap(FragmentOp fragment) {
  for (auto attention : fragment.getBody().getOps<lm::OnlineAttentionOp>()) {
    auto append = attention.getCache().getDefiningOp<lm::CacheAppendOp>();
    if (!append || attention.getCached() || attention.getRanges() == 1)
      continue;
    TransferOp query = earlierQuery(fragment, attention, append);
    if (!query)
      continue;
    Value cached = createCachedRanges(fragment, attention, append, query);
    fragment.getInputsMutable().append(cached);
    attention.getCachedMutable().assign(
        fragment.getBody().addArgument(attention.getType(), attention.getLoc()));
  }
}

struct OverlapAttentionPass : public lamina::mpmd::impl::MPMDOverlapAttentionPassBase<OverlapAttentionPass> {
  using Base::Base;

  void runOnOperation() final {
    FailureOr<Roles> roles = findRoles(getOperation());
    if (failed(roles))
      return signalPassFailure();
    // Two workers on processors, which may well be one machine's, both need all of the cores all of the time.
    auto onCpu = [&](FlatSymbolRefAttr role) { return deviceOf(getOperation(), role) == DeviceKind::cpu; };
    if (roles->isMonolithic() || (onCpu(roles->compute) && onCpu(roles->memory)))
      return;
    for (func::FuncOp step : findSteps(getOperation()))
      for (FragmentOp fragment : llvm::to_vector(step.getOps<FragmentOp>()))
        if (fragment.getDeviceClassAttr() == roles->memory)
          overlap(fragment);
  }
};

} // namespace

//===- DefaultTopology.cpp - a topology for a module without one --------------------------------------===//

#include "dialects/MPMD/Transforms/Passes.h"

#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace lamina::mpmd;

namespace lamina::mpmd {
#define GEN_PASS_DEF_MPMDDEFAULTTOPOLOGYPASS
#include "dialects/MPMD/Transforms/Passes.h.inc"
} // namespace lamina::mpmd

namespace {

struct DefaultTopologyPass : public lamina::mpmd::impl::MPMDDefaultTopologyPassBase<DefaultTopologyPass> {
  using Base::Base;

  void runOnOperation() final {
    if (!getOperation().getOps<TopologyOp>().empty())
      return;
    Location loc = getOperation().getLoc();
    auto builder = OpBuilder::atBlockBegin(getOperation().getBody());
    auto topology = TopologyOp::create(builder, loc, "cluster");
    builder.createBlock(&topology.getBody());
    auto addClass = [&](StringRef name, Role role) {
      DeviceClassOp::create(builder, loc, name, role, DeviceKind::cpu, /*count=*/1,
                            /*memory_bytes=*/IntegerAttr(),
                            /*flops=*/IntegerAttr(), /*int8_ops=*/IntegerAttr(), /*bandwidth=*/IntegerAttr());
    };
    addClass("compute", Role::compute);
    if (monolithic)
      return;
    addClass("memory", Role::memory);
    LinkOp::create(builder, loc, "compute", "memory", /*bandwidth=*/IntegerAttr(),
                   /*latency_ns=*/IntegerAttr());
  }
};

} // namespace

//===- ProgramBuilder.cpp - one worker's program in the making ------------------------------------------------===//

#include "lib/Conversion/MPMDToPlan/ProgramBuilder.h"

#include "dialects/LM/IR/LM.h"

using namespace mlir;
using namespace lamina;
using plan::BufferKind;
using plan::RowExtent;

ProgramBuilder::ProgramBuilder(OpBuilder &builder, mpmd::DeviceClassOp deviceClass)
    : buffers_(builder.getContext()), instructions_(builder.getContext()) {
  // Workers of a class differ in their shard alone; the first one stands for all until sharding splits them.
  std::string name = (deviceClass.getSymName() + "0").str();
  program_ = plan::ProgramOp::create(builder, deviceClass.getLoc(), builder.getStringAttr(name),
                                     FlatSymbolRefAttr::get(deviceClass.getSymNameAttr()), IntegerAttr(),
                                     IntegerAttr());
  program_.getBody().emplaceBlock();
  buffers_.setInsertionPointToStart(&program_.getBody().front());
  instructions_.setInsertionPointToEnd(&program_.getBody().front());
}

Value ProgramBuilder::addBuffer(Location loc, BufferKind kind, StringRef name, RowExtent extent, Type type,
                                std::optional<int64_t> offset, FlatSymbolRefAttr source) {
  IntegerAttr offsetAttr = offset ? buffers_.getI64IntegerAttr(*offset) : IntegerAttr();
  auto buffer = plan::BufferOp::create(buffers_, loc, plan::BufferType::get(buffers_.getContext(), type),
                                       kind, name, extent, offsetAttr, source);
  buffers_.setInsertionPointAfter(buffer);
  return buffer;
}

Value ProgramBuilder::addCache(Type type) {
  std::string name = "cache." + std::to_string(caches_);
  return addBuffer(program_.getLoc(), BufferKind::cache, name, RowExtent::fixed, type, caches_++);
}

Value ProgramBuilder::addMemory(Location loc, StringRef name, Type type) {
  return addBuffer(loc, BufferKind::arena, name, RowExtent::fixed, type, std::nullopt);
}

Value ProgramBuilder::addWeight(Location loc, FlatSymbolRefAttr source, Type type) {
  Value &buffer = weights_[source.getValue()];
  if (!buffer)
    buffer =
        addBuffer(loc, BufferKind::weight, source.getValue(), RowExtent::fixed, type, std::nullopt, source);
  return buffer;
}

Value ProgramBuilder::addArrival(Value remote) {
  auto buffer = remote.getDefiningOp<plan::BufferOp>();
  return addBuffer(buffer.getLoc(), BufferKind::arena, buffer.getName(), buffer.getExtent(),
                   buffer.getResult().getType().getContents(), std::nullopt);
}

void ProgramBuilder::renameBuffer(Value buffer, StringRef name) {
  buffer.getDefiningOp<plan::BufferOp>().setName(name);
}

LogicalResult ProgramBuilder::append(Operation *op, DenseMap<Value, Value> &local, int64_t slice) {
  if (auto weight = dyn_cast<lm::GetWeightOp>(op)) {
    local[weight] = addWeight(op->getLoc(), weight.getWeightAttr(), weight.getType());
    return success();
  }
  if (auto field = dyn_cast<lm::BatchFieldOp>(op)) {
    Value &buffer = batchFields_[int32_t(field.getField())];
    if (!buffer)
      buffer = addBuffer(op->getLoc(), BufferKind::batch, stringifyBatchField(field.getField()),
                         field.getField() == lm::BatchField::output_rows   ? RowExtent::output_rows
                         : field.getField() == lm::BatchField::block_table ? RowExtent::fixed
                                                                           : RowExtent::tokens,
                         field.getType(), int64_t(field.getField()));
    local[field] = buffer;
    return success();
  }
  auto call = dyn_cast<plan::CallOp>(op);
  if (!call)
    return op->emitOpError("expected a plan.call; run plan-form-dispatches first");
  appendCall(call, local, slice);
  return success();
}

/// Rows follow the output rows as soon as one operand does: lm.gather_rows reads the indices of the output rows, and
/// what comes after it reads its result.
static RowExtent extentOf(ValueRange operands) {
  for (Value operand : operands)
    if (operand.getDefiningOp<plan::BufferOp>().getExtent() == RowExtent::output_rows)
      return RowExtent::output_rows;
  return RowExtent::tokens;
}

void ProgramBuilder::appendCall(plan::CallOp call, DenseMap<Value, Value> &local, int64_t slice) {
  SmallVector<Value> reads, writes;
  bool onlyBatch = true;
  std::pair<std::string, std::vector<void *>> key(call.getKernel().str(), {});
  for (Value input : call.getInputs()) {
    reads.push_back(local.lookup(input));
    key.second.push_back(reads.back().getAsOpaquePointer());
    onlyBatch &= reads.back().getDefiningOp<plan::BufferOp>().getKind() == BufferKind::batch;
  }
  if (auto known = batchOnly_.find(key); onlyBatch && known != batchOnly_.end()) {
    for (auto [output, buffer] : llvm::zip(call.getOutputs(), known->second))
      local[output] = buffer;
    return;
  }
  waitFor(reads, slice);
  RowExtent extent = extentOf(reads);
  for (Value output : call.getOutputs()) {
    if (isa<lm::KVCacheType>(output.getType())) { // updated in place
      local[output] = *llvm::find_if(reads, [&](Value read) {
        return cast<plan::BufferType>(read.getType()).getContents() == output.getType();
      });
      continue;
    }
    writes.push_back(
        addBuffer(call.getLoc(), BufferKind::arena, call.getLabel(), extent, output.getType(), std::nullopt));
    local[output] = writes.back();
  }
  if (onlyBatch)
    batchOnly_[key] = {writes.begin(), writes.end()};
  plan::DispatchOp::create(instructions_, call.getLoc(), call.getKernel(), reads, writes, extent,
                           call.getLabel(), slice);
}

void ProgramBuilder::appendDispatch(Location loc, StringRef kernel, ValueRange operands, StringRef label,
                                    int64_t slice) {
  waitFor(operands, slice);
  plan::DispatchOp::create(instructions_, loc, kernel, operands, ValueRange(), RowExtent::fixed, label,
                           slice);
}

void ProgramBuilder::appendSend(Location loc, int64_t transfer, StringRef peer, ValueRange buffers,
                                int64_t slice) {
  waitFor(buffers, slice);
  StringRef label = buffers.front().getDefiningOp<plan::BufferOp>().getName();
  plan::SendOp::create(instructions_, loc, transfer, peer, buffers, label, slice);
}

void ProgramBuilder::appendRecv(Location loc, int64_t transfer, StringRef peer, ValueRange buffers,
                                int64_t slice) {
  StringRef label = buffers.front().getDefiningOp<plan::BufferOp>().getName();
  plan::RecvOp::create(instructions_, loc, transfer, peer, buffers, label, slice);
  for (Value buffer : buffers)
    arriving_[buffer] = transfer;
}

void ProgramBuilder::waitFor(ValueRange buffers, int64_t slice) {
  for (Value buffer : buffers) {
    auto it = arriving_.find(buffer);
    if (it == arriving_.end())
      continue;
    int64_t transfer = it->second;
    plan::WaitOp::create(instructions_, buffer.getLoc(), transfer, slice);
    llvm::DenseMap<Value, int64_t> rest;
    for (auto [other, otherTransfer] : arriving_)
      if (otherTransfer != transfer)
        rest[other] = otherTransfer;
    arriving_ = std::move(rest);
  }
}

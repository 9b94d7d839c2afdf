//===- WorkerProgram.cpp - one worker of a plan, ready to run -----------------------------------------===//

#include "runtime/executor/WorkerProgram.h"

#include "runtime/executor/PlanCheck.h"
#include "runtime/io/ArtifactFormat.h"

#include "absl/strings/str_cat.h"

#include <limits>

namespace lamina {

absl::StatusOr<WorkerProgram> WorkerProgram::load(const plan::Plan &plan, int index,
                                                  const std::string &artifactDir, const BatchSegment &batch,
                                                  Device &device) {
  WorkerProgram program(plan, index);
  LAMINA_RETURN_IF_ERROR(program.loadKernels(plan.workers(index), artifactDir, device));
  LAMINA_RETURN_IF_ERROR(program.allocateBuffers(plan, artifactDir, batch, device));
  program.translate(plan);
  return program;
}

absl::Status WorkerProgram::loadKernels(const plan::Worker &worker, const std::string &artifactDir,
                                        Device &device) {
  if (worker.kernels_size() == 0)
    return absl::OkStatus();
  std::vector<CodeFile> files;
  for (const plan::CodeObject &code : worker.code())
    files.push_back({absl::StrCat(artifactDir, "/", code.file()), code.target()});
  LAMINA_RETURN_IF_ERROR(device.loadCode(files));
  for (const plan::Kernel &kernel : worker.kernels()) {
    firstVariants_.push_back(uint32_t(variants_.size()));
    for (const plan::KernelVariant &variant : kernel.variants()) {
      LAMINA_ASSIGN_OR_RETURN(
          KernelHandle handle,
          device.findKernel({variant.symbol(), variant.block_threads(), variant.shared_bytes()}));
      int64_t maxTokens =
          variant.max_tokens() == 0 ? std::numeric_limits<int64_t>::max() : int64_t(variant.max_tokens());
      variants_.push_back({handle, maxTokens, int64_t(variant.workgroups()), variant.extent()});
    }
    // A plan may give the largest batch as the last variant's bound; the walk needs an end that always
    // admits.
    variants_.back().maxTokens = std::numeric_limits<int64_t>::max();
  }
  return absl::OkStatus();
}

absl::Status WorkerProgram::allocateBuffers(const plan::Plan &plan, const std::string &artifactDir,
                                            const BatchSegment &batch, Device &device) {
  const plan::Worker &worker = plan.workers(index_);
  LAMINA_ASSIGN_OR_RETURN(std::byte * arena, device.allocate(worker.arena_bytes(), "activations"));
  std::byte *weights = nullptr;
  if (worker.weights_bytes() != 0) {
    LAMINA_ASSIGN_OR_RETURN(weights, device.loadWeights(absl::StrCat(artifactDir, "/", worker.weights_file()),
                                                        worker.weights_bytes()));
  }
  std::vector<std::byte *> caches;
  for (const plan::Cache &cache : worker.caches()) {
    LAMINA_ASSIGN_OR_RETURN(std::byte * pages,
                            device.allocate(cache.page_bytes() * plan.limits().kv_pages(),
                                            absl::StrCat("the KV cache of layer ", cache.layer())));
    caches.push_back(pages);
  }
  LAMINA_ASSIGN_OR_RETURN(std::byte * shared, device.mapHost(batch.data(), batch.bytes()));
  // Where all of a row is seldom wanted it does not go over the bus unasked.
  bool logitsStay = device.queue() != nullptr && candidatesOf(plan) != 0;
  for (uint32_t i = 0; i < uint32_t(worker.buffers_size()); ++i) {
    const plan::Buffer &buffer = worker.buffers(int(i));
    std::byte *address = nullptr;
    switch (buffer.kind()) {
    case plan::Buffer::WEIGHT:
      address = weights + buffer.offset();
      break;
    case plan::Buffer::CACHE:
      address = caches[buffer.offset()];
      break;
    case plan::Buffer::BATCH:
      address = shared + batch.fieldOffsets()[buffer.offset()];
      break;
    default:
      address = arena + buffer.offset();
      // What the front end fills or reads lies where it does so instead of in the arena.
      if (std::optional<uint64_t> host = batch.hostOffset(uint32_t(index_), i)) {
        if (logitsStay && buffer.name() == kLogitsBuffer)
          logits_ = {address, batch.data() + *host, buffer.row_bytes()};
        else
          address = shared + *host;
      }
    }
    buffers_.push_back(address);
  }
  return absl::OkStatus();
}

void WorkerProgram::translate(const plan::Plan &plan) {
  for (const plan::Instruction &instruction : plan.workers(index_).program()) {
    Op op{};
    auto setTransfer = [&](OpKind kind, uint32_t transfer) {
      op.kind = kind;
      op.transfer = transfer;
      op.extent = plan.transfers(int(transfer)).extent();
    };
    if (instruction.has_dispatch()) {
      op.kind = OpKind::Dispatch;
      op.firstVariant = firstVariants_[instruction.dispatch().kernel()];
      op.firstBinding = uint32_t(bindings_.size());
      op.bindingCount = uint32_t(instruction.dispatch().bindings_size());
      for (uint32_t buffer : instruction.dispatch().bindings())
        bindings_.push_back(buffers_[buffer]);
    } else if (instruction.has_send()) {
      setTransfer(OpKind::Send, instruction.send().transfer());
    } else if (instruction.has_recv()) {
      setTransfer(OpKind::Recv, instruction.recv().transfer());
    } else if (instruction.has_wait()) {
      setTransfer(OpKind::Wait, instruction.wait().transfer());
    } else {
      op.kind = OpKind::Collective;
    }
    ops_.push_back(op);
  }
}

int64_t rowsOf(plan::Extent extent, const LaminaStep &step) {
  switch (extent) {
  case plan::TOKENS:
    return step.tokens;
  case plan::OUTPUT_ROWS:
    return step.outputRows;
  default:
    return 1;
  }
}

absl::Status WorkerProgram::launch(const Op &op, const LaminaStep &sizes, Device &device) const {
  const Variant *variant = variants_.data() + op.firstVariant;
  while (variant->maxTokens < sizes.tokens)
    ++variant;
  return device.launch(variant->kernel, {bindings_.data() + op.firstBinding, op.bindingCount},
                       variant->workgroupsPerRow * rowsOf(variant->extent, sizes));
}

absl::Status WorkerProgram::copyLogits(const LaminaStep &step, DeviceQueue &queue) const {
  uint64_t bytes = logits_.rowBytes * uint64_t(step.outputRows);
  if (bytes == 0 || step.candidates != 0)
    return absl::OkStatus();
  return queue.enqueueCopyToHost(logits_.host, logits_.device, bytes);
}

std::vector<int64_t> WorkerProgram::variantBounds() const {
  std::vector<int64_t> bounds;
  for (const Variant &variant : variants_)
    bounds.push_back(variant.maxTokens);
  return bounds;
}

absl::Status WorkerProgram::bindTransfers(const plan::Plan &plan, Transport &transport) const {
  const plan::Worker &worker = plan.workers(index_);
  for (int i = 0; i < plan.transfers_size(); ++i) {
    const plan::Transfer &transfer = plan.transfers(i);
    bool source = transfer.source() == uint32_t(index_);
    if (!source && transfer.destination() != uint32_t(index_))
      continue;
    std::vector<Transport::Part> parts;
    for (uint32_t buffer : source ? transfer.source_buffers() : transfer.destination_buffers())
      parts.push_back({buffers_[buffer], worker.buffers(int(buffer)).row_bytes()});
    LAMINA_RETURN_IF_ERROR(transport.bind(uint32_t(i), std::move(parts)));
  }
  return absl::OkStatus();
}

} // namespace lamina

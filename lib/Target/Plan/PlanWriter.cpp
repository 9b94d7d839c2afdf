//===- PlanWriter.cpp - programs as the runtime's plan --------------------------------------------------------===//

#include "lib/Target/Plan/PlanWriter.h"

#include "dialects/LM/IR/LM.h"
#include "dialects/MPMD/IR/MPMD.h"
#include "dialects/Plan/Transforms/Lifetimes.h"
#include "lib/Target/CPU/CPUTarget.h"
#include "lib/Target/CUDA/CUDATarget.h"
#include "lib/Target/Kernels/PackedWeight.h"
#include "runtime/device/KernelABI.h"
#include "runtime/io/ArtifactFormat.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace lamina;

//===--- Kernels and names ------------------------------------------------------------------------------------===//

KernelSet::KernelSet(plan::ProgramOp program) {
  SymbolTable symbols(program->getParentOp());
  for (auto dispatch : program.getBody().front().getOps<plan::DispatchOp>()) {
    auto [it, inserted] =
        index_.try_emplace({dispatch.getKernel().str(), dispatch.getExtent()}, sources_.size());
    if (inserted)
      sources_.push_back({dispatch.getKernel().str(),
                          &symbols.lookup<plan::KernelOp>(dispatch.getKernel()).getBody(),
                          dispatch.getExtent()});
  }
}

size_t KernelSet::indexOf(plan::DispatchOp dispatch) const {
  return index_.find({dispatch.getKernel().str(), dispatch.getExtent()})->second;
}

bool lamina::runsOnCuda(plan::ProgramOp program) {
  mpmd::DeviceClassOp deviceClass = mpmd::lookupDeviceClass(program, program.getDeviceClassAttr());
  return deviceClass && deviceClass.getDevice() == mpmd::DeviceKind::cuda;
}

ArrayRef<StringRef> CodeTargets::of(plan::ProgramOp program) const {
  return runsOnCuda(program) ? cuda : cpu;
}

std::string lamina::weightsFileName(plan::ProgramOp program) {
  return std::string(kWeightsFolder) + "/" + program.getSymName().str() + ".bin";
}

std::string lamina::codeFileName(plan::ProgramOp program, StringRef target) {
  StringRef suffix = target == "ptx" ? "" : target.starts_with("sm_") ? ".cubin" : ".so";
  return std::string(kCodeFolder) + "/" + program.getSymName().str() + "." + (target + suffix).str();
}

namespace {

plan::Extent toProto(plan::RowExtent extent) { return plan::Extent(int(extent)); }

/// Translates the programs of one module.
class Writer {
public:
  Writer(ModuleOp module, const CodeTargets &targets, const plan::StepLimits &limits)
      : module_(module), targets_(targets), limits_(limits) {}

  FailureOr<plan::Plan> run() {
    plan_.set_format_version(kPlanFormatVersion);
    writeModel();
    writeLimits();
    for (auto topology : module_.getOps<mpmd::TopologyOp>())
      for (auto deviceClass : topology.getOps<mpmd::DeviceClassOp>())
        writeClass(deviceClass);
    for (auto program : module_.getOps<plan::ProgramOp>())
      workers_[program.getSymName()] = workers_.size();
    for (auto program : module_.getOps<plan::ProgramOp>())
      if (failed(writeWorker(program)))
        return failure();
    writeSummary();
    return std::move(plan_);
  }

private:
  std::string text(StringRef name) {
    auto attr = module_->getAttrOfType<StringAttr>(name);
    return attr ? attr.str() : "";
  }
  uint64_t number(StringRef name) {
    auto attr = module_->getAttrOfType<IntegerAttr>(name);
    return attr ? attr.getInt() : 0;
  }

  void writeModel() {
    auto *model = plan_.mutable_model();
    model->set_architecture(text("lm.architecture"));
    model->set_name(text("lm.name"));
    model->set_layers(number("lm.layers"));
    model->set_hidden_size(number("lm.hidden_size"));
    model->set_vocab_size(number("lm.vocab_size"));
    model->set_context_length(number("lm.trained_context"));
    uint64_t parameters = 0;
    llvm::MapVector<StringRef, uint64_t> bytesOfType;
    for (auto weight : module_.getOps<lm::WeightOp>()) {
      parameters += weight.getTensorType().getNumElements();
      auto source = cast<lm::SourceAttr>(weight.getSources()[0]);
      bytesOfType[source.getFormat()] += packedSize(weight.getTensorType());
    }
    model->set_parameters(parameters);
    auto types = bytesOfType.takeVector();
    llvm::sort(types,
               [](auto &a, auto &b) { return std::tie(b.second, a.first) < std::tie(a.second, b.first); });
    std::string names;
    for (auto &[type, bytes] : types)
      names += (names.empty() ? "" : ", ") + type.upper();
    model->set_weight_types(names);
  }

  void writeLimits() {
    auto *limits = plan_.mutable_limits();
    limits->set_max_batch_tokens(limits_.maxBatchTokens);
    limits->set_max_output_rows(limits_.maxOutputRows);
    limits->set_max_sequences(limits_.maxSequences);
    limits->set_max_context(limits_.maxContext);
    limits->set_kv_page_tokens(LAMINA_KV_PAGE_TOKENS);
    limits->set_kv_pages(limits_.kvPages);
  }

  void writeClass(mpmd::DeviceClassOp deviceClass) {
    classes_[deviceClass.getSymName()] = plan_.classes_size();
    auto *written = plan_.add_classes();
    written->set_name(deviceClass.getSymName().str());
    written->set_device(stringifyDeviceKind(deviceClass.getDevice()).str());
    written->set_memory_bytes(deviceClass.getMemoryBytes().value_or(0));
  }

  LogicalResult writeWorker(plan::ProgramOp program) {
    plan::Worker *worker = plan_.add_workers();
    worker->set_name(program.getSymName().str());
    worker->set_device_class(classes_.lookup(program.getDeviceClass()));
    worker->set_group_size(1);
    worker->set_arena_bytes(program.getArenaBytes().value_or(0));
    worker->set_weights_bytes(program.getWeightBytes().value_or(0));
    if (worker->weights_bytes() > 0)
      worker->set_weights_file(weightsFileName(program));
    KernelSet kernels(program);
    if (failed(writeKernels(*worker, program, kernels)))
      return failure();
    DenseMap<Value, uint32_t> buffers;
    for (Operation &op : program.getBody().front()) {
      if (auto buffer = dyn_cast<plan::BufferOp>(&op)) {
        buffers[buffer] = worker->buffers_size();
        writeBuffer(*worker, buffer);
      } else {
        writeInstruction(*worker, &op, buffers, kernels);
      }
    }
    return success();
  }

  LogicalResult writeKernels(plan::Worker &worker, plan::ProgramOp program, const KernelSet &kernels) {
    for (const KernelSource &source : kernels.sources()) {
      FailureOr<std::vector<KernelVariant>> variants =
          runsOnCuda(program) ? describeCudaKernel(source) : describeKernel(source);
      if (failed(variants))
        return failure();
      plan::Kernel *kernel = worker.add_kernels();
      kernel->set_name(source.name);
      for (const KernelVariant &variant : *variants) {
        auto *written = kernel->add_variants();
        written->set_symbol(variant.symbol);
        written->set_max_tokens(variant.maxTokens);
        written->set_extent(toProto(variant.extent));
        written->set_workgroups(variant.workgroups);
        written->set_block_threads(variant.blockThreads);
        written->set_shared_bytes(variant.sharedBytes);
      }
    }
    for (StringRef target : targets_.of(program)) {
      plan::CodeObject *code = worker.add_code();
      code->set_file(codeFileName(program, target));
      code->set_target(target.str());
    }
    return success();
  }

  void writeBuffer(plan::Worker &worker, plan::BufferOp buffer) {
    plan::Buffer *written = worker.add_buffers();
    written->set_kind(plan::Buffer::Kind(int(buffer.getKind())));
    written->set_offset(*buffer.getOffset());
    written->set_extent(toProto(buffer.getExtent()));
    written->set_name(buffer.getName().str());
    Type contents = buffer.getResult().getType().getContents();
    if (auto cache = dyn_cast<lm::KVCacheType>(contents)) {
      written->set_bytes(plan::pageBytes(cache) * limits_.kvPages);
      writeCache(worker, cache);
      return;
    }
    if (buffer.getKind() == plan::BufferKind::weight)
      return written->set_bytes(plan::weightBytes(contents));
    if (auto memory = dyn_cast<MemRefType>(contents)) {
      written->set_row_bytes(plan::contentsRowBytes(memory));
      written->set_bytes(written->row_bytes());
      return writePort(worker, buffer, memory);
    }
    auto type = cast<RankedTensorType>(contents);
    switch (buffer.getKind()) {
    case plan::BufferKind::batch:
      if (buffer.getExtent() != plan::RowExtent::fixed)
        written->set_row_bytes(plan::rowBytes(type));
      return written->set_bytes(4 * batchFieldElements(buffer.getExtent()));
    default:
      written->set_row_bytes(plan::rowBytes(type));
      return written->set_bytes(plan::rowBytes(type) * limits_.rows(buffer.getExtent()));
    }
  }

  /// What the caller fills or reads.
  void writePort(const plan::Worker &worker, plan::BufferOp buffer, MemRefType memory) {
    auto direction = buffer->getAttrOfType<StringAttr>("plan.port");
    if (!direction)
      return;
    plan::Port *port = direction.getValue() == "input" ? plan_.add_inputs() : plan_.add_outputs();
    port->set_name(buffer.getName().str());
    port->set_element_type(buffer->getAttrOfType<StringAttr>("plan.element").str());
    for (int64_t size : memory.getShape())
      port->add_shape(size);
    port->set_worker(plan_.workers_size() - 1);
    port->set_buffer(worker.buffers_size() - 1);
  }

  /// The block table is the one array of the batch whose size follows neither tokens nor output rows.
  uint64_t batchFieldElements(plan::RowExtent extent) {
    if (extent != plan::RowExtent::fixed)
      return limits_.rows(extent);
    return limits_.maxSequences * llvm::divideCeil(limits_.maxContext, int64_t(LAMINA_KV_PAGE_TOKENS));
  }

  static void writeCache(plan::Worker &worker, lm::KVCacheType cache) {
    plan::Cache *written = worker.add_caches();
    written->set_layer(worker.caches_size() - 1);
    written->set_kv_heads(cache.getHeads());
    written->set_key_length(cache.getKeyLength());
    written->set_value_length(cache.getValueLength());
    written->set_element_type(cache.getElementName().str());
    written->set_page_bytes(plan::pageBytes(cache));
  }

  void writeInstruction(plan::Worker &worker, Operation *op, const DenseMap<Value, uint32_t> &buffers,
                        const KernelSet &kernels) {
    plan::Instruction *instruction = worker.add_program();
    instruction->set_slice(op->getAttrOfType<IntegerAttr>("slice").getInt());
    if (auto dispatch = dyn_cast<plan::DispatchOp>(op)) {
      plan::Dispatch *written = instruction->mutable_dispatch();
      written->set_kernel(kernels.indexOf(dispatch));
      written->set_label(dispatch.getLabel().str());
      for (Value operand : dispatch->getOperands()) // reads, then writes
        written->add_bindings(buffers.lookup(operand));
      return;
    }
    if (auto send = dyn_cast<plan::SendOp>(op)) {
      instruction->mutable_send()->set_transfer(send.getTransfer());
      writeTransfer(send.getTransfer(), worker.name(), send.getPeer(), send.getLabel(), send.getBuffers());
      for (Value buffer : send.getBuffers())
        transfer(send.getTransfer()).add_source_buffers(buffers.lookup(buffer));
    } else if (auto recv = dyn_cast<plan::RecvOp>(op)) {
      instruction->mutable_recv()->set_transfer(recv.getTransfer());
      for (Value buffer : recv.getBuffers())
        transfer(recv.getTransfer()).add_destination_buffers(buffers.lookup(buffer));
    } else {
      instruction->mutable_wait()->set_transfer(cast<plan::WaitOp>(op).getTransfer());
    }
  }

  plan::Transfer &transfer(uint64_t index) {
    while (uint64_t(plan_.transfers_size()) <= index)
      plan_.add_transfers();
    return *plan_.mutable_transfers(index);
  }

  void writeTransfer(uint64_t index, StringRef source, StringRef destination, StringRef label,
                     ValueRange buffers) {
    plan::Transfer &written = transfer(index);
    written.set_source(workers_.lookup(source));
    written.set_destination(workers_.lookup(destination));
    written.set_label(label.str());
    auto first = buffers.front().getDefiningOp<plan::BufferOp>();
    written.set_extent(toProto(first.getExtent()));
    uint64_t bytes = 0;
    for (Value buffer : buffers)
      bytes += plan::contentsRowBytes(cast<plan::BufferType>(buffer.getType()).getContents());
    written.set_bytes_per_row(bytes);
  }

  void writeSummary() {
    auto *summary = plan_.mutable_partition();
    auto cuts = module_->getAttrOfType<DenseI64ArrayAttr>(mpmd::kCutBytesAttr);
    size_t attentions = plan_.classes_size() > 1 && cuts ? cuts.size() : 0;
    summary->set_compute_fragments(attentions + 1);
    summary->set_memory_fragments(attentions);
    if (attentions)
      summary->set_context_bytes_per_token(*llvm::max_element(cuts.asArrayRef()));
    uint64_t link = 0;
    for (const plan::Transfer &transfer : plan_.transfers())
      link += transfer.bytes_per_row();
    summary->set_link_bytes_per_token(link);
    summary->set_batches_in_flight(1);
  }

  ModuleOp module_;
  const CodeTargets &targets_;
  plan::StepLimits limits_;
  plan::Plan plan_;
  llvm::StringMap<uint32_t> classes_, workers_;
};

} // namespace

FailureOr<plan::Plan> lamina::writePlan(ModuleOp module, const CodeTargets &targets) {
  FailureOr<plan::StepLimits> limits = plan::StepLimits::get(module);
  if (failed(limits))
    return failure();
  return Writer(module, targets, *limits).run();
}

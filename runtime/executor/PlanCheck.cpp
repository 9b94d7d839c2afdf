//===- PlanCheck.cpp - whether a plan may be executed -------------------------------------------------===//

#include "runtime/executor/PlanCheck.h"

#include "runtime/device/cpu/KernelABI.h"
#include "runtime/executor/ChannelSizing.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

#include <algorithm>
#include <set>

namespace lamina {
namespace {

// No machine has more; below these bounds no product of two sizes overflows where it is formed.
constexpr uint64_t kMaxBytes = uint64_t(1) << 46;
constexpr uint64_t kMaxCount = (uint64_t(1) << 31) - 1;
constexpr uint64_t kMaxWorkgroups = uint64_t(1) << 40;
constexpr int kMaxWorkers = 1024;

template <typename... Args> absl::Status invalid(const Args &...args) {
  return absl::InvalidArgumentError(absl::StrCat("the plan is broken: ", args...));
}

/// a × b, or more than kMaxBytes if that is what it is.
uint64_t multiply(uint64_t a, uint64_t b) {
  uint64_t product;
  return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

bool fits(uint64_t offset, uint64_t bytes, uint64_t size) { return offset <= size && bytes <= size - offset; }

/// Bytes of 32 elements of a cache; 0 for a type that there is not.
uint64_t bytesOf32(const std::string &type) {
  return type == "f32" ? 128 : type == "f16" || type == "bf16" ? 64 : type == "q8_0" ? 34 : 0;
}

/// Inside the artifact, whatever the name is joined to.
bool isSafePath(const std::string &path) {
  if (path.empty() || path.front() == '/' || path.find('\0') != std::string::npos)
    return false;
  std::vector<std::string> parts = absl::StrSplit(path, '/');
  return std::find(parts.begin(), parts.end(), "..") == parts.end();
}

absl::Status checkLimits(const plan::Limits &limits) {
  const std::pair<const char *, uint64_t> counts[] = {
      {"max_batch_tokens", limits.max_batch_tokens()},
      {"max_output_rows", limits.max_output_rows()},
      {"max_sequences", limits.max_sequences()},
      {"max_context", limits.max_context()},
      {"kv_pages", limits.kv_pages()},
  };
  for (auto [name, count] : counts)
    if (count == 0 || count > kMaxCount)
      return invalid("limit ", name, " is ", count, ", expected 1 to ", kMaxCount);
  if (limits.kv_page_tokens() != LAMINA_KV_PAGE_TOKENS)
    return invalid("limit kv_page_tokens is ", limits.kv_page_tokens(), ", this runtime has ",
                   int(LAMINA_KV_PAGE_TOKENS));
  return absl::OkStatus();
}

/// Checks one worker by itself.
class WorkerCheck {
public:
  WorkerCheck(const plan::Plan &plan, const plan::Worker &worker) : plan_(plan), worker_(worker) {}

  absl::Status run() {
    LAMINA_RETURN_IF_ERROR(checkPlace());
    LAMINA_RETURN_IF_ERROR(checkFiles());
    for (int i = 0; i < worker_.caches_size(); ++i)
      LAMINA_RETURN_IF_ERROR(checkCache(i, worker_.caches(i)));
    for (int i = 0; i < worker_.buffers_size(); ++i)
      LAMINA_RETURN_IF_ERROR(checkBuffer(i, worker_.buffers(i)));
    for (int i = 0; i < worker_.kernels_size(); ++i)
      LAMINA_RETURN_IF_ERROR(checkKernel(worker_.kernels(i)));
    for (int i = 0; i < worker_.program_size(); ++i)
      LAMINA_RETURN_IF_ERROR(checkInstruction(i, worker_.program(i)));
    return absl::OkStatus();
  }

private:
  template <typename... Args> absl::Status error(const Args &...args) {
    return invalid("worker ", worker_.name(), ": ", args...);
  }

  absl::Status checkPlace() {
    if (worker_.name().empty())
      return invalid("a worker has no name");
    if (worker_.device_class() >= uint32_t(plan_.classes_size()))
      return error("device class ", worker_.device_class(), " of ", plan_.classes_size());
    if (worker_.group_size() == 0 || worker_.group_rank() >= worker_.group_size())
      return error("rank ", worker_.group_rank(), " in a group of ", worker_.group_size());
    if (worker_.arena_bytes() > kMaxBytes || worker_.weights_bytes() > kMaxBytes)
      return error("an arena of ", worker_.arena_bytes(), " and weights of ", worker_.weights_bytes(),
                   " bytes fit no machine");
    return absl::OkStatus();
  }

  absl::Status checkFiles() {
    if (worker_.weights_file().empty() != (worker_.weights_bytes() == 0))
      return error("weights file \"", worker_.weights_file(), "\" with ", worker_.weights_bytes(), " bytes");
    if (!worker_.weights_file().empty() && !isSafePath(worker_.weights_file()))
      return error("weights file \"", worker_.weights_file(), "\" lies outside the artifact");
    for (const plan::CodeObject &code : worker_.code())
      if (!isSafePath(code.file()))
        return error("code object \"", code.file(), "\" lies outside the artifact");
    if (worker_.kernels_size() != 0 && worker_.code_size() == 0)
      return error("kernels without a code object");
    return absl::OkStatus();
  }

  absl::Status checkCache(int index, const plan::Cache &cache) {
    uint64_t blockBytes = bytesOf32(cache.element_type());
    if (blockBytes == 0)
      return error("cache ", index, " has elements of type \"", cache.element_type(),
                   "\", expected f32, f16, bf16 or q8_0");
    if (cache.element_type() == "q8_0" && (cache.key_length() % 32 != 0 || cache.value_length() % 32 != 0))
      return error("cache ", index, " of q8_0 has keys of ", cache.key_length(), " and values of ",
                   cache.value_length(), " elements, expected multiples of 32");
    uint64_t valueLength =
        (uint64_t(cache.value_length()) + LAMINA_ROW_PADDING - 1) / LAMINA_ROW_PADDING * LAMINA_ROW_PADDING;
    uint64_t elements =
        multiply(multiply(cache.kv_heads(), cache.key_length() + valueLength), LAMINA_KV_PAGE_TOKENS);
    uint64_t bytes = multiply(elements, blockBytes) / 32;
    if (bytes == 0 || cache.page_bytes() < bytes)
      return error("cache ", index, " has pages of ", cache.page_bytes(), " bytes, its keys and values need ",
                   bytes);
    if (cache.page_bytes() % LAMINA_BUFFER_ALIGNMENT != 0)
      return error("cache ", index, " has pages of ", cache.page_bytes(), " bytes, not a multiple of ",
                   int(LAMINA_BUFFER_ALIGNMENT));
    if (multiply(cache.page_bytes(), plan_.limits().kv_pages()) > kMaxBytes)
      return error("cache ", index, " with ", plan_.limits().kv_pages(), " pages of ", cache.page_bytes(),
                   " bytes fits no machine");
    return absl::OkStatus();
  }

  absl::Status checkBuffer(int index, const plan::Buffer &buffer) {
    auto outside = [&](const char *what, uint64_t size) {
      return error("buffer ", index, " (", buffer.name(), ") has ", buffer.bytes(), " bytes at offset ",
                   buffer.offset(), " of ", what, " of ", size);
    };
    if (!plan::Extent_IsValid(buffer.extent()))
      return error("buffer ", index, " (", buffer.name(), ") has the unknown extent ", int(buffer.extent()));
    switch (buffer.kind()) {
    case plan::Buffer::ARENA:
      if (!fits(buffer.offset(), buffer.bytes(), worker_.arena_bytes()))
        return outside("an arena", worker_.arena_bytes());
      return checkRows(index, buffer);
    case plan::Buffer::WEIGHT:
      if (!fits(buffer.offset(), buffer.bytes(), worker_.weights_bytes()))
        return outside("weights", worker_.weights_bytes());
      return checkAlignment(index, buffer);
    case plan::Buffer::CACHE:
      if (buffer.offset() >= uint64_t(worker_.caches_size()))
        return error("buffer ", index, " (", buffer.name(), ") is cache ", buffer.offset(), " of ",
                     worker_.caches_size());
      if (uint64_t size = worker_.caches(int(buffer.offset())).page_bytes() * plan_.limits().kv_pages();
          buffer.bytes() > size)
        return outside("a cache", size);
      return absl::OkStatus();
    case plan::Buffer::BATCH:
      if (buffer.offset() > uint64_t(plan::BatchField_MAX))
        return error("buffer ", index, " (", buffer.name(), ") is the unknown batch field ", buffer.offset());
      if (uint64_t size = 4 * batchFieldEntries(plan_.limits(), plan::BatchField(buffer.offset()));
          buffer.bytes() > size)
        return outside("a batch field", size);
      return absl::OkStatus();
    default:
      return error("buffer ", index, " (", buffer.name(), ") has the unknown kind ", int(buffer.kind()));
    }
  }

  absl::Status checkAlignment(int index, const plan::Buffer &buffer) {
    if (buffer.offset() % LAMINA_BUFFER_ALIGNMENT != 0)
      return error("buffer ", index, " (", buffer.name(), ") starts at ", buffer.offset(),
                   ", not a multiple of ", int(LAMINA_BUFFER_ALIGNMENT));
    return absl::OkStatus();
  }

  absl::Status checkRows(int index, const plan::Buffer &buffer) {
    LAMINA_RETURN_IF_ERROR(checkAlignment(index, buffer));
    uint64_t rows = maxRows(plan_.limits(), buffer.extent());
    if (multiply(buffer.row_bytes(), rows) > buffer.bytes())
      return error("buffer ", index, " (", buffer.name(), ") has ", buffer.bytes(), " bytes for ", rows,
                   " rows of ", buffer.row_bytes());
    if (buffer.row_bytes() == 0 && buffer.extent() != plan::FIXED)
      return error("buffer ", index, " (", buffer.name(), ") has rows of 0 bytes");
    return absl::OkStatus();
  }

  absl::Status checkKernel(const plan::Kernel &kernel) {
    if (kernel.variants_size() == 0)
      return error("kernel ", kernel.name(), " has no variants");
    uint32_t before = 0;
    for (int i = 0; i < kernel.variants_size(); ++i) {
      const plan::KernelVariant &variant = kernel.variants(i);
      bool last = i + 1 == kernel.variants_size();
      if (variant.symbol().empty())
        return error("kernel ", kernel.name(), " has a variant without a symbol");
      if (!plan::Extent_IsValid(variant.extent()))
        return error("kernel ", kernel.name(), " has the unknown extent ", int(variant.extent()));
      if (multiply(variant.workgroups(), maxRows(plan_.limits(), variant.extent())) > kMaxWorkgroups)
        return error("kernel ", kernel.name(), " has ", variant.workgroups(),
                     " workgroups per row, too many");
      if (variant.max_tokens() == 0 ? !last : variant.max_tokens() <= before)
        return error("kernel ", kernel.name(), " has variants that do not ascend in max_tokens");
      before = variant.max_tokens();
    }
    if (before != 0 && before < plan_.limits().max_batch_tokens())
      return error("kernel ", kernel.name(), " takes at most ", before, " of ",
                   plan_.limits().max_batch_tokens(), " tokens");
    return absl::OkStatus();
  }

  absl::Status checkInstruction(int index, const plan::Instruction &instruction) {
    auto checkTransfer = [&](const plan::TransferRef &reference) {
      return reference.transfer() < uint32_t(plan_.transfers_size())
                 ? absl::OkStatus()
                 : error("instruction ", index, " names transfer ", reference.transfer(), " of ",
                         plan_.transfers_size());
    };
    switch (instruction.kind_case()) {
    case plan::Instruction::kDispatch:
      return checkDispatch(index, instruction.dispatch());
    case plan::Instruction::kSend:
      return checkTransfer(instruction.send());
    case plan::Instruction::kRecv:
      return checkTransfer(instruction.recv());
    case plan::Instruction::kWait:
      return checkTransfer(instruction.wait());
    case plan::Instruction::kCollective:
      if (instruction.collective().buffer() >= uint32_t(worker_.buffers_size()))
        return error("instruction ", index, " names buffer ", instruction.collective().buffer(), " of ",
                     worker_.buffers_size());
      if (worker_.group_size() != 1)
        return absl::UnimplementedError(
            absl::StrCat("worker ", worker_.name(), ": this runtime has no collectives among ",
                         worker_.group_size(), " workers; compile without splitting the class"));
      return absl::OkStatus();
    case plan::Instruction::KIND_NOT_SET:
      break;
    }
    return error("instruction ", index, " is of a kind that this runtime does not know");
  }

  absl::Status checkDispatch(int index, const plan::Dispatch &dispatch) {
    if (dispatch.kernel() >= uint32_t(worker_.kernels_size()))
      return error("instruction ", index, " (", dispatch.label(), ") names kernel ", dispatch.kernel(),
                   " of ", worker_.kernels_size());
    for (uint32_t buffer : dispatch.bindings())
      if (buffer >= uint32_t(worker_.buffers_size()))
        return error("instruction ", index, " (", dispatch.label(), ") names buffer ", buffer, " of ",
                     worker_.buffers_size());
    return absl::OkStatus();
  }

  const plan::Plan &plan_;
  const plan::Worker &worker_;
};

/// Checks one transfer against the buffers at both ends.
absl::Status checkTransfer(const plan::Plan &plan, int index) {
  const plan::Transfer &transfer = plan.transfers(index);
  auto error = [&](const auto &...args) {
    return invalid("transfer ", index, " (", transfer.label(), ") ", args...);
  };
  uint32_t workers = uint32_t(plan.workers_size());
  if (transfer.source() >= workers || transfer.destination() >= workers)
    return error("goes from worker ", transfer.source(), " to worker ", transfer.destination(), " of ",
                 workers);
  if (transfer.source() == transfer.destination())
    return error("starts and ends at worker ", transfer.source());
  if (!plan::Extent_IsValid(transfer.extent()))
    return error("has the unknown extent ", int(transfer.extent()));
  if (transfer.source_buffers_size() == 0 ||
      transfer.source_buffers_size() != transfer.destination_buffers_size())
    return error("moves ", transfer.source_buffers_size(), " buffers into ",
                 transfer.destination_buffers_size());
  const plan::Worker &source = plan.workers(int(transfer.source()));
  const plan::Worker &destination = plan.workers(int(transfer.destination()));
  uint64_t rowBytes = 0;
  for (int i = 0; i < transfer.source_buffers_size(); ++i) {
    uint32_t from = transfer.source_buffers(i), to = transfer.destination_buffers(i);
    if (from >= uint32_t(source.buffers_size()) || to >= uint32_t(destination.buffers_size()))
      return error("moves buffer ", from, " of ", source.buffers_size(), " into buffer ", to, " of ",
                   destination.buffers_size());
    const plan::Buffer &sourceBuffer = source.buffers(int(from));
    const plan::Buffer &destinationBuffer = destination.buffers(int(to));
    for (const plan::Buffer *buffer : {&sourceBuffer, &destinationBuffer}) {
      if (buffer->kind() != plan::Buffer::ARENA || buffer->row_bytes() == 0)
        return error("moves buffer ", buffer->name(), ", which is not an activation");
      if (buffer->extent() != transfer.extent())
        return error("moves buffer ", buffer->name(), " of another extent");
    }
    if (sourceBuffer.row_bytes() != destinationBuffer.row_bytes())
      return error("moves rows of ", sourceBuffer.row_bytes(), " bytes into rows of ",
                   destinationBuffer.row_bytes());
    rowBytes += sourceBuffer.row_bytes();
  }
  if (rowBytes != transfer.bytes_per_row())
    return error("has ", transfer.bytes_per_row(), " bytes per row, its buffers have ", rowBytes);
  return absl::OkStatus();
}

/// Exactly one buffer of one worker takes the logits, with room for every row and column.
absl::Status checkLogits(const plan::Plan &plan) {
  int found = 0;
  for (const plan::Worker &worker : plan.workers())
    for (const plan::Buffer &buffer : worker.buffers()) {
      if (buffer.name() != kLogitsBuffer)
        continue;
      ++found;
      if (buffer.kind() != plan::Buffer::ARENA || buffer.extent() != plan::OUTPUT_ROWS)
        return invalid("the logits of worker ", worker.name(),
                       " are not an activation with one row per output");
      if (buffer.row_bytes() % 4 != 0 || buffer.row_bytes() / 4 < plan.model().vocab_size())
        return invalid("the logits of worker ", worker.name(), " have rows of ", buffer.row_bytes(),
                       " bytes for ", plan.model().vocab_size(), " tokens");
    }
  if (found != 1)
    return invalid("expected one buffer named ", kLogitsBuffer, ", got ", found);
  return absl::OkStatus();
}

} // namespace

uint64_t maxRows(const plan::Limits &limits, plan::Extent extent) {
  switch (extent) {
  case plan::TOKENS:
    return limits.max_batch_tokens();
  case plan::OUTPUT_ROWS:
    return limits.max_output_rows();
  default:
    return 1;
  }
}

int64_t blockTableStride(const plan::Limits &limits) {
  return (int64_t(limits.max_context()) + LAMINA_KV_PAGE_TOKENS - 1) / LAMINA_KV_PAGE_TOKENS;
}

uint64_t batchFieldEntries(const plan::Limits &limits, plan::BatchField field) {
  switch (field) {
  case plan::OUTPUT_ROW_INDICES:
    return limits.max_output_rows();
  case plan::BLOCK_TABLE:
    return uint64_t(limits.max_sequences()) * uint64_t(blockTableStride(limits));
  default:
    return limits.max_batch_tokens();
  }
}

absl::Status checkPlan(const plan::Plan &plan) {
  LAMINA_RETURN_IF_ERROR(checkLimits(plan.limits()));
  if (plan.model().vocab_size() == 0 || plan.model().vocab_size() > kMaxCount)
    return invalid("a vocabulary of ", plan.model().vocab_size(), " tokens");
  if (plan.workers_size() == 0 || plan.workers_size() > kMaxWorkers)
    return invalid(plan.workers_size(), " workers, expected 1 to ", kMaxWorkers);
  std::set<std::string> names;
  for (const plan::Worker &worker : plan.workers()) {
    LAMINA_RETURN_IF_ERROR(WorkerCheck(plan, worker).run());
    if (!names.insert(worker.name()).second)
      return invalid("two workers are named ", worker.name());
  }
  LAMINA_RETURN_IF_ERROR(checkLogits(plan));
  for (int i = 0; i < plan.transfers_size(); ++i)
    LAMINA_RETURN_IF_ERROR(checkTransfer(plan, i));
  return sizeChannels(plan).status();
}

} // namespace lamina

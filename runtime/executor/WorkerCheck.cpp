//===- WorkerCheck.cpp - whether one worker of a plan may be executed ---------------------------------===//

#include "runtime/executor/WorkerCheck.h"

#include "runtime/device/CudaKernelABI.h"
#include "runtime/device/KernelABI.h"
#include "runtime/executor/PlanCheck.h"

#include "absl/strings/str_split.h"

#include <algorithm>

namespace lamina {
namespace {

// No machine has more; below these bounds no product of two sizes overflows where it is formed.
constexpr uint64_t kMaxBytes = uint64_t(1) << 46;
constexpr uint64_t kMaxWorkgroups = uint64_t(1) << 40;

/// a × b, or more than kMaxBytes if that is what it is.
uint64_t multiply(uint64_t a, uint64_t b) {
  uint64_t product;
  return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

bool fits(uint64_t offset, uint64_t bytes, uint64_t size) { return offset <= size && bytes <= size - offset; }

/// Bytes of 32 elements of a cache; 0 for a type that there is not.
uint64_t bytesOf32(const std::string &type) {
  return type == "f32"                     ? 128
         : type == "f16" || type == "bf16" ? 64
         : type == "q8_0"                  ? 34
         : type == "fp8_e4m3"              ? 32
                                           : 0;
}

/// Inside the artifact, whatever the name is joined to.
bool isSafePath(const std::string &path) {
  if (path.empty() || path.front() == '/' || path.find('\0') != std::string::npos)
    return false;
  std::vector<std::string> parts = absl::StrSplit(path, '/');
  return std::find(parts.begin(), parts.end(), "..") == parts.end();
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
    return brokenPlan("worker ", worker_.name(), ": ", args...);
  }

  absl::Status checkPlace() {
    if (worker_.name().empty())
      return brokenPlan("a worker has no name");
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
                   "\", expected f32, f16, bf16, fp8_e4m3 or q8_0");
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
      if (plan_.classes(int(worker_.device_class())).device() == "cuda")
        LAMINA_RETURN_IF_ERROR(checkBlocks(kernel, variant));
      if (variant.max_tokens() == 0 ? !last : variant.max_tokens() <= before)
        return error("kernel ", kernel.name(), " has variants that do not ascend in max_tokens");
      before = variant.max_tokens();
    }
    if (before != 0 && before < plan_.limits().max_batch_tokens())
      return error("kernel ", kernel.name(), " takes at most ", before, " of ",
                   plan_.limits().max_batch_tokens(), " tokens");
    return absl::OkStatus();
  }

  /// Beyond these limits no GPU launches; that it has less a smaller one tells when the kernel is loaded.
  absl::Status checkBlocks(const plan::Kernel &kernel, const plan::KernelVariant &variant) {
    uint32_t threads = variant.block_threads();
    if (threads == 0 || threads > LAMINA_CUDA_MAX_BLOCK || threads % LAMINA_CUDA_WARP != 0)
      return error("kernel ", kernel.name(), " has blocks of ", threads, " threads, expected a multiple of ",
                   int(LAMINA_CUDA_WARP), " up to ", int(LAMINA_CUDA_MAX_BLOCK));
    if (variant.shared_bytes() > LAMINA_CUDA_MAX_SHARED)
      return error("kernel ", kernel.name(), " has blocks with ", variant.shared_bytes(),
                   " bytes of shared memory, a GPU has ", int(LAMINA_CUDA_MAX_SHARED));
    if (multiply(variant.workgroups(), maxRows(plan_.limits(), variant.extent())) > INT32_MAX)
      return error("kernel ", kernel.name(), " has ", variant.workgroups(),
                   " workgroups per row, too many for a GPU");
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

} // namespace

absl::Status checkWorker(const plan::Plan &plan, const plan::Worker &worker) {
  return WorkerCheck(plan, worker).run();
}

} // namespace lamina

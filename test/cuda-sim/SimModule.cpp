//===- SimModule.cpp - loads the simulated form of a worker's code and launches it --------------------===//

#include "SimModule.h"

#include <csetjmp>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <dlfcn.h>
#include <elf.h>
#include <mutex>
#include <sys/mman.h>
#include <unistd.h>

namespace lamina::cudasim {

using namespace cuda;

namespace {

#if defined(__x86_64__)
constexpr int kMachine = EM_X86_64;
#elif defined(__aarch64__)
constexpr int kMachine = EM_AARCH64;
#endif
constexpr int kCudaMachine = 190; // EM_CUDA

/// Modules import lamina_sim_…, which only libraries of the global scope can give them.
void offerSymbols() {
  Dl_info self;
  if (dladdr(reinterpret_cast<void *>(&offerSymbols), &self) != 0)
    dlopen(self.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_GLOBAL);
}

// Where a fault in a kernel of this thread continues.
thread_local sigjmp_buf *faultReturn = nullptr;
thread_local void *faultAddress = nullptr;

void handleFault(int signal, siginfo_t *info, void *) {
  if (faultReturn != nullptr) {
    faultAddress = info->si_addr;
    siglongjmp(*faultReturn, 1);
  }
  constexpr char kMessage[] = "cuda-sim: a fault outside of kernels; device memory is not for the host\n";
  [[maybe_unused]] ssize_t written = write(STDERR_FILENO, kMessage, sizeof(kMessage) - 1);
  ::signal(signal, SIG_DFL); // the instruction is repeated
}

/// A stack overflow cannot be handled on the stack that overflowed.
struct FaultHandling {
  char stack[65536];

  FaultHandling() {
    stack_t alternative{};
    alternative.ss_sp = stack;
    alternative.ss_size = sizeof(stack);
    sigaltstack(&alternative, nullptr);
    sigset_t faults; // blocked in workers that are threads
    sigemptyset(&faults);
    sigaddset(&faults, SIGSEGV);
    sigaddset(&faults, SIGBUS);
    pthread_sigmask(SIG_UNBLOCK, &faults, nullptr);
    static std::once_flag once;
    std::call_once(once, [] {
      struct sigaction action{};
      action.sa_sigaction = handleFault;
      action.sa_flags = SA_SIGINFO | SA_ONSTACK;
      sigaction(SIGSEGV, &action, nullptr);
      sigaction(SIGBUS, &action, nullptr);
    });
  }
  ~FaultHandling() {
    stack_t none{};
    none.ss_flags = SS_DISABLE;
    sigaltstack(&none, nullptr);
  }
};

} // namespace

CUresult SimModule::load(const void *image, std::unique_ptr<SimModule> *module) {
  const auto *elf = static_cast<const Elf64_Ehdr *>(image);
  if (memcmp(elf->e_ident, ELFMAG, SELFMAG) != 0 || elf->e_machine == kCudaMachine)
    return CUDA_ERROR_NO_BINARY_FOR_GPU; // PTX or a cubin
  if (elf->e_machine != kMachine || elf->e_type != ET_DYN)
    return CUDA_ERROR_INVALID_IMAGE;
  size_t bytes = elf->e_shoff + size_t(elf->e_shnum) * elf->e_shentsize;
  int file = memfd_create("lamina-sim-module", MFD_CLOEXEC);
  if (file < 0 || write(file, image, bytes) != ssize_t(bytes))
    return CUDA_ERROR_OUT_OF_MEMORY;
  offerSymbols();
  std::string path = "/proc/self/fd/" + std::to_string(file);
  void *handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    fprintf(stderr, "cuda-sim: %s\n", dlerror());
    close(file);
    return CUDA_ERROR_INVALID_IMAGE;
  }
  module->reset(new SimModule(handle, file));
  return CUDA_SUCCESS;
}

SimModule::~SimModule() {
  dlclose(handle_);
  close(file_);
}

CUresult SimModule::find(const char *name, SimFunction **function) {
  void *address = dlsym(handle_, name);
  if (address == nullptr)
    return CUDA_ERROR_NOT_FOUND;
  auto *parameters = static_cast<const int32_t *>(findGlobal(std::string(name) + "_parameters"));
  functions_.push_back({name, reinterpret_cast<LaminaSimulatedKernel>(address), parameters ? *parameters : -1,
                        findGlobal(std::string(name) + "_waits") != nullptr});
  *function = &functions_.back();
  return CUDA_SUCCESS;
}

void *SimModule::findGlobal(const std::string &name) const { return dlsym(handle_, name.c_str()); }

namespace {

/// `work` is left where it faults.
template <typename Work> CUresult guarded(const SimLaunch &launch, Work work) {
  thread_local FaultHandling handling;
  sigjmp_buf out;
  if (sigsetjmp(out, 1) != 0) {
    faultReturn = nullptr;
    fprintf(stderr, "cuda-sim: kernel %s, block %d, thread %d touched %p, which is not there\n",
            launch.function->name.c_str(), lamina_sim_block_id(), lamina_sim_thread_id(), faultAddress);
    return CUDA_ERROR_ILLEGAL_ADDRESS;
  }
  faultReturn = &out;
  work();
  faultReturn = nullptr;
  return CUDA_SUCCESS;
}

} // namespace

CUresult beginEarly(GridRun &run, const SimLaunch &launch, int32_t block) {
  return guarded(launch, [&] { run.begin(block); });
}

CUresult finish(GridRun &run, const SimLaunch &launch) {
  return guarded(launch, [&] { run.finish(); });
}

} // namespace lamina::cudasim

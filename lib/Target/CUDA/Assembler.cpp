//===- Assembler.cpp - PTX to code for a GPU ----------------------------------------------------------===//

#include "lib/Target/CUDA/CUDATarget.h"

#include "llvm/ADT/ScopeExit.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/raw_ostream.h"

using namespace lamina;

llvm::ArrayRef<llvm::StringRef> lamina::cudaArchitectures() {
  static constexpr llvm::StringRef kArchitectures[] = {"sm_80", "sm_86", "sm_89", "sm_90a", "sm_100"};
  return kArchitectures;
}

std::optional<std::string> lamina::findAssembler() {
  if (std::optional<std::string> named = llvm::sys::Process::GetEnv("LAMINA_PTXAS"))
    return named->empty() ? std::nullopt : named; // empty: none
  if (llvm::ErrorOr<std::string> found = llvm::sys::findProgramByName("ptxas"))
    return *found;
  if (llvm::ErrorOr<std::string> found = llvm::sys::findProgramByName("ptxas", {"/usr/local/cuda/bin"}))
    return *found;
  return std::nullopt;
}

static std::string contents(llvm::StringRef path) {
  auto buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  return buffer ? (*buffer)->getBuffer().str() : "";
}

llvm::Expected<std::string> lamina::assemble(llvm::StringRef assembler, llvm::StringRef ptx,
                                             llvm::StringRef architecture, std::string *report) {
  llvm::SmallString<128> directory;
  if (std::error_code error = llvm::sys::fs::createUniqueDirectory("lamina-ptx", directory))
    return llvm::createStringError(error, "cannot create a temporary directory: " + error.message());
  llvm::scope_exit remove([&] { llvm::sys::fs::remove_directories(directory); });
  std::string base = (directory + "/kernels").str();
  std::string input = base + ".ptx", output = base + ".cubin", messages = base + ".log";
  std::error_code error;
  llvm::raw_fd_ostream stream(input, error);
  stream << ptx;
  stream.close();
  if (stream.has_error() || error) {
    stream.clear_error();
    return llvm::createStringError("cannot write " + input);
  }
  std::string gpu = ("--gpu-name=" + architecture).str();
  llvm::StringRef arguments[] = {assembler, gpu, "--verbose", "--output-file", output, input};
  std::optional<llvm::StringRef> redirects[] = {llvm::StringRef(), llvm::StringRef(messages),
                                                llvm::StringRef(messages)};
  std::string failure;
  int status = llvm::sys::ExecuteAndWait(assembler, arguments, std::nullopt, redirects, 0, 0, &failure);
  std::string said = contents(messages);
  if (status != 0)
    return llvm::createStringError(assembler + " failed for " + architecture + ": " + failure + said);
  if (report)
    *report = std::move(said);
  return contents(output);
}

bool lamina::knowsArchitecture(llvm::StringRef assembler, llvm::StringRef architecture) {
  llvm::Expected<std::string> nothing =
      assemble(assembler, ".version 7.0\n.target sm_80\n.address_size 64\n", architecture);
  if (nothing)
    return true;
  llvm::consumeError(nothing.takeError());
  return false;
}

//===- ObjectLinker.cpp - relocatable objects to a shared one -----------------------------------------===//

#include "lib/Target/CPU/ObjectEmitter.h"

#include "lld/Common/Driver.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

#include <mutex>

LLD_HAS_DRIVER(elf)

using namespace lamina;

namespace {

/// A directory of its own that disappears with the object.
class TemporaryDirectory {
public:
  TemporaryDirectory() { error_ = llvm::sys::fs::createUniqueDirectory("lamina-link", path_); }
  ~TemporaryDirectory() {
    if (!error_)
      llvm::sys::fs::remove_directories(path_);
  }
  std::error_code error() const { return error_; }
  std::string file(const llvm::Twine &name) const {
    llvm::SmallString<128> result(path_);
    llvm::sys::path::append(result, name);
    return std::string(result);
  }

private:
  llvm::SmallString<128> path_;
  std::error_code error_;
};

llvm::Error writeFile(const std::string &path, llvm::StringRef bytes) {
  std::error_code error;
  llvm::raw_fd_ostream stream(path, error);
  if (error)
    return llvm::createStringError(error, "cannot write " + path + ": " + error.message());
  stream << bytes;
  stream.close();
  if (std::error_code late = stream.error()) {
    stream.clear_error();
    return llvm::createStringError(late, "cannot write " + path + ": " + late.message());
  }
  return llvm::Error::success();
}

} // namespace

llvm::Expected<std::string> lamina::linkObjects(llvm::ArrayRef<std::string> objects, const TargetInfo &target,
                                                bool imports) {
  TemporaryDirectory directory;
  if (directory.error())
    return llvm::createStringError(directory.error(),
                                   "cannot create a temporary directory: " + directory.error().message());
  std::string output = directory.file("kernels.so"), emulation = target.linkerEmulation.str();
  std::vector<std::string> files;
  for (const std::string &object : objects) {
    files.push_back(directory.file(std::to_string(files.size()) + ".o"));
    if (llvm::Error error = writeFile(files.back(), object))
      return std::move(error);
  }
  std::vector<const char *> arguments = {"ld.lld",          "-shared",     "--build-id=none",
                                         "--strip-all",     "--threads=1", "-m",
                                         emulation.c_str(), "-o",          output.c_str()};
  if (!imports)
    arguments.push_back("--no-undefined");
  for (const std::string &file : files)
    arguments.push_back(file.c_str());
  std::string messages;
  llvm::raw_string_ostream stream(messages);
  {
    static std::mutex mutex; // the linker's state is global
    std::lock_guard lock(mutex);
    lld::Result result = lld::lldMain(arguments, stream, stream, {{lld::Gnu, &lld::elf::link}});
    if (result.retCode != 0)
      return llvm::createStringError("kernels could not be linked: " + messages);
  }
  auto buffer = llvm::MemoryBuffer::getFile(output, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!buffer)
    return llvm::createStringError(buffer.getError(),
                                   "cannot read " + output + ": " + buffer.getError().message());
  return (*buffer)->getBuffer().str();
}

//===- NpyWriter.cpp - an array as a .npy file, piece by piece --------------------------------------------===//

#include "runtime/io/NpyWriter.h"

#include "runtime/base/StrCat.h"
#include "runtime/io/NpyFile.h"

#include <cerrno>
#include <cstring>
#include <sys/stat.h>
#include <unistd.h>

namespace lamina {

/// A pipe or a device stays, and so does a link, whose file is emptied.
void NpyWriter::Remover::operator()(std::FILE *file) const {
  int descriptor = ::dup(::fileno(file));
  std::fclose(file); // writes what is left
  struct stat opened = {}, named = {};
  if (::fstat(descriptor, &opened) == 0 && S_ISREG(opened.st_mode)) {
    bool isName =
        ::lstat(path.c_str(), &named) == 0 && named.st_dev == opened.st_dev && named.st_ino == opened.st_ino;
    [[maybe_unused]] int ignored = isName ? ::unlink(path.c_str()) : ::ftruncate(descriptor, 0);
  }
  ::close(descriptor);
}

absl::StatusOr<NpyWriter> NpyWriter::create(const std::string &path, std::string_view descr,
                                            std::span<const int64_t> shape) {
  uint64_t bytes = npyElementBytes(descr);
  for (int64_t size : shape)
    bytes *= static_cast<uint64_t>(size);
  NpyWriter writer(path, std::fopen(path.c_str(), "wbe"), bytes);
  if (!writer.file_)
    return writer.failed();
  LAMINA_RETURN_IF_ERROR(writer.write(npyHeader(descr, shape)));
  return writer;
}

absl::Status NpyWriter::write(std::string_view bytes) {
  return std::fwrite(bytes.data(), 1, bytes.size(), file_.get()) == bytes.size() ? absl::OkStatus()
                                                                                 : failed();
}

absl::Status NpyWriter::append(std::span<const uint8_t> bytes) {
  LAMINA_RETURN_IF_ERROR(write({reinterpret_cast<const char *>(bytes.data()), bytes.size()}));
  missing_ -= bytes.size();
  return absl::OkStatus();
}

absl::Status NpyWriter::close() {
  // A full disk shows when the buffer is written.
  if (std::fflush(file_.get()) != 0)
    return failed();
  return std::fclose(file_.release()) == 0 ? absl::OkStatus() : failed();
}

absl::Status NpyWriter::failed() const {
  return absl::UnavailableError(strCat("cannot write '", file_.get_deleter().path,
                                       "': ", std::strerror(errno), "; give a file that can be written"));
}

absl::Status writeNpy(const std::string &path, std::string_view descr, std::span<const int64_t> shape,
                      std::span<const uint8_t> data) {
  LAMINA_ASSIGN_OR_RETURN(NpyWriter writer, NpyWriter::create(path, descr, shape));
  LAMINA_RETURN_IF_ERROR(writer.append(data));
  return writer.close();
}

} // namespace lamina

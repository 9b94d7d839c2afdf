//===- ModelPath.cpp - what lies at the path of a model -------------------------------------------------===//

#include "lib/Import/ModelPath.h"

#include "lib/Import/ExportFolder.h"
#include "lib/Import/ONNX/Reader.h"
#include "runtime/base/MappedFile.h"
#include "runtime/base/StrCat.h"
#include "runtime/io/ArtifactWriter.h"
#include "runtime/io/GGUFReader.h"

#include <filesystem>

namespace lamina {

namespace fs = std::filesystem;

absl::StatusOr<std::string> modelFile(const std::string &path) {
  std::error_code ignored; // a path that cannot be examined is reported by whoever opens it
  if (isArtifactDirectory(path))
    return absl::InvalidArgumentError(
        strCat(path, ": the folder is an artifact already; run it with lamina-run, or give "
                     "the model that it was compiled from"));
  if (fs::is_directory(path, ignored))
    return decoderInFolder(path);
  return path;
}

std::optional<ModelFormat> formatOf(const std::string &file) {
  absl::StatusOr<MappedFile> mapped = MappedFile::open(file);
  if (!mapped.ok())
    return std::nullopt;
  if (GGUFReader::looksLikeGGUF(mapped->bytes()))
    return ModelFormat::GGUF;
  // All of it, of which the large fields are passed over: a graph may stand behind pages of documentation.
  if (onnx::looksLikeOnnx(mapped->bytes()))
    return ModelFormat::ONNX;
  return std::nullopt;
}

std::string nameOfONNX(const std::string &file) {
  std::error_code ignored; // the name of a file that is not there is not asked for
  fs::path path = fs::absolute(file, ignored).lexically_normal(), folder = path.parent_path().filename();
  return path.stem() == "model" && !folder.empty() ? folder.string() : path.stem().string();
}

} // namespace lamina

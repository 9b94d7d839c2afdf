//===- SourceFiles.cpp - the files that an artifact is compiled from ----------------------------------===//

#include "tools/common/SourceFiles.h"

#include "lib/Import/ExportFolder.h"
#include "lib/Import/ONNX/Reader.h"
#include "runtime/base/MappedFile.h"
#include "runtime/base/StrCat.h"
#include "runtime/io/ArtifactWriter.h"
#include "runtime/io/GGUFReader.h"

#include <filesystem>

namespace lamina {
namespace {

namespace fs = std::filesystem;

absl::StatusOr<SourceFiles> openGGUF(const std::string &path) {
  LAMINA_ASSIGN_OR_RETURN(GGUFReader opened, GGUFReader::open(path));
  auto reader = std::make_shared<const GGUFReader>(std::move(opened));
  SourceFiles source;
  for (size_t part = 0; part < reader->numParts(); ++part)
    source.files.push_back({reader->path(part), reader->fileBytes(part)});
  source.owner = std::move(reader);
  return source;
}

absl::StatusOr<SourceFiles> openONNX(const std::string &path) {
  struct Owner {
    onnx::Model model;
    std::vector<MappedFile> beside;
  };
  LAMINA_ASSIGN_OR_RETURN(onnx::Model model, onnx::readModel(path));
  auto owner = std::make_shared<Owner>(Owner{std::move(model), {}});
  SourceFiles source;
  for (const onnx::ModelFile &file : owner->model.files)
    source.files.push_back({file.path, file.bytes});
  for (const char *name : kFilesBesideModel) {
    absl::StatusOr<MappedFile> file = MappedFile::open((fs::path(path).parent_path() / name).string());
    if (absl::IsNotFound(file.status()))
      continue;
    LAMINA_RETURN_IF_ERROR(file.status());
    source.files.push_back({file->path(), file->bytes()});
    source.names += strCat(name, "\n", file->size(), "\n");
    owner->beside.push_back(*std::move(file));
  }
  source.owner = std::move(owner);
  return source;
}

bool isGGUF(const std::string &path) {
  auto file = MappedFile::open(path);
  return file.ok() && GGUFReader::looksLikeGGUF(file->bytes());
}

} // namespace

absl::StatusOr<SourceFiles> openSourceFiles(const std::string &model) {
  if (!fs::is_directory(model))
    return isGGUF(model) ? openGGUF(model) : openONNX(model);
  LAMINA_ASSIGN_OR_RETURN(std::string decoder, decoderInFolder(model));
  return openONNX(decoder);
}

bool looksLikeExport(const std::string &model) {
  std::error_code ignored; // a path that cannot be examined is reported by whoever opens it
  if (fs::is_directory(model, ignored))
    return !isArtifactDirectory(model) && !absl::IsNotFound(decoderInFolder(model).status());
  auto file = MappedFile::open(model);
  return file.ok() && onnx::looksLikeOnnx(file->bytes());
}

bool looksLikeSource(const std::string &model) { return isGGUF(model) || looksLikeExport(model); }

} // namespace lamina

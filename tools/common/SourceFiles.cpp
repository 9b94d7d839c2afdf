//===- SourceFiles.cpp - the files that an artifact is compiled from ----------------------------------===//

#include "tools/common/SourceFiles.h"

#include "lib/Import/ExportFolder.h"
#include "lib/Import/ModelPath.h"
#include "lib/Import/ONNX/Reader.h"
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
  LAMINA_ASSIGN_OR_RETURN(onnx::Model opened, onnx::readModel(path));
  auto model = std::make_shared<const onnx::Model>(std::move(opened));
  SourceFiles source;
  source.name = nameOfONNX(path);
  for (const onnx::ModelFile &file : model->files)
    source.files.push_back({file.path, file.bytes});
  source.owner = std::move(model);
  for (const char *name : kFilesBesideModel) {
    absl::StatusOr<MappedFile> file = MappedFile::open((fs::path(path).parent_path() / name).string());
    if (absl::IsNotFound(file.status()))
      continue;
    LAMINA_RETURN_IF_ERROR(file.status());
    source.files.push_back({file->path(), file->bytes()});
    source.beside.push_back(*std::move(file));
  }
  return source;
}

} // namespace

absl::StatusOr<SourceFiles> openSourceFiles(const std::string &model) {
  LAMINA_ASSIGN_OR_RETURN(std::string path, modelFile(model));
  return formatOf(path) == ModelFormat::ONNX ? openONNX(path) : openGGUF(path);
}

bool looksLikeSource(const std::string &model) {
  std::error_code ignored; // a path that cannot be examined is reported by whoever opens it
  if (fs::is_directory(model, ignored))
    return !isArtifactDirectory(model) && !absl::IsNotFound(decoderInFolder(model).status());
  return formatOf(model).has_value();
}

} // namespace lamina

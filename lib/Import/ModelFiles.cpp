//===- ModelFiles.cpp - the files that a module's weights lie in --------------------------------------===//

#include "lib/Import/ModelFiles.h"

#include "runtime/base/Status.h"
#include "runtime/io/GGUFWriter.h"

namespace lamina {

ModelFiles filesOf(std::shared_ptr<const GGUFReader> reader) {
  ModelFiles model;
  for (size_t part = 0; part < reader->numParts(); ++part)
    model.files.push_back({reader->path(part), reader->fileBytes(part)});
  model.vocabulary = copyVocabulary(*reader);
  model.owner = std::move(reader);
  return model;
}

absl::StatusOr<ModelFiles> openGGUFFiles(const std::string &path) {
  LAMINA_ASSIGN_OR_RETURN(GGUFReader reader, GGUFReader::open(path));
  return filesOf(std::make_shared<GGUFReader>(std::move(reader)));
}

} // namespace lamina

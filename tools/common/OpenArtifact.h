//===- OpenArtifact.h - the artifact behind MODEL on a command line -------------------------*- C++ -*-===//

#ifndef LAMINA_TOOLS_COMMON_OPENARTIFACT_H
#define LAMINA_TOOLS_COMMON_OPENARTIFACT_H

#include "runtime/base/Status.h"
#include "runtime/io/ArtifactReader.h"
#include "tools/common/SourceFiles.h"

#include <cstdint>

namespace lamina {

/// Verifies the model if it is an artifact; of what is none yet the artifact in the cache, compiled if it is not
/// there yet or damaged. `began` receives when the verification of what is returned began.
absl::StatusOr<ArtifactReader> openArtifact(const ModelSource &source, uint64_t *began = nullptr);

} // namespace lamina

#endif // LAMINA_TOOLS_COMMON_OPENARTIFACT_H

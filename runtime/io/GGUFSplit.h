//===- GGUFSplit.h - models split into several GGUF files -----------------------------------*- C++ -*-===//
//
// Private to the reader. A part NAME-00002-of-00003.gguf carries split.no (from 0), split.count and
// split.tensors.count (of the whole model); the first part alone carries the model's metadata.
//
//===----------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_IO_GGUFSPLIT_H
#define LAMINA_RUNTIME_IO_GGUFSPLIT_H

#include "runtime/io/GGUFReader.h"

namespace lamina {

struct SplitKeys {
  uint64_t number = 0;
  uint64_t count = 1; ///< 1: not split
  uint64_t tensors = 0;
};

/// The split.* keys of a parsed part; of a file without them the defaults above.
absl::StatusOr<SplitKeys> readSplitKeys(const GGUFReader::Part &part);

/// Maps and parses the file at `path` and, if it is part of a split model, all the other parts; in order.
absl::StatusOr<std::vector<GGUFReader::Part>> openGGUFParts(const std::string &path,
                                                            GGUFReader::Options options);

} // namespace lamina

#endif // LAMINA_RUNTIME_IO_GGUFSPLIT_H

//===- GGUFParser.h - parses and checks one GGUF file ---------------------------------------*- C++ -*-===//
//
// Private to the reader: fills GGUFReader::Part from its bytes.
//
//===----------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_IO_GGUFPARSER_H
#define LAMINA_RUNTIME_IO_GGUFPARSER_H

#include "runtime/io/GGUFReader.h"

namespace lamina {

/// Parses `part.bytes`. `part.path` names the file in messages; `partNumber` goes into the tensors.
absl::Status parseGGUF(GGUFReader::Part &part, uint32_t partNumber, GGUFReader::Options options);

} // namespace lamina

#endif // LAMINA_RUNTIME_IO_GGUFPARSER_H

//===- CompileDefaults.h - what an artifact has room for by default -------------------------*- C++ -*-===//
//
// lamina-opt's defaults, for whoever has to know without asking it whether they are enough.
//
//===----------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_IO_COMPILEDEFAULTS_H
#define LAMINA_RUNTIME_IO_COMPILEDEFAULTS_H

#include <cstdint>

namespace lamina {

/// Tokens of one sequence: sequences are rarely longer, and page tables grow with it.
inline constexpr int64_t kDefaultContext = 4096;
inline constexpr int64_t kDefaultBatchTokens = 512; ///< of one step
inline constexpr int64_t kDefaultOutputRows = 64;   ///< of logits of one step
inline constexpr int64_t kDefaultSequences = 16;    ///< in flight

} // namespace lamina

#endif // LAMINA_RUNTIME_IO_COMPILEDEFAULTS_H

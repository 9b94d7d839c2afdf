//===- Architectures.h - the decoder architectures that can be imported ---------------------*- C++ -*-===//
//
// One row of data for each architecture: what differs between decoders is said here, what they share is
// written once in DecoderBuilder and HyperParameters. docs/dev/adding-an-architecture.md shows how to add a
// row.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_LIB_IMPORT_MODELS_ARCHITECTURES_H
#define LAMINA_LIB_IMPORT_MODELS_ARCHITECTURES_H

#include "dialects/LM/IR/LM.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

namespace lamina {

/// How the rotary pairs of a head lie in the rows of the query and key matrices.
enum class RopeStyle {
  HalfSplit,   ///< elements i and i + n/2
  Interleaved, ///< elements 2i and 2i + 1
  None,        ///< no rotation: an embedding of the position is added to that of the token
};

enum class NormKind {
  RMS,
  Layer, ///< takes off the mean first and adds a bias
};

enum class Presence { Absent, Optional, Required };

/// Which layers attend to a window of the last positions only.
enum class WindowRule {
  Never,    ///< a window shorter than the context is refused
  Always,   ///< every layer, if the file gives a window
  Periodic, ///< all but the last of each `windowPeriod` layers; the file may give another period or a list
};

struct Architecture {
  llvm::StringRef name; ///< general.architecture
  RopeStyle rope = RopeStyle::HalfSplit;
  NormKind norm = NormKind::RMS; ///< of rows; those of heads are always RMS
  lm::Activation activation = lm::Activation::silu;
  bool gated = true; ///< the activation of ffn_gate multiplies ffn_up; otherwise that of ffn_up is all
  bool parallelResidual = false; ///< attention and feed-forward read the same norm and are added together

  // Tensors.
  Presence qkvBias = Presence::Optional;
  bool queryKeyNorm = false; ///< RMS norm of each query and key head before the rotation
  bool postNorms = false;    ///< RMS norm of the results of attention and feed-forward
  bool fusedGateUp = false;  ///< ffn_up holds the gate's rows and then up's
  Presence experts = Presence::Absent;

  // Windows.
  WindowRule window = WindowRule::Never;
  int64_t windowPeriod = 0;
  Presence windowKey = Presence::Optional;
  int64_t defaultWindow = 0; ///< where the key may be absent; 0: none
  double localRopeBase = 0;  ///< RoPE base of window layers, which then have no scaling; 0: as the others

  // Numbers.
  bool scaledEmbedding = false; ///< embeddings times sqrt(hidden size)
  double attentionCap = 0;      ///< default soft caps; 0: none
  double outputCap = 0;
  /// Models of this many layers scale attention by 1/sqrt(hidden size / heads) instead of 1/sqrt(key length);
  /// 0: none.
  int64_t hiddenScaledLayers = 0;
};

llvm::ArrayRef<Architecture> supportedArchitectures();

/// Null if it is not supported.
const Architecture *findArchitecture(llvm::StringRef name);

} // namespace lamina

#endif // LAMINA_LIB_IMPORT_MODELS_ARCHITECTURES_H

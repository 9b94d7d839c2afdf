//===- BlockCodebooks.h - codebooks of the IQ tensor types ------------------------------------*- C++ -*-===//
//
// Each entry packs the codes of eight (IQ1, IQ2: 2 bits) or four (IQ3: 4 bits) elements, the first in the
// lowest bits.
//
//===----------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_IO_BLOCKCODEBOOKS_H
#define LAMINA_RUNTIME_IO_BLOCKCODEBOOKS_H

#include <cstdint>

namespace lamina {

extern const uint16_t kGridIQ1[2048];
extern const uint16_t kGridIQ2XXS[256];
extern const uint16_t kGridIQ2XS[512];
extern const uint16_t kGridIQ2S[1024];
extern const uint16_t kGridIQ3XXS[256];
extern const uint16_t kGridIQ3S[512];

} // namespace lamina

#endif // LAMINA_RUNTIME_IO_BLOCKCODEBOOKS_H

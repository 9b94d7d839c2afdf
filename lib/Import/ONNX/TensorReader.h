//===- TensorReader.h - TensorProto to TensorConstant ------------------------------------*- C++ -*-===//
//
// Private to the reader. A tensor is accepted if its bytes are there and as many as its type and shape say.
//
//===-----------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_LIB_IMPORT_ONNX_TENSORREADER_H
#define LAMINA_LIB_IMPORT_ONNX_TENSORREADER_H

#include "lib/Import/ONNX/ExternalData.h"
#include "lib/Import/ONNX/Wire.h"

namespace lamina::onnx {

/// Reads a tensor that lies in the model's file itself, or refers to `external`; null refuses such
/// references.
absl::StatusOr<TensorConstant> readTensor(WireMessage message, ExternalData *external);

/// The number of an element type; unknown ones are refused. `what` names whose it is.
absl::StatusOr<ElementType> checkElementType(int64_t number, const WireMessage &message,
                                             std::string_view what);

} // namespace lamina::onnx

#endif // LAMINA_LIB_IMPORT_ONNX_TENSORREADER_H

//===- Rules.cpp - shape rules that families share ------------------------------------------------------===//

#include "lib/Import/ONNX/Ops/Rules.h"

namespace lamina::onnx {

absl::Status likeFirst(OpContext &context) {
  for (size_t i = 0; i < context.numOutputs(); ++i)
    context.result(i, context.type(0), context.dims(0));
  return absl::OkStatus();
}

absl::Status sameTypes(const OpContext &context) {
  for (size_t i = 1; i < context.numInputs(); ++i)
    if (context.has(i) && context.type(i) != context.type(0))
      return context.error("inputs differ in type: ", context.in(0).describe(), " and ",
                           context.in(i).describe());
  return absl::OkStatus();
}

absl::StatusOr<Dims> broadcastOf(const OpContext &context) {
  Dims dims = context.dims(0);
  for (size_t i = 1; i < context.numInputs(); ++i) {
    LAMINA_ASSIGN_OR_RETURN(dims, context.broadcasted(dims, context.dims(i)));
  }
  return dims;
}

absl::Status broadcastAll(OpContext &context) {
  LAMINA_RETURN_IF_ERROR(sameTypes(context));
  LAMINA_ASSIGN_OR_RETURN(Dims dims, broadcastOf(context));
  context.result(0, context.type(0), std::move(dims));
  return absl::OkStatus();
}

absl::Status copyFirst(OpContext &context) {
  context.out(0).copy(0, context.in(0), 0, context.out(0).count());
  return absl::OkStatus();
}

double roundTo(ElementType type, double value) {
  Tensor one(type, {});
  one.allocate();
  one.setReal(0, value);
  return one.real(0);
}

} // namespace lamina::onnx
